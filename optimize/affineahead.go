package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// foldAhead folds a BatchNormalization, or a Mul, Div, Add or Sub with a constant for each channel, into the Conv or Gemm
// behind it where that alone reads it: with y = k·x + s the weights become W·k and the bias b + ΣW·s. A Conv that pads
// would pad y with zeros, so it takes no s.
func foldAhead() Pass {
	return local("fold-ahead", "folds BatchNormalization, Mul, Div, Add and Sub for each channel into the Conv or Gemm behind them",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if only(n) == "" || !is(n, "BatchNormalization", "Mul", "Div", "Add", "Sub") {
				return false
			}
			p := e.OnlyReader(n.Outputs[0])
			if !is(p, "Conv", "Gemm") || input(p, 0) != n.Outputs[0] || only(p) == "" || p.Int("transA", 0) != 0 {
				return false
			}
			x, a, ok := e.ahead(w, n, e.inputChannels(p))
			if !ok || !e.foldInput(p, a) {
				return false
			}
			e.Remove(n)
			e.SetInput(p, 0, x)
			return true
		})
}

// inputChannels returns how many channels a Conv or Gemm with constant weights reads, 0 where that is not known.
func (e *Editor) inputChannels(p *onnx.Node) int {
	c, ok := e.Constant(input(p, 1))
	if !ok || e.channels(p) == 0 || p.OpType == "Conv" && !hasNoAxisOf(0, c.Dims) {
		return 0
	}
	switch {
	case p.OpType == "Conv":
		return int(c.Dims[1] * p.Int("group", 1))
	case p.Int("transB", 0) != 0:
		return int(c.Dims[1])
	}
	return int(c.Dims[0])
}

// hasNoAxisOf reports whether no axis has n elements.
func hasNoAxisOf(n int64, s tensor.Shape) bool { return !slices.Contains(s, n) }

// ahead returns what n does to each of the channels of x, which it reads.
func (e *Editor) ahead(w *Work, n *onnx.Node, channels int) (x string, a perChannel, ok bool) {
	if channels == 0 {
		return "", a, false
	}
	if n.OpType == "BatchNormalization" {
		a, ok = e.normalization(n)
		return input(n, 0), a, ok && len(a.scale) == channels
	}
	for i, v := range n.Inputs {
		_, constant := e.Constant(v)
		if constant || v == "" || len(n.Inputs) != 2 || n.OpType == "Div" && i == 1 {
			continue
		}
		dims := w.known(e, v).Dims
		if len(dims) < 2 { // unknown, or no channels
			continue
		}
		if dims[1].Size != int64(channels) && !e.isSingle(n.Inputs[1-i]) {
			continue // the constant may be what makes channels of one
		}
		if a, ok = e.constantOperand(n, i, len(dims), 1, channels); ok {
			return v, a, true
		}
	}
	return "", a, false
}

// isSingle reports whether value is a constant of one element.
func (e *Editor) isSingle(value string) bool {
	_, ok := e.scalar(value)
	return ok
}

// foldInput folds a into the weights of a Conv or Gemm that read the channels, and into its bias.
func (e *Editor) foldInput(p *onnx.Node, a perChannel) bool {
	v, shape, d, ok := e.floats(input(p, 1))
	outs := e.channels(p)
	shifts := slices.ContainsFunc(a.shift, func(s float64) bool { return s != 0 })
	if !ok || shifts && pads(p) {
		return false
	}
	bias, ok := e.gemmBias(p, outs)
	if p.OpType == "Conv" {
		bias, ok = e.bias(input(p, 2), outs)
	}
	if !ok && shifts {
		return false
	}
	alpha := float64(p.Float("alpha", 1))
	scaled := make([]float32, len(v))
	place := placeOf(p, shape)
	for i, x := range v {
		out, in := place(i)
		scaled[i] = float32(float64(x) * a.scale[in])
		if shifts {
			bias[out] += alpha * float64(x) * a.shift[in]
		}
	}
	if !shifts {
		if !representable(d, scaled) {
			return false
		}
		weights, err := e.addFloats(p.Inputs[1], d, shape, scaled)
		if err != nil {
			return false
		}
		e.SetInput(p, 1, weights)
		return true
	}
	same := perChannel{make([]float64, outs), make([]float64, outs)}
	for i := range same.scale {
		same.scale[i] = 1
	}
	if !e.setWeights(p, d, shape, scaled, same.apply(bias)) {
		return false
	}
	if p.OpType == "Gemm" {
		setAttr(p, floatAttr("beta", 1)) // gemmBias has it in
	}
	return true
}

// pads reports whether a Conv may pad what it reads.
func pads(p *onnx.Node) bool {
	switch p.Str("auto_pad", "NOTSET") {
	case "VALID":
		return false
	case "", "NOTSET":
		return slices.ContainsFunc(p.Ints("pads"), func(x int64) bool { return x != 0 })
	}
	return true
}

// placeOf returns a function that gives the output and the input channel of the i-th weight of a Conv or Gemm.
func placeOf(p *onnx.Node, s tensor.Shape) func(i int) (out, in int) {
	if p.OpType == "Gemm" {
		columns := int(s[1])
		if p.Int("transB", 0) != 0 {
			return func(i int) (int, int) { return i / columns, i % columns }
		}
		return func(i int) (int, int) { return i % columns, i / columns }
	}
	inGroup := int(s[1])
	kernel := 1
	for _, d := range s[2:] {
		kernel *= int(d)
	}
	outGroup := int(s[0] / p.Int("group", 1))
	return func(i int) (int, int) {
		out := i / (kernel * inGroup)
		return out, out/outGroup*inGroup + i/kernel%inGroup
	}
}
