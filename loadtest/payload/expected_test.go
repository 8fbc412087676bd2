package payload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// doubler opens a fake model whose output y is twice its input x, of rows rows a run (0: any number).
func doubler(t *testing.T, f *enginetest.Fake, rows int64, outputs ...*onnx.ValueInfo) engine.Session {
	t.Helper()
	dim := onnx.Symbol("batch")
	if rows > 0 {
		dim = onnx.Fixed(rows)
	}
	row := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{dim, onnx.Fixed(2)}}
	if outputs == nil {
		outputs = []*onnx.ValueInfo{{Name: "y", Type: row}}
	}
	f.Compute = func(in []tensor.Tensor, ports []engine.Port) ([]tensor.Tensor, error) {
		v, err := tensor.Floats(in[0])
		if err != nil {
			return nil, err
		}
		v = slices.Clone(v)
		for i := range v {
			v[i] *= 2
		}
		out := make([]tensor.Tensor, len(ports))
		for i, p := range ports {
			out[i] = floats(p.Name, in[0].Shape, v...)
		}
		return out, nil
	}
	s, err := f.Open(t.Context(), model.New(&onnx.Model{Graph: &onnx.Graph{Inputs: []*onnx.ValueInfo{{Name: "x", Type: row}}, Outputs: outputs}}), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestExpect: a model that fixes its batch axis is run in parts, and the only input may be called otherwise.
func TestExpect(t *testing.T) {
	set := &Set{Payloads: []Payload{
		{Inputs: []tensor.Tensor{floats("x", tensor.Shape{4, 2}, 1, 2, 3, 4, 5, 6, 7, 8)}},
		{Inputs: []tensor.Tensor{floats("INPUT__0", tensor.Shape{4, 2}, 0, 0, 0, 0, 0, 0, 0, 9)}},
	}}
	for rows, runs := range map[int64]int{0: 2, 4: 2, 2: 4, 1: 8} {
		f := &enginetest.Fake{}
		e, err := Expect(t.Context(), doubler(t, f, rows), set, "m.onnx")
		if err != nil {
			t.Fatal(err)
		}
		if f.Runs() != runs || e.Source != "m.onnx" || e.Notes != nil {
			t.Errorf("%d runs of %d rows, %+v", f.Runs(), rows, e)
		}
		same(t, e.Outputs[0], []tensor.Tensor{floats("y", tensor.Shape{4, 2}, 2, 4, 6, 8, 10, 12, 14, 16)})
		same(t, e.Outputs[1], []tensor.Tensor{floats("y", tensor.Shape{4, 2}, 0, 0, 0, 0, 0, 0, 0, 18)})
	}
	if set.Payloads[1].Inputs[0].Name != "INPUT__0" {
		t.Error("the set was written to")
	}
}

func TestExpectRefuses(t *testing.T) {
	three := &Set{Payloads: []Payload{{Inputs: []tensor.Tensor{floats("x", tensor.Shape{3, 2}, 1, 2, 3, 4, 5, 6)}}}}
	_, err := Expect(t.Context(), doubler(t, &enginetest.Fake{}, 2), three, "m.onnx")
	refuses(t, err, `payload 0: input "x" has 3 rows, and the local model takes 2 a run`)
	two := &Set{Payloads: []Payload{{Inputs: []tensor.Tensor{three.Payloads[0].Inputs[0], ints("z", nil, 1)}}}}
	_, err = Expect(t.Context(), doubler(t, &enginetest.Fake{}, 0), two, "m.onnx")
	refuses(t, err, `the local model has no input "z"`)

	maps := &onnx.ValueInfo{Name: "probabilities", Type: &onnx.Type{Kind: onnx.KindSequence}}
	_, err = Expect(t.Context(), doubler(t, &enginetest.Fake{}, 0, maps), three, "m.onnx")
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "probabilities") || !strings.Contains(fault.HintOf(err), "ZipMap") {
		t.Error(err)
	}
	label := &onnx.ValueInfo{Name: "label", Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}
	e, err := Expect(t.Context(), doubler(t, &enginetest.Fake{}, 0, label, maps), three, "m.onnx")
	if err != nil || len(e.Outputs[0]) != 1 || e.Outputs[0][0].Name != "label" || !strings.Contains(strings.Join(e.Notes, ""), "probabilities") {
		t.Errorf("%+v %v", e, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = Expect(ctx, doubler(t, &enginetest.Fake{}, 0), three, "m.onnx"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// shared opens a model of the folder shared/models beside the checkout, and skips by its name where there is none.
func shared(t *testing.T, path string) (*model.Model, engine.Session) {
	t.Helper()
	full := filepath.Join("..", "..", "..", "shared", "models", path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("no shared/models/%s beside the checkout", path)
	}
	m, err := model.Load(full)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	s, err := enginetest.CPU(t).Open(t.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return m, s
}

// TestRealModels: what a real session answers to the payloads is found right in every protocol, and the answer to
// another payload wrong.
func TestRealModels(t *testing.T) {
	for _, c := range []struct {
		path string
		bind model.Bindings
	}{
		{"mnist-cnn/mnist-cnn.onnx", model.Bindings{}},
		{"mnist-cnn/mnist-cnn-dynamic.onnx", model.Bindings{Dims: map[string]int64{}}},
		{"banking77-encoder/banking77-encoder.onnx", model.Bindings{Dims: map[string]int64{"sequence": 12}}},
		{"silero-vad/silero-vad-op18-ifless.onnx", model.Bindings{Shapes: map[string]tensor.Shape{"input": {1, 576}}}},
	} {
		t.Run(c.path, func(t *testing.T) {
			m, s := shared(t, c.path)
			b, err := m.Bind(c.bind)
			if err != nil {
				t.Fatal(err)
			}
			set, err := FromModel(m, b, Options{Seed: 1, most: 4})
			if err != nil {
				t.Fatal(err)
			}
			if set.Len() != 4 || set.Rows != 1 {
				t.Fatalf("%d payloads of %d rows", set.Len(), set.Rows)
			}
			if err := set.Check(WirePorts(m.Inputs())); err != nil {
				t.Fatal(err)
			}
			checkReal(t, set, s)
		})
	}
}

// checkReal runs payloads as a server would, and compares what it answers.
func checkReal(t *testing.T, set *Set, s engine.Session) {
	t.Helper()
	e, err := Expect(t.Context(), s, set, "m.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range protocols {
		for _, binary := range []bool{true, false} {
			c, err := NewChecker(p, e, summed)
			if err != nil {
				t.Fatal(err)
			}
			for i := range set.Payloads {
				out := make([]tensor.Tensor, len(s.Outputs()))
				if err := s.Run(t.Context(), set.Payloads[i].Inputs, out); err != nil {
					t.Fatal(err)
				}
				for j, o := range s.Outputs() {
					out[j].Name = o.Name
				}
				if p == TFS && binary && out[0].Shape[0] != out[len(out)-1].Shape[0] {
					continue // outputs without one axis of rows have no row format
				}
				if (p == TorchServe || p == HTTP) && binary {
					continue // as TFS
				}
				a := answers(t, p, out, binary)
				if what := c.Check(i, a); what != "" {
					t.Errorf("%s, payload %d: %s", p, i, what)
				}
				if what := c.Check((i+1)%set.Len(), a); !strings.Contains(what, "expected") {
					t.Errorf("%s: the answer to payload %d is right for another: %q", p, i, what)
				}
			}
		}
	}
}

// TestRealGraph: ids stay inside the vocabulary and masks are ones, which by names alone they need not be.
func TestRealGraph(t *testing.T) {
	m, _ := shared(t, "banking77-encoder/banking77-encoder.onnx")
	b, err := m.Bind(model.Bindings{Dims: map[string]int64{"batch": 2, "sequence": 48}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := FromModel(m, b, Options{Seed: 1})
	if err != nil || set.Rows != 2 || set.Len() != madeUp {
		t.Fatalf("%+v %v", set, err)
	}
	most := int64(0)
	for _, p := range set.Payloads {
		for _, v := range mustInts(t, p.Inputs[0]) {
			most = max(most, v)
		}
		for _, v := range mustInts(t, p.Inputs[1]) {
			if v != 1 {
				t.Fatalf("a mask with %d", v)
			}
		}
	}
	if most < 1000 || most > 2000 {
		t.Errorf("the largest id is %d of a vocabulary of some 1700 words", most)
	}
}

// TestRealData: rows of a data set against golden outputs, one of them damaged.
func TestRealData(t *testing.T) {
	m, s := shared(t, "mnist-cnn/mnist-cnn-dynamic.onnx")
	dir := filepath.Join(filepath.Dir(m.Path), "test")
	d, err := dataset.Open(dir, ModelPorts(WirePorts(m.Inputs())), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	set, err := FromData(d, dir, 4, Options{most: 3})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Expect(t.Context(), s, set, m.Path)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]tensor.Tensor, 250) // golden rows for all rows of the data set
	for i := range all {
		in, err := d.Batch(int64(4*i), int64(4*i+4))
		if err != nil {
			t.Fatal(err)
		}
		out := make([]tensor.Tensor, 1)
		if err := s.Run(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		all[i] = out[0]
	}
	rows, err := tensor.Concat(all...)
	if err != nil {
		t.Fatal(err)
	}
	const width = 10 * 4           // bytes of a row of scores
	rows.Data[4*width+3] ^= 0x80   // row 4 is not sent
	rows.Data[333*width+3] ^= 0x80 // row 333 is: the sign of its first score
	golden, name := t.TempDir(), e.Outputs[0][0].Name
	if err := tensor.WriteNpy(filepath.Join(golden, fmt.Sprintf("%s.npy", dataset.FileName(name))), rows); err != nil {
		t.Fatal(err)
	}
	g, err := Golden(golden, set, WirePorts(s.Outputs()))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewChecker(OIPHTTP, g, summed)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range set.Payloads {
		if what := c.Check(i, answers(t, OIPHTTP, e.Outputs[i], true)); what != "" {
			wrong++
			if lo := set.Payloads[i].Lo; !strings.HasPrefix(what, fmt.Sprintf("output %q[%d,0]", name, 333-lo)) {
				t.Errorf("payload %d of rows from %d: %s", i, lo, what)
			}
		}
	}
	if wrong != 1 {
		t.Errorf("%d wrong answers, want that with row 333; rows from %d, %d, %d", wrong, set.Payloads[0].Lo, set.Payloads[1].Lo, set.Payloads[2].Lo)
	}
}
