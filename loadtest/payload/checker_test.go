package payload

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"infer/internal/wire"
	"infer/loadtest/drive"
	"infer/model/tensor"
)

var nan, inf = math.NaN(), math.Inf(1)

// summed is a tolerance for runs in float32 whose sums are in another order.
var summed = Tolerance{RTol: 1e-3, ATol: 1e-4}

// TestClose has the table of numpy.isclose(a, b, rtol=0.1, atol=0.01, equal_nan=True).
func TestClose(t *testing.T) {
	tol := Tolerance{RTol: 0.125, ATol: 0.25} // exact in binary, so that edges are edges
	for _, c := range []struct {
		a, b float64
		want bool
	}{
		{1, 1, true}, {0, 0.25, true}, {0, -0, true}, {0.25, 0, true}, {0.2501, 0, false},
		{2.5, 2, true}, {1.5, 2, true}, {2.5001, 2, false}, {1.4999, 2, false}, // 0.25 + 0.125·2
		{-1.5, -2, true}, {2, -2, false}, {2, 2.5, true},
		{nan, nan, true}, {nan, 1, false}, {1, nan, false}, {inf, inf, true}, {-inf, -inf, true}, {inf, -inf, false}, {inf, 1e308, false}, {1e308, inf, false}, {nan, inf, false},
	} {
		if got := tol.close(c.a, c.b); got != c.want {
			t.Errorf("close(%v, %v) is %v", c.a, c.b, got)
		}
	}
	for _, bad := range []Tolerance{{RTol: -1}, {ATol: -1}, {RTol: nan}, {ATol: inf}} {
		refuses(t, bad.Validate(), "tolerance")
	}
	if err := summed.Validate(); err != nil {
		t.Error(err)
	}
}

func of(d tensor.DType, s tensor.Shape, v ...float64) tensor.Tensor {
	f := make([]float32, len(v))
	for i := range v {
		f[i] = float32(v[i])
	}
	t, err := tensor.New("o", d, s)
	if err != nil {
		panic(err)
	}
	switch {
	case d.IsFloat() && d != tensor.Float64:
		tensor.EncodeFloats(t.Data, d, f)
	case d == tensor.Float64:
		for i := range v {
			u := math.Float64bits(v[i])
			for b := range 8 {
				t.Data[8*i+b] = byte(u >> (8 * b))
			}
		}
	default:
		n := make([]int64, len(v))
		for i := range v {
			n[i] = int64(v[i])
		}
		if t, err = tensor.FromInts("o", d, s, n); err != nil {
			panic(err)
		}
	}
	return t
}

func TestCompare(t *testing.T) {
	two, row := tensor.Shape{2}, tensor.Shape{1, 2}
	big := tensor.Tensor{DType: tensor.Uint64, Shape: tensor.Shape{1}, Data: []byte{255, 255, 255, 255, 255, 255, 255, 255}}
	for _, c := range []struct {
		name      string
		got, want tensor.Tensor
		text      string
	}{
		{"equal", of(tensor.Float32, row, 1, 2), of(tensor.Float32, row, 1, 2), ""},
		{"near", of(tensor.Float32, row, 1.0005, 2), of(tensor.Float32, row, 1, 2), ""},
		{"off", of(tensor.Float32, row, 0.57, 0.41), of(tensor.Float32, row, 0.57, 0.57), "[0,1]: 0.41, expected 0.57 (off by 0.16, allowed 0.00067)"},
		{"a batch axis more", of(tensor.Float32, row, 1, 2), of(tensor.Float32, two, 1, 2), ""},
		{"a batch axis less", of(tensor.Float32, two, 1, 2), of(tensor.Float32, row, 1, 2), ""},
		{"two batch axes more", of(tensor.Float32, tensor.Shape{1, 1, 2}, 1, 2), of(tensor.Float32, two, 1, 2), ": shape [1,1,2], expected [2]"},
		{"another shape", of(tensor.Float32, tensor.Shape{2, 1}, 1, 2), of(tensor.Float32, row, 1, 2), ": shape [2,1], expected [1,2]"},
		{"an axis of 2 is no batch of 1", of(tensor.Float32, tensor.Shape{2, 2}, 1, 2, 3, 4), of(tensor.Float32, two, 1, 2), ": shape [2,2], expected [2]"},
		{"NaN", of(tensor.Float32, two, nan, inf), of(tensor.Float32, two, nan, inf), ""},
		{"NaN for a number", of(tensor.Float32, two, 1, nan), of(tensor.Float32, two, 1, 2), "[1]: NaN, expected 2"},
		{"minus infinity", of(tensor.Float32, two, 1, -inf), of(tensor.Float32, two, 1, inf), "[1]: -Inf, expected +Inf"},
		{"half and single", of(tensor.Float16, two, 1, 2), of(tensor.Float32, two, 1.0001, 2), ""},
		{"double and bfloat16", of(tensor.Float64, two, 1, 2.5), of(tensor.BFloat16, two, 1, 2), "[1]: 2.5, expected 2 (off by 0.5, allowed 0.0021)"},
		{"nearly the same", of(tensor.Float64, tensor.Shape{}, 10.02), of(tensor.Float64, tensor.Shape{}, 10), ": 10.02, expected 10 (off by 0.02, allowed 0.01)"},
		{"integers", of(tensor.Int64, two, 1, 3), of(tensor.Int64, two, 1, 4), "[1]: 3, expected 4"},
		{"integers of other widths", of(tensor.Int32, two, -1, 3), of(tensor.Int64, two, -1, 3), ""},
		{"a large unsigned one is not -1", of(tensor.Int64, tensor.Shape{1}, -1), big, "[0]: -1, expected 18446744073709551615"},
		{"floats for integers", of(tensor.Float32, two, 1, 2), of(tensor.Int64, two, 1, 2), ": float32, expected int64"},
		{"bools", of(tensor.Bool, two, 1, 0), of(tensor.Bool, two, 1, 1), "[1]: false, expected true"},
		{"strings", texts("o", two, "a", "b"), texts("o", two, "a", strings.Repeat("c", 50)), `[1]: "b", expected "` + strings.Repeat("c", 40) + `"…`},
		{"equal strings", texts("o", two, "a", "b"), texts("o", row, "a", "b"), ""},
	} {
		if got := summed.compare(&c.got, &c.want); got != c.text {
			t.Errorf("%s: %q, want %q", c.name, got, c.text)
		}
	}
}

// expect is what two payloads should be answered with.
func expect() *Expected {
	e := &Expected{Source: "m.onnx"}
	for i := range 2 {
		f := float32(i)
		e.Outputs = append(e.Outputs, []tensor.Tensor{floats("logits", tensor.Shape{2, 2}, f, 0.57, -3, 4), ints("label", tensor.Shape{2}, int64(i), 2), texts("s", tensor.Shape{2}, "a", "b\"")})
	}
	return e
}

// answers encodes outputs as the server's half of wire does in a protocol.
func answers(t testing.TB, p Protocol, out []tensor.Tensor, binary bool) drive.Answer {
	t.Helper()
	r := &wire.Response{Model: "m", Version: "1", Outputs: out}
	a := drive.Answer{JSONLen: -1}
	var err error
	switch p {
	case OIPHTTP:
		a.Body, a.JSONLen, err = wire.AppendOIP(nil, r, nil, binary)
	case OIPGRPC:
		a.Body, err = wire.AppendModelInferResponse(nil, r, !binary)
	case InProcess:
		a.Outputs = out
	default:
		a.Body, err = wire.AppendTFS(nil, r, binary)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var protocols = []Protocol{OIPHTTP, OIPGRPC, TFS, TorchServe, HTTP, InProcess}

func TestChecker(t *testing.T) {
	for _, p := range protocols {
		for _, binary := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s-%v", p, binary), func(t *testing.T) {
				e := expect()
				c, err := NewChecker(p, e, summed)
				if err != nil {
					t.Fatal(err)
				}
				right := answers(t, p, e.Outputs[1], binary)
				if c.Known(1, right.Body) {
					t.Error("known before it was checked")
				}
				if what := c.Check(1, right); what != "" {
					t.Fatal(what)
				}
				if p != InProcess && (!c.Known(1, right.Body) || c.Known(0, right.Body) || c.Known(1, right.Body[1:]) || c.Known(7, right.Body) || c.Known(-1, right.Body)) {
					t.Error("known wrongly")
				}
				wrong := answers(t, p, []tensor.Tensor{floats("logits", tensor.Shape{2, 2}, 1, 0.41, -3, 4), e.Outputs[1][1], e.Outputs[1][2]}, binary)
				if what := c.Check(1, wrong); what != `output "logits"[0,1]: 0.41, expected 0.57 (off by 0.16, allowed 0.00067)` {
					t.Error(what)
				}
				if p != InProcess && (c.Known(1, wrong.Body) || !c.Known(1, right.Body)) {
					t.Error("a wrong answer is known")
				}
				other := answers(t, p, e.Outputs[0], binary) // right, but of another request
				if what := c.Check(1, other); what != `output "logits"[0,0]: 0, expected 1 (off by 1, allowed 0.0011)` {
					t.Error(what)
				}
				few := answers(t, p, e.Outputs[1][:2], binary)
				if what := c.Check(1, few); what != `the answer has no output "s", only ["logits" "label"]` {
					t.Error(what)
				}
				if first := c.First(); len(first) != 2 || !strings.HasPrefix(first[0], `payload 1: output "logits"`) {
					t.Errorf("%q", first)
				}
			})
		}
	}
}

func TestCheckerUnreadable(t *testing.T) {
	for p, want := range map[Protocol]string{OIPHTTP: "failed to parse", OIPGRPC: "", TFS: "'answer' is a plain value", HTTP: "'answer' is a plain value"} {
		c, err := NewChecker(p, expect(), summed)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{"", "<html>502</html>", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
			what := c.Check(0, drive.Answer{Body: []byte(body), JSONLen: -1})
			if what == "" || body != "" && !strings.Contains(what, want) || strings.Contains(what, "\n") || c.Known(0, []byte(body)) {
				t.Errorf("%s: %q for %q", p, what, body)
			}
		}
		if what := c.Check(2, drive.Answer{}); !strings.Contains(what, "payload 2") {
			t.Error(what)
		}
	}
}

// TestCheckerOneOutput: a single output is compared whatever its name, and a bare list is an answer over plain HTTP.
func TestCheckerOneOutput(t *testing.T) {
	for _, name := range []string{"", "logits"} {
		e := &Expected{Outputs: [][]tensor.Tensor{{floats(name, tensor.Shape{1, 2}, 1, 2)}}}
		for p, body := range map[Protocol]string{
			OIPHTTP: `{"outputs":[{"name":"output0","datatype":"FP64","shape":[1,2],"data":[1.00000001,2]}]}`, TFS: `{"predictions":[[1,2]]}`,
			TorchServe: `[1, 2]`, HTTP: `{"took":1,"outputs":[[1,2]]}`,
		} {
			c, err := NewChecker(p, e, summed)
			if err != nil {
				t.Fatal(err)
			}
			if what := c.Check(0, drive.Answer{Body: []byte(body), JSONLen: -1}); what != "" {
				t.Errorf("%s: %s", p, what)
			}
			wrong := strings.Replace(body, "2]", "3]", 1)
			if p == OIPHTTP {
				wrong = strings.Replace(body, ",2]}", ",3]}", 1)
			}
			if what := c.Check(0, drive.Answer{Body: []byte(wrong), JSONLen: -1}); !strings.Contains(what, "3, expected 2") {
				t.Errorf("%s: %q", p, what)
			}
		}
	}
}

func TestCheckerBodies(t *testing.T) {
	e := &Expected{Bodies: [][]byte{[]byte(`{"a":[1,2.5,"x"],"n":null,"b":true}`), []byte("plain")}}
	c, err := NewChecker(HTTP, e, summed)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		payload    int
		body, want string
	}{
		{0, `{"a":[1,2.5,"x"],"n":null,"b":true}`, ""},
		{0, ` {"b":true, "n":null, "a":[1, 2.5001, "x"]} `, ""},
		{0, `{"a":[1,2.7,"x"],"n":null,"b":true}`, "answer.a[1]: 2.7, expected 2.5 (off by 0.2, allowed 0.0026)"},
		{0, `{"a":[2,2.5,"x"],"n":null,"b":true}`, "answer.a[0]: 2, expected 1"},
		{0, `{"a":[1,2.5,"y"],"n":null,"b":true}`, `answer.a[2]: "y", expected "x"`},
		{0, `{"a":[1,2.5],"n":null,"b":true}`, "answer.a has 2 elements, expected 3"},
		{0, `{"a":[1,2.5,"x"],"n":0,"b":true}`, "answer.n: 0, expected null"},
		{0, `{"a":[1,2.5,"x"],"n":null,"b":[]}`, "answer.b: an array, expected true"},
		{0, `{"a":{},"n":null,"b":true}`, "answer.a: an object, expected an array"},
		{0, `{"a":[1,2.5,"x"],"b":true}`, `answer has no "n"`},
		{0, `{"a":[1,2.5,"x"],"n":null,"b":true,"c":1}`, `answer has "c", which is not expected`},
		{0, `[]`, "answer: an array, expected an object"},
		{0, `{"a":`, "the answer is no JSON, as is expected"},
		{0, `{} {}`, "the answer is no JSON, as is expected"},
		{1, `plain`, ""},
		{1, `plaid`, "the answer of 5 bytes differs from the expected one of 5 at byte 4"},
		{1, `plain!`, "the answer of 6 bytes differs from the expected one of 5 at byte 5"},
	} {
		if got := c.Check(x.payload, drive.Answer{Body: []byte(x.body)}); got != x.want {
			t.Errorf("%s: %q, want %q", x.body, got, x.want)
		}
		if c.Known(x.payload, []byte(x.body)) != (x.want == "") {
			t.Errorf("%s: known %v", x.body, x.want != "")
		}
	}
	_, err = NewChecker(OIPHTTP, e, summed)
	refuses(t, err, "over plain HTTP alone")
	_, err = NewChecker(HTTP, &Expected{}, summed)
	refuses(t, err, "says of no payload")
	_, err = NewChecker(HTTP, e, Tolerance{RTol: -1})
	refuses(t, err, "tolerance")
}

// FuzzCheckBody holds that whatever is answered is compared without a crash, and that only what is like the golden body
// is right.
func FuzzCheckBody(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5,"x"]}`))
	f.Add([]byte(`{"a":[1,2.5e0,"x"],"b":{}}`))
	f.Add([]byte(`[[[[`))
	c, err := NewChecker(HTTP, &Expected{Bodies: [][]byte{[]byte(`{"a":[1,2.5,"x"]}`)}}, summed)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		what := c.Check(0, drive.Answer{Body: body})
		if v, ok := parseJSON(body); what == "" && (!ok || v == nil) {
			t.Errorf("%q is right", body)
		}
		if strings.Contains(what, "\n") || len(what) > 4<<10+6*len(body) {
			t.Errorf("%q", what)
		}
	})
}

// TestKnownBounds: a large answer is remembered by its hash, and one that differs every time not for ever.
func TestKnownBounds(t *testing.T) {
	e := &Expected{Bodies: make([][]byte, 1000)}
	for i := range e.Bodies {
		e.Bodies[i] = []byte(strings.Repeat("x", 100<<10)) // over 64 MiB / 1000
	}
	c, err := NewChecker(HTTP, e, summed)
	if err != nil {
		t.Fatal(err)
	}
	if what := c.Check(3, drive.Answer{Body: e.Bodies[3]}); what != "" {
		t.Fatal(what)
	}
	other := []byte(strings.Repeat("x", 100<<10))
	if r := c.known[3].answer.Load(); r == nil || r.body != nil || !c.Known(3, other) {
		t.Errorf("%+v", r)
	}
	if other[77] = 'y'; c.Known(3, other) {
		t.Error("another body is known")
	}
	e = &Expected{Bodies: [][]byte{[]byte(`1`)}}
	if c, err = NewChecker(HTTP, e, summed); err != nil {
		t.Fatal(err)
	}
	for i := range 10 * mostStores {
		if what := c.Check(0, drive.Answer{Body: []byte(strings.Repeat(" ", i) + "1")}); what != "" {
			t.Fatal(what)
		}
	}
	if n := c.known[0].answer.Load().size; n > mostStores {
		t.Errorf("answer %d was still kept", n)
	}
}

// TestCheckerConcurrent is for the race detector, and holds that no decoder is shared.
func TestCheckerConcurrent(t *testing.T) {
	e := expect()
	c, err := NewChecker(TFS, e, summed)
	if err != nil {
		t.Fatal(err)
	}
	bodies := []drive.Answer{answers(t, TFS, e.Outputs[0], true), answers(t, TFS, e.Outputs[1], false)}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				p := (g + i) % 2
				right := (g+i)/2%2 == 0
				if a := bodies[p]; c.Known(p, a.Body) && !right {
					continue
				} else if what := c.Check(p, bodies[p]); what != "" {
					t.Error(what)
				}
				if !right && c.Check(p, bodies[1-p]) == "" {
					t.Error("a wrong answer is right")
				}
			}
		})
	}
	all.Wait()
	if len(c.First()) == 0 || len(c.First()) > mostTexts {
		t.Errorf("%q", c.First())
	}
}

func BenchmarkChecker(b *testing.B) {
	v := make([]float32, 768)
	for i := range v {
		v[i] = float32(i) / 7
	}
	e := &Expected{Outputs: [][]tensor.Tensor{{floats("embedding", tensor.Shape{1, 768}, v...)}}}
	near := floats("embedding", tensor.Shape{1, 768}, v...)
	near.Data = append([]byte{}, near.Data...)
	for i := 0; i < len(near.Data); i += 4 {
		near.Data[i] ^= 1
	}
	for _, p := range []Protocol{OIPHTTP, OIPGRPC, TFS} {
		c, err := NewChecker(p, e, summed)
		if err != nil {
			b.Fatal(err)
		}
		a := answers(b, p, e.Outputs[0], true)
		if what := c.Check(0, a); what != "" {
			b.Fatal(what)
		}
		b.Run("Known/"+string(p), func(b *testing.B) {
			b.SetBytes(int64(len(a.Body)))
			for b.Loop() {
				if !c.Known(0, a.Body) {
					b.Fatal("not known")
				}
			}
		})
		a = answers(b, p, []tensor.Tensor{near}, true)
		b.Run("Check/"+string(p), func(b *testing.B) {
			b.SetBytes(int64(len(a.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if what := c.Check(0, a); what != "" {
					b.Fatal(what)
				}
			}
		})
	}
}
