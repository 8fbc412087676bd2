package cmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/model/tensor"
)

// digitsIO declares the digits, whose pixels are counts of 0 to 16 drawn as levels of 0 to 240.
const digitsIO = "image: {channels: gray, scale: 1/240}\nlabels: {names: [zero, one, two, three, four, five, six, seven, eight, nine], softmax: true, top: 2}\n"

// digitPictures draws the held-out digits as PNG files in folders called after their classes, and puts the model with
// its declaration beside them.
func digitPictures(t *testing.T) (model, pictures string) {
	t.Helper()
	dir := t.TempDir()
	rows, err := tensor.ReadNpy("../testdata/digits/test/input.npy")
	if err != nil {
		t.Fatal(err)
	}
	pixels, err := tensor.Floats(rows)
	if err != nil {
		t.Fatal(err)
	}
	labels, err := tensor.ReadNpy("../testdata/digits/test/labels.npy")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := tensor.Int64s(labels)
	if err != nil {
		t.Fatal(err)
	}
	pictures = filepath.Join(dir, "pictures")
	for i, id := range ids {
		m := image.NewGray(image.Rect(0, 0, 8, 8))
		for k, v := range pixels[i*64:][:64] {
			m.SetGray(k%8, k/8, color.Gray{Y: byte(v * 240)})
		}
		writePNG(t, filepath.Join(pictures, fmt.Sprint(id), fmt.Sprintf("%03d.png", i)), m)
	}
	file, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	model = filepath.Join(dir, "digits.onnx")
	for path, data := range map[string][]byte{model: file, filepath.Join(dir, "digits.io.yaml"): []byte(digitsIO)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return model, pictures
}

func writePNG(t *testing.T, path string, m image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, m); err != nil {
		t.Fatal(err)
	}
}

// Pictures of the held-out digits are classified as their arrays are: 354 of 360 rightly.
func TestPredictPictures(t *testing.T) {
	needEngine(t)
	model, pictures := digitPictures(t)
	out := filepath.Join(t.TempDir(), "out")
	r := infer(t, nil, "predict", model, "--input", pictures, "-o", out, "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if got := value(t, r.document(t), "accuracy_top1", nil); got != 354./360 {
		t.Errorf("accuracy %g, want that of the arrays, %g", got, 354./360)
	}
	f, err := os.Open(filepath.Join(out, "labels.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := strings.Fields("zero one two three four five six seven eight nine")
	lines, right := 0, 0
	for scan := bufio.NewScanner(f); scan.Scan(); lines++ {
		var line struct {
			Row    int
			File   string
			Labels []struct {
				Label string
				Score float64
			}
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.Row != lines || len(line.Labels) != 2 || line.Labels[0].Score < line.Labels[1].Score {
			t.Fatalf("line %d: %s", lines, scan.Text())
		}
		if folder := filepath.Base(filepath.Dir(line.File)); names[folder[0]-'0'] == line.Labels[0].Label {
			right++
		}
	}
	if lines != 360 || right != 354 {
		t.Errorf("%d lines, %d of them right", lines, right)
	}
}

func TestProfileStages(t *testing.T) {
	needEngine(t)
	model, pictures := digitPictures(t)
	r := infer(t, nil, "profile", model, "--input", pictures, "--runs", "50", "--duration", "50ms", "--cold", "0", "--profiled-runs", "0", "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	for _, stage := range []string{"pre", "forward", "post"} {
		if v := value(t, d, "latency_p50", map[string]string{"stage": stage}); v <= 0 {
			t.Errorf("stage %s takes %g s", stage, v)
		}
	}
	if all, forward := value(t, d, "latency_p50", nil), value(t, d, "latency_p50", map[string]string{"stage": "forward"}); all != forward {
		t.Errorf("forward takes %g s, and the run %g s", forward, all)
	}
}

// A declaration elsewhere comes by flag, by environment and by the file.
func TestDeclarationElsewhere(t *testing.T) {
	needEngine(t)
	model, pictures := digitPictures(t)
	here := t.TempDir()
	if err := os.Rename(strings.TrimSuffix(model, ".onnx")+".io.yaml", filepath.Join(here, "d.yaml")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	args := []string{"predict", model, "--input", pictures, "-o", "out"}
	if r := infer(t, nil, args...); r.code != 2 || !strings.Contains(r.err, "it holds images, and the model takes arrays: image") {
		t.Errorf("without it: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, append(args, "--io", "d.yaml")...); r.code != 0 {
		t.Errorf("--io: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, map[string]string{"INFER_IO": "d.yaml"}, args...); r.code != 0 {
		t.Errorf("INFER_IO: exit %d: %s", r.code, r.err)
	}
	if err := os.WriteFile("infer.yaml", []byte("io: d.yaml\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := infer(t, nil, args...); r.code != 0 {
		t.Errorf("io: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, append(args, "--io", "gone.yaml")...); r.code != 2 || !strings.Contains(r.err, `"gone.yaml" does not exist`) {
		t.Errorf("gone: exit %d: %s", r.code, r.err)
	}
}

func TestQuantizePictures(t *testing.T) {
	needEngine(t)
	model, pictures := digitPictures(t)
	out := filepath.Join(t.TempDir(), "digits.int8.onnx")
	r := infer(t, nil, "quantize", model, "--mode", "static", "--calib", pictures, "--data", pictures, "--allow-slower", "--race-time", "100ms", "-o", out, "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if got := value(t, r.document(t), "accuracy_top1_base", nil); got != 354./360 {
		t.Errorf("accuracy of the original %g, want %g", got, 354./360)
	}
}
