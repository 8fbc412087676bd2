package payload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// Tolerance says how far an answer may be from what is expected. Integers, bools and strings must be equal.
type Tolerance struct {
	RTol float64 // floats: |answer - expected| ≤ ATol + RTol × |expected|, as numpy.isclose has it; NaN equals NaN, infinities are exact
	ATol float64
}

// Validate reports a tolerance that is negative or no number.
func (t Tolerance) Validate() error {
	if !(t.RTol >= 0) || !(t.ATol >= 0) || math.IsInf(t.RTol, 0) || math.IsInf(t.ATol, 0) {
		return fault.New(fault.Usage, "pass 0 or more", "tolerance rtol %v, atol %v", t.RTol, t.ATol)
	}
	return nil
}

// close reports whether a is near enough to the expected b.
func (t Tolerance) close(a, b float64) bool {
	switch {
	case a == b:
		return true
	case a != a || b != b:
		return a != a && b != b
	case math.IsInf(a, 0) || math.IsInf(b, 0):
		return false
	}
	return math.Abs(a-b) <= t.ATol+t.RTol*math.Abs(b)
}

// compare returns what is wrong with an output, to stand behind its name; "" for nothing.
func (t Tolerance) compare(got, want *tensor.Tensor) string {
	if !kin(got.DType, want.DType) {
		return fmt.Sprintf(": %s, expected %s", got.DType, want.DType)
	}
	if !sameShape(got.Shape, want.Shape) {
		return fmt.Sprintf(": shape %s, expected %s", wire.ShapeText(got.Shape), wire.ShapeText(want.Shape))
	}
	if err := got.Check(); err != nil {
		return ": " + err.Error()
	}
	switch {
	case want.DType == tensor.String:
		for i, s := range want.Strings {
			if got.Strings[i] != s {
				return fmt.Sprintf("%s: %s, expected %s", indexText(want.Shape, i), quote(got.Strings[i]), quote(s))
			}
		}
		return ""
	case got.DType == want.DType && bytes.Equal(got.Data, want.Data):
		return ""
	case want.DType.IsFloat():
		return t.compareFloats(got, want)
	case want.DType.IsInt() && want.DType.Bits() >= 8:
		return compareInts(got, want)
	case want.DType == tensor.Bool:
		for i := range want.Data {
			if a, b := got.Data[i] != 0, want.Data[i] != 0; a != b {
				return fmt.Sprintf("%s: %t, expected %t", indexText(want.Shape, i), a, b)
			}
		}
		return ""
	}
	return ": its bytes are not the expected ones"
}

// kin reports whether elements of two dtypes can be compared: floats with floats of any width, integers with integers.
func kin(a, b tensor.DType) bool {
	return a == b || a.IsFloat() && b.IsFloat() || a.IsInt() && b.IsInt() && a.Bits() >= 8 && b.Bits() >= 8
}

// sameShape reports whether shapes are equal, up to a leading axis of 1 that one of them has more.
func sameShape(a, b tensor.Shape) bool {
	if len(a) == len(b)+1 && a[0] == 1 {
		a = a[1:]
	} else if len(b) == len(a)+1 && b[0] == 1 {
		b = b[1:]
	}
	return slices.Equal(a, b)
}

func (t Tolerance) compareFloats(got, want *tensor.Tensor) string {
	if got.DType == tensor.Float32 && want.DType == tensor.Float32 {
		if i := t.firstOff(got.Data, want.Data); i >= 0 {
			return t.floatText(want.Shape, i, floatAt(got, i), floatAt(want, i))
		}
		return ""
	}
	for i := range countOf(want) {
		if a, b := floatAt(got, i), floatAt(want, i); !t.close(a, b) {
			return t.floatText(want.Shape, i, a, b)
		}
	}
	return ""
}

// firstOff returns the first float32 that is not near enough, -1 for none. Nearly all are finite and near enough, which
// is found without a call.
func (t Tolerance) firstOff(got, want []byte) int {
	le := binary.LittleEndian
	for i := 0; i+4 <= len(want) && i+4 <= len(got); i += 4 {
		a, b := float64(math.Float32frombits(le.Uint32(got[i:]))), float64(math.Float32frombits(le.Uint32(want[i:])))
		allowed := t.ATol + t.RTol*math.Abs(b)
		if math.Abs(a-b) <= allowed && allowed <= math.MaxFloat64 {
			continue
		}
		if !t.close(a, b) {
			return i / 4
		}
	}
	return -1
}

func (t Tolerance) floatText(s tensor.Shape, i int, a, b float64) string {
	text := fmt.Sprintf("%s: %s, expected %s", indexText(s, i), number(a, b), number(b, a))
	if d := math.Abs(a - b); d <= math.MaxFloat64 {
		text += fmt.Sprintf(" (off by %.2g, allowed %.2g)", d, t.ATol+t.RTol*math.Abs(b))
	}
	return text
}

// number prints a so that it differs from b, of which it is different.
func number(a, b float64) string {
	for _, digits := range []int{4, 6, 9} {
		if s := strconv.FormatFloat(a, 'g', digits, 64); s != strconv.FormatFloat(b, 'g', digits, 64) {
			return s
		}
	}
	return strconv.FormatFloat(a, 'g', -1, 64)
}

func compareInts(got, want *tensor.Tensor) string {
	for i := range countOf(want) {
		a, aBig := intAt(got, i)
		b, bBig := intAt(want, i)
		if a != b || aBig != bBig {
			return fmt.Sprintf("%s: %s, expected %s", indexText(want.Shape, i), intText(a, aBig), intText(b, bBig))
		}
	}
	return ""
}

func intText(v int64, big bool) string {
	if big {
		return strconv.FormatUint(uint64(v), 10)
	}
	return strconv.FormatInt(v, 10)
}

func countOf(t *tensor.Tensor) int {
	n, err := t.Shape.Elements()
	if err != nil {
		return 0
	}
	return int(n)
}

// floatAt returns element i of a floating-point dtype of 16 bits or more.
func floatAt(t *tensor.Tensor, i int) float64 {
	le := binary.LittleEndian
	switch t.DType {
	case tensor.Float32:
		return float64(math.Float32frombits(le.Uint32(t.Data[4*i:])))
	case tensor.Float64:
		return math.Float64frombits(le.Uint64(t.Data[8*i:]))
	case tensor.Float16:
		return float64(tensor.Float16Value(le.Uint16(t.Data[2*i:])))
	}
	return float64(tensor.BFloat16Value(le.Uint16(t.Data[2*i:])))
}

// intAt returns element i of an integer dtype of 8 bits or more. big: v is the bits of a uint64 over the range of int64.
func intAt(t *tensor.Tensor, i int) (v int64, big bool) {
	if t.DType == tensor.Uint64 {
		v = int64(binary.LittleEndian.Uint64(t.Data[8*i:]))
		return v, v < 0
	}
	return wire.IntegerAt(t.Data, t.DType, i), false
}

// indexText returns the place of a flat index in a shape: "[0,3]", "" in a scalar.
func indexText(s tensor.Shape, i int) string {
	if len(s) == 0 {
		return ""
	}
	at := make([]int64, len(s))
	for axis := len(s) - 1; axis >= 0; axis-- {
		if s[axis] > 0 {
			at[axis] = int64(i) % s[axis]
			i /= int(s[axis])
		}
	}
	return wire.ShapeText(at)
}

// quote shortens and quotes a string of an answer.
func quote(s string) string {
	if len(s) > 40 {
		return strconv.Quote(s[:40]) + "…"
	}
	return strconv.Quote(s)
}
