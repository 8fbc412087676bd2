package surgery

import (
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/proof"
	"infer/testdata/arch"
)

var (
	op     = enginetest.Node
	values = enginetest.Values
	named  = enginetest.Names
)

// proven frees axes of a copy of m and proves it by running; it returns the copy and what was said.
func proven(t *testing.T, m *onnx.Model, o ProofOptions, axes ...Axis) (*onnx.Model, []string) {
	t.Helper()
	c := m.Clone()
	lines, err := FreeDims(c, axes...)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, c)
	a, err := ProveBatch(t.Context(), enginetest.CPU(t), model.New(m), model.New(c), axes, o)
	if err != nil {
		t.Fatal(err)
	}
	if a.Verdict != proof.Equal && a.Verdict != proof.Within {
		t.Errorf("%s: %s", a.Verdict, a.Why)
	}
	return c, lines
}

// TestFreeMends: each way in which a model holds its number of rows as a constant is mended, and the runtime shows that
// the rows stay what they were.
func TestFreeMends(t *testing.T) {
	batch := []Axis{{Name: "batch"}}
	y := func(dims ...any) []*onnx.ValueInfo { return values(float("y", dims...)) }
	for _, c := range []struct {
		name  string
		model *onnx.Model
		axes  []Axis
		say   string // a part of the lines
		out   string // the stated shape of y
	}{
		{"nothing", build(values(float("x", 1, 3)), y(1, 3), []*onnx.Node{op("Relu", named("x"), named("y"))}), batch, "was 1", "batch 3"},
		{"a target that starts with the rows", build(values(float("x", 1, 2, 6)), y(1, 3, 4), []*onnx.Node{op("Reshape", named("x", "t"), named("y"))}, list1("t", 1, 3, 4)), batch, "target [1 3 4] is [0 3 4]", "batch 3 4"},
		{"a target that joins the rows with an axis", build(values(float("x", 1, 2, 6)), y(2, 6), []*onnx.Node{op("Reshape", named("x", "t"), named("y"))}, list1("t", 2, 6)), batch, "target [2 6] is [-1 6]", "? 6"},
		{"a joined axis that is taken apart", build(values(float("x", 1, 2, 6)), y(1, 2, 6), []*onnx.Node{op("Reshape", named("x", "t"), named("a")), op("Softmax", named("a"), named("b")),
			op("Reshape", named("b", "u"), named("y"))}, list1("t", 2, 6), list1("u", 1, 2, 6)), batch, "target [1 2 6] is [-1 2 6]", "batch 2 6"},
		{"rows behind another axis", build(values(float("x", 5, 1, 6)), y(5, 1, 2, 3), []*onnx.Node{op("Reshape", named("x", "t"), named("y"))}, list1("t", 5, 1, 2, -1)), []Axis{{Input: "x", Index: 1, Name: "n"}}, "is [5 0 2 -1]", "5 n 2 3"},
		{"heads behind the rows", build(values(float("x", 5, 1, 6)), y(2, 5, 3), []*onnx.Node{op("Reshape", named("x", "t"), named("a")), op("Transpose", named("a"), named("y"), ints("perm", 1, 0, 2))}, list1("t", 5, 2, 3)), []Axis{{Input: "x", Index: -2, Name: "n"}}, "is [5 -1 3]", "? 5 3"},
		{"both ways to leave it open are taken", build(values(float("x", 2, "s", 4)), y("?", 2, "s", 4), []*onnx.Node{op("Reshape", named("x", "t"), named("y"))}, list1("t", 1, 2, -1, 4)), batch, "is computed from the number of rows", "1 batch s 4"},
		{"rows by four", build(values(float("x", 4, 6)), y(4, 2, 3), []*onnx.Node{op("Reshape", named("x", "t"), named("y"))}, list1("t", 4, 2, -1)), batch, "is [0 2 -1]", "batch 2 3"},
		{"a target put together", build(values(float("x", 1, "s", 4)), y(1, "s", 2, 2), []*onnx.Node{op("Shape", named("x"), named("h")), op("Gather", named("h", "i"), named("g")),
			op("Concat", named("one", "g", "rest"), named("t"), enginetest.Int("axis", 0)), op("Reshape", named("x", "t"), named("y"))}, list1("i", 1), list1("one", 1), list1("rest", 2, 2)), batch, "element 0 of its target", "batch s 2 2"},
		{"a target of Expand", build(values(float("x", 2, 1, 4)), y(2, 3, 4), []*onnx.Node{op("Expand", named("x", "t"), named("y"))}, list1("t", 2, 3, 4)), batch, "target [2 3 4] is [1 3 4]", "batch 3 4"},
		{"a row that stands for all", build(values(float("x", 1, 3, 4)), y(1, 4, 4), []*onnx.Node{op("Concat", named("c", "x"), named("y"), enginetest.Int("axis", 1))}, floats("c", 1, 1, 4)), batch, `"c" is repeated for each row`, "batch 4 4"},
		{"a slice of all rows", build(values(float("x", 1, 6)), y(1, 2), []*onnx.Node{op("Slice", named("x", "b", "e", "a"), named("y"))}, list1("b", 0, 1), list1("e", 1, 3), list1("a", 0, 1)), batch, "rows 0 to 1 are all rows", "batch 2"},
		{"sizes", build(values(float("x", 1, 2, 3, 4)), y(1, 2, 6, 8), []*onnx.Node{op("Resize", named("x", "", "", "s"), named("y"))}, list1("s", 1, 2, 6, 8)), batch, "are computed from the number of rows", "batch 2 6 8"},
		{"the states of an LSTM", build(values(float("x", 5, 1, 3)), y(5, 1, 1, 2), []*onnx.Node{op("LSTM", named("x", "w", "r", "", "", "h", "c"), named("y"), enginetest.Int("hidden_size", 2))},
			floats("w", 1, 8, 3), floats("r", 1, 8, 2), floats("h", 1, 1, 2), floats("c", 1, 1, 2)), []Axis{{Input: "x", Index: 1, Name: "batch"}}, `"h" is repeated`, "5 1 batch 2"},
		{"two inputs", build(values(float("x", 1, 3), float("z", 1, 3)), y(1, 3), []*onnx.Node{op("Add", named("x", "z"), named("y"))}), batch, `input "z"`, "batch 3"},
		{"one input of two", build(values(float("x", 1, 3), float("z", 1, 3)), y(1, 3), []*onnx.Node{op("Add", named("x", "z"), named("y"))}), []Axis{{Input: "z", Name: "n"}}, `input "z"`, "n 3"},
		{"inside a branch", conditional(), []Axis{{Input: "x", Name: "batch"}}, "target [1 2 2] is [0 2 2]", "batch 2 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			after, lines := proven(t, c.model, ProofOptions{Sizes: []int64{1, 2, 5}}, c.axes...)
			if said := strings.Join(lines, "\n"); !strings.Contains(said, c.say) {
				t.Errorf("it said\n%s\nwant %q", said, c.say)
			}
			if got := dims(after.Graph.Outputs[0]); got != c.out {
				t.Errorf("y is %q, want %q", got, c.out)
			}
		})
	}
}

// conditional is an If whose branches give x another shape.
func conditional() *onnx.Model {
	branch := func(name, kind string) *onnx.Attribute {
		return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: &onnx.Graph{Name: name, Outputs: values(float(name, 1, 2, 2)), Initializers: []*onnx.Tensor{list1(name+"_t", 1, 2, 2)},
			Nodes: []*onnx.Node{op(kind, named("x"), named(name+"_a")), op("Reshape", named(name+"_a", name+"_t"), named(name))}}}
	}
	return build(values(enginetest.Value("c", tensor.Bool), float("x", 1, 4)), values(float("y", 1, 2, 2)), []*onnx.Node{op("If", named("c"), named("y"), branch("then_branch", "Relu"), branch("else_branch", "Neg"))})
}

// TestFreeRefuses: what mixes rows, or holds their number in a way that cannot be mended, is named.
func TestFreeRefuses(t *testing.T) {
	y := values(float("y"))
	y[0].Type.HasShape = false
	one := func(kind string, in []string, attrs []*onnx.Attribute, constants ...*onnx.Tensor) *onnx.Model {
		return build(values(float("x", 4, 6)), y, []*onnx.Node{op(kind, in, named("y"), attrs...)}, constants...)
	}
	axis := func(v int64) []*onnx.Attribute { return []*onnx.Attribute{enginetest.Int("axis", v)} }
	for _, c := range []struct {
		name  string
		model *onnx.Model
		want  string
	}{
		{"a mean of the rows", one("ReduceMean", named("x", "a"), nil, list1("a", 0)), `node "y" (ReduceMean): it works along axis 0 of "x", which holds the rows`},
		{"a mean of all", one("ReduceMean", named("x"), nil), "it works along axis 0"},
		{"a softmax of the rows", one("Softmax", named("x"), axis(-2)), "it works along axis 0"},
		{"the first row", one("Gather", named("x", "i"), nil, list1("i", 0)), "it works along axis 0"},
		{"some rows", one("Slice", named("x", "b", "e", "a"), nil, list1("b", 1), list1("e", 3), list1("a", 0)), "it takes some of the rows of \"x\": 1 to 3"},
		{"rows joined", one("Concat", named("x", "c"), axis(0), floats("c", 2, 6)), "along axis 0, which holds the rows"},
		{"rows repeated", one("Tile", named("x", "n"), nil, list1("n", 2, 1)), "it repeats the rows"},
		{"a sum over the rows", one("MatMul", named("c", "x"), nil, floats("c", 3, 4)), "it sums over axis 0"},
		{"a constant for each row", one("Add", named("x", "c"), nil, floats("c", 4, 1)), `"c", 4 x 1, does not fit any other number of rows of "x"`},
		{"rows beside an axis", build(values(float("x", 4, 4, 6), float("z", 4, 6)), y, []*onnx.Node{op("Add", named("x", "z"), named("y"))}), `the rows of "z" do not line up with those of "x"`},
		{"rows turned into columns", one("Reshape", named("x", "t"), nil, list1("t", 6, 4)), "no axis of its result"},
		{"rows that a target mixes", one("Reshape", named("x", "t"), nil, list1("t", 3, -1)), "where they would be mixed"},
		{"elements that are not zero", one("NonZero", named("x"), nil), "how many rows it makes depends on their values"},
		{"an operator that nobody knows", one("Unheard", named("x"), nil), "the shape of what it makes is not known (unknown operator)"},
		{"a scale of all rows", build(values(float("x", 4, 6)), values(enginetest.Value("y", tensor.Uint8, 4, 6), float("s")), []*onnx.Node{op("DynamicQuantizeLinear", named("x"), named("y", "s", "z"))}), "has no axis for the rows: it mixes them"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := FreeDims(c.model, Axis{Name: "batch"})
			refused(t, err, fault.Unsupported, c.want, "cut the part out")
		})
	}
	x := func() *onnx.Model {
		return build(values(float("image", 1, 3), float("z", "n", 3), float("w", 2, 3)), y, []*onnx.Node{op("Add", named("image", "z"), named("y"))})
	}
	for _, c := range []struct {
		name       string
		axes       []Axis
		want, hint string
	}{
		{"an input that is misspelt", []Axis{{Input: "imgae", Name: "batch"}}, `no input is called "imgae"`, "did you mean image?"},
		{"an axis too many", []Axis{{Input: "image", Index: 2, Name: "batch"}}, "has 2 axes and no axis 2", "counted from 0"},
		{"a dynamic axis", []Axis{{Input: "z", Name: "batch"}}, "is dynamic already", ""},
		{"two sizes", []Axis{{Input: "image", Name: "batch"}, {Input: "w", Name: "batch"}}, "cannot be one batch", "different names"},
		{"no name", []Axis{{Input: "image", Name: "2x"}}, `cannot be called "2x"`, "letters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := FreeDims(x(), c.axes...)
			refused(t, err, fault.Usage, c.want, c.hint)
		})
	}
}

// TestProveDrifts: the proof can fail. Rows that are mixed and a size that the model refuses are drifts with a reason.
func TestProveDrifts(t *testing.T) {
	y := values(float("y"))
	y[0].Type.HasShape = false
	centered := func(rows any) *onnx.Model {
		return build(values(float("x", rows, 3)), y, []*onnx.Node{op("ReduceMean", named("x", "a"), named("m")), op("Sub", named("x", "m"), named("y"))}, list1("a", 0))
	}
	shaped := func(rows any) *onnx.Model {
		return build(values(float("x", rows, 3)), y, []*onnx.Node{op("Reshape", named("x", "t"), named("y"))}, list1("t", 1, 3))
	}
	for _, c := range []struct {
		original, freed *onnx.Model
		why             string
	}{
		{centered(1), centered("batch"), `output "y": `},
		{shaped(1), shaped("batch"), "Reshape"},
	} {
		a, err := ProveBatch(t.Context(), enginetest.CPU(t), model.New(c.original), model.New(c.freed), []Axis{{Name: "batch"}}, ProofOptions{})
		if err != nil || a.Verdict != proof.Drifts || !strings.Contains(a.Why, c.why) {
			t.Errorf("%v: %s %q, want %q", err, a.Verdict, a.Why, c.why)
		}
	}
}

// TestFreeRealModels: models of shared, with a batch of one and their shapes folded, take batches again and keep their
// rows apart; so do architectures.
func TestFreeRealModels(t *testing.T) {
	batch := []Axis{{Name: "batch"}}
	fixed := map[string]model.Bindings{
		"mnist-cnn/mnist-cnn-dynamic.onnx":         {Dims: map[string]int64{"batch": 1}},
		"banking77-encoder/banking77-encoder.onnx": {Dims: map[string]int64{"batch": 1, "sequence": 16}},
		"magika-v3.3/magika-v3.3.onnx":             {Dims: map[string]int64{"unk__214": 1}},
		"adult-gbdt/adult-gbdt.onnx":               {Dims: map[string]int64{"batch": 1}},
		"silero-vad/silero-vad-op18-ifless.onnx":   {Dims: map[string]int64{"batch": 1, "sequence": 576}},
		"micro-kws/micro-kws-fp32.onnx":            {},
		"micro-kws/micro-kws-qoperator.onnx":       {},
		"mnist-cnn/mnist-cnn.onnx":                 {},
		"squeezenet1.1/squeezenet1.1-fp32.onnx":    {Dims: map[string]int64{"batch": 2}},
		"yolox-nano/yolox-nano.onnx":               {},
	}
	for path, b := range fixed {
		t.Run(path, func(t *testing.T) {
			m, err := model.Load(filepath.Join("../../../shared/models", filepath.FromSlash(path)))
			if err != nil {
				t.Skip("no folder shared/models beside the checkout")
			}
			defer m.Close()
			w := &optimize.Work{Model: m.Proto.Clone(), Provider: enginetest.CPU(t)}
			if _, err := FixDims(w.Model, b); err != nil {
				t.Fatal(err)
			}
			if _, err := optimize.Run(t.Context(), w, optimize.Passes()); err != nil {
				t.Fatal(err)
			}
			axes := batch
			if strings.HasPrefix(path, "silero") {
				axes = []Axis{{Input: "input", Name: "batch"}, {Input: "state", Index: 1, Name: "batch"}}
			}
			c, lines := proven(t, w.Model, ProofOptions{}, axes...)
			t.Logf("%d lines", len(lines))
			if got := c.Graph.Outputs[0].Type.Dims; len(got) > 0 && got[0].Name != "batch" {
				t.Errorf("the first output is %s", dims(c.Graph.Outputs[0]))
			}
		})
	}
	t.Run("bert", func(t *testing.T) {
		m := arch.Encoder("bert", arch.BERT{Layers: 2, Hidden: 32, Heads: 4, FFN: 64, Vocab: 100, Positions: 16}, 8, arch.WithEmbeddings())
		proven(t, m, ProofOptions{Sizes: []int64{1, 4}}, batch...)
	})
}
