package declared

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
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

// example returns the example of the manual for a model, whose files are in dir.
func example(t testing.TB, name, dir string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/declared-io.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```yaml\n# "+name+".io.yaml\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatalf("the manual has no example for %s", name)
	}
	for _, file := range []string{"vocab.txt", "label_names.json"} {
		block = strings.ReplaceAll(block, ": "+file, ": "+absolute(t, filepath.Join(dir, file)))
	}
	return block
}

// pixelDifferences counts how far the pixels that x sees in images are from those of an array, by levels.
func pixelDifferences(t *testing.T, x *IO, paths []string, array string) (count [256]int) {
	t.Helper()
	want, err := tensor.ReadNpy(array)
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		got, err := x.EncodeFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := tensor.Floats(got[0])
		if err != nil {
			t.Fatal(err)
		}
		for k, w := range want.Data[i*len(v):][:len(v)] {
			d := int(v[k]) - int(w)
			count[max(d, -d)]++
		}
	}
	return count
}

// The references decode JPEG with libjpeg and scale with Pillow.
func TestSharedPixels(t *testing.T) {
	squeezenet, yolox := shared(t, "squeezenet1.1"), shared(t, "yolox-nano")
	in, out := signature(t, filepath.Join(squeezenet, "squeezenet1.1-fp32.onnx"))
	x := openAt(t, "image: {shorter: 256, channels: bgr}", in, out)
	var paths []string
	for _, row := range readCSV(t, filepath.Join(squeezenet, "labels.csv"))[1:] {
		paths = append(paths, filepath.Join(squeezenet, "images", row[0]))
	}
	count := pixelDifferences(t, x, paths, filepath.Join(squeezenet, "images_u8_bgr_nchw.npy"))
	closeEnough(t, "squeezenet1.1", count, 40*3*224*224)
	in, out = signature(t, filepath.Join(yolox, "yolox-nano.onnx"))
	names, err := os.ReadFile(filepath.Join(yolox, "images_u8_bgr_nchw_416.names.txt"))
	if err != nil {
		t.Fatal(err)
	}
	paths = nil
	for name := range strings.FieldsSeq(string(names)) {
		paths = append(paths, filepath.Join(squeezenet, "images", name))
	}
	x = openAt(t, example(t, "yolox-nano", yolox), in, out)
	closeEnough(t, "yolox-nano", pixelDifferences(t, x, paths, filepath.Join(yolox, "images_u8_bgr_nchw_416.npy")), 8*3*416*416)
}

// closeEnough wants 95 % of the pixels equal and all within 3 levels.
func closeEnough(t *testing.T, name string, count [256]int, all int) {
	t.Helper()
	near := count[0] + count[1] + count[2] + count[3]
	if near != all || count[0] < all*95/100 {
		t.Errorf("%s: of %d pixels %d are equal and %d within 3 levels: %v", name, all, count[0], near, count[:16])
	}
	t.Logf("%s: of %d pixels %.2f %% are equal", name, all, 100*float64(count[0])/float64(all))
}

// TestSqueezeNet holds the answers to the reference probabilities and to what a person sees in the photos.
func TestSqueezeNet(t *testing.T) {
	dir := shared(t, "squeezenet1.1")
	path := filepath.Join(dir, "squeezenet1.1-fp32.onnx")
	in, out := signature(t, path)
	x := openAt(t, example(t, "squeezenet1.1-fp32", dir), in, out)
	run := session(t, path)
	want, err := tensor.ReadNpy(filepath.Join(dir, "ref_fp32_probs.npy"))
	if err != nil {
		t.Fatal(err)
	}
	best, err := tensor.ArgMax(want)
	if err != nil {
		t.Fatal(err)
	}
	probs, err := tensor.Floats(want)
	if err != nil {
		t.Fatal(err)
	}
	top1, top5, worst := 0, 0, 0.0
	for i, row := range readCSV(t, filepath.Join(dir, "labels.csv"))[1:] {
		rows, err := x.EncodeFile(filepath.Join(dir, "images", row[0]))
		if err != nil {
			t.Fatal(err)
		}
		a, err := x.Decode(run(rows), 0)
		if err != nil {
			t.Fatal(err)
		}
		if a.Labels[0].Index != int(best[i]) {
			t.Errorf("%s: class %d, the reference says %d", row[0], a.Labels[0].Index, best[i])
		}
		for k, l := range a.Labels {
			if slices.Contains(strings.Fields(row[1]), l.Label) {
				top5++
				if k == 0 {
					top1++
				}
				break
			}
		}
		for _, l := range a.Labels {
			worst = max(worst, math.Abs(l.Score-float64(probs[i*1000+l.Index])))
		}
	}
	if top1 != 30 || top5 != 36 {
		t.Errorf("top-1 %d and top-5 %d of 40, the reference has 30 and 36", top1, top5)
	}
	if worst > 0.02 {
		t.Errorf("a probability differs by %.4f from the reference", worst)
	}
	t.Logf("probabilities differ by %.4f at most", worst)
}

// TestBanking77Answers runs every sentence and counts the right answers.
func TestBanking77Answers(t *testing.T) {
	dir := shared(t, "banking77-encoder")
	path := filepath.Join(dir, "banking77-encoder.onnx")
	in, out := signature(t, path)
	x := openAt(t, example(t, "banking77-encoder", dir), in, out)
	run := session(t, path)
	right := 0
	rows := readCSV(t, filepath.Join(dir, "test.csv"))[1:]
	for lo := 0; lo < len(rows); lo += 32 {
		some := rows[lo:min(lo+32, len(rows))]
		var encoded [][]tensor.Tensor
		for _, row := range some {
			one, err := x.Encode([]byte(row[0]), "text/plain; charset=utf-8")
			if err != nil {
				t.Fatal(err)
			}
			encoded = append(encoded, one)
		}
		batch, err := x.Join(encoded...)
		if err != nil {
			t.Fatal(err)
		}
		outputs := run(batch)
		for i, row := range some {
			a, err := x.Decode(outputs, i)
			if err != nil {
				t.Fatal(err)
			}
			if a.Labels[0].Label == row[1] {
				right++
			}
		}
	}
	if right != 2799 { // 90.88 %
		t.Errorf("%d of %d are right, the reference has 2799", right, len(rows))
	}
}

// session returns a function that runs a model.
func session(t *testing.T, path string) func([]tensor.Tensor) []tensor.Tensor {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	s, err := enginetest.CPU(t).Open(t.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return func(in []tensor.Tensor) []tensor.Tensor {
		out := make([]tensor.Tensor, 1)
		if err := s.Run(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		out[0].Name = s.Outputs()[0].Name
		return out
	}
}
