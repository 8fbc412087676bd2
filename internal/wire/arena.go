package wire

import (
	"unsafe"

	"infer/internal/fault"
	"infer/model/tensor"
)

// What an arena keeps over a reset, and how long a name may be that stands in a message.
const (
	keptBytes  = 4 << 20
	keptNames  = 256
	maxNameLen = 1024
)

// arena is the memory that the tensors of a message lie in. It is taken from front to back and kept over reset, so
// that a Request in use again takes none from the heap. What it gives is valid until reset, and its contents are
// whatever was there before, strings excepted. The zero arena is ready.
type arena struct {
	block   []uint64 // its length is what has been taken; words, so that every tensor is aligned
	strs    []string
	names   map[string]string
	budget  int64 // Limits.Bytes of the message
	charged int64
}

// reset takes everything back and gives the next message a budget of limit bytes. Memory of an unusually large message
// goes back to the heap.
func (a *arena) reset(limit int64) {
	clear(a.strs)
	a.block, a.strs = a.block[:0], a.strs[:0]
	if cap(a.block)*8 > keptBytes {
		a.block = nil
	}
	if cap(a.strs)*stringSize > keptBytes {
		a.strs = nil
	}
	a.budget, a.charged = limit, 0
}

// stringSize is what a string costs beside its bytes.
const stringSize = int(unsafe.Sizeof(""))

// charge counts n bytes of tensors against the limit of the message; call it before taking them. n is not negative.
func (a *arena) charge(n int64) error {
	if n > a.budget-a.charged {
		return fault.New(fault.TooLarge, "", "the tensors of the message take more than the limit of %d bytes", a.budget)
	}
	a.charged += n
	return nil
}

// bytes returns n bytes at an address that is a multiple of 8.
func (a *arena) bytes(n int) []byte {
	words := (n + 7) / 8
	if words == 0 {
		return []byte{}
	}
	used := len(a.block)
	if cap(a.block)-used < words {
		a.block, used = make([]uint64, 0, max(words, 2*cap(a.block), 128)), 0
	}
	a.block = a.block[:used+words]
	return unsafe.Slice((*byte)(unsafe.Pointer(&a.block[used])), n)
}

// grow returns b, bytes of a or nil, with room for n more: where it lies if nothing was taken since, else a copy.
func (a *arena) grow(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	room := max(2*cap(b), need, 512)
	if used := len(a.block); len(b) > 0 && used > 0 {
		start := used - (cap(b)+7)/8
		if start >= 0 && unsafe.Pointer(&a.block[start]) == unsafe.Pointer(unsafe.SliceData(b)) {
			end := min(start+(room+7)/8, cap(a.block))
			if (end-start)*8 >= need {
				a.block = a.block[:end]
				return unsafe.Slice(unsafe.SliceData(b), (end-start)*8)[:len(b)]
			}
		}
	}
	return append(a.bytes(room)[:0], b...)
}

// shape returns n dimensions.
func (a *arena) shape(n int) tensor.Shape {
	if n == 0 {
		return tensor.Shape{}
	}
	b := a.bytes(8 * n)
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// strings returns n empty strings.
func (a *arena) strings(n int) []string {
	used := len(a.strs)
	if cap(a.strs)-used < n {
		a.strs, used = make([]string, 0, max(n, 2*cap(a.strs), 16)), 0
	}
	a.strs = a.strs[:used+n]
	return a.strs[used : used+n : used+n]
}

// intern returns b as a string that outlives the arena and the message. Names come again and again: a name that was
// seen lately costs no memory.
func (a *arena) intern(b []byte) string {
	if s, ok := a.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if a.names == nil || len(a.names) == keptNames {
		a.names = make(map[string]string)
	}
	a.names[s] = s
	return s
}

// view returns b as a string without a copy. b stays as it is for as long as the string is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
