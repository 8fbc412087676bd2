package convert

import (
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// TestHalfKeepsExternal: the weights of a model with external data stay beside it.
func TestHalfKeepsExternal(t *testing.T) {
	out := on(t, load(t, digits), "external-data")
	must(t, out, quick())
	k := on(t, load(t, out.Output), "fp16")
	x, _ := must(t, k, quick())
	if len(x.Files) != 2 || x.Files[1].What != "external data" || x.Files[0].Bytes > x.Files[1].Bytes {
		t.Errorf("files %+v", x.Files)
	}
}

// TestOverflow: 300·300·300 is no float16, which the CPU, computing in float32, would not show: the range of the value
// between the two products is looked at, and they stay float32.
func TestOverflow(t *testing.T) {
	x, _ := must(t, one(t, pair("MatMul", 300, "MatMul", 0.001), "fp16", 300), quick())
	if x.Conversion.Float != 2 || !strings.Contains(x.Conversion.Kept[0], `"h" reaches 9e+04`) {
		t.Errorf("%+v", x.Conversion)
	}
	if x, _ := must(t, one(t, pair("MatMul", 300, "MatMul", 0.001), "fp16", 1), quick()); x.Conversion.Float != 0 {
		t.Errorf("of 1 · 300 stays float32: %+v", x.Conversion)
	}
}

// rows are calibration rows.
type rows []float32

func (r rows) Rows() int64 { return int64(len(r)) }
func (r rows) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	return []tensor.Tensor{enginetest.Floats("x", tensor.Shape{hi - lo, 1}, r[lo:hi]...)}, nil
}

// TestCalibration: the rows say what is too large, up to --samples of them and above --act-max.
func TestCalibration(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples int64
		most    float64
		float   int
	}{{"all", 0, 4094, 2}, {"the first", 2, 4094, 0}, {"a higher limit", 0, 65504, 0}} {
		k := one(t, pair("MatMul", 100, "MatMul", 0.001), "fp16", 1)
		k.Calib = rows{1, 2, 300}
		o := quick()
		o.Samples, o.Half.ActMax = c.samples, c.most
		if x, _ := must(t, k, o); x.Conversion.Float != c.float || !strings.Contains(strings.Join(x.Changes, ""), "calibration rows") {
			t.Errorf("%s: %+v, %q", c.name, x.Conversion, x.Changes)
		}
	}
	k := one(t, pair("MatMul", 100, "MatMul", 0.001), "bf16", 1)
	k.Calib = rows{1}
	if _, _, err := convert(t, k, quick()); fault.KindOf(err) != fault.Usage {
		t.Errorf("calibrated bfloat16: %v", err)
	}
}

// TestBlocked: nodes and operators that are named stay float32; a pattern that names none is a mistake.
func TestBlocked(t *testing.T) {
	o := quick()
	o.Half.BlockOps = []string{"Conv"}
	x, _ := must(t, on(t, load(t, digits), "fp16"), o)
	if !slices.ContainsFunc(x.Conversion.Kept, func(s string) bool { return strings.HasSuffix(s, "(Conv): blocked operator") }) {
		t.Errorf("kept %v", x.Conversion.Kept)
	}
	o = quick()
	o.BlockNodes = regexp.MustCompile("^conv1$")
	x, _ = must(t, on(t, load(t, digits), "fp16"), o)
	if !slices.ContainsFunc(x.Conversion.Kept, func(s string) bool { return strings.HasPrefix(s, "conv1 (Conv): blocked node") }) {
		t.Errorf("kept %v", x.Conversion.Kept)
	}
	o.BlockNodes = regexp.MustCompile("^none$")
	if _, _, err := convert(t, on(t, load(t, digits), "fp16"), o); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"^none$" matches no node`) {
		t.Errorf("error is %v", err)
	}
}

// TestAdversarial: constants at the edges of float32 do not change what the model answers, and are counted. As the bounds
// of Min and Max they may be cut; a factor of 1e38 may not, and its node stays float32.
func TestAdversarial(t *testing.T) {
	inf := float32(math.Inf(1))
	high, low := []float32{1e38, inf, 65504, 65520, 1}, []float32{-1e38, -inf, -65504, -65520, -1}
	small := []float32{1e-45, -1e-45, 5.9e-8, float32(math.Copysign(0, -1)), float32(math.NaN())}
	large := []float32{1e38, inf, -inf, 0, 1e-45}
	shape := tensor.Shape{1, 5}
	port := func(name string) *onnx.ValueInfo { return enginetest.Value(name, tensor.Float32, 1, 5) }
	m := enginetest.Build(enginetest.Values(port("x")), enginetest.Values(port("a"), port("b"), port("c"), port("d")), []*onnx.Node{
		enginetest.Node("Min", enginetest.Names("x", "high"), enginetest.Names("a")),
		enginetest.Node("Max", enginetest.Names("x", "low"), enginetest.Names("b")),
		enginetest.Node("Mul", enginetest.Names("x", "small"), enginetest.Names("c")),
		enginetest.Node("Mul", enginetest.Names("x", "large"), enginetest.Names("d")),
	}, enginetest.Initializer(enginetest.Floats("high", shape, high...)), enginetest.Initializer(enginetest.Floats("low", shape, low...)),
		enginetest.Initializer(enginetest.Floats("small", shape, small...)), enginetest.Initializer(enginetest.Floats("large", shape, large...)))
	k := on(t, m, "fp16")
	k.Inputs = [][]tensor.Tensor{{enginetest.Floats("x", shape, 0.5, 0.5, 0.5, 0.5, 0.5)}}
	r, d := must(t, k, quick())
	for _, o := range r.Verification.Outputs {
		if o.Beyond > 0 {
			t.Errorf("output %s: %+v", o.Output, o)
		}
	}
	if r.Conversion.Float != 1 || r.Conversion.Clamped != 4 || r.Conversion.Flushed != 2 || !strings.Contains(strings.Join(d.Warnings, "\n"), "4 constants were too large") {
		t.Errorf("%+v, warnings %q", r.Conversion, d.Warnings)
	}
}

// TestTraps: the models that other converters break: Resize, whose scales stay float32, a Cast to float32 between nodes
// in half precision, and branches that read values from around them.
func TestTraps(t *testing.T) {
	image := enginetest.Value("x", tensor.Float32, 1, 1, 4, 4)
	big := enginetest.Value("y", tensor.Float32, 1, 1, 8, 8)
	resize := enginetest.Build(enginetest.Values(image), enginetest.Values(big), []*onnx.Node{
		enginetest.Node("Relu", enginetest.Names("x"), enginetest.Names("r")),
		enginetest.Node("Resize", enginetest.Names("r", "", "scales"), enginetest.Names("u")),
		enginetest.Node("Cast", enginetest.Names("u"), enginetest.Names("c"), enginetest.Int("to", int64(tensor.Float32))),
		enginetest.Node("Add", enginetest.Names("c", "one"), enginetest.Names("y")),
	}, enginetest.Initializer(enginetest.Floats("scales", tensor.Shape{4}, 1, 1, 2, 2)), enginetest.Initializer(enginetest.Floats("one", nil, 1)))
	for name, m := range map[string]*model.Model{"Resize and Cast": resize, "If": load(t, "../../testdata/odd/if.onnx"), "Loop": load(t, "../../testdata/odd/loop.onnx")} {
		t.Run(name, func(t *testing.T) {
			if x, _ := must(t, on(t, m, "fp16"), quick()); x.Verification.Verdict == "not_run" {
				t.Error("it was not run")
			}
		})
	}
}

// TestShared converts every shared float model to float16, as a user would.
func TestShared(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	if len(files) == 0 {
		t.Skip("no folder shared/models beside the checkout")
	}
	for _, file := range files {
		if regexp.MustCompile(`odd/|fp16|qdq|qoperator|silero`).MatchString(file) {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			k := on(t, load(t, file), "fp16")
			if x, _ := must(t, k, quick()); x.Verification.Verdict == "not_run" {
				t.Error("it was not run")
			}
		})
	}
}
