package agree

import (
	"encoding/binary"
	"fmt"
	"math"

	"infer/model/tensor"
)

// Output is how one output differs, over all sets.
type Output struct {
	Name     string
	DType    tensor.DType // of the model that is compared
	Elements int64
	Beyond   int64    // elements outside the tolerance
	MaxAbs   float64  // the largest |x - y| of finite elements
	MaxRel   float64  // the largest |x - y|/|x| of those with |x| above Tolerance.Abs
	Worst    float64  // the largest |x - y| / (Abs + Rel·|x|); infinite where only one of the two is finite, or strings differ
	SQNR     *float64 // dB, of float outputs that differ
	Rows     int64    // of float outputs [rows, classes] with 2 classes or more
	Same     int64    // of Rows, those whose largest element is at the same place
	Why      string   // shapes or types that differ: then nothing was compared element by element
	Skipped  bool     // one of Reference.Random
}

// Within reports whether the output agrees.
func (o Output) Within(t Tolerance) bool {
	switch {
	case o.Skipped:
		return true
	case o.Why != "":
		return false
	case t.Share > 0:
		return float64(o.Elements-o.Beyond) >= t.Share*float64(o.Elements)
	}
	return o.Beyond == 0
}

// total adds up the differences of one output over sets.
type total struct {
	Output
	signal, noise float64
}

// compare returns how one pair of tensors differs.
func compare(x, y tensor.Tensor, t Tolerance) Output {
	sum := total{Output: Output{Name: y.Name, DType: y.DType}}
	sum.add(x, y, t)
	return sum.finish()
}

func (o *total) finish() Output {
	if o.noise > 0 && o.signal > 0 && o.Why == "" {
		db := 10 * math.Log10(o.signal/o.noise)
		o.SQNR = &db
	}
	return o.Output
}

// add compares y with x and adds the outcome.
func (o *total) add(x, y tensor.Tensor, t Tolerance) {
	if o.Skipped || o.Why != "" {
		return
	}
	switch {
	case x.DType >= tensor.Sequence || y.DType >= tensor.Sequence:
		o.containers(x, y, t)
		return
	case !x.Shape.Equal(y.Shape):
		o.Why = fmt.Sprintf("shape %v where the original has %v", y.Shape, x.Shape)
		return
	case x.DType != y.DType && !(x.DType.IsFloat() && y.DType.IsFloat()):
		o.Why = fmt.Sprintf("%s where the original has %s", y.DType, x.DType)
		return
	}
	switch {
	case x.DType.IsFloat():
		o.floats(x, y, t)
	case x.DType == tensor.String:
		o.strings(x.Strings, y.Strings)
	case x.DType.IsInt() && x.DType.Bits() >= 8:
		o.integers(x, y, t)
	default:
		o.bits(x, y)
	}
}

// containers compares sequences and maps item by item.
func (o *total) containers(x, y tensor.Tensor, t Tolerance) {
	if x.DType != y.DType || len(x.Elems) != len(y.Elems) {
		o.Why = fmt.Sprintf("a %s of %d where the original has a %s of %d", y.DType, len(y.Elems), x.DType, len(x.Elems))
		return
	}
	for i := range x.Elems {
		o.add(x.Elems[i], y.Elems[i], t)
	}
}

func (o *total) strings(x, y []string) {
	for i := range x {
		o.Elements++
		if i >= len(y) || x[i] != y[i] {
			o.miss()
		}
	}
}

// miss counts an element that differs by more than any tolerance.
func (o *total) miss() {
	o.Beyond++
	o.Worst = math.Inf(1)
}

func (o *total) bits(x, y tensor.Tensor) {
	n, _ := x.Shape.Elements()
	o.Elements += n
	if !tensor.Equal(x, y) {
		o.Beyond += n
		o.Worst = math.Inf(1)
	}
}

func (o *total) integers(x, y tensor.Tensor, t Tolerance) {
	a, err := tensor.Int64s(x)
	b, err2 := tensor.Int64s(y)
	if err != nil || err2 != nil { // a uint64 over the range of int64
		o.bits(x, y)
		return
	}
	for i := range a {
		o.Elements++
		d := math.Abs(float64(a[i]) - float64(b[i]))
		o.MaxAbs = max(o.MaxAbs, d)
		switch {
		case d > float64(t.Whole):
			o.miss()
		case d > 0:
			o.Worst = max(o.Worst, d/float64(t.Whole))
		}
	}
}

func (o *total) floats(x, y tensor.Tensor, t Tolerance) {
	a, b := numbers(x), numbers(y)
	for i, p := range a {
		o.Elements++
		o.element(p, b[i], t)
	}
	if classes := lastAxis(x.Shape); classes > 1 {
		for at := 0; at+classes <= len(a); at += classes {
			o.Rows++
			if largest(a[at:at+classes]) == largest(b[at:at+classes]) {
				o.Same++
			}
		}
	}
}

// element compares two numbers.
func (o *total) element(p, q float64, t Tolerance) {
	if p == q || math.IsNaN(p) && math.IsNaN(q) {
		if !math.IsNaN(p) && !math.IsInf(p, 0) {
			o.signal += p * p
		}
		return
	}
	d := math.Abs(p - q)
	if math.IsNaN(d) || math.IsInf(d, 0) {
		o.miss()
		return
	}
	o.signal, o.noise = o.signal+p*p, o.noise+d*d
	o.MaxAbs = max(o.MaxAbs, d)
	if m := math.Abs(p); m > t.Abs {
		o.MaxRel = max(o.MaxRel, d/m)
	}
	w := math.Inf(1)
	if allowed := t.Abs + t.Rel*math.Abs(p); allowed > 0 {
		w = d / allowed
	}
	o.Worst = max(o.Worst, w)
	if w > 1 {
		o.Beyond++
	}
}

// lastAxis returns how many classes an output [rows, classes] has; 0 for one of another rank.
func lastAxis(s tensor.Shape) int {
	if len(s) != 2 || s[1] > math.MaxInt32 {
		return 0
	}
	return int(s[1])
}

func largest(v []float64) int {
	at := 0
	for i, x := range v {
		if x > v[at] || math.IsNaN(v[at]) {
			at = i
		}
	}
	return at
}

// numbers returns the elements of a floating-point tensor.
func numbers(x tensor.Tensor) []float64 {
	if x.DType == tensor.Float64 {
		v := make([]float64, len(x.Data)/8)
		for i := range v {
			v[i] = math.Float64frombits(binary.LittleEndian.Uint64(x.Data[8*i:]))
		}
		return v
	}
	f, err := tensor.Floats(x)
	if err != nil {
		return nil // not of a floating-point type: add has asked
	}
	v := make([]float64, len(f))
	for i, p := range f {
		v[i] = float64(p)
	}
	return v
}
