package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/model/tensor"
)

// maxScores bounds the scores that are ranked for one row, as Triton does.
const maxScores = 1_000_000

// Classify turns scores into the strings of the classification extension: "value:index[:label]", the k best of each
// row (axis 0 counts rows where batched, else the whole tensor is one row), fewer where a row has fewer. The best is
// the largest; of equals the first, and NaN comes last. Values have the six decimals of C's %f, integers none. The
// result has t's name and shape [rows, k] or [k]. Dtypes that are no numbers of 8 bits or more, half precision, and
// rows of more than a million scores are fault.Usage.
func Classify(t tensor.Tensor, k int, labels []string, batched bool) (tensor.Tensor, error) {
	score, err := scoresOf(&t)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if err := t.Check(); err != nil {
		return tensor.Tensor{}, err
	}
	rowShape := t.Shape
	rows := int64(1)
	batched = batched && len(t.Shape) > 0
	if batched {
		rows, rowShape = t.Shape[0], t.Shape[1:]
	}
	n, err := rowShape.Elements()
	if err != nil {
		return tensor.Tensor{}, err
	}
	if n > maxScores || k < 1 {
		return tensor.Tensor{}, fault.New(fault.Usage, "", "classification of output '%s': %d best of %d scores, the limit is %d", t.Name, k, n, maxScores)
	}
	k = int(min(int64(k), n))
	out := tensor.Tensor{Name: t.Name, DType: tensor.String, Shape: tensor.Shape{int64(k)}, Strings: make([]string, 0, rows*int64(k))}
	if batched {
		out.Shape = tensor.Shape{rows, int64(k)}
	}
	best := make([]int, 0, k)
	for row := range int(rows) {
		best = ranking{score, row * int(n), best[:0]}.best(int(n), k)
		for _, i := range best {
			out.Strings = append(out.Strings, class(&t, row*int(n)+i, i, labels))
		}
	}
	return out, nil
}

// class returns the string of score at of t, the i-th of its row.
func class(t *tensor.Tensor, at, i int, labels []string) string {
	var buf [64]byte
	b := buf[:0]
	switch t.DType {
	case tensor.Float32:
		b = appendFixed(b, float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*at:]))))
	case tensor.Float64:
		b = appendFixed(b, math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*at:])))
	case tensor.Uint64:
		b = strconv.AppendUint(b, binary.LittleEndian.Uint64(t.Data[8*at:]), 10)
	default:
		b = strconv.AppendInt(b, IntegerAt(t.Data, t.DType, at), 10)
	}
	b = strconv.AppendInt(append(b, ':'), int64(i), 10)
	if i < len(labels) {
		b = append(append(b, ':'), labels[i]...)
	}
	return string(b)
}

// appendFixed appends f as C's %f does.
func appendFixed(b []byte, f float64) []byte {
	switch {
	case f != f:
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, f, 'f', 6, 64)
}

// scoresOf returns a function that compares two elements of t: whether a is a better score than b.
func scoresOf(t *tensor.Tensor) (func(a, b int) bool, error) {
	le, data := binary.LittleEndian, t.Data
	floats := func(at func(i int) float64) func(a, b int) bool {
		return func(a, b int) bool {
			x, y := at(a), at(b)
			if x == y || x != x && y != y {
				return a < b
			}
			return x > y || y != y // NaN is worse than any number
		}
	}
	switch d := t.DType; d {
	case tensor.Float32:
		return floats(func(i int) float64 { return float64(math.Float32frombits(le.Uint32(data[4*i:]))) }), nil
	case tensor.Float64:
		return floats(func(i int) float64 { return math.Float64frombits(le.Uint64(data[8*i:])) }), nil
	case tensor.Uint64:
		return func(a, b int) bool {
			x, y := le.Uint64(data[8*a:]), le.Uint64(data[8*b:])
			return x > y || x == y && a < b
		}, nil
	case tensor.Int64, tensor.Int32, tensor.Int16, tensor.Int8, tensor.Uint32, tensor.Uint16, tensor.Uint8:
		return func(a, b int) bool {
			x, y := IntegerAt(data, d, a), IntegerAt(data, d, b)
			return x > y || x == y && a < b
		}, nil
	}
	name := Datatype(t.DType)
	if name == "" {
		name = t.DType.String()
	}
	return nil, fault.New(fault.Usage, "", "class result not available for output '%s' due to unsupported type '%s'", t.Name, name)
}

// ranking keeps the best scores of a row that starts at element first, in a heap whose root is the worst of them.
type ranking struct {
	better func(a, b int) bool
	first  int
	heap   []int
}

// best returns the k best of n scores, best first, in the memory of the heap.
func (r ranking) best(n, k int) []int {
	better := func(a, b int) bool { return r.better(r.first+a, r.first+b) }
	for i := range n {
		switch {
		case len(r.heap) < k:
			r.heap = append(r.heap, i)
			if len(r.heap) == k {
				for j := k/2 - 1; j >= 0; j-- {
					sink(r.heap, j, better)
				}
			}
		case better(i, r.heap[0]):
			r.heap[0] = i
			sink(r.heap, 0, better)
		}
	}
	slices.SortFunc(r.heap, func(a, b int) int {
		if better(a, b) {
			return -1
		}
		return 1
	})
	return r.heap
}

// sink moves element j of a heap down until none below it is worse.
func sink(heap []int, j int, better func(a, b int) bool) {
	for {
		child := 2*j + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && better(heap[child], heap[child+1]) {
			child++
		}
		if !better(heap[j], heap[child]) {
			return
		}
		heap[j], heap[child] = heap[child], heap[j]
		j = child
	}
}
