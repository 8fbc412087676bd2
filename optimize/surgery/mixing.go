package surgery

import (
	"slices"
	"strings"

	"infer/model/onnx"
)

// along returns the axes of the first input along which a node mixes elements, some below 0; all for all of them.
type along func(f *freeing, n node, rank int) (axes []int64, all bool)

// mixing returns the operators that work along axes.
func mixing() map[string]along {
	all := map[string]along{
		"ArgMax": attribute("axis", 0), "ArgMin": attribute("axis", 0), "LpNormalization": attribute("axis", -1),
		"TopK": attribute("axis", -1), "Split": attribute("axis", 0), "Gather": attribute("axis", 0),
		"GatherElements": attribute("axis", 0), "ScatterElements": attribute("axis", 0), "Scatter": attribute("axis", 0),
		"Softmax": softmaxAxes, "LogSoftmax": softmaxAxes, "Hardmax": softmaxAxes,
		"LayerNormalization": fromAxis, "RMSNormalization": fromAxis,
		"CumSum": inputAxes(1), "Squeeze": squeezeAxes, "Compress": optionalAxis, "Unique": optionalAxis,
		"MeanVarianceNormalization": listed("axes", 0, 2, 3), "Trilu": func(*freeing, node, int) ([]int64, bool) { return []int64{-1, -2}, false },
		"ScatterND": func(*freeing, node, int) ([]int64, bool) { return nil, true },
		"GatherND": func(_ *freeing, n node, rank int) ([]int64, bool) {
			return span(n.Int("batch_dims", 0), int64(rank)), false
		},
	}
	for op := range strings.FieldsSeq("L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare") {
		all["Reduce"+op] = reducedAxes
	}
	return all
}

// mixes: the rows must not lie along the axes on which the operator works.
func mixes(axes along) rule {
	return func(f *freeing, n node) (bool, error) {
		p, ok := n.at(0)
		if !ok {
			return false, nil
		}
		v, _ := f.now.Of(n.graph, n.Inputs[0])
		rank := len(v.Dims)
		list, all := axes(f, n, rank)
		hits := func(a int64) bool { return int(a) == p.axis || int(a)+rank == p.axis && a < 0 }
		if all || slices.ContainsFunc(list, hits) {
			return false, f.blocked(n.Node, "it works along axis %d of %q, which holds the rows", p.axis, n.Inputs[0])
		}
		return false, nil
	}
}

// attribute is one axis in an attribute.
func attribute(name string, def int64) along {
	return func(_ *freeing, n node, _ int) ([]int64, bool) { return []int64{n.Int(name, def)}, false }
}

// listed is a list of axes in an attribute.
func listed(name string, def ...int64) along {
	return func(_ *freeing, n node, _ int) ([]int64, bool) {
		if a := n.Attr(name); a != nil {
			return a.Ints, false
		}
		return def, false
	}
}

// inputAxes is a constant input of axes; one that is not constant may name all of them.
func inputAxes(i int) along {
	return func(f *freeing, n node, _ int) ([]int64, bool) {
		v, _ := f.now.Of(n.graph, input(n.Node, i))
		return v.Ints, v.Ints == nil
	}
}

// span is the axes from one to before another.
func span(from, to int64) []int64 {
	if from < 0 {
		from += to
	}
	var list []int64
	for a := max(from, 0); a < to && a < 64; a++ {
		list = append(list, a)
	}
	return list
}

// fromAxis is the axes from an attribute on, the last one by default.
func fromAxis(_ *freeing, n node, rank int) ([]int64, bool) {
	return span(n.Int("axis", -1), int64(rank)), false
}

// softmaxAxes is one axis; before opset 13 all from it on.
func softmaxAxes(_ *freeing, n node, rank int) ([]int64, bool) {
	if n.opset >= 13 {
		return []int64{n.Int("axis", -1)}, false
	}
	return span(n.Int("axis", 1), int64(rank)), false
}

// optionalAxis is an axis in an attribute, without which the operator takes the input as flat.
func optionalAxis(_ *freeing, n node, _ int) ([]int64, bool) {
	return []int64{n.Int("axis", 0)}, n.Attr("axis") == nil
}

// reducedAxes is a list in an attribute or a constant input; none is all of them, unless the node says it is none.
func reducedAxes(f *freeing, n node, _ int) ([]int64, bool) {
	if a := n.Attr("axes"); a != nil && len(a.Ints) > 0 {
		return a.Ints, false
	}
	if v, ok := f.now.Of(n.graph, input(n.Node, 1)); ok && input(n.Node, 1) != "" && (len(v.Ints) > 0 || !emptyVector(v.Dims)) {
		return v.Ints, v.Ints == nil
	}
	return nil, n.Int("noop_with_empty_axes", 0) == 0
}

// squeezeAxes is a list in an attribute or a constant input; without one every axis of size 1 goes, the rows' too.
func squeezeAxes(f *freeing, n node, _ int) ([]int64, bool) {
	if a := n.Attr("axes"); a != nil {
		return a.Ints, false
	}
	if input(n.Node, 1) == "" {
		return nil, f.rows == 1
	}
	return inputAxes(1)(f, n, 0)
}

// emptyVector reports whether a list has no elements.
func emptyVector(dims []onnx.Dim) bool { return len(dims) == 1 && dims[0].Known && dims[0].Size == 0 }
