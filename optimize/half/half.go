// Package half owns the conversion of a float32 model to float16 or bfloat16: which nodes compute in half precision,
// where a Cast stands between them and those that do not, and how constants are rounded.
package half

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// maxFloat16 is the largest finite float16 number.
const maxFloat16 = 65504

// Options says how Convert converts.
type Options struct {
	DType        tensor.DType          // Float16 or BFloat16
	KeepIO       bool                  // inputs and outputs stay float32, with a Cast behind or in front of them
	BlockOps     []string              // operators that stay float32: "Softmax", "com.microsoft.Gelu"
	BlockNodes   func(*onnx.Node) bool // nodes that stay float32, looked at as they are in the given model; nil: none
	Range        map[string]float64    // the largest |x| that calibration saw, by value; nil: not known
	ActMax       float64               // a node that reads or makes a value with a larger Range stays float32 (Float16)
	MaxReduction int64                 // a node that sums over more terms than this stays float32; 0: no limit
	Deferred     bool                  // constants are made when they are written and not before: for models beyond memory
}

// DefaultOptions converts to float16. ActMax leaves a factor of 16 between what calibration saw and the largest
// float16, for inputs that it did not see and for sums inside a kernel.
var DefaultOptions = Options{DType: tensor.Float16, KeepIO: true, ActMax: maxFloat16 / 16}

// Validate lists every fault of the options. Errors are of kind fault.Usage.
func (o Options) Validate() error {
	var errs []error
	if o.DType != tensor.Float16 && o.DType != tensor.BFloat16 {
		errs = append(errs, fault.New(fault.Usage, "", "convert to %s: want float16 or bfloat16", o.DType))
	}
	if !(o.ActMax > 0) {
		errs = append(errs, fault.New(fault.Usage, "", "largest activation is %g: want more than 0", o.ActMax))
	}
	if o.MaxReduction < 0 {
		errs = append(errs, fault.New(fault.Usage, "", "longest reduction is %d: want 0 or more", o.MaxReduction))
	}
	return errors.Join(errs...)
}

// Result is what a conversion did.
type Result struct {
	Nodes   int      // nodes that compute in half precision, in subgraphs too
	Float   int      // nodes with float32 inputs or outputs that stayed as they are, without If, Loop and Scan
	Casts   int      // Casts that were put in
	Clamped int64    // elements of constants that were too large and are now the largest finite number
	Flushed int64    // elements of constants that would have become zero and are now the smallest number of their sign
	Kept    []Kept   // the nodes counted in Float, in the order of the graph
	Notes   []string // what a user should know, one line each
}

// Kept is a node that stayed float32.
type Kept struct {
	Node string // its name; that of its first output where it has none
	Op   string // with its domain in front unless it is ai.onnx
	Why  string // in words for people
}

// Convert rewrites m in place, so that every node that can computes in half precision. What stays float32: operators
// without a half-precision form at the model's opset, those of other domains and the model's own functions, inputs
// that are float32 by definition (the scales of Resize), what o keeps, quantized islands, shape arithmetic, squares
// whose range is not known, and constants that mean something else when they are cut to the range of float16. Values
// that cross the boundary of a subgraph (If, Loop, Scan) stay float32; inside it is converted like the graph around it.
//
// shapes is what static.Infer found for m as it is now; nil infers it. Values of an unknown type stay as they are, and
// so do their readers. Tensors of m are replaced and never written to. Equal models and options give equal results.
//
// Errors: those of Options.Validate; fault.Unsupported for a model that holds half-precision constants already, and
// for bfloat16 with an opset below 13; a cycle, or a constant that cannot be read, after which m is of no use.
func Convert(m *onnx.Model, shapes *static.Shapes, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := accept(m, o.DType); err != nil {
		return nil, err
	}
	if shapes == nil {
		shapes = static.Infer(m, nil)
	}
	if err := m.Graph.SortNodes(); err != nil {
		return nil, fault.Wrap(err, "convert to %s", o.DType)
	}
	c := newConverter(m, shapes, o)
	c.freeze()
	if err := c.graph(m.Graph, nil); err != nil {
		return nil, fault.Wrap(err, "convert to %s", o.DType)
	}
	c.rename()
	if m.Opset("") == 0 && c.result.Casts > 0 {
		m.Opsets = append(m.Opsets, onnx.Opset{Version: c.opset})
	}
	c.note()
	return &c.result, nil
}

// accept refuses models that cannot be converted.
func accept(m *onnx.Model, d tensor.DType) error {
	if m.Graph == nil {
		return fault.New(fault.Unsupported, "", "convert to %s: the model has no graph", d)
	}
	if v := m.Opset(""); d == tensor.BFloat16 && v < 13 && v > 0 {
		return fault.New(fault.Unsupported, "bring the model to opset 13 or newer first (22 for convolutions and recurrent layers)",
			"convert to bfloat16: opset %d has no bfloat16", v)
	}
	return m.Tensors(func(t *onnx.Tensor) error {
		if t.DType != tensor.Float16 && t.DType != tensor.BFloat16 {
			return nil
		}
		return fault.New(fault.Unsupported, "start from the float32 model",
			"convert to %s: the model is in half precision already: constant %q is %s", d, t.Name, t.DType)
	})
}

// freeze brings a model to IR version 4, the first in which an initializer needs no graph input. Below it the runtime
// lets nobody override an initializer that is also an input, so those inputs go.
func (c *converter) freeze() {
	m := c.model
	if m.IRVersion >= 4 {
		return
	}
	if len(m.Opsets) == 0 {
		m.Opsets = []onnx.Opset{{Version: 1}} // what it means to import none
	}
	m.IRVersion = 4
	stored := map[string]bool{}
	for _, t := range m.Graph.Initializers {
		stored[t.Name] = true
	}
	m.Graph.Inputs = slices.DeleteFunc(m.Graph.Inputs, func(v *onnx.ValueInfo) bool { return stored[v.Name] })
}

// note adds what a user should know about the conversion as a whole.
func (c *converter) note() {
	if v := c.opset; c.o.DType == tensor.BFloat16 && v < 22 {
		c.result.Notes = append(c.result.Notes, fmt.Sprintf("many operators, Conv among them, take bfloat16 from opset 22 on; this model has opset %d", v))
	}
	if c.cut > 0 {
		c.result.Notes = append(c.result.Notes, fmt.Sprintf("%d values that may exceed float16 are cut to ±%d before their Cast", c.cut, maxFloat16))
	}
}

// limit returns the largest finite number of the half type, and the smallest positive one.
func limit(d tensor.DType) (largest, smallest float64) {
	if d == tensor.BFloat16 {
		return float64(tensor.BFloat16Value(0x7f7f)), math.Ldexp(1, -133)
	}
	return maxFloat16, math.Ldexp(1, -24)
}
