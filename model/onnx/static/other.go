package static

import (
	"infer/model/onnx"
	"infer/model/tensor"
)

// rows is axis 0 of input 0; a lone row may come as a vector.
func (c *call) rows() dim {
	x, ok := c.dims(0)
	switch {
	case !ok || len(x) == 0:
		return unknown
	case len(x) == 1:
		return fixed(1)
	}
	return x[0]
}

// classifier sets the label and the scores of each row.
func classifier(c *call) {
	n, d := unknown, tensor.Int64
	for _, name := range []string{"classlabels_strings", "classlabels_int64s", "classlabels_ints"} {
		if a := c.node.Attr(name); a != nil && len(a.Strings)+len(a.Ints) > 0 {
			n = fixed(int64(len(a.Strings) + len(a.Ints)))
			if len(a.Strings) > 0 {
				d = tensor.String
			}
		}
	}
	c.put(0, d, c.rows())
	c.put(1, tensor.Float32, c.rows(), n)
}

// mlRules are the operators of ai.onnx.ml.
func mlRules() map[string]rule {
	regressor := func(targets string) rule {
		return func(c *call) { c.put(0, tensor.Float32, c.rows(), fixed(c.node.Int(targets, 1))) }
	}
	const ml = "ai.onnx.ml:"
	floats := func(c *call) { c.like(0, 0, tensor.Float32) }
	same := func(c *call) { c.like(0, 0, c.dtype(0)) }
	return map[string]rule{
		ml + "TreeEnsembleClassifier": classifier, ml + "LinearClassifier": classifier, ml + "SVMClassifier": classifier,
		ml + "TreeEnsembleRegressor": regressor("n_targets"), ml + "LinearRegressor": regressor("targets"),
		ml + "SVMRegressor": regressor("n_targets"),
		ml + "TreeEnsemble": func(c *call) { c.put(0, c.dtype(0), c.rows(), fixed(c.node.Int("n_targets", 1))) },
		ml + "Scaler":       floats, ml + "Normalizer": floats, ml + "Imputer": same, ml + "Binarizer": same,
		ml + "LabelEncoder": labelEncoder,
		ml + "ZipMap": func(c *call) {
			key := tensor.Int64
			if a := c.node.Attr("classlabels_strings"); a != nil && len(a.Strings) > 0 {
				key = tensor.String
			}
			c.set(0, &val{kind: onnx.KindSequence, elem: &val{kind: onnx.KindMap, dtype: key}})
		},
		ml + "OneHotEncoder": func(c *call) {
			n := 0
			for _, name := range []string{"cats_int64s", "cats_strings"} {
				if a := c.node.Attr(name); a != nil {
					n += len(a.Ints) + len(a.Strings)
				}
			}
			if x, ok := c.dims(0); ok {
				c.put(0, tensor.Float32, append(append([]dim(nil), x...), fixed(int64(n)))...)
			}
		},
		ml + "ArrayFeatureExtractor": arrayFeatures,
		ml + "FeatureVectorizer": func(c *call) {
			sum := fixed(0)
			for _, n := range c.node.Ints("inputdimensions") {
				sum = add(sum, fixed(n))
			}
			c.put(0, tensor.Float32, c.rows(), sum)
		},
	}
}

func labelEncoder(c *call) {
	d := tensor.Undefined
	for name, to := range map[string]tensor.DType{
		"values_strings": tensor.String, "values_int64s": tensor.Int64, "values_floats": tensor.Float32,
	} {
		if c.node.Attr(name) != nil {
			d = to
		}
	}
	if a := c.node.Attr("values_tensor"); a != nil && a.T != nil {
		d = a.T.DType
	}
	if c.node.Attr("classes_strings") != nil { // version 1: the other kind of label
		d = tensor.String
		if c.dtype(0) == tensor.String {
			d = tensor.Int64
		}
	}
	c.like(0, 0, d)
}

// signalRules are transforms and grids.
func signalRules() map[string]rule {
	return map[string]rule{
		"GridSample": func(c *call) {
			x, ok := c.dims(0)
			g, okG := c.dims(1)
			if ok && okG && len(x) == len(g) && len(x) >= 3 {
				c.put(0, c.dtype(0), append([]dim{x[0], x[1]}, g[1:len(g)-1]...)...)
			}
		},
		"AffineGrid": func(c *call) {
			if size, ok := c.elems(1); ok && len(size) >= 4 {
				out := append([]dim{size[0]}, size[2:]...)
				c.put(0, c.dtype(0), append(out, fixed(int64(len(size)-2)))...)
			}
		},
		"DFT": dft, "STFT": stft,
		"HannWindow": windowFunction, "HammingWindow": windowFunction, "BlackmanWindow": windowFunction,
		"MelWeightMatrix": func(c *call) {
			bins, okB := c.consts(0)
			length, okL := c.consts(1)
			d := c.attrDType("output_datatype", tensor.Float32)
			if okB && okL && len(bins) == 1 && len(length) == 1 {
				c.put(0, d, fixed(floorInt(length[0], 2)+1), fixed(bins[0]))
			} else {
				c.put(0, d, unknown, unknown)
			}
		},
	}
}

func windowFunction(c *call) {
	n := unknown
	if v := c.arg(0); v != nil && len(v.ints) == 1 {
		n = v.ints[0]
	}
	c.put(0, c.attrDType("output_datatype", tensor.Float32), n)
}

func dft(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		return
	}
	out := append([]dim(nil), x...)
	a, known := c.node.Int("axis", 1), true
	if c.opset >= 20 {
		a = -2
		if c.present(2) {
			list, isConst := c.consts(2)
			if known = isConst && len(list) == 1; known {
				a = list[0]
			}
		}
	}
	at, valid := axis(a, len(x))
	if !known || !valid || len(x) < 2 {
		c.put(0, c.dtype(0), make([]dim, len(x))...)
		return
	}
	if c.present(1) {
		out[at] = unknown
		if v := c.arg(1); len(v.ints) == 1 {
			out[at] = v.ints[0]
		}
	}
	last := len(x) - 1
	out[last] = fixed(2)
	switch inverse := c.node.Int("inverse", 0) == 1; {
	case c.node.Int("onesided", 0) != 1:
	case inverse: // the other half of the spectrum mirrors the one given, and the signal is real
		out[last] = fixed(1)
		if !c.present(1) {
			out[at] = mul(fixed(2), sub(x[at], fixed(1)))
		}
	default:
		out[at] = add(floorDiv(out[at], fixed(2)), fixed(1))
	}
	c.put(0, c.dtype(0), out...)
}

func stft(c *call) {
	x, ok := c.dims(0)
	if !ok || len(x) < 2 {
		return
	}
	frame := unknown
	if w, ok := c.dims(2); ok && len(w) == 1 {
		frame = w[0]
	} else if v := c.arg(3); v != nil && len(v.ints) == 1 {
		frame = v.ints[0]
	}
	step := unknown
	if v := c.arg(1); v != nil && len(v.ints) == 1 {
		step = v.ints[0]
	}
	bins := frame
	if c.node.Int("onesided", 1) == 1 {
		bins = add(floorDiv(frame, fixed(2)), fixed(1))
	}
	c.put(0, c.dtype(0), x[0], add(floorDiv(sub(x[1], frame), step), fixed(1)), bins, fixed(2))
}

func arrayFeatures(c *call) {
	x, ok := c.dims(0)
	y, okY := c.dims(1)
	if !ok || !okY || len(x) == 0 {
		return
	}
	if len(x) == 1 {
		c.put(0, c.dtype(0), fixed(1), product(y))
		return
	}
	c.put(0, c.dtype(0), append(append([]dim(nil), x[:len(x)-1]...), product(y))...)
}
