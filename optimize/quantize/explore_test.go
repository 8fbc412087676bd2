package quantize

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// TestCalibrationCache: what was calibrated is used again, with the same bytes; as a file of ranges it takes the place of
// the rows.
func TestCalibrationCache(t *testing.T) {
	o := quick(Static)
	o.Cache = filepath.Join(t.TempDir(), "cache")
	k := digits(t)
	first := mustQuantize(t, k, o)
	if st, err := os.Stat(o.Cache); err != nil || st.Size() == 0 {
		t.Fatalf("no cache: %v", err)
	}
	again := digits(t)
	second := mustQuantize(t, again, o)
	if second.Calibration == nil || second.Calibration.Resumed != 200 || first.Calibration.Resumed != 0 {
		t.Errorf("rows resumed: %+v, before %+v", second.Calibration, first.Calibration)
	}
	if !bytes.Equal(read(t, k.Output), read(t, again.Output)) {
		t.Error("the model differs")
	}
	ranges := quick(Static)
	ranges.Ranges = []string{o.Cache}
	alone := digits(t)
	alone.Calib = nil
	third := mustQuantize(t, alone, ranges)
	if third.Output == "" || third.Calibration.Loaded != o.Cache || !slices.EqualFunc(third.Calibration.Ranges, first.Calibration.Ranges, func(a, b report.RangeOf) bool {
		return a.Tensor == b.Tensor && a.Lo == b.Lo && a.Hi == b.Hi
	}) {
		t.Errorf("ranges are %+v, want %+v", third.Calibration.Ranges, first.Calibration.Ranges)
	}
	ranges.Ranges = []string{digitsDir + "README.md"}
	if _, err := quantize(t, t.Context(), digits(t), ranges); err == nil {
		t.Error("ranges of a text")
	}
	held := digits(t)
	held.Data, held.Labels = nil, nil
	if r := mustQuantize(t, held, o); r.Calibration.Rows != 160 || r.Calibration.Resumed != 0 || !strings.Contains(strings.Join(r.Warnings, "\n"), "it is begun anew") {
		t.Errorf("other rows of the same data: %+v, warnings %q", r.Calibration, r.Warnings)
	}
}

// TestAutoRecipes: what makes no sense for a graph or a target is left out with a reason.
func TestAutoRecipes(t *testing.T) {
	product := func(rows int) *onnx.Model {
		return enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, rows, 8)), enginetest.Values(enginetest.Value("y", tensor.Float32, rows, 8)),
			[]*onnx.Node{enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("y"))},
			enginetest.Initializer(enginetest.Floats("w", tensor.Shape{8, 8}, make([]float32, 64)...))).Proto
	}
	relu := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 8)), enginetest.Values(enginetest.Value("y", tensor.Float32, 8)),
		[]*onnx.Node{enginetest.Node("Relu", enginetest.Names("x"), enginetest.Names("y"))}).Proto
	for _, c := range []struct {
		name     string
		model    *onnx.Model
		change   func(*quantizer)
		tried    string
		notTried map[string]string
	}{
		{"a few rows", product(16), nil, "static auto, dynamic, weight-only int8, int8 in the file only", nil},
		{"many rows", product(17), nil, "static auto, dynamic, int8 in the file only", map[string]string{"weight-only int8": "products of more than 16 rows"}},
		{"no rows to calibrate", product(1), func(q *quantizer) { q.fit = nil }, "dynamic, weight-only int8, int8 in the file only", map[string]string{"static auto": "it needs calibration data"}},
		{"ranges in their place", product(1), func(q *quantizer) { q.fit, q.options.Ranges = nil, []string{"file"} }, "static auto, dynamic, weight-only int8, int8 in the file only", nil},
		{"no products", relu, nil, "int8 in the file only", map[string]string{"static auto": "no Conv, Gemm or MatMul", "dynamic": "no MatMul", "weight-only int8": "no MatMul"}},
		{"a runtime without kernels", product(1), func(q *quantizer) { q.task.Target.Dynamic, q.task.Target.Name = false, "tensorrt" }, "static auto",
			map[string]string{"dynamic": "tensorrt has no kernels", "weight-only int8": "tensorrt has no kernels"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQuantizer(Task{}, quick(Auto), report.New("quantize"))
			q.prepared, q.fit = c.model, counted{rows: 8}
			q.task.Target.Dynamic, q.task.Target.Contrib = true, true
			if c.change != nil {
				c.change(q)
			}
			list, err := q.recipes()
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range list {
				names = append(names, r.Name)
			}
			if got := strings.Join(names, ", "); got != c.tried {
				t.Errorf("tried are %s, want %s", got, c.tried)
			}
			if len(q.details.NotTried) != len(c.notTried) {
				t.Errorf("not tried are %+v", q.details.NotTried)
			}
			for _, n := range q.details.NotTried {
				if want, ok := c.notTried[n.Name]; !ok || !strings.Contains(n.Why, want) {
					t.Errorf("%s was not tried because %q, want %q", n.Name, n.Why, want)
				}
			}
		})
	}
}

func TestGroupsOf(t *testing.T) {
	c := &candidate{built: &built{}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		c.built.decisions = append(c.built.decisions, decided(name, "static", "w"), decided(name+"'", "static", ""), decided(name+"''", "float", "w"))
	}
	c.built.decisions = append(c.built.decisions, decided("a", "static", "w2")) // its second weight
	for most, want := range map[int]string{8: "a|b|c|d|e", 5: "a|b|c|d|e", 3: "a b|c d|e", 2: "a b c|d e", 1: "a b c d e"} {
		var got []string
		for _, g := range groupsOf(c, most) {
			got = append(got, strings.Join(g.nodes, " "))
			if len(g.ops) != len(g.nodes) {
				t.Errorf("group %+v", g)
			}
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("at most %d groups are %s, want %s", most, text, want)
		}
	}
}

func TestLeastGain(t *testing.T) {
	for _, c := range []struct {
		gains []float64
		want  float64
	}{{[]float64{2, -1, 4}, 0.004}, {[]float64{-1, 0}, 1}, {nil, 1}} {
		var groups []group
		for _, g := range c.gains {
			groups = append(groups, group{gain: g})
		}
		if got := leastGain(groups); got != c.want {
			t.Errorf("of %v it is %g, want %g", c.gains, got, c.want)
		}
	}
}

func TestRuntimeName(t *testing.T) {
	for name, want := range map[string]string{
		"conv1": "conv1", "fused conv1": "conv1", "conv1_nchwc": "conv1", "fused conv1_nchwc": "conv1", "fc_token_12": "fc", "fc/MatMulAddFusion": "fc",
		"fc/MatMulAddFusion/x": "fc", "_token_1": "_token_1", "": "",
	} {
		if got := runtimeName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// TestWithout: nodes that stay float are sorted, each once, and the recipe that it came from stays as it is.
func TestWithout(t *testing.T) {
	a := Recipe{Name: "r"}.without("c", "a")
	b := a.without("b", "a")
	if strings.Join(a.Float, " ") != "a c" || strings.Join(b.Float, " ") != "a b c" || b.Name != "r" {
		t.Errorf("float are %q and %q", a.Float, b.Float)
	}
}

func decided(node string, form emit.Form, weight string) emit.Decision {
	return emit.Decision{Node: node, Op: "MatMul", Form: form, Weight: weight}
}
