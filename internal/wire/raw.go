package wire

import (
	"encoding/binary"
	"math"

	"infer/internal/fault"
	"infer/model/tensor"
)

// place says in errors which tensor of a message they are about.
type place struct {
	kind  string // "input" or "output"
	name  string
	model string // "" where it is not known
}

// String returns "input 'x' for model 'm'".
func (p place) String() string {
	s := p.kind + " '" + p.name + "'"
	if p.model != "" {
		s += " for model '" + p.model + "'"
	}
	return s
}

// elements returns how many elements a shape from outside has. It fails for a negative dimension, a product that
// overflows, and more than l.Elements, in one dimension too: an empty axis beside it does not make it harmless.
func elements(shape tensor.Shape, p place, l Limits) (int64, error) {
	n, largest := int64(1), int64(0)
	for _, d := range shape {
		if d < 0 {
			return 0, fault.New(fault.Usage, "", "invalid shape for %s: shape %v contains one or more invalid dimensions", p, shape)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, fault.New(fault.Usage, "", "invalid shape for %s: shape %v causes total element count to exceed maximum size of %d", p, shape, int64(math.MaxInt64))
		}
		n, largest = n*d, max(largest, d)
	}
	if max(n, largest) > l.Elements {
		return 0, fault.New(fault.TooLarge, "", "shape %v of %s has more elements than the limit of %d", shape, p, l.Elements)
	}
	return n, nil
}

// raw gives t, whose name, dtype and shape are set, the elements that data holds in the binary form of the protocol:
// numbers little-endian and row-major, strings each behind its length as a uint32. They are views of data.
// A size that does not fit is fault.Usage, what is over a limit fault.TooLarge.
func (a *arena) raw(t *tensor.Tensor, data []byte, p place, l Limits) error {
	n, err := elements(t.Shape, p, l)
	if err != nil {
		return err
	}
	if t.DType == tensor.String {
		return a.rawStrings(t, int(n), data, p)
	}
	if want := n * int64(elementSize(t.DType)); want != int64(len(data)) {
		return fault.New(fault.Usage, "", "%s byte size mismatch for %s. Expected %d, got %d", p.kind, p, want, len(data))
	}
	if t.DType == tensor.Bool {
		for i, b := range data {
			if b > 1 {
				return fault.New(fault.Usage, "", "element %d of %s is no bool: its byte is %d, not 0 or 1", i, p, b)
			}
		}
	}
	t.Data = data[:len(data):len(data)]
	return a.charge(int64(len(data)))
}

// rawStrings gives t n strings.
func (a *arena) rawStrings(t *tensor.Tensor, n int, data []byte, p place) error {
	if n > len(data)/4 { // no more than data can hold: nothing is taken for a shape that lies
		return fault.New(fault.Usage, "", "expected %d string elements for inference %s, got at most %d", n, p, len(data)/4)
	}
	if err := a.charge(int64(n)*int64(stringSize) + int64(len(data)-4*n)); err != nil {
		return err
	}
	t.Strings = a.strings(n)
	for i := range t.Strings {
		if len(data) == 0 {
			return fault.New(fault.Usage, "", "expected %d string elements for inference %s, got %d", n, p, i)
		}
		if len(data) < 4 {
			return fault.New(fault.Usage, "", "incomplete string length indicator for inference %s, expecting 4 bytes but only %d bytes available", p, len(data))
		}
		size := binary.LittleEndian.Uint32(data)
		if data = data[4:]; uint64(size) > uint64(len(data)) {
			return fault.New(fault.Usage, "", "incomplete string data for inference %s, element %d: expecting string of length %d but only %d bytes available", p, i, size, len(data))
		}
		t.Strings[i], data = view(data[:size]), data[size:]
	}
	if len(data) > 0 {
		return fault.New(fault.Usage, "", "unexpected number of string elements for inference %s, expecting %d: %d bytes are left", p, n, len(data))
	}
	return nil
}

// rawSize returns the bytes of t in the binary form.
func rawSize(t *tensor.Tensor) int {
	n := len(t.Data)
	for _, s := range t.Strings {
		n += 4 + len(s)
	}
	return n
}

// appendRaw appends the elements of t in the binary form.
func appendRaw(dst []byte, t *tensor.Tensor) []byte {
	dst = append(dst, t.Data...)
	for _, s := range t.Strings {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	return dst
}
