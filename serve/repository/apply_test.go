package repository

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// TestApplySources: a source that left is unloaded, one that came is loaded, and each is said.
func TestApplySources(t *testing.T) {
	dir := t.TempDir()
	a, b, c := save(t, plus(1), dir, "a.onnx"), save(t, plus(2), dir, "b.onnx"), save(t, plus(3), dir, "c.onnx")
	r := serve(t, Options{Sources: []Source{{Name: "a", Path: a}, {Name: "b", Path: b}}, Models: map[string]ModelOptions{"a": {SLO: time.Second}}})
	lines, err := r.Apply(t.Context(), Options{Sources: []Source{{Name: "b", Path: c}, {Name: "c", Path: c}}, Models: map[string]ModelOptions{"c": {MaxBatch: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	want := `model "a": unloaded|model "b": path: ` + b + ` → ` + c + `|model "c": loaded`
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := r.Acquire("a", "", ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the model that left: %v", err)
	}
	for _, name := range []string{"b", "c"} {
		if added, _ := ask(t, r, name, "", ""); added != 3 {
			t.Errorf("%s adds %v", name, added)
		}
	}
	for text, o := range map[string]Options{
		"no such file":  {Sources: []Source{{Path: filepath.Join(dir, "gone.onnx")}}},
		"names version": {Sources: []Source{{Name: "c", Path: c}}, Models: map[string]ModelOptions{"c": {Split: map[string]int{"1": 50, "7": 50}}}},
	} {
		if _, err := r.Apply(t.Context(), o); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
	if i := r.Index(); len(i) != 2 {
		t.Errorf("after errors: %+v", i)
	}
}

// TestSplitOfNothing: a split over a version that is not there is an error at the start.
func TestSplitOfNothing(t *testing.T) {
	file := save(t, plus(1), t.TempDir(), "m.onnx")
	o := Options{Sources: []Source{{Path: file}}, Provider: enginetest.CPU(t), Models: map[string]ModelOptions{"m": {Split: map[string]int{"1": 90, "2": 10}}}}
	for name, err := range map[string]error{"check": Check(t.Context(), o), "start": func() error { _, err := New(o); return err }()} {
		if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const labelsIO = "labels: {names: [no, yes]}\n"

// TestInherited: a version without a declaration has that of its model's folder; where there is none either, and an older
// version has one of its own, that is said.
func TestInherited(t *testing.T) {
	for _, c := range []struct {
		name, file string
		declared   bool
	}{
		{"model.io.yaml of the model", "model.io.yaml", true},
		{"NAME.io.yaml of the model", "m.io.yaml", true},
		{"of the older version", "1/model.io.yaml", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			publishVersion(t, 1, dir, 1)
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(labelsIO), 0o600); err != nil {
				t.Fatal(err)
			}
			publishVersion(t, 2, dir, 2)
			var log safeLog
			r := serve(t, Options{Model: ModelOptions{Versions: "all"}, Log: slog.New(slog.NewTextHandler(&log, nil))}, dir)
			if got := mustHold(t, r, "m").Info().Declared != nil; got != c.declared {
				t.Errorf("declared: %v", got)
			}
			if warned := strings.Contains(log.String(), "level=WARN"); warned == c.declared {
				t.Errorf("warned: %v\n%s", warned, log.String())
			}
		})
	}
}

// TestSharedAxis: two inputs that name one axis must give it one size.
func TestSharedAxis(t *testing.T) {
	m := enginetest.Build(
		enginetest.Values(enginetest.Value("ids", tensor.Int64, "n", "seq"), enginetest.Value("mask", tensor.Int64, "n", "seq")),
		enginetest.Values(enginetest.Value("y", tensor.Int64, "n", "seq")),
		[]*onnx.Node{enginetest.Node("Add", enginetest.Names("ids", "mask"), enginetest.Names("y"))})
	r := serve(t, Options{}, save(t, m, t.TempDir(), "m.onnx"))
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	ints := func(name string, n int) tensor.Tensor {
		x := tensor.Tensor{Name: name, DType: tensor.Int64, Shape: tensor.Shape{1, int64(n)}}
		for i := range n {
			x.Data = binary.LittleEndian.AppendUint64(x.Data, uint64(i))
		}
		return x
	}
	for _, sizes := range [][2]int{{3, 2}, {3, 1}} { // the runtime stretches 1 to 3
		c := NewCall()
		c.Inputs = []tensor.Tensor{ints("ids", sizes[0]), ints("mask", sizes[1])}
		err := h.Infer(t.Context(), c)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "'ids' and 'mask'") || !strings.Contains(err.Error(), "'seq'") {
			t.Errorf("%v: %v", sizes, err)
		}
		c.Free()
	}
	c := NewCall()
	defer c.Free()
	c.Inputs = []tensor.Tensor{ints("mask", 3), ints("ids", 3)}
	if err := h.Infer(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// TestNotLoadedIsSaidOnce: what fails at the start is the error, or where others serve in the log.
func TestNotLoadedIsSaidOnce(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "broken.onnx")
	start := func(sources ...Source) (logged string, err error) {
		var log safeLog
		r, err := Open(t.Context(), Options{Sources: sources, Provider: enginetest.CPU(t), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			err = r.Close(t.Context())
		}
		return log.String(), err
	}
	bad := Source{Path: filepath.Join(dir, "broken.onnx")}
	if log, err := start(bad); err == nil || strings.Contains(log, "not loaded") {
		t.Errorf("alone: %v\n%s", err, log)
	}
	good := Source{Path: save(t, plus(1), dir, "good.onnx")}
	if log, err := start(bad, good); err != nil || strings.Count(log, "not loaded") != 1 {
		t.Errorf("beside another: %v\n%s", err, log)
	}
}

// TestNotAModel: a file of another kind is no model, and not a file that is not there.
func TestNotAModel(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "vocab.txt")
	_, err := New(Options{Sources: []Source{{Path: filepath.Join(dir, "vocab.txt")}}})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "is not an ONNX model") {
		t.Errorf("got %v", err)
	}
}

// TestDroppedOutput: an output that no protocol can carry is named once in the log and in the metadata.
func TestDroppedOutput(t *testing.T) {
	list := &onnx.ValueInfo{Name: "rows", Type: &onnx.Type{Kind: onnx.KindSequence, Elem: enginetest.Value("", tensor.Float32, "n", 2).Type}}
	m := enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 2)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 2), list),
		[]*onnx.Node{
			enginetest.Node("Identity", enginetest.Names("x"), enginetest.Names("y")),
			enginetest.Node("SequenceConstruct", enginetest.Names("x"), enginetest.Names("rows")),
		})
	var log safeLog
	r := serve(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, save(t, m, t.TempDir(), "m.onnx"))
	if got := mustHold(t, r, "m").Info().Metadata[droppedKey]; got != "rows" {
		t.Errorf("left out: %q", got)
	}
	if strings.Count(log.String(), "outputs=rows") != 1 {
		t.Errorf("the log:\n%s", log.String())
	}
}
