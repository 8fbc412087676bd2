package emit

import (
	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// DynamicOptions say how ToDynamic quantizes. The zero value is valid: int8, one scale a weight.
type DynamicOptions struct {
	PerChannel  bool         // a scale for each output channel of a weight rather than one for all
	Reduced     bool         // weights in ±64: for CPUs whose int8 kernels saturate (x64 without VNNI)
	WeightDType tensor.DType // Int8 (also for Undefined), or Uint8 with zero point 128, whose kernels are slower and never saturate
	BestScale   bool         // scales of the least squared error rather than those that cover the largest weight
	Embeddings  bool         // store the tables of Gather as int8, too
}

// ToDynamic makes the picked nodes of m (nil: all), in subgraphs too, compute with integer weights and activations that
// are quantized in every run. MatMul and Gemm by a constant become what ONNX Runtime fuses to DynamicQuantizeMatMul or
// MatMulIntegerToFloat, with one DynamicQuantizeLinear a tensor; LSTM becomes com.microsoft DynamicQuantizeLSTM,
// com.microsoft Attention QAttention, and Gather from a constant table, where asked for, Gather of integers.
//
// It returns a decision for each picked node that multiplies, convolves or remembers, outer graphs first, in graph
// order. Errors: fault.Unsupported before opset 11, fault.Usage for another dtype, and weights that cannot be read.
func ToDynamic(m *onnx.Model, pick func(*onnx.Node) bool, o DynamicOptions) ([]Decision, error) {
	if o.WeightDType == tensor.Undefined {
		o.WeightDType = tensor.Int8
	}
	if o.WeightDType != tensor.Int8 && o.WeightDType != tensor.Uint8 {
		return nil, fault.New(fault.Usage, "use int8 or uint8", "dynamic quantization with weights of %s", o.WeightDType)
	}
	if err := need(m, "dynamic quantization", 11); err != nil {
		return nil, err
	}
	d := dynamic{rewrite: newRewrite(m), options: o, made: map[same]*quantized{}, used: map[activation][]scaleUse{}, tables: newEmbeddings()}
	if err := d.each(pick, d.node); err != nil {
		return nil, err
	}
	d.predict()
	return d.finish()
}

// dynamic is a rewrite to activations that are quantized in every run.
type dynamic struct {
	*rewrite
	options  DynamicOptions
	made     map[same]*quantized
	used     map[activation][]scaleUse
	products []product
	tables   *embeddings
}

// node rewrites one node.
func (d *dynamic) node(n *decided) error {
	switch op := n.node; {
	case is(op, "MatMul"), is(op, "Gemm"):
		return d.matmul(n)
	case is(op, "LSTM"):
		return d.lstm(n)
	case op.OpType == "Attention" && op.Domain == microsoft:
		return d.attention(n)
	case is(op, "Gather") && d.options.Embeddings:
		return d.tables.gather(n)
	case is(op, "GRU"), is(op, "RNN"):
		n.leave("no integer kernel for " + op.OpType)
	case is(op, "Conv"), is(op, "ConvTranspose"):
		n.leave("no integer kernel for " + op.OpType + " that is faster than float when activations are quantized in every run")
	}
	return nil
}

// weight quantizes the elements x of a shape.
func (d *dynamic) weight(x []float32, shape tensor.Shape, axis int) (*affine.Weight, error) {
	w, err := affine.QuantizeWeight(x, shape, axis, affine.Grid{DType: d.options.WeightDType, Symmetric: true, Reduced: d.options.Reduced})
	if err == nil && d.options.BestScale {
		w.Refine(x)
	}
	return w, err
}

// dynamicInput is an activation quantized in every run, to uint8.
type dynamicInput struct{ value, scale, zero string }

// quantizeInput returns x quantized by a DynamicQuantizeLinear, the one of this graph where it has one already.
func (s *scope) quantizeInput(x string) dynamicInput {
	for _, n := range s.Consumers(x) {
		if is(n, "DynamicQuantizeLinear") && len(n.Outputs) == 3 && s.Producer(n.Outputs[0]) == n {
			return dynamicInput{n.Outputs[0], n.Outputs[1], n.Outputs[2]}
		}
	}
	q := dynamicInput{s.Unique(x + "_quantized"), s.Unique(x + "_scale"), s.Unique(x + "_zero_point")}
	s.Insert(operator("DynamicQuantizeLinear", []string{x}, []string{q.value, q.scale, q.zero}))
	return q
}
