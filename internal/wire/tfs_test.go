package wire

import (
	"math"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

// portsOf returns the inputs of a model: a float32 x and, for each further letter, i an int64, s a string, h a float16.
func portsOf(kinds string) []Port {
	ports := []Port{{Name: "x", DType: tensor.Float32}}
	for _, k := range kinds {
		ports = append(ports, Port{Name: string(k), DType: map[rune]tensor.DType{'i': tensor.Int64, 's': tensor.String, 'h': tensor.Float16}[k]})
	}
	return ports
}

func TestDecodeTFS(t *testing.T) {
	for _, c := range []struct {
		name, body string
		ports      []Port
		row        bool
		want       string // name shape elements, for each input
	}{
		{"rows", `{"instances":[[1,2],[3,4],[5,6.5]]}`, portsOf(""), true, "x 3x2 1.0,2.0,3.0,4.0,5.0,6.5"},
		{"rows of scalars", `{"signature_name":"serving_default","instances":[1,-2]}`, portsOf(""), true, "x 2 1.0,-2.0"},
		{"rows of images", `{"instances":[[[[0],[1]],[[2],[3]]]],"signature_name":""}`, portsOf(""), true, "x 1x2x2x1 0.0,1.0,2.0,3.0"},
		{"rows of objects", `{"instances":[{"x":[1,2],"i":7},{"i":8,"x":[3,NaN]}]}`, portsOf("i"), true, "x 2x2 1.0,2.0,3.0,NaN; i 2 7,8"},
		{"rows of objects of one input", `{"instances":[{"x":1},{"x":2}]}`, portsOf(""), true, "x 2 1.0,2.0"},
		{"rows of base64", `{"instances":[{"b64":"YQBi"},{"b64":"eg=="}]}`, portsOf("s")[1:], true, `s 2 "a\u0000b","z"`},
		{"base64 in objects", `{"instances":[{"s":{"b64":"YQ"},"x":0}]}`, portsOf("s"), true, `s 1 "a"; x 1 0.0`},
		{"a column", `{"inputs":[[1,2],[3,4]]}`, portsOf(""), false, "x 2x2 1.0,2.0,3.0,4.0"},
		{"a scalar", `{"inputs":5}`, portsOf(""), false, "x scalar 5.0"},
		{"columns", `{"x":[[{}]],"inputs":{"s":["a",{"b64":"Yg=="}],"x":[]}}`, portsOf("s"), false, `s 2 "a","b"; x 0 `},
		{"empty rows", `{"inputs":[[],[]]}`, portsOf(""), false, "x 2x0 "},
		{"half precision", `{"inputs":[0.1,65504]}`, portsOf("h")[1:], false, "h 2 0.099975586,65504.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			if err := r.DecodeTFS([]byte(c.body), "m", c.ports, DefaultLimits); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range r.Inputs {
				got = append(got, x.Name+" "+x.Shape.String()+" "+elementsOf(t, x))
			}
			if s := strings.Join(got, "; "); s != c.want || r.Row != c.row {
				t.Errorf("%s, row %v, want %s", s, r.Row, c.want)
			}
		})
	}
}

func TestDecodeTFSRefuses(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"nothing", ``, "expected an object"},
		{"no key", `{}`, "missing 'inputs' or 'instances' key"},
		{"both", `{"instances":[{"x":1,"i":1}],"inputs":{"x":1,"i":1}}`, "only one of 'inputs' or 'instances'"},
		{"twice", `{"inputs":{"x":1,"i":1},"inputs":{"x":1,"i":1}}`, "only one of"},
		{"no list", `{"instances":{"x":1}}`, "expecting 'instances' to be a list/array"},
		{"no instances", `{"instances":[]}`, "no values in 'instances' array"},
		{"a signature", `{"signature_name":"other","inputs":{"x":1,"i":1}}`, "unknown signature 'other'"},
		{"a signature no string", `{"signature_name":null,"inputs":{"x":1,"i":1}}`, "'signature_name' key must be a string value"},
		{"a plain list", `{"instances":[[1]]}`, "'instances' is a plain value/list"},
		{"a plain value", `{"inputs":3}`, "'inputs' is a plain value/list"},
		{"an unknown input", `{"inputs":{"y":1}}`, "the model has no input 'y'"},
		{"an unknown input in a row", `{"instances":[{"x":1,"i":1},{"y":1}]}`, "instances[1]: the model has no input 'y'"},
		{"an input missing in a row", `{"instances":[{"x":1,"i":1},{"x":1}]}`, "instances[1] has no input 'i'"},
		{"an input new in a row", `{"instances":[{"x":1},{"x":1,"i":1}]}`, "instances[0] has no input 'i', instances[1] has"},
		{"an input twice", `{"instances":[{"x":1,"x":1}]}`, "instances[0] has input 'x' twice"},
		{"an input twice in columns", `{"inputs":{"x":1,"x":1}}`, "'inputs' has input 'x' twice"},
		{"a list among objects", `{"instances":[{"x":1,"i":1},[1]]}`, "instances[1]: expecting an object"},
		{"ragged", `{"inputs":{"x":[[1,2],[3]],"i":1}}`, "inputs.x[1] has 1 elements, expected 2"},
		{"ragged deep", `{"inputs":{"x":[[[1],[2]],[[3],[4,5]]],"i":1}}`, "inputs.x[1][1] has 2 elements, expected 1"},
		{"ragged rows", `{"instances":[{"x":[1,2],"i":1},{"x":[1,2,3],"i":1}]}`, "instances[1].x has 3 elements, expected 2"},
		{"more dimensions", `{"instances":[{"x":[1,2],"i":1},{"x":[1,[2]],"i":1}]}`, "instances[1].x[1] has more dimensions"},
		{"fewer dimensions", `{"instances":[{"x":[[1],2],"i":1}]}`, "instances[0].x[1] has fewer dimensions"},
		{"an empty one among full ones", `{"inputs":{"x":[[],[1]],"i":1}}`, "inputs.x[1] has 1 elements, expected 0"},
		{"a wrong type", `{"inputs":{"i":[1,"2"]}}`, "inputs.i[1]: "},
		{"an integer out of range", `{"inputs":{"i":[1,9223372036854775808]}}`, "inputs.i[1]: 9223372036854775808 is out of the range of INT64"},
		{"base64 for a number", `{"inputs":{"x":{"b64":"YQ=="}}}`, "inputs.x: "},
		{"text behind", `{"inputs":{"x":1,"i":1}} x`, "unexpected text"},
		{"no inputs", `{"instances":[{},{}]}`, "instances[0] has no inputs"},
		{"depth", `{"inputs":{"x":` + strings.Repeat("[", 100_000), "JSON nesting depth exceeds"},
		{"depth elsewhere", `{"other":` + strings.Repeat("[", 100_000), "JSON nesting depth exceeds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			err := r.DecodeTFS([]byte(c.body), "m", portsOf("i"), DefaultLimits)
			if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
	for body, want := range map[string]string{
		`{"inputs":["a",{"b64":"***"}]}`: "inputs[1]: unable to base64 decode", `{"inputs":[{"b64":"YQ==","c":1}]}`: "inputs[0]: the object is not",
		`{"inputs":[{}]}`: "inputs[0]: the object is not", "{\"inputs\":[\"\xff\"]}": "inputs[0]: the string is not UTF-8",
	} {
		var r Request
		if err := r.DecodeTFS([]byte(body), "m", portsOf("s")[1:], DefaultLimits); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	for name, l := range map[string]Limits{"bytes": {Bytes: 7, Elements: 9, Depth: 8, Inputs: 8}, "elements": {Bytes: 99, Elements: 1, Depth: 8, Inputs: 8}} {
		var r Request
		if err := r.DecodeTFS([]byte(`{"inputs":[1,2]}`), "m", portsOf(""), l); fault.KindOf(err) != fault.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendTFS(t *testing.T) {
	f, _ := tensor.FromFloat32("f", tensor.Shape{2, 2}, []float32{1, 0.1, float32(math.NaN()), -2})
	i, _ := tensor.FromInt64("i", tensor.Shape{2}, []int64{7, 8})
	s, _ := tensor.FromStrings("s_bytes", tensor.Shape{2, 1}, []string{"a", ""})
	u, _ := tensor.FromStrings("u", tensor.Shape{2}, []string{"é", "\xff"})
	scalar, _ := tensor.FromInt64("n", tensor.Shape{}, []int64{3})
	empty, _ := tensor.FromInt64("e", tensor.Shape{2, 0}, nil)
	for _, c := range []struct {
		name string
		out  []tensor.Tensor
		row  bool
		want string
	}{
		{"a row", []tensor.Tensor{f}, true, `{"predictions":[[1.0,0.1],[NaN,-2.0]]}`},
		{"rows", []tensor.Tensor{f, i}, true, `{"predictions":[{"f":[1.0,0.1],"i":7},{"f":[NaN,-2.0],"i":8}]}`},
		{"a column", []tensor.Tensor{f}, false, `{"outputs":[[1.0,0.1],[NaN,-2.0]]}`},
		{"columns", []tensor.Tensor{i, scalar, empty}, false, `{"outputs":{"i":[7,8],"n":3,"e":[[],[]]}}`},
		{"bytes", []tensor.Tensor{s, u}, true, `{"predictions":[{"s_bytes":[{"b64":"YQ=="}],"u":"é"},{"s_bytes":[{"b64":""}],"u":{"b64":"/w=="}}]}`},
	} {
		got, err := AppendTFS(nil, &Response{Outputs: c.out}, c.row)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s %v, want %s", c.name, got, err, c.want)
		}
	}
	three, _ := tensor.FromInt64("three", tensor.Shape{3}, []int64{1, 2, 3})
	for _, out := range [][]tensor.Tensor{{scalar}, {f, three}} {
		if _, err := AppendTFS(nil, &Response{Outputs: out}, true); fault.KindOf(err) != fault.Usage {
			t.Errorf("%v: %v", out, err)
		}
	}
	if _, err := AppendTFS(nil, &Response{Outputs: []tensor.Tensor{{Name: "q", DType: tensor.Sequence}}}, false); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
}

// TestNamesHint: an unknown name is answered with those that there are, the nearest first.
func TestNamesHint(t *testing.T) {
	var r Request
	for body, want := range map[string]string{
		`{"inputs":{"X":1}}`:      "did you mean 'x'? the inputs of the model are 'x', 'i'",
		`{"inputs":{"mask":1}}`:   "the inputs of the model are 'x', 'i'",
		`{"instances":[1, 2, 3]}`: "the inputs of the model are 'x', 'i'",
	} {
		if err := r.DecodeTFS([]byte(body), "m", portsOf("i"), DefaultLimits); fault.HintOf(err) != want {
			t.Errorf("%s: %v, hint %q, want %q", body, err, fault.HintOf(err), want)
		}
	}
	if hint := NamesHint("inputs", "", make([]string, 99)); !strings.HasSuffix(hint, " …") || len(hint) > 120 {
		t.Errorf("99 names: %s", hint)
	}
}
