package dataset

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/declared"
	"infer/model/tensor"
)

// write puts files into a folder of their own and returns it.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// declare opens a declaration whose labels are called cat and dog.
func declare(t testing.TB, text string, in ...model.Port) *declared.IO {
	t.Helper()
	dir := write(t, map[string]string{"m.io.yaml": text + "\nlabels: {names: [cat, dog]}", "v.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\nmy\ncard\n"})
	io, err := declared.Open(filepath.Join(dir, "m.io.yaml"), in, []model.Port{port("y", tensor.Float32, "n", 2)})
	if err != nil {
		t.Fatal(err)
	}
	return io
}

// photo is a PNG of one red level.
func photo(t testing.TB, level byte) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i := range 4 {
		m.SetNRGBA(i%2, i/2, color.NRGBA{R: level, A: 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestImages(t *testing.T) {
	in := port("x", tensor.Float32, "n", 3, 2, 2)
	io := declare(t, "image: {}", in)
	one, two, three := photo(t, 1), photo(t, 2), photo(t, 3)
	for _, c := range []struct {
		name   string
		files  map[string]string
		source string
		red    []float32
		labels []int64
		err    string
	}{
		{"a folder, by name", map[string]string{"b.png": two, "a.PNG": one, "c.gif.txt": "no picture", ".d.png": "hidden"}, "", []float32{1, 2}, nil, ""},
		{"a file", map[string]string{"b.png": two}, "b.png", []float32{2}, nil, ""},
		{"subfolders", map[string]string{"dog/1.png": one, "cat/2.png": two, "dog/3.png": three, "empty/readme": ""}, "", []float32{2, 1, 3}, []int64{0, 1, 1}, ""},
		{"subfolders of ids", map[string]string{"7/1.png": one, "0/2.png": two}, "", []float32{2, 1}, []int64{0, 7}, ""},
		{"a table", map[string]string{"1.png": one, "2.png": two, "labels.csv": "file,who,label\n2.png,me,cat\n1.png,you,1\n"}, "", []float32{1, 2}, []int64{1, 0}, ""},
		{"a label that is none", map[string]string{"bird/1.png": one}, "", nil, nil, `the folder "bird": "bird" is neither a class id nor a declared label`},
		{"a table without a file", map[string]string{"1.png": one, "2.png": two, "labels.csv": "file,label\n1.png,0\n"}, "", nil, nil, `no row for "2.png"`},
		{"a table without labels", map[string]string{"1.png": one, "labels.csv": "file\n1.png\n"}, "", nil, nil, "labels.csv has the columns file"},
		{"no picture", map[string]string{"1.png": "text"}, "", nil, nil, `1.png": the body is neither`},
		{"nothing", map[string]string{"readme": ""}, "", nil, nil, "no data for the input x"},
		{"texts", map[string]string{"t.csv": "text\nmy"}, "t.csv", nil, nil, "the kind of file is not known"},
	} {
		s, err := Open(filepath.Join(write(t, c.files), c.source), []model.Port{in}, Options{IO: io})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		labels, _ := s.Labels()
		batch, err := s.Batch(0, s.Rows())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v, _ := tensor.Floats(batch[0])
		var red []float32
		for i := 0; i < len(v); i += 12 {
			red = append(red, v[i])
		}
		if !slices.Equal(red, c.red) || !slices.Equal(labels, c.labels) || s.Shapes()["x"].String() != "1x3x2x2" || !s.Encoded() {
			t.Errorf("%s: rows %v with labels %v, want %v and %v", c.name, red, labels, c.red, c.labels)
		}
		if name := filepath.Base(s.Name(0)); !strings.HasSuffix(strings.ToLower(name), ".png") {
			t.Errorf("%s: the first row is called %q", c.name, name)
		}
	}
}

// The same rows as images and as arrays are the same data set.
func TestEncodedDigest(t *testing.T) {
	in := port("x", tensor.Float32, "n", 3, 2, 2)
	images := write(t, map[string]string{"1.png": photo(t, 1), "2.png": photo(t, 2)})
	a, err := Open(images, []model.Port{in}, Options{IO: declare(t, "image: {}", in)})
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.Batch(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, folder(t, map[string]tensor.Tensor{"x": all[0]}), in)
	one, errA := a.Digest()
	other, errB := b.Digest()
	if errA != nil || errB != nil || one != other {
		t.Errorf("%s and %s, %v, %v", one, other, errA, errB)
	}
	if a.BatchSize() != 0 {
		t.Errorf("batch size %d", a.BatchSize())
	}
}

func TestEncodedBatchSizes(t *testing.T) {
	dir := write(t, map[string]string{"1.png": photo(t, 1), "2.png": photo(t, 2), "3.png": photo(t, 3)})
	for _, c := range []struct {
		in    model.Port
		batch int64
		err   string
	}{
		{port("x", tensor.Float32, 1, 3, 2, 2), 1, ""},
		{port("x", tensor.Float32, 3, 2, 2), 1, ""},
		{port("x", tensor.Float32, 3, 3, 2, 2), 3, ""},
		{port("x", tensor.Float32, 2, 3, 2, 2), 0, "3 rows for input"},
	} {
		text := "image: {layout: nchw}"
		s, err := Open(dir, []model.Port{c.in}, Options{IO: declare(t, text, c.in)})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", dimsText(c.in.Type), err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", dimsText(c.in.Type), err)
			continue
		}
		got, err := s.Batch(0, c.batch)
		if err != nil || s.BatchSize() != c.batch || s.Rows() != 3 || got[0].Check() != nil || len(got[0].Shape) != len(c.in.Type.Dims) {
			t.Errorf("%s: batch %d of %d rows, %v, %v", dimsText(c.in.Type), s.BatchSize(), s.Rows(), got, err)
		}
	}
}

func TestTexts(t *testing.T) {
	in := port("input_ids", tensor.Int64, "n", "s")
	io := declare(t, "text: {tokenizer: words, vocab: v.txt, pattern: '[a-z]+'}", in)
	for _, c := range []struct {
		file, text string
		ids        []int64
		labels     []int64
		err        string
	}{
		{"t.txt", "my card\n\n  my\n", []int64{2, 4, 5, 3, 2, 4, 3, 0}, nil, ""},
		{"t.csv", "id,text,category\n1,\"my, card\",dog\n2,my,0\n", []int64{2, 4, 5, 3, 2, 4, 3, 0}, []int64{1, 0}, ""},
		{"t.tsv", "text\tlabel\nmy \"card\tdog\nmy\tcat\n", []int64{2, 4, 5, 3, 2, 4, 3, 0}, []int64{1, 0}, ""},
		{"t.jsonl", "\"my card\"\n\n\"my\"", []int64{2, 4, 5, 3, 2, 4, 3, 0}, nil, ""},
		{"t.jsonl", `{"text": "my card", "label": "dog"}` + "\n" + `{"text": "my", "label": 0}`, []int64{2, 4, 5, 3, 2, 4, 3, 0}, []int64{1, 0}, ""},
		{"t.jsonl", `{"input_ids": [2, 5]}` + "\n" + `{"input_ids": [4, 5]}`, []int64{2, 5, 4, 5}, nil, ""},
		{"t.csv", "sentence\nmy", nil, nil, "the columns sentence"},
		{"t.csv", "text,label\nmy,bird", nil, nil, `line 2: "bird" is neither`},
		{"t.csv", "text\n", nil, nil, "no texts"},
		{"t.txt", "\n", nil, nil, "no texts"},
		{"t.txt", "my\xff", nil, nil, "not UTF-8"},
		{"t.jsonl", "\"my\"\n[1]", nil, nil, "line 2 has no text"},
		{"t.jsonl", `{"text": "my", "label": 1}` + "\n" + `{"text": "my"}`, nil, nil, "1 of 2 lines have no label"},
		{"t.jpg", "", nil, nil, "the kind of file is not known"},
	} {
		s, err := Open(filepath.Join(write(t, map[string]string{c.file: c.text}), c.file), []model.Port{in}, Options{IO: io})
		if c.err != "" {
			if err == nil || fault.ExitCode(err) != 2 || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s %q: %v, want %q", c.file, c.text, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.file, c.text, err)
			continue
		}
		labels, _ := s.Labels()
		batch, err := s.Batch(0, 2)
		if err != nil {
			t.Errorf("%s %q: %v", c.file, c.text, err)
			continue
		}
		ids, _ := tensor.Int64s(batch[0])
		if !slices.Equal(ids, c.ids) || !slices.Equal(labels, c.labels) || s.Rows() != 2 {
			t.Errorf("%s %q: %v with labels %v, want %v and %v", c.file, c.text, ids, labels, c.ids, c.labels)
		}
	}
}
