package declared

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"infer/model"
	"infer/model/tensor"
)

// shared returns the folder of a shared model, or skips.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "models", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here", dir)
	}
	return dir
}

// openAt opens a declaration that is written into a folder of its own; the files it names get absolute paths.
func openAt(t testing.TB, text string, inputs, outputs []model.Port) *IO {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.io.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	x, err := Open(path, inputs, outputs)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// signature returns the inputs and outputs of a model file.
func signature(t testing.TB, path string) (in, out []model.Port) {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return m.Inputs(), m.Outputs()
}

func readCSV(t testing.TB, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestBanking77 holds every sentence of the test split to the ids that the model was trained with.
func TestBanking77(t *testing.T) {
	dir := shared(t, "banking77-encoder")
	in, out := signature(t, filepath.Join(dir, "banking77-encoder.onnx"))
	x := openAt(t, `
text:
  tokenizer: words
  pattern: '[a-z]+|[0-9]|[^\s a-z0-9]'
  lower: true
  vocab: `+absolute(t, filepath.Join(dir, "vocab.txt"))+`
  max_length: 48
  pad_to: 48
`, in, out)
	want := map[string]tensor.Tensor{}
	for _, name := range []string{"input_ids", "attention_mask"} {
		a, err := tensor.ReadNpy(filepath.Join(dir, "test", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		want[name] = a
	}
	wrong := 0
	rows := readCSV(t, filepath.Join(dir, "test.csv"))[1:]
	for i, row := range rows {
		got, err := x.Encode([]byte(row[0]), "")
		if err != nil {
			t.Fatalf("%q: %v", row[0], err)
		}
		for _, g := range got {
			w, err := tensor.Slice(want[g.Name], int64(i), int64(i)+1)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(g.Data, w.Data) {
				if wrong++; wrong < 5 {
					a, _ := tensor.Int64s(g)
					b, _ := tensor.Int64s(w)
					t.Errorf("%q: %s\n%v, want\n%v", row[0], g.Name, a, b)
				}
			}
		}
	}
	if wrong > 0 || len(rows) != 3080 {
		t.Errorf("%d of %d rows differ", wrong, len(rows))
	}
}

func TestSqueezeNetPixels(t *testing.T) {
	dir := shared(t, "squeezenet1.1")
	in, out := signature(t, filepath.Join(dir, "squeezenet1.1-fp32.onnx"))
	x := openAt(t, `
image:
  shorter: 256
  channels: bgr
`, in, out)
	want, err := tensor.ReadNpy(filepath.Join(dir, "images_u8_bgr_nchw.npy"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[int]int{}
	for i, row := range readCSV(t, filepath.Join(dir, "labels.csv"))[1:] {
		got, err := x.EncodeFile(filepath.Join(dir, "images", row[0]))
		if err != nil {
			t.Fatal(err)
		}
		v, err := tensor.Floats(got[0])
		if err != nil {
			t.Fatal(err)
		}
		per := want.Data[i*len(v):][:len(v)]
		most := 0
		for k := range v {
			d := int(v[k]) - int(per[k])
			d = max(d, -d)
			count[d]++
			most = max(most, d)
		}
		t.Log(row[0], most)
	}
	t.Log(count)
}
