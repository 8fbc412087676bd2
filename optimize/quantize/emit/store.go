package emit

import (
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// StoreOptions say how ToStored quantizes. The zero value is valid.
type StoreOptions struct {
	MinElements int64 // constants of fewer elements stay as they are; 0: 1024
	BestScale   bool  // scales of the least squared error rather than those that cover the largest element
}

// storedElements is the least elements of a constant that is stored as integers.
const storedElements = 1024

// storedLoss is the most of a constant's elements that may become 0. Of normal numbers 1 % do, the largest being 3.5σ
// (|x| < 3.5σ/127/2); of a mask of −1e9 that also holds small numbers, all of those.
const storedLoss = 0.25

// ToStored makes the constants of the picked nodes of m (nil: all), in subgraphs too, integers in the file, a quarter of
// the size, which a runtime turns into float once, when it opens a session: int8 → Cast → Mul by a scale a channel →
// node, all of it constant. (ONNX Runtime does not fold DequantizeLinear, which would run every time.) A session is as
// fast and as large as that of the float model. Vectors stay float, and so do constants of few elements.
//
// It returns a decision for each picked node that reads a matrix, or a constant of more axes, that is large enough:
// outer graphs first, in graph order. The error is fault.Unsupported before opset 9, or that of a constant that cannot
// be read.
func ToStored(m *onnx.Model, pick func(*onnx.Node) bool, o StoreOptions) ([]Decision, error) {
	if err := need(m, "storing weights as integers", 9); err != nil {
		return nil, err
	}
	r, s := newRewrite(m), newStoring(o)
	if err := r.each(pick, s.node); err != nil {
		return nil, err
	}
	return r.finish()
}

// storing is a rewrite of constants to stored ones.
type storing struct {
	options StoreOptions
	made    map[*onnx.Tensor]string // the float value that stands for a constant
}

func newStoring(o StoreOptions) *storing {
	if o.MinElements == 0 {
		o.MinElements = storedElements
	}
	return &storing{options: o, made: map[*onnx.Tensor]string{}}
}

// node makes a node read the stored forms of its constants.
func (st *storing) node(n *decided) error {
	if n.scope.computesOnIntegers(n.node) {
		return nil // its float constants are scales
	}
	var stored []constant
	for i, name := range n.node.Inputs {
		t, owner := n.scope.find(name)
		if t == nil || t.DType != tensor.Float32 {
			continue
		}
		c := constant{t, owner}
		by, ok := channelsOf(n.node, i, t.Dims)
		if elements, err := t.Dims.Elements(); err != nil || elements < st.options.MinElements || !ok {
			continue
		}
		float, err := st.float(n.scope, c, by)
		if err != nil {
			if err := n.refuse(err); err != nil {
				return err
			}
			continue
		}
		n.scope.SetInput(n.node, i, float)
		stored = append(stored, c)
	}
	if len(stored) > 0 {
		n.Why = ""
		n.become(Stored, "", stored...)
	}
	return nil
}

// computesOnIntegers reports whether a node reads constants of at most 8 bits.
func (s *scope) computesOnIntegers(n *onnx.Node) bool {
	return slices.ContainsFunc(n.Inputs, func(value string) bool {
		t, _ := s.find(value)
		return t != nil && t.DType.IsInt() && t.DType.Bits() <= 8
	})
}

// float returns the name of the value that a stored constant becomes, whose channels are those that its first reader
// has.
func (st *storing) float(s *scope, c constant, by channels) (string, error) {
	if name, ok := st.made[c.tensor]; ok {
		return name, nil
	}
	w, err := st.quantize(c.tensor, by)
	if err != nil {
		return "", err
	}
	base := c.tensor.Name
	w.Shape = c.tensor.Dims
	q, err := s.add(c, integersOf(w, by.scales(c.tensor.Dims)), false)
	if err != nil {
		return "", err
	}
	cast, float := s.Unique(base+"_cast"), s.Unique(base+"_float")
	c.owner.Insert(operator("Cast", []string{q.values}, []string{cast}, toFloat()))
	c.owner.Insert(operator("Mul", []string{cast, q.scale}, []string{float}))
	st.made[c.tensor] = float
	return float, nil
}

// quantize returns the int8 form of a constant. One that loses too much is fault.Unsupported.
func (st *storing) quantize(t *onnx.Tensor, by channels) (*affine.Weight, error) {
	x, err := floats(t)
	if err != nil {
		return nil, err
	}
	defer t.Release()
	shape, axis := by.folded(t.Dims)
	w, err := affine.QuantizeWeight(x, shape, axis, affine.Grid{DType: tensor.Int8, Symmetric: true})
	if err != nil {
		return nil, err
	}
	if st.options.BestScale {
		w.Refine(x)
	}
	if lost := vanished(x, w.Data); lost > storedLoss {
		return nil, fault.New(fault.Unsupported, "", "int8 makes %.0f %% of its elements 0", 100*lost)
	}
	return w, nil
}

// vanished returns how many of the elements that are not 0 are 0 as integers, from 0 to 1.
func vanished(x []float32, q []byte) float64 {
	all, lost := 0, 0
	for i, v := range x {
		if v != 0 {
			all++
			if q[i] == 0 {
				lost++
			}
		}
	}
	return float64(lost) / float64(max(all, 1))
}
