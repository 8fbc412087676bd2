//go:build cgo && !windows

package ort

// #cgo noescape infer_describe
// #cgo nocallback infer_describe
// #cgo noescape infer_tensor
// #cgo nocallback infer_tensor
// #include "shim.h"
import "C"

import (
	"runtime"
	"strings"
	"unsafe"

	"infer/internal/fault"
	"infer/model/tensor"
)

// The kinds of an OrtValue (ONNXType in the C API).
const (
	kindTensor   = 1
	kindSequence = 2
	kindMap      = 3
)

var kindNames = map[int]string{4: "an opaque value", 5: "a sparse tensor", 6: "an optional"}

// elementType returns the library's number of a dtype: that of ONNX, but for the newest ones.
func elementType(d tensor.DType) (C.int, error) {
	switch {
	case d >= tensor.Float32 && d <= tensor.Float4E2M1:
		return C.int(d), nil
	case d == tensor.Uint2:
		return 24, nil
	case d == tensor.Int2:
		return 25, nil
	}
	return 0, fault.New(fault.Unsupported, "", "ONNX Runtime has no tensors of %s", d)
}

func dtypeOf(element C.int) tensor.DType {
	switch {
	case element >= 1 && element <= 23:
		return tensor.DType(element)
	case element == 24:
		return tensor.Uint2
	case element == 25:
		return tensor.Int2
	}
	return tensor.Undefined
}

func dimsOf(s tensor.Shape) *C.int64_t {
	if len(s) == 0 {
		return nil
	}
	return (*C.int64_t)(unsafe.Pointer(&s[0]))
}

// newValue makes an OrtValue of any tensor and stores it in *out. Data of Go memory are pinned, not copied: the value
// may be used until pin.Unpin.
func (r *Runtime) newValue(pin *runtime.Pinner, t *tensor.Tensor, out *unsafe.Pointer) error {
	switch t.DType {
	case tensor.String:
		return r.newStrings(t, out)
	case tensor.Sequence, tensor.Map:
		return r.newCompound(pin, t, out)
	}
	data := t.Data
	if !aligned(*t) {
		data = alignedBytes(len(t.Data))
		copy(data, t.Data)
	}
	at := unsafe.Pointer(unsafe.SliceData(data))
	if len(data) > 0 {
		pin.Pin(at)
	}
	return r.newTensor(t.DType, t.Shape, at, len(data), out)
}

// aligned reports whether the library may read and write the elements of t where they lie. Data cut out of a file or a
// request can start anywhere.
func aligned(t tensor.Tensor) bool {
	size := uintptr(t.DType.Bits() / 8)
	return size <= 1 || uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))%min(size, 8) == 0
}

// alignedBytes returns a zeroed slice that starts at a multiple of 8.
func alignedBytes(n int) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

// newTensor makes an OrtValue over the bytes at data, which must stay where they are until it is released.
func (r *Runtime) newTensor(d tensor.DType, s tensor.Shape, data unsafe.Pointer, size int, out *unsafe.Pointer) error {
	element, err := elementType(d)
	if err != nil {
		return err
	}
	return r.status(C.infer_tensor(r.c, element, dimsOf(s), C.size_t(len(s)), data, C.size_t(size), out))
}

// newStrings makes an OrtValue that holds copies of the strings.
func (r *Runtime) newStrings(t *tensor.Tensor, out *unsafe.Pointer) error {
	text := strings.Join(t.Strings, "") + "\x00"               // never empty, to have an address
	lens := make([]C.size_t, len(t.Strings), len(t.Strings)+1) // likewise
	for i, s := range t.Strings {
		lens[i] = C.size_t(len(s))
	}
	at := (*C.char)(unsafe.Pointer(unsafe.StringData(text)))
	return r.status(C.infer_strings(r.c, dimsOf(t.Shape), C.size_t(len(t.Shape)), at, unsafe.SliceData(lens), C.size_t(len(lens)), out))
}

// newCompound makes an OrtValue of a sequence or map.
func (r *Runtime) newCompound(pin *runtime.Pinner, t *tensor.Tensor, out *unsafe.Pointer) error {
	kind := C.int(kindSequence)
	if t.DType == tensor.Map {
		kind = kindMap
	}
	if len(t.Elems) == 0 || kind == kindMap && len(t.Elems) != 2 {
		return fault.New(fault.Unsupported, "", "a %s of %d parts cannot be made", t.DType, len(t.Elems))
	}
	items := make([]unsafe.Pointer, len(t.Elems))
	defer func() {
		for _, v := range items {
			if v != nil {
				C.infer_release_value(r.c, v)
			}
		}
	}()
	for i := range t.Elems {
		if err := r.newValue(pin, &t.Elems[i], &items[i]); err != nil {
			return err
		}
	}
	return r.status(C.infer_compound(r.c, &items[0], C.size_t(len(items)), kind, out))
}

// toGo copies an OrtValue to Go memory: for a tensor to that of the empty slices of into as far as it reaches.
func (r *Runtime) toGo(v unsafe.Pointer, into tensor.Tensor) (tensor.Tensor, error) {
	var info C.infer_info
	if err := r.status(C.infer_describe(r.c, v, &info)); err != nil {
		return tensor.Tensor{}, err
	}
	if info.has_value == 0 {
		return tensor.Tensor{}, fault.New(fault.Unsupported, "ask for the other outputs", "it is an optional without a value")
	}
	switch info.kind {
	case kindTensor:
		return r.tensorToGo(v, &info, into)
	case kindSequence, kindMap:
		t := tensor.Tensor{DType: tensor.Sequence, Elems: make([]tensor.Tensor, 0, 2)}
		n := int(info.count)
		if info.kind == kindMap {
			t.DType, n = tensor.Map, 2
		}
		for i := range n {
			e, err := r.itemToGo(v, i)
			if err != nil {
				return tensor.Tensor{}, err
			}
			t.Elems = append(t.Elems, e)
		}
		return t, nil
	}
	return tensor.Tensor{}, fault.New(fault.Unsupported, "ask for the other outputs", "it is %s, which infer cannot hold", kindNames[int(info.kind)])
}

func (r *Runtime) itemToGo(v unsafe.Pointer, i int) (tensor.Tensor, error) {
	var item unsafe.Pointer
	if err := r.status(C.infer_item(r.c, v, C.int(i), &item)); err != nil {
		return tensor.Tensor{}, err
	}
	defer C.infer_release_value(r.c, item)
	return r.toGo(item, tensor.Tensor{})
}

// shapeOf returns dtype and shape of a described tensor, the shape in the memory of into, and the size of its data in
// bytes.
func shapeOf(info *C.infer_info, into tensor.Shape) (tensor.DType, tensor.Shape, int, error) {
	d := dtypeOf(C.int(info.dtype))
	if d == tensor.Undefined || info.rank > C.INFER_MAX_RANK {
		return d, nil, 0, fault.New(fault.Unsupported, "", "element type %d, rank %d: infer cannot hold it", int(info.dtype), int(info.rank))
	}
	s := into[:0]
	if s == nil {
		s = make(tensor.Shape, 0, info.rank)
	}
	for i := range int(info.rank) {
		s = append(s, int64(info.dims[i]))
	}
	size, err := tensor.ByteSize(d, s)
	return d, s, int(size), err
}

func (r *Runtime) tensorToGo(v unsafe.Pointer, info *C.infer_info, into tensor.Tensor) (tensor.Tensor, error) {
	d, s, size, err := shapeOf(info, into.Shape)
	if err != nil {
		return tensor.Tensor{}, err
	}
	t := tensor.Tensor{DType: d, Shape: s}
	if d == tensor.String {
		text, err := r.stringsToGo(v, info, s)
		t.Strings = text
		if into.Strings != nil {
			t.Strings = append(into.Strings[:0], text...)
		}
		return t, err
	}
	if into.Data == nil {
		into.Data = make([]byte, 0, size)
	}
	t.Data = append(into.Data[:0], unsafe.Slice((*byte)(info.data), size)...)
	return t, nil
}

func (r *Runtime) stringsToGo(v unsafe.Pointer, info *C.infer_info, s tensor.Shape) ([]string, error) {
	n, err := s.Elements()
	if err != nil || n == 0 {
		return []string{}, err
	}
	text := make([]byte, int(info.str_len)+1) // never empty: the library refuses a nil buffer
	offsets := make([]C.size_t, n+1)
	if err := r.status(C.infer_string_content(r.c, v, unsafe.Pointer(&text[0]), info.str_len, &offsets[0], C.size_t(n))); err != nil {
		return nil, err
	}
	offsets[n] = info.str_len
	all := string(text[:info.str_len])
	out := make([]string, n)
	for i := range out {
		out[i] = all[offsets[i]:offsets[i+1]]
	}
	return out, nil
}
