package payload

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/wire"
	"infer/model"
	"infer/model/tensor"
)

// golden writes arrays of outputs y, of a row each [r, r], to a folder.
func writeNpy(t *testing.T, path string, rows int) string {
	t.Helper()
	v := make([]float32, 2*rows)
	for i := range v {
		v[i] = float32(i / 2)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tensor.WriteNpy(path, floats("", tensor.Shape{int64(rows), 2}, v...)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGolden(t *testing.T) {
	data := rowsFolder(t, 10)
	writeNpy(t, filepath.Join(data, "expected", "y.npy"), 10)
	plain := t.TempDir()
	writeNpy(t, filepath.Join(plain, "y%2Fz.npy"), 10)
	lone := writeNpy(t, filepath.Join(t.TempDir(), "any.npy"), 10)
	archive := filepath.Join(t.TempDir(), "a.npz")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	y, _ := tensor.ReadNpy(lone)
	x := y
	x.Name, y.Name = "x", "expected/y"
	if err := tensor.WriteNpz(f, []tensor.Tensor{x, y}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	s, err := FromData(openRows(t, data), data, 2, Options{most: 2}) // rows 0, 1 and 4, 5
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path    string
		outputs []wire.Port
		name    string
	}{
		{data, nil, "y"}, {filepath.Join(data, "expected"), []wire.Port{{Name: "z"}, {Name: "y"}}, "y"}, {plain, nil, "y/z"},
		{lone, nil, ""}, {lone, []wire.Port{{Name: "y"}}, "y"}, {archive, nil, "y"},
	} {
		e, err := Golden(c.path, s, c.outputs)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if len(e.Outputs) != 2 || e.Source != c.path {
			t.Fatalf("%+v", e)
		}
		same(t, e.Outputs[1], []tensor.Tensor{floats(c.name, tensor.Shape{2, 2}, 4, 4, 5, 5)})
	}
}

// TestGoldenRows: an array is cut by the rows of the data set, by all rows of the payloads or by payload.
func TestGoldenRows(t *testing.T) {
	made := func(n int, rows int64) *Set {
		return &Set{Rows: rows, Payloads: make([]Payload, n)}
	}
	for _, c := range []struct {
		rows int
		s    *Set
		want string // shape of the last part, and its first element
	}{
		{6, made(3, 2), "[2,2] 4"}, {3, made(3, 2), "[1,2] 2"}, {3, made(3, 1), "[1,2] 2"}, {4, made(1, 1), "[4,2] 0"}, {4, made(1, 4), "[4,2] 0"},
		{5, made(3, 2), "it is of shape 5x2, and the inputs have 6 rows"},
	} {
		path := writeNpy(t, filepath.Join(t.TempDir(), "y.npy"), c.rows)
		e, err := Golden(path, c.s, nil)
		if err != nil {
			refuses(t, err, c.want)
			continue
		}
		last := e.Outputs[c.s.Len()-1][0]
		v, _ := tensor.Floats(last)
		if got := fmt.Sprintf("%s %v", wire.ShapeText(last.Shape), v[0]); got != c.want {
			t.Errorf("%d rows: %s, want %s", c.rows, got, c.want)
		}
	}
}

func TestGoldenRefuses(t *testing.T) {
	data := rowsFolder(t, 4)
	s, err := FromData(openRows(t, data), data, 1, Options{})
	if err != nil {
		t.Fatal(err)
	}
	y := writeNpy(t, filepath.Join(t.TempDir(), "y.npy"), 4)
	for path, want := range map[string]string{
		data:                                 "x.npy is an input, and there are no expected outputs",
		t.TempDir():                          "there are no arrays in it",
		filepath.Join(data, "none"):          "no such file",
		write(t, t.TempDir(), "a.txt", ""):   "the kind of file is not known",
		write(t, t.TempDir(), "a.npy", "?"):  "a.npy",
		write(t, t.TempDir(), "a.npz", "?"):  "a.npz",
		write(t, t.TempDir(), "a.json", "?"): "failed to parse the JSON",
	} {
		_, err := Golden(path, s, nil)
		refuses(t, err, want)
	}
	_, err = Golden(filepath.Dir(y), s, []wire.Port{{Name: "logits"}})
	refuses(t, err, "y.npy is called as no output of the model")
	if _, err := Golden(y, s, []wire.Port{{Name: "logits"}}); err != nil {
		t.Error(err) // a lone array is the only output
	}
}

func TestGoldenBodies(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", "1")
	write(t, dir, "b.json", "2")
	e, err := GoldenBodies(dir, 2)
	if err != nil || string(e.Bodies[1]) != "2" {
		t.Errorf("%+v %v", e, err)
	}
	_, err = GoldenBodies(dir, 3)
	refuses(t, err, "2 golden bodies")
}

var perfIn = []wire.Port{{Name: "X", DType: tensor.Float32, Shape: []int64{-1, 2}}}

func TestFromPerfAnalyzer(t *testing.T) {
	out := []wire.Port{{Name: "Y", DType: tensor.Int32, Shape: []int64{-1, 1}}, {Name: "Z", DType: tensor.String, Shape: []int64{-1, 1}}}
	f32 := base64.StdEncoding.EncodeToString([]byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}) // 1, 2
	for _, c := range []struct {
		name, text string
		ports      []wire.Port
		o          Options
		want       string // name, shape and elements of all payloads
	}{
		{"flat", `{"data":[{"X":[1,2]},{"X":[3,4]}]}`, perfIn, Options{}, "X[1,2] 1.0,2.0; X[1,2] 3.0,4.0"},
		{"a model that does not batch", `{"data":[{"X":[1,2,3,4]}]}`, []wire.Port{{Name: "X", DType: tensor.Float32, Shape: []int64{2, 2}}}, Options{}, "X[2,2] 1.0,2.0,3.0,4.0"},
		{"content and shape without the batch axis", `{"data":[{"X":{"content":[1,2],"shape":[2]}}]}`, perfIn, Options{}, "X[1,2] 1.0,2.0"},
		{"content and shape with it", `{"data":[{"X":{"shape":[2,2],"content":[1,2,3,4]}}]}`, perfIn, Options{}, "X[2,2] 1.0,2.0,3.0,4.0"},
		{"nested", `{"data":[{"X":[[1,2],[3,4]]}]}`, perfIn, Options{}, "X[2,2] 1.0,2.0,3.0,4.0"},
		{"base64", `{"data":[{"X":{"b64":"` + f32 + `"}},{"X":{"content":{"b64":"` + f32 + `"},"shape":[2]}}]}`, perfIn, Options{}, "X[1,2] 1.0,2.0; X[1,2] 1.0,2.0"},
		{"streams", `{"data":[[{"X":[1,2]},{"X":[3,4]}],[{"X":[5,6]}]]}`, perfIn, Options{}, "X[1,2] 1.0,2.0; X[1,2] 3.0,4.0; X[1,2] 5.0,6.0"},
		{"an open axis", `{"data":[{"X":[1,2,3]}]}`, []wire.Port{{Name: "X", DType: tensor.Int64, Shape: []int64{-1, -1}}}, Options{}, "X[1,3] 1,2,3"},
		{"a shape of the user", `{"data":[{"X":[1,2,3,4]}]}`, []wire.Port{{Name: "X", DType: tensor.Int64, Shape: []int64{-1, -1, -1}}},
			Options{Bindings: model.Bindings{Shapes: map[string]tensor.Shape{"X": {1, 2, 2}}}}, "X[1,2,2] 1,2,3,4"},
		{"strings and bools", `{"data":[{"S":["a","b"],"B":[true,false],"N":[5],"model":"m"}]}`,
			[]wire.Port{{Name: "S", DType: tensor.String, Shape: []int64{-1, 2}}, {Name: "B", DType: tensor.Bool, Shape: []int64{2}}, {Name: "N", DType: tensor.Int64}}, Options{},
			`S[1,2] "a","b" B[2] true,false N[] 5`},
		{"strings in base64", `{"data":[{"S":{"b64":"` + base64.StdEncoding.EncodeToString([]byte("\x02\x00\x00\x00ab\x00\x00\x00\x00")) + `"}}]}`,
			[]wire.Port{{Name: "S", DType: tensor.String, Shape: []int64{2}}}, Options{}, `S[2] "ab",""`},
		{"some of many", `{"data":[{"X":[0,0]},{"X":[1,1]},{"X":[2,2]},{"X":[3,3]}]}`, perfIn, Options{most: 2}, "X[1,2] 0.0,0.0; X[1,2] 2.0,2.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := FromPerfAnalyzer(write(t, t.TempDir(), "d.json", c.text), c.ports, out, c.o)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, p := range s.Payloads {
				var one []string
				for i := range p.Inputs {
					text, err := wire.AppendNested(nil, &tensor.Tensor{DType: p.Inputs[i].DType, Shape: flat(p.Inputs[i]), Data: p.Inputs[i].Data, Strings: p.Inputs[i].Strings})
					if err != nil {
						t.Fatal(err)
					}
					one = append(one, p.Inputs[i].Name+wire.ShapeText(p.Inputs[i].Shape)+" "+strings.Trim(string(text), "[]"))
				}
				all = append(all, strings.Join(one, " "))
			}
			if got := strings.Join(all, "; "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if err := s.Check(c.ports); err != nil {
				t.Error(err)
			}
		})
	}
}

func flat(t tensor.Tensor) tensor.Shape { return tensor.Shape{int64(countOf(&t))} }

func TestPerfAnalyzerValidation(t *testing.T) {
	out := []wire.Port{{Name: "Y", DType: tensor.Int32, Shape: []int64{-1, 1}}, {Name: "Z", DType: tensor.String, Shape: []int64{-1, 1}}}
	path := write(t, t.TempDir(), "d.json", `{"data":[[{"X":[1,2]},{"X":[3,4]}],[{"X":[5,6]}]],"validation_data":[[{"Y":[1],"Z":["a"]},{"Y":[2],"Z":["b"]}],[{"Z":["c"]}]]}`)
	s, err := FromPerfAnalyzer(path, perfIn, out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := s.Expected()
	if e == nil || len(e.Outputs) != 3 || e.Source != path || !strings.Contains(strings.Join(s.Notes, "\n"), "2 streams") {
		t.Fatalf("%+v, notes %q", e, s.Notes)
	}
	two, _ := tensor.FromInts("Y", tensor.Int32, tensor.Shape{1, 1}, []int64{2})
	same(t, e.Outputs[1], []tensor.Tensor{two, texts("Z", tensor.Shape{1, 1}, "b")})
	same(t, e.Outputs[2], []tensor.Tensor{texts("Z", tensor.Shape{1, 1}, "c")})
	if again, err := Golden(path, s, out); err != nil || again != e {
		t.Errorf("%v %v", again, err)
	}
	other := &Set{Payloads: make([]Payload, 3)}
	if again, err := Golden(path, other, out); err != nil || len(again.Outputs) != 3 {
		t.Errorf("%v %v", again, err)
	}
	if s, err := FromPerfAnalyzer(path, perfIn, nil, Options{}); err != nil || s.Expected() != nil || !strings.Contains(strings.Join(s.Notes, "\n"), "validation_data are left out") {
		t.Errorf("%+v %v", s, err)
	}
	if s, err := FromPerfAnalyzer(path, perfIn, out, Options{most: 2}); err != nil || s.Expected().Outputs[1][0].Name != "Y" {
		t.Errorf("%+v %v", s, err)
	}
	_, err = Golden(path, &Set{Payloads: make([]Payload, 2)}, out)
	refuses(t, err, "has 3 entries for 2 payloads")
	_, err = Golden(path, other, nil)
	refuses(t, err, "does not tell what outputs")
}

func TestPerfAnalyzerRefuses(t *testing.T) {
	out := []wire.Port{{Name: "Y", DType: tensor.Int32, Shape: []int64{-1, 1}}}
	for _, c := range []struct{ text, want string }{
		{``, "failed to parse the JSON: unexpected end"},
		{`{"data":[{"X":[1,2]}`, "at byte"},
		{`{"data":[{"X":[1,NaN]}]}`, "invalid character 'N'"},
		{`{}`, `no entries in "data"`},
		{`{"data":[]}`, `no entries in "data"`},
		{`{"data":{"X":[1]}}`, "data is a JSON object where a list is expected"},
		{`{"data":[5]}`, "data[0]: it is no object of tensors"},
		{`{"data":[null]}`, "data[0]: it is no object of tensors"},
		{`{"data":[[]]}`, `"data" has no entries`},
		{`{"data":[{"X":[1,2]},[{"X":[1,2]}]]}`, "data[1]: entries and streams of entries are mixed"},
		{`{"data":[{"X":[1,2]},{"x":[1,2]}]}`, `data[1]: the model has no input "x"`},
		{`{"data":[{}]}`, `data[0]: there are no data for the input "X"`},
		{`{"data":[{"X":[1,2]},{"X":[1,2,3]}]}`, `data[1]: input "X": 3 elements, and the model takes float32 [-1,2]`},
		{`{"data":[[{"X":[1,2]},{"X":[1,"2"]}]]}`, `data[0][1]: input "X": [1]: failed to parse the JSON buffer: expected a number`},
		{`{"data":[{"X":5}]}`, `input "X": it is no list of elements`},
		{`{"data":[{"X":{}}]}`, `input "X": it is no list of elements`},
		{`{"data":[{"X":{"content":"a"}}]}`, `input "X": it is no list of elements`},
		{`{"data":[{"X":{"content":{"a":1}}}]}`, `"content" is neither a list nor`},
		{`{"data":[{"X":{"content":[1,2],"shape":[3]}}]}`, `it is of shape [3], and the model takes float32 [-1,2]`},
		{`{"data":[{"X":{"content":[1,2],"shape":[2,2]}}]}`, `2 elements for shape [2,2], which takes 4`},
		{`{"data":[{"X":{"content":[1,2],"shape":[-1,2]}}]}`, `shape [-1,2]: `},
		{`{"data":[{"X":{"content":[1,2],"shape":"2"}}]}`, `"shape" is a list of integers`},
		{`{"data":[{"X":{"b64":"***"}}]}`, `"b64" is no base64`},
		{`{"data":[{"X":{"b64":"AAA="}}]}`, `2 bytes in "b64" are no whole number of float32`},
		{`{"data":[{"X":{"b64":"AAAAAA=="}}]}`, `1 elements, and the model takes`},
		{`{"data":[{"X":[1,2]}],"validation_data":[]}`, `"validation_data" has`},
		{`{"data":[{"X":[1,2]}],"validation_data":[{"Y":[1]},{"Y":[1]}]}`, `"validation_data" has 2 entries`},
		{`{"data":[{"X":[1,2]}],"validation_data":[[{"Y":[1]}]]}`, `"validation_data" has 1 entries in 1 streams`},
		{`{"data":[{"X":[1,2]}],"validation_data":[{"Z":[1]}]}`, `validation_data[0]: the model has no output "Z"`},
		{`{"data":[{"X":[1,2]}],"validation_data":[{}]}`, `validation_data[0]: it has no output`},
		{`{"data":[{"X":[1,2]}],"validation_data":[{"Y":[1.5]}]}`, `validation_data[0]: output "Y": [0]: 1.5 is not an integer`},
	} {
		_, err := FromPerfAnalyzer(write(t, t.TempDir(), "d.json", c.text), perfIn, out, Options{})
		refuses(t, err, c.want)
	}
	_, err := FromPerfAnalyzer("nowhere.json", perfIn, out, Options{})
	refuses(t, err, "no such file")
	_, err = FromPerfAnalyzer(write(t, t.TempDir(), "d.json", `{"data":[{"X":[1,2,3,4,5,6]}]}`), []wire.Port{{Name: "X", DType: tensor.Float32, Shape: []int64{-1, -1, -1}}}, nil, Options{})
	refuses(t, err, "nothing says what shape 6 elements have")
}

// FuzzPerfAnalyzer holds that what is taken for a payload fits the metadata, whatever the file says.
func FuzzPerfAnalyzer(f *testing.F) {
	for _, text := range []string{
		`{"data":[{"X":[1,2],"S":["a"]},{"X":{"content":[1,2],"shape":[2]},"S":{"b64":"AQAAAGE="}}],"validation_data":[{"Y":[1]},{"Y":[[2]]}]}`,
		`{"data":[[{"X":[[1,2],[3,4]],"S":["a","b"]}],[{"X":{"b64":"AAAAAAAAAAA="},"S":["\u0000"]}]]}`,
		`{"data":[{"X":{"content":[1,2],"shape":[9223372036854775807,2]},"S":[]}]}`,
	} {
		f.Add([]byte(text))
	}
	in := []wire.Port{perfIn[0], {Name: "S", DType: tensor.String, Shape: []int64{-1}}}
	out := []wire.Port{{Name: "Y", DType: tensor.Int32, Shape: []int64{-1, 1}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := readPerf(text, in, out, Options{limit: 1 << 16})
		if err != nil {
			refuses(t, err, "")
			return
		}
		if err := s.Check(in); err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Payloads {
			for _, x := range p.Inputs {
				if err := x.Check(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if e := s.Expected(); e != nil && len(e.Outputs) != s.Len() {
			t.Fatalf("%d expected outputs for %d payloads", len(e.Outputs), s.Len())
		}
		_ = s.Digest()
	})
}
