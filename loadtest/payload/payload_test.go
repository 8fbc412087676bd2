package payload

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/dataset"
	"infer/model/tensor"
)

// bertPorts are the inputs of a text encoder as a server tells them.
var bertPorts = []wire.Port{
	{Name: "input_ids", DType: tensor.Int64, Shape: []int64{-1, -1}},
	{Name: "attention_mask", DType: tensor.Int64, Shape: []int64{-1, -1}},
	{Name: "extra", DType: tensor.Float32, Shape: []int64{-1, 3}},
	{Name: "rate", DType: tensor.Int64},
}

func floats(name string, s tensor.Shape, v ...float32) tensor.Tensor {
	t, err := tensor.FromFloat32(name, s, v)
	if err != nil {
		panic(err)
	}
	return t
}

func ints(name string, s tensor.Shape, v ...int64) tensor.Tensor {
	t, err := tensor.FromInt64(name, s, v)
	if err != nil {
		panic(err)
	}
	return t
}

func texts(name string, s tensor.Shape, v ...string) tensor.Tensor {
	t, err := tensor.FromStrings(name, s, v)
	if err != nil {
		panic(err)
	}
	return t
}

// refuses fails where err is not a usage error of one line with a text.
func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v (kind %v), want %q", err, fault.KindOf(err), want)
	}
}

func shapesOf(p Payload) string {
	var s []string
	for _, t := range p.Inputs {
		s = append(s, t.Name+wire.ShapeText(t.Shape))
	}
	return strings.Join(s, " ")
}

func TestFromPorts(t *testing.T) {
	for _, c := range []struct {
		name   string
		bind   model.Bindings
		shapes string
		rows   int64
		notes  string
	}{
		{"nothing bound", model.Bindings{}, "input_ids[1,1] attention_mask[1,1] extra[1,3] rate[]", 1, `input "input_ids": open axis 0, 1 was set to 1`},
		{"a shape", model.Bindings{Shapes: map[string]tensor.Shape{"input_ids": {8, 48}}}, "input_ids[8,48] attention_mask[8,48] extra[8,3] rate[]", 8,
			`input "attention_mask" has the shape of "input_ids"`},
		{"the batch", model.Bindings{Dims: map[string]int64{"batch": 4}}, "input_ids[4,1] attention_mask[4,1] extra[4,3] rate[]", 4, "open axis 1"},
		{"a shape and the batch", model.Bindings{Shapes: map[string]tensor.Shape{"input_ids": {2, 7}}, Dims: map[string]int64{"batch": 2}},
			"input_ids[2,7] attention_mask[2,7] extra[2,3] rate[]", 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := FromPorts(bertPorts, Options{Seed: 1, Bindings: c.bind})
			if err != nil {
				t.Fatal(err)
			}
			if got := shapesOf(s.Payloads[0]); got != c.shapes || s.Rows != c.rows || s.Len() != madeUp {
				t.Errorf("%s, %d rows, %d payloads", got, s.Rows, s.Len())
			}
			if all := strings.Join(s.Notes, "\n"); !strings.Contains(all, c.notes) || !strings.Contains(all, "seeds 1 to 16") {
				t.Errorf("notes:\n%s", all)
			}
			if err := s.Check(bertPorts); err != nil {
				t.Error(err)
			}
			for _, v := range mustInts(t, s.Payloads[0].Inputs[1]) {
				if v != 1 {
					t.Errorf("a mask with %d", v)
				}
			}
			seen := map[string]bool{}
			for i := range s.Payloads {
				seen[string(s.Payloads[i].Inputs[2].Data)] = true
			}
			if len(seen) != madeUp {
				t.Errorf("%d distinct payloads of %d", len(seen), madeUp)
			}
		})
	}
}

func mustInts(t *testing.T, x tensor.Tensor) []int64 {
	t.Helper()
	v, err := tensor.Int64s(x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFromPortsSeeds: payload i of a seed is payload 0 of that seed + i, and the digest tells sets apart.
func TestFromPortsSeeds(t *testing.T) {
	make := func(seed uint64, n int) *Set {
		s, err := FromPorts(bertPorts, Options{Seed: seed, most: n})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := make(5, 3), make(7, 1)
	for i := range bertPorts {
		if !tensor.Equal(a.Payloads[2].Inputs[i], b.Payloads[0].Inputs[i]) {
			t.Errorf("input %d differs", i)
		}
	}
	if a.Digest() != make(5, 3).Digest() || a.Digest() == b.Digest() || a.Digest() == make(5, 2).Digest() || len(a.Digest()) != 64 {
		t.Errorf("digests %s %s", a.Digest(), b.Digest())
	}
	zeros, err := FromPorts(bertPorts, Options{Zeros: true})
	if err != nil || zeros.Len() != 1 || zeros.Source != "zeros" {
		t.Errorf("%+v %v", zeros, err)
	}
	// Of 4 KB each, 10 KB hold two.
	few, err := FromPorts([]wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{-1, 1024}}}, Options{limit: 10 << 10})
	if err != nil || few.Len() != 2 || few.Bytes() != 8<<10 {
		t.Errorf("%d payloads, %v", few.Len(), err)
	}
}

func TestFromPortsRefuses(t *testing.T) {
	for _, c := range []struct {
		ports []wire.Port
		o     Options
		want  string
	}{
		{nil, Options{}, "does not tell what inputs"},
		{bertPorts, Options{Bindings: model.Bindings{Dims: map[string]int64{"sequence": 4}}}, `no axis is called "sequence"`},
		{bertPorts, Options{Bindings: model.Bindings{Shapes: map[string]tensor.Shape{"ids": {1, 4}}}}, `a shape for "ids", which is no input`},
		{bertPorts, Options{Bindings: model.Bindings{Shapes: map[string]tensor.Shape{"extra": {1, 4}}}}, `shape [1,4] for the input "extra", which takes float32 [-1,3]`},
		{[]wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{1 << 40}}}, Options{}, "takes more than"},
		{[]wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{1 << 62, 1 << 62}}}, Options{}, "takes more than"},
	} {
		_, err := FromPorts(c.ports, c.o)
		refuses(t, err, c.want)
	}
}

func TestCheckPorts(t *testing.T) {
	ports := []wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{-1, 2}}, {Name: "i", DType: tensor.Int64, Shape: []int64{}}}
	x, i := floats("x", tensor.Shape{3, 2}, 1, 2, 3, 4, 5, 6), ints("i", nil, 1)
	set := func(in ...tensor.Tensor) *Set {
		return &Set{Payloads: []Payload{{Inputs: []tensor.Tensor{x, i}}, {Inputs: in}}}
	}
	for _, s := range []*Set{set(x, i), set(i, x)} {
		if err := s.Check(ports); err != nil {
			t.Error(err)
		}
	}
	if err := set(i).Check(nil); err != nil {
		t.Error(err)
	}
	for want, in := range map[string][]tensor.Tensor{
		`payload 1: there are no data for the input "i"`:                             {x},
		`payload 1: there are data for "y", which is no input`:                       {x, i, ints("y", nil, 1)},
		`payload 1: input "x" is int64 [1,2], and the model takes float32 [-1,2]`:    {ints("x", tensor.Shape{1, 2}, 1, 2), i},
		`payload 1: input "x" is float32 [1,3], and the model takes float32 [-1,2]`:  {floats("x", tensor.Shape{1, 3}, 1, 2, 3), i},
		`payload 1: input "x" is float32 [2], and the model takes float32 [-1,2]`:    {floats("x", tensor.Shape{2}, 1, 2), i},
		`payload 1: input "x" is float32 [1,1,2], and the model takes float32 [-1,2`: {floats("x", tensor.Shape{1, 1, 2}, 1, 2), i},
	} {
		refuses(t, set(in...).Check(ports), want)
	}
}

// rowsFolder is a data set of n rows: row r is [r, -r].
func rowsFolder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	v := make([]float32, 2*n)
	for r := range n {
		v[2*r], v[2*r+1] = float32(r), -float32(r)
	}
	if err := tensor.WriteNpy(filepath.Join(dir, "x.npy"), floats("x", tensor.Shape{int64(n), 2}, v...)); err != nil {
		t.Fatal(err)
	}
	return dir
}

var rowPorts = []wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{-1, 2}}}

func openRows(t *testing.T, dir string) *dataset.Set {
	t.Helper()
	d, err := dataset.Open(dir, ModelPorts(rowPorts), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestFromData(t *testing.T) {
	for _, c := range []struct {
		name  string
		rows  int
		batch int64
		o     Options
		lo    []int64 // first row of each payload; nil: not compared
		n     int
		note  string
	}{
		{"every row", 5, 0, Options{}, []int64{0, 1, 2, 3, 4}, 5, ""},
		{"batches, the last one short", 7, 2, Options{}, []int64{0, 2, 4}, 3, ""},
		{"evenly", 10, 1, Options{most: 4}, []int64{0, 2, 5, 7}, 4, "4 of the 10 requests"},
		{"the most", 2500, 1, Options{}, nil, 1000, "1000 of the 2500 requests"},
		{"bytes", 10, 1, Options{limit: 17}, []int64{0, 5}, 2, "2 of the 10 requests"},
		{"bytes for less than one", 10, 1, Options{limit: 1}, []int64{0}, 1, "1 of the 10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := FromData(openRows(t, rowsFolder(t, c.rows)), "rows", c.batch, c.o)
			if err != nil {
				t.Fatal(err)
			}
			var lo []int64
			for _, p := range s.Payloads {
				v, err := tensor.Floats(p.Inputs[0])
				if err != nil {
					t.Fatal(err)
				}
				if int64(v[0]) != p.Lo || p.Hi-p.Lo != s.Rows {
					t.Errorf("payload of rows %d to %d begins with %v", p.Lo, p.Hi, v[0])
				}
				lo = append(lo, p.Lo)
			}
			if len(lo) != c.n || c.lo != nil && !slices.Equal(lo, c.lo) || !strings.Contains(strings.Join(s.Notes, "\n"), c.note) {
				t.Errorf("rows %v, notes %q", lo, s.Notes)
			}
			if err := s.Check(rowPorts); err != nil {
				t.Error(err)
			}
		})
	}
	_, err := FromData(openRows(t, rowsFolder(t, 3)), "rows", 4, Options{})
	refuses(t, err, `a request of 4 rows needs more than the 3 of data set "rows"`)
}

// TestFromDataNotOfTheModel: what the files hold is held to the metadata when they are opened.
func TestFromDataNotOfTheModel(t *testing.T) {
	ports := []wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{-1, 3}}}
	_, err := dataset.Open(rowsFolder(t, 3), ModelPorts(ports), dataset.Options{})
	refuses(t, err, `input "x" takes float32 [?, 3] and the array is`)
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadBodies(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		write(t, dir, fmt.Sprintf("b%d.json", i), fmt.Sprintf(`{"n":%d}`, i))
	}
	write(t, dir, ".hidden", "x")
	write(t, dir, "sub/c.json", "x")
	one := write(t, t.TempDir(), "photo.jpg", "\xff\xd8")
	for _, c := range []struct {
		pattern string
		o       Options
		want    string
		note    bool
	}{
		{dir, Options{}, `{"n":0} {"n":1} {"n":2}`, false},
		{filepath.Join(dir, "b[12].json"), Options{}, `{"n":1} {"n":2}`, false},
		{filepath.Join(dir, "*"), Options{most: 2}, `x {"n":1}`, true}, // a glob takes what it says
		{one, Options{}, "\xff\xd8", false},
	} {
		b, notes, err := ReadBodies(c.pattern, nil, c.o)
		var got []string
		for i := range b {
			got = append(got, string(b[i].Data))
		}
		if err != nil || strings.Join(got, " ") != c.want || (len(notes) > 0) != c.note {
			t.Errorf("%s: %q %v %v", c.pattern, got, notes, err)
		}
	}
	for _, pattern := range []string{filepath.Join(dir, "none*"), filepath.Join(dir, "[")} {
		_, _, err := ReadBodies(pattern, nil, Options{})
		refuses(t, err, "bodies")
	}
	_, _, err := ReadBodies(dir, nil, Options{limit: 10})
	refuses(t, err, "more memory than they may")

	r := Raw("POST", "/x?a=1", "", []Body{{Name: "a.json", Data: []byte("{}")}, {Name: "b.unknown"}, {Name: "photo.jpg"}})
	if r[0].Header[0].Value != "application/json" || r[1].Header[0].Value != "application/octet-stream" || r[2].Header[0].Value != "image/jpeg" || r[0].Path != "/x?a=1" {
		t.Errorf("%+v", r)
	}
	if r := Raw("POST", "/x", "text/csv", []Body{{Name: "a.json"}}); r[0].Header[0].Value != "text/csv" {
		t.Errorf("%+v", r)
	}
	if r := Raw("GET", "/health", "", nil); len(r) != 1 || r[0].Body != nil || r[0].Header != nil || r[0].Method != "GET" {
		t.Errorf("%+v", r)
	}
}

func TestTemplate(t *testing.T) {
	s := &Set{Payloads: []Payload{
		{Inputs: []tensor.Tensor{floats("x", tensor.Shape{1, 2}, 1, 2.5), texts("s", nil, "a")}},
		{Inputs: []tensor.Tensor{floats("x", tensor.Shape{1, 2}, 3, 4), texts("s", nil, "b\"")}},
	}}
	path := write(t, t.TempDir(), "body.json.tmpl", `{"id":{{.Index}},"x":{{.Input "x"}},"row":{{.Row "x"}},"s":{{.Input "s"}}}`)
	b, _, err := ReadBodies(path, s, Options{})
	if err != nil || len(b) != 2 || string(b[1].Data) != `{"id":1,"x":[[3.0,4.0]],"row":[3.0,4.0],"s":"b\""}` || b[1].Name != "body.json" {
		t.Fatalf("%+v %v", b, err)
	}
	if b, err := fillAll("n", "{{.Index}}", nil, Options{most: 3}, templateTime); err != nil || len(b) != 3 || string(b[2].Data) != "2" {
		t.Errorf("%+v %v", b, err)
	}
	only := &Set{Payloads: []Payload{{Inputs: s.Payloads[0].Inputs[:1]}}}
	if b, err := fillAll("n", "{{.Row}}", only, Options{}, templateTime); err != nil || string(b[0].Data) != "[1.0,2.5]" {
		t.Errorf("%+v %v", b, err)
	}
	for text, want := range map[string]string{
		"{{.Input":         "body template",
		"{{.Nothing}}":     "body template",
		`{{.Input "y"}}`:   `there is no input "y"`,
		`{{.Input}}`:       `there is no input ""`,
		`{{.Row "s"}}`:     "which is not one row",
		`{{.Input "x" 1}}`: "body template",
	} {
		_, err := fillAll("n", text, s, Options{}, templateTime)
		refuses(t, err, want)
	}
	_, err = fillAll("n", `{{.Input "x"}}`, nil, Options{}, templateTime)
	refuses(t, err, "there are no inputs")
}
