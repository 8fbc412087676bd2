package wire

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

func TestAppendTFSRequest(t *testing.T) {
	x, _ := tensor.FromFloat32("x", tensor.Shape{2, 2}, []float32{1, 0.1, 3, -2})
	i, _ := tensor.FromInt64("i", tensor.Shape{2}, []int64{7, 8})
	s, _ := tensor.FromStrings("s", tensor.Shape{2}, []string{"a", "\xff"})
	scalar, _ := tensor.FromInt64("i", tensor.Shape{}, []int64{3})
	empty, _ := tensor.New("x", tensor.Float32, tensor.Shape{0, 2})
	for _, c := range []struct {
		name string
		in   []tensor.Tensor
		row  bool
		want string
	}{
		{"a row", []tensor.Tensor{x}, true, `{"instances":[[1.0,0.1],[3.0,-2.0]]}`},
		{"rows", []tensor.Tensor{x, i, s}, true, `{"instances":[{"x":[1.0,0.1],"i":7,"s":"a"},{"x":[3.0,-2.0],"i":8,"s":{"b64":"/w=="}}]}`},
		{"a column", []tensor.Tensor{x}, false, `{"inputs":[[1.0,0.1],[3.0,-2.0]]}`},
		{"columns", []tensor.Tensor{x, scalar}, false, `{"inputs":{"x":[[1.0,0.1],[3.0,-2.0]],"i":3}}`},
		{"no rows", []tensor.Tensor{empty}, false, `{"inputs":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AppendTFSRequest(nil, &Request{Inputs: c.in, Row: c.row})
			if err != nil || string(got) != c.want {
				t.Fatalf("%s %v, want %s", got, err, c.want)
			}
			if c.name == "no rows" {
				return // the sizes behind an empty axis are lost in JSON
			}
			ports := portsOf("is")
			if len(c.in) == 1 {
				ports = ports[:1]
			}
			var back Request
			if err := back.DecodeTFS(got, "m", ports, DefaultLimits); err != nil || back.Row != c.row {
				t.Fatalf("row %v: %v", back.Row, err)
			}
			sameElements(t, back.Inputs, c.in)
		})
	}
	three, _ := tensor.FromInt64("three", tensor.Shape{3}, []int64{1, 2, 3})
	for _, in := range [][]tensor.Tensor{{scalar}, {x, three}, {empty}} {
		if _, err := AppendTFSRequest(nil, &Request{Inputs: in, Row: true}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%v: %v", in, err)
		}
	}
	if _, err := AppendTFSRequest(nil, &Request{Inputs: []tensor.Tensor{{Name: "q", DType: tensor.Complex64}}}); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
}

func TestAppendNested(t *testing.T) {
	x, _ := tensor.FromFloat32("x", tensor.Shape{1, 2, 1}, []float32{1, 2})
	scalar, _ := tensor.FromStrings("s", tensor.Shape{}, []string{"a\"b"})
	for want, in := range map[string]tensor.Tensor{`[[[1.0],[2.0]]]`: x, `"a\"b"`: scalar} {
		got, err := AppendNested(nil, &in)
		if err != nil || string(got) != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
		back, err := DecodeNested(got, Port{Name: in.Name, DType: in.DType}, DefaultLimits)
		if err != nil || !tensor.Equal(back, in) || back.Name != in.Name {
			t.Errorf("%v %v, want %v", back, err, in)
		}
	}
	for text, want := range map[string]string{`[1,"a"]`: "[1]: failed to parse the JSON buffer: expected a number at 3", `[1] 2`: "unexpected text", `[[1],2]`: "[1] has fewer dimensions"} {
		if _, err := DecodeNested([]byte(text), Port{DType: tensor.Float32}, DefaultLimits); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := AppendNested(nil, &tensor.Tensor{DType: tensor.Int4}); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
}

func TestDecodeTFSResponse(t *testing.T) {
	for _, c := range []struct {
		name, body string
		ports      []Port
		want       string // name shape elements, for each output
	}{
		{"rows", `{"predictions":[[1,2],[3,4.5]]}`, portsOf(""), "x 2x2 1.0,2.0,3.0,4.5"},
		{"rows of objects", `{"predictions":[{"x":[1,2],"i":7},{"i":8,"x":[3,NaN]}]}`, portsOf("i"), "x 2x2 1.0,2.0,3.0,NaN; i 2 7,8"},
		{"an output more", `{"predictions":[{"x":1,"other":[{}]},{"other":null,"x":2}]}`, portsOf("i"), "x 2 1.0,2.0"},
		{"columns", `{"outputs":{"x":[[1],[2]],"other":"a","i":5},"id":{"a":1}}`, portsOf("i"), "x 2x1 1.0,2.0; i scalar 5"},
		{"a column", `{"outputs":[[1],[2]]}`, portsOf(""), "x 2x1 1.0,2.0"},
		{"base64", `{"predictions":[{"b64":"YQ=="},"b"]}`, portsOf("s")[1:], `s 2 "a","b"`},
		{"predictions that are an object", `{"predictions":{"x":[1,2]},"model_name":"m"}`, portsOf("i"), "x 2 1.0,2.0"},
		{"by name", `{"took":3,"x":[[1,2]],"i":[4]}`, portsOf("i"), "x 1x2 1.0,2.0; i 1 4"},
		{"bare", ` [[1,2]] `, portsOf(""), "x 1x2 1.0,2.0"},
		{"a bare number", `5`, portsOf(""), "x scalar 5.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Response
			for range 2 { // in use again
				if err := r.DecodeTFSResponse([]byte(c.body), c.ports, DefaultLimits); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, x := range r.Outputs {
					got = append(got, x.Name+" "+x.Shape.String()+" "+elementsOf(t, x))
				}
				if s := strings.Join(got, "; "); s != c.want {
					t.Errorf("%s, want %s", s, c.want)
				}
			}
		})
	}
}

func TestDecodeTFSResponseRefuses(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"nothing", ``, "'answer' is a plain value/list"},
		{"no outputs", `{}`, "the answer has none of the outputs 'x', 'i'"},
		{"an error", `{"error":"no such thing"}`, `none of the outputs 'x', 'i': the server says "no such thing"`},
		{"both", `{"predictions":[{"x":1}],"outputs":{"x":1}}`, "only one of 'outputs' or 'predictions'"},
		{"both by name", `{"x":[1,2,3],"predictions":[{"i":1}]}`, "only one of"},
		{"a plain list", `{"predictions":[[1]]}`, "'predictions' is a plain value/list, but expecting objects with a value for each of the 2 outputs"},
		{"no rows", `{"predictions":[]}`, "no values in 'predictions' array"},
		{"other outputs alone", `{"predictions":[{"y":1}]}`, "predictions[0] has no outputs"},
		{"an output missing in a row", `{"predictions":[{"x":1,"i":1},{"x":1}]}`, "predictions[1] has no output 'i'"},
		{"an output new in a row", `{"predictions":[{"x":1},{"x":1,"i":1}]}`, "predictions[0] has no output 'i', predictions[1] has"},
		{"an output twice", `{"outputs":{"x":1,"x":1}}`, "'outputs' has output 'x' twice"},
		{"ragged", `{"predictions":[{"x":[1,2],"i":1},{"x":[1,2,3],"i":1}]}`, "predictions[1].x has 3 elements, expected 2"},
		{"a wrong type", `{"outputs":{"i":[1,"2"]}}`, "outputs.i[1]: "},
		{"text behind", `{"outputs":{"x":1}} x`, "unexpected text"},
		{"cut", `{"predictions":[{"x":[1,2`, "failed to parse the JSON buffer"},
		{"garbage", `<html>`, "'answer' is a plain value/list"},
		{"depth", `{"other":` + strings.Repeat("[", 100_000), "JSON nesting depth exceeds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Response
			err := r.DecodeTFSResponse([]byte(c.body), portsOf("i"), DefaultLimits)
			if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
	var r Response
	if err := r.DecodeTFSResponse([]byte(`[1,2]`), portsOf(""), Limits{Bytes: 7, Elements: 9, Depth: 8}); fault.KindOf(err) != fault.TooLarge {
		t.Error(err)
	}
	if err := r.DecodeTFSResponse([]byte(`<html>`), portsOf(""), DefaultLimits); err == nil || !strings.Contains(err.Error(), "expected a number") {
		t.Error(err)
	}
}

// FuzzDecodeTFSResponse holds that what is understood comes back from what AppendTFS makes of it.
func FuzzDecodeTFSResponse(f *testing.F) {
	for _, body := range []string{
		`{"predictions":[{"x":[1,2],"s":"a","h":1,"i":2},{"x":[3,4],"s":{"b64":"YQ=="},"h":1,"i":2}]}`, `{"predictions":[[1]]}`,
		`{"outputs":{"x":[[1],[2]],"y":[{}],"s":[["a"],["\u0000"]]}}`, `{"x":[1],"i":2}`, `{"error":"no"}`, `[[1,2]]`, `{"predictions":{"x":1}}`,
		`{"x":[1,2,3],"predictions":[{"i":1}]}`,
	} {
		f.Add([]byte(body), 4)
		f.Add([]byte(body), 1)
	}
	f.Fuzz(func(t *testing.T, body []byte, count int) {
		ports := portsOf("ish")
		if count == 1 {
			ports = ports[:1]
		}
		var r Response
		err := r.DecodeTFSResponse(body, ports, DefaultLimits)
		smallEnough(t, &r.arena, len(body))
		if err != nil {
			refused(t, err)
			return
		}
		for _, x := range r.Outputs {
			if err := x.Check(); err != nil {
				t.Fatal(err)
			}
		}
		text, err := AppendTFS(nil, &r, false)
		if err != nil {
			t.Fatal(err)
		}
		only := ports
		if len(r.Outputs) == 1 {
			only = []Port{{Name: r.Outputs[0].Name, DType: r.Outputs[0].DType}}
		}
		var back Response
		if err := back.DecodeTFSResponse(text, only, DefaultLimits); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		sameElements(t, back.Outputs, r.Outputs)
	})
}

// FuzzAppendTFSRequest holds that the server understands what the client writes of what it understood.
func FuzzAppendTFSRequest(f *testing.F) {
	f.Add([]byte(`{"instances":[{"x":[1,2],"s":"a","h":1,"i":2},{"x":[3,4],"s":{"b64":"YQ=="},"h":1,"i":2}]}`))
	f.Add([]byte(`{"inputs":{"x":[[1],[2]],"s":[["a"],["\u0000"]]}}`))
	f.Add([]byte(`{"instances":[{"s":{"b64":"/w=="}}]}`))
	ports := portsOf("ish")
	f.Fuzz(func(t *testing.T, body []byte) {
		var r, back Request
		if err := r.DecodeTFS(body, "m", ports, DefaultLimits); err != nil {
			return
		}
		text, err := AppendTFSRequest(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		only := ports
		if len(r.Inputs) == 1 {
			only = []Port{{Name: r.Inputs[0].Name, DType: r.Inputs[0].DType}}
		}
		if err := back.DecodeTFS(text, "m", only, DefaultLimits); err != nil || back.Row != r.Row {
			t.Fatalf("%s: %v", text, err)
		}
		sameElements(t, back.Inputs, r.Inputs)
	})
}
