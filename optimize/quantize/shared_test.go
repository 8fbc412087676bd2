package quantize

import (
	"os"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/tensor"
	"infer/report"
)

// TestSharedModels: real models keep their default budget, or say why they stay float.
func TestSharedModels(t *testing.T) {
	const dir = "../../../shared/models/"
	for _, c := range []struct {
		name, file string
		shapes     map[string]tensor.Shape
		calib      string  // "": made up
		data       string  // "": none
		within     float64 // points of accuracy that may be lost; with data alone
		kind       fault.Kind
		refused    bool
	}{
		{name: "mnist-cnn", file: "mnist-cnn/mnist-cnn.onnx", calib: "mnist-cnn/calib", data: "mnist-cnn/test", within: 0.5},
		{name: "micro-kws", file: "micro-kws/micro-kws-fp32.onnx"},
		{name: "micro-kws, quantized already", file: "micro-kws/micro-kws-qdq.onnx", kind: fault.Unsupported, refused: true},
		{name: "micro-kws, quantized otherwise", file: "micro-kws/micro-kws-qoperator.onnx", kind: fault.Unsupported, refused: true},
		{name: "silero-vad with If", file: "silero-vad/silero-vad.onnx", shapes: map[string]tensor.Shape{"input": {1, 576}, "state": {2, 1, 128}}},
		{name: "trees", file: "adult-gbdt/adult-gbdt.onnx", data: "adult-gbdt/test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := os.Stat(dir + c.file); err != nil {
				t.Skip("no " + c.file)
			}
			m := load(t, dir+c.file)
			bound, err := m.Bind(model.Bindings{Shapes: c.shapes})
			if err != nil {
				t.Fatal(err)
			}
			k := task(t, m, bound.Shapes)
			if c.calib != "" {
				k.Calib, k.Source = take(rowsOf(t, m, dir+c.calib), 200), "calib"
			}
			if c.data != "" {
				set := rowsOf(t, m, dir+c.data)
				k.Data, k.DataName = set, "test"
				k.Labels, _ = set.Labels()
			}
			r, err := quantize(t, t.Context(), k, quick(Auto))
			if c.refused {
				if fault.KindOf(err) != c.kind {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (r.Verdict == report.OK) != (r.Output != "") || r.Reason == "" {
				t.Errorf("verdict %s, output %q, reason %q", r.Verdict, r.Output, r.Reason)
			}
			if c.within > 0 {
				if drop := r.Metric("accuracy_drop", nil); r.Output == "" || drop == nil || *drop.Value > c.within/100 {
					t.Errorf("output %q, drop %+v: %s", r.Output, drop, r.Reason)
				}
			}
		})
	}
}
