package advice

import (
	"bytes"
	"encoding/binary"
	"math"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// tiny is the smallest normal float32; half of it is subnormal.
const tiny = 0x1p-126

// product is a MatMul with a weight of n × n whose first three elements are subnormal, a zero and the smallest normal.
func product(n int64) *model.Model {
	w := filled("w", 0.5, n, n)
	v, _ := w.Value()
	x, _ := tensor.Floats(v)
	x[0], x[1], x[2], x[3], x[4] = tiny/2, -tiny/4, 0x1p-149, 0, tiny
	return enginetest.Build(values(value("x", tensor.Float32, 4, int(n))), values(value("y", tensor.Float32, 4, int(n))),
		[]*onnx.Node{node("MatMul", names("x", "w"), names("y"))}, w, filled("clean", 1, n))
}

func TestScan(t *testing.T) {
	m := product(64)
	check := func(t *testing.T, m *model.Model) {
		t.Helper()
		d := ScanDenormals(m)
		if d.Scanned != 2 || d.Elements != 64*64+64 || d.Found != 3 || len(d.Initializers) != 1 || d.Initializers[0].Name != "w" || d.Initializers[0].Count != 3 {
			t.Errorf("scan says %+v", *d)
		}
	}
	check(t, m)
	for name, mode := range map[string]model.ExternalMode{"one file": model.ExternalNever, "external data": model.ExternalAlways} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.onnx")
			if err := m.Save(path, model.SaveOptions{External: mode}); err != nil {
				t.Fatal(err)
			}
			loaded, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			defer loaded.Close()
			check(t, loaded)
			clean, err := flushed(loaded)
			if err != nil {
				t.Fatal(err)
			}
			if d := ScanDenormals(clean); d.Found != 0 || d.Elements != 64*64+64 {
				t.Errorf("the copy has %+v", *d)
			}
			check(t, loaded) // the copy alone was changed
		})
	}
}

// TestScanDTypes: the largest subnormal number of each dtype counts, the smallest normal one does not, nor do zeros,
// infinities and NaN. Ref: IEEE 754; bfloat16 is the upper half of a float32.
func TestScanDTypes(t *testing.T) {
	words := func(v any) []byte {
		var b bytes.Buffer
		_ = binary.Write(&b, binary.LittleEndian, v)
		return b.Bytes()
	}
	for d, data := range map[tensor.DType][]byte{
		tensor.Float16:  words([]uint16{0x03ff, 0x8001, 0x0400, 0, 0x8000, 0x7c00, 0x7e00}),
		tensor.BFloat16: words([]uint16{0x007f, 0x8001, 0x0080, 0, 0x8000, 0x7f80, 0x7fc0}),
		tensor.Float32:  words([]uint32{0x007fffff, 0x80000001, 0x00800000, 0, 0x80000000, 0x7f800000, 0x7fc00000}),
		tensor.Float64:  words([]uint64{0x000fffffffffffff, 1<<63 | 1, 1 << 52, 0, 1 << 63, math.Float64bits(math.Inf(1)), math.Float64bits(math.NaN())}),
	} {
		for step := 1; step <= len(data); step++ { // however the bytes come in pieces
			s := &scanner{dtype: d}
			for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				_, _ = s.Write(rest[:min(step, len(rest))])
			}
			if s.found != 2 || s.elements != 7 {
				t.Errorf("%s in pieces of %d: %d of %d", d, step, s.found, s.elements)
			}
		}
	}
}

// TestProve: the race runs on the real runtime, with and without the numbers; what it gains is the CPU's business.
func TestProve(t *testing.T) {
	m := product(64)
	in := []tensor.Tensor{enginetest.Floats("x", tensor.Shape{4, 64}, make([]float32, 256)...)}
	got, err := ProveDenormals(t.Context(), enginetest.CPU(t), m, engine.Config{Threads: 1, TracePrefix: "not/written"}, in)
	if err != nil {
		t.Fatal(err)
	}
	if got != nil && (got.Lo == nil || !(*got.Lo <= got.Value && got.Value <= *got.Hi) || got.N < 7) {
		t.Errorf("speedup is %+v", *got)
	}
	if d := ScanDenormals(m); d.Found != 3 {
		t.Errorf("the model was changed: %+v", *d)
	}
}

// TestFirstRuns: each size is run once in a session that is warm.
func TestFirstRuns(t *testing.T) {
	m := enginetest.Identity(tensor.Float32, "batch", 4)
	sizes := []int64{2, 8}
	got, err := FirstRuns(t.Context(), enginetest.CPU(t), m, engine.Config{Threads: 1}, func(batch int64) ([]tensor.Tensor, error) {
		x, err := tensor.New("", tensor.Float32, tensor.Shape{max(1, batch), 4})
		return []tensor.Tensor{x}, err
	}, sizes)
	if err != nil || len(got) != 2 || got[2] <= 0 || got[8] <= 0 {
		t.Errorf("first runs are %v, %v", got, err)
	}
}

// FuzzScan: any bytes in any pieces are counted as whole numbers of the dtype.
func FuzzScan(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 128, 0}, 3, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, step int, kind uint8) {
		d := []tensor.DType{tensor.Float32, tensor.Float16, tensor.BFloat16, tensor.Float64}[kind%4]
		step = 1 + max(0, step)%64
		whole, pieces := &scanner{dtype: d}, &scanner{dtype: d}
		_, _ = whole.Write(data)
		for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			_, _ = pieces.Write(rest[:min(step, len(rest))])
		}
		if whole.found != pieces.found || whole.elements != int64(len(data)*8/d.Bits()) || pieces.elements != whole.elements {
			t.Errorf("%s: %d of %d whole, %d of %d in pieces of %d", d, whole.found, whole.elements, pieces.found, pieces.elements, step)
		}
	})
}
