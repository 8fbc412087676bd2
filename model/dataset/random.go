package dataset

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

const (
	maxMadeUp = 1 << 28 // elements of one made-up input
	smallInts = 10      // integers of no known use are below it
)

var words = []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"}

// Random returns one tensor for each input of m that has no initializer, the same for the same seed. shapes gives
// shapes by input name; an axis that they leave open takes the size that they give its symbol elsewhere, else 1, which
// the notes say. Values suit the graph: indices stay inside the axis they index, masks are ones, token types and pads
// 0, an integer that the graph compares with constants is one of them, floats are normal, bytes 0 to 255.
// It reads m.Proto.Graph and the inferred or stated types in it.
func Random(m *model.Model, shapes map[string]tensor.Shape, seed uint64) (in []tensor.Tensor, notes []string, err error) {
	return makeUp(m.Proto.Graph, m.Inputs(), shapes, seed, false)
}

// Zeros is Random with zeros wherever zero suits the graph.
func Zeros(m *model.Model, shapes map[string]tensor.Shape) (in []tensor.Tensor, notes []string, err error) {
	return makeUp(m.Proto.Graph, m.Inputs(), shapes, 0, true)
}

func makeUp(g *onnx.Graph, ports []model.Port, shapes map[string]tensor.Shape, seed uint64, zeros bool) ([]tensor.Tensor, []string, error) {
	if g == nil {
		g = &onnx.Graph{}
	}
	x := indexGraph(g)
	if err := knownNames(ports, shapes); err != nil {
		return nil, nil, err
	}
	symbols, err := bindSymbols(ports, shapes)
	if err != nil {
		return nil, nil, err
	}
	all := make([]tensor.Shape, len(ports))
	var notes []string
	for i, p := range ports {
		s, note, err := shapeOf(p, shapes[p.Name], symbols)
		if err != nil {
			return nil, nil, err
		}
		if note != "" {
			notes = append(notes, note)
		}
		all[i] = s
		x.types[p.Name] = fixedType(p.Type.DType, s)
	}
	out := make([]tensor.Tensor, len(ports))
	for i, p := range ports {
		h := fnv.New64a()
		h.Write([]byte(p.Name))
		m := maker{port: p, shape: all[i], use: x.of(p.Name), zeros: zeros, rng: rand.New(rand.NewPCG(seed, h.Sum64()))}
		m.sequence = sequenceLength(all, i)
		if out[i], err = m.tensor(); err != nil {
			return nil, nil, fault.Wrap(err, "input %q", p.Name)
		}
	}
	return out, notes, nil
}

// fixedType is the type of an input whose axes are bound.
func fixedType(d tensor.DType, s tensor.Shape) *onnx.Type {
	ty := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, size := range s {
		ty.Dims = append(ty.Dims, onnx.Fixed(size))
	}
	return ty
}

func knownNames(ports []model.Port, shapes map[string]tensor.Shape) error {
	for name := range shapes {
		var names []string
		found := false
		for _, p := range ports {
			names = append(names, p.Name)
			found = found || p.Name == name
		}
		if !found {
			return fault.New(fault.Usage, "the inputs are "+strings.Join(names, ", "), "a shape for %q, which is no input", name)
		}
	}
	return nil
}

// bindSymbols returns the size of each named axis that a given shape fixes.
func bindSymbols(ports []model.Port, shapes map[string]tensor.Shape) (map[string]int64, error) {
	symbols := map[string]int64{}
	for _, p := range ports {
		s, ok := shapes[p.Name]
		if !ok || !p.Type.HasShape || len(s) != len(p.Type.Dims) {
			continue // shapeOf reports a wrong rank
		}
		for i, d := range p.Type.Dims {
			if d.Known || d.Name == "" {
				continue
			}
			if old, ok := symbols[d.Name]; ok && old != s[i] {
				return nil, fault.New(fault.Usage, "give every input the same size there", "axis %q is %d in one shape and %d in another", d.Name, old, s[i])
			}
			symbols[d.Name] = s[i]
		}
	}
	return symbols, nil
}

// shapeOf binds the axes of one input; note says which became 1.
func shapeOf(p model.Port, given tensor.Shape, symbols map[string]int64) (s tensor.Shape, note string, err error) {
	ty := p.Type
	if ty.Kind != onnx.KindTensor {
		return nil, "", fault.New(fault.Unsupported, "", "input %q is no tensor: no data can be made up for it", p.Name)
	}
	if !ty.HasShape {
		if given == nil {
			return nil, "", fault.New(fault.Usage, fmt.Sprintf("pass --shape %s:1x3x224x224 with its real shape", p.Name),
				"input %q has no declared rank", p.Name)
		}
		return given.Clone(), "", nil
	}
	if given != nil {
		ok := len(given) == len(ty.Dims)
		for i := 0; ok && i < len(given); i++ {
			ok = !ty.Dims[i].Known || ty.Dims[i].Size == given[i]
		}
		if !ok {
			return nil, "", fault.New(fault.Usage, "", "shape %s for the input %q, which takes %s", given, p.Name, dimsText(ty))
		}
		return given.Clone(), "", nil
	}
	var ones []string
	s = make(tensor.Shape, len(ty.Dims))
	for i, d := range ty.Dims {
		size, ok := symbols[d.Name]
		switch {
		case d.Known:
			s[i] = d.Size
		case ok && d.Name != "":
			s[i] = size
		default:
			s[i] = 1
			name := d.Name
			if name == "" {
				name = fmt.Sprint(i)
			}
			ones = append(ones, name)
		}
	}
	if len(ones) > 0 {
		note = fmt.Sprintf("input %q: dynamic axis %s is taken as 1", p.Name, strings.Join(ones, ", "))
	}
	return s, note, nil
}

// sequenceLength returns axis 1 of the first other input of rank 2 or more, what lengths may not exceed; else 1.
func sequenceLength(shapes []tensor.Shape, self int) int64 {
	for i, s := range shapes {
		if i != self && len(s) > 1 {
			return max(1, s[1])
		}
	}
	return 1
}

// maker makes the tensor of one input.
type maker struct {
	port     model.Port
	shape    tensor.Shape
	use      usage
	zeros    bool
	sequence int64
	rng      *rand.Rand
}

func (m *maker) tensor() (tensor.Tensor, error) {
	d := m.port.Type.DType
	n, err := m.shape.Elements()
	if err != nil || n > maxMadeUp {
		return tensor.Tensor{}, fault.New(fault.Usage, "give smaller shapes, or the data by --input", "shape %s of %s is too large to make up: %d elements at most", m.shape, d, maxMadeUp)
	}
	switch {
	case d == tensor.String:
		v := make([]string, n)
		for i := range v {
			if !m.zeros {
				v[i] = words[m.rng.IntN(len(words))]
			}
		}
		return tensor.FromStrings(m.port.Name, m.shape, v)
	case d.IsInt() || d == tensor.Bool:
		next := m.ints()
		v := make([]int64, n)
		for i := range v {
			v[i] = next(i)
		}
		return tensor.FromInts(m.port.Name, d, m.shape, v)
	}
	return m.floats(n)
}

// named reports whether the input's name holds one of the words.
func (m *maker) named(parts ...string) bool {
	name := strings.ToLower(m.port.Name)
	for _, p := range parts {
		if strings.Contains(name, p) {
			return true
		}
	}
	return false
}

// isMask reports whether ones are what keeps everything.
func (m *maker) isMask() bool {
	return m.use.mask && !m.use.limited || m.named("mask") && !m.named("padding_mask")
}

// ints returns what gives element i of an integer or bool input.
func (m *maker) ints() func(i int) int64 {
	lo, hi := m.intRange()
	constant := func(v int64) func(int) int64 { return func(int) int64 { return v } }
	d := m.port.Type.DType
	switch {
	case m.isMask():
		return constant(1)
	case m.named("padding_mask"), m.use.zero, m.named("token_type", "segment_id") && lo <= 0:
		return constant(0)
	case m.use.lengths, len(m.shape) < 2 && m.named("len") && !m.use.limited:
		return constant(min(m.sequence, hi-1))
	case m.use.shape:
		return constant(1)
	case len(m.shape) == 0 && len(m.use.choices) > 0:
		return constant(m.use.choices[0])
	case len(m.shape) == 0 && d != tensor.Bool && !m.use.limited:
		return constant(min(1, hi-1))
	case m.zeros:
		return constant(min(max(0, lo), hi-1))
	case m.named("position") && len(m.shape) > 0:
		last := max(1, m.shape[len(m.shape)-1])
		return func(i int) int64 { return min(max(lo, 0)+int64(i)%last, hi-1) }
	}
	return func(int) int64 { return lo + m.rng.Int64N(hi-lo) }
}

// intRange returns the values lo ≤ v < hi that the dtype holds and the graph takes.
func (m *maker) intRange() (lo, hi int64) {
	lo, hi = 0, smallInts
	d := m.port.Type.DType
	switch bits := d.Bits(); {
	case d == tensor.Bool:
		hi = 2
	case d == tensor.Uint8, d == tensor.Uint4, d == tensor.Uint2, d == tensor.Uint16:
		hi = 1 << bits
	case d == tensor.Int8, d == tensor.Int4, d == tensor.Int2:
		lo, hi = -1<<(bits-1), 1<<(bits-1)
	}
	if !m.use.limited {
		return lo, hi
	}
	if bits := d.Bits(); bits > 16 {
		hi = math.MaxInt64
		if bits == 32 {
			hi = math.MaxInt32
		}
	}
	if l, h := max(lo, m.use.lo), min(hi, m.use.hi); l < h {
		return l, h
	}
	return lo, lo + 1
}

// floats returns a normal, constant or index-valued floating-point tensor; a complex one is pairs.
func (m *maker) floats(n int64) (tensor.Tensor, error) {
	d := m.port.Type.DType
	shape, of := m.shape, d
	switch d {
	case tensor.Complex64:
		of, n, shape = tensor.Float32, 2*n, append(m.shape.Clone(), 2)
	case tensor.Complex128:
		of, n, shape = tensor.Float64, 2*n, append(m.shape.Clone(), 2)
	}
	v := make([]float64, n)
	for i := range v {
		switch {
		case m.isMask():
			v[i] = 1
		case m.zeros:
		case m.use.limited:
			lo := max(0, m.use.lo)
			v[i] = float64(lo + m.rng.Int64N(max(1, m.use.hi-lo)))
		case len(m.shape) == 0:
			v[i] = 1
		default:
			v[i] = m.rng.NormFloat64()
		}
	}
	t, err := fromFloats(of, shape, v)
	t.Name, t.DType, t.Shape = m.port.Name, d, m.shape
	return t, err
}

// fromFloats returns a tensor of a floating-point dtype.
func fromFloats(d tensor.DType, s tensor.Shape, v []float64) (tensor.Tensor, error) {
	t, err := tensor.New("", d, s)
	if err != nil {
		return t, err
	}
	if d == tensor.Float64 {
		for i, f := range v {
			binary.LittleEndian.PutUint64(t.Data[8*i:], math.Float64bits(f))
		}
		return t, nil
	}
	f := make([]float32, len(v))
	for i := range v {
		f[i] = float32(v[i])
	}
	tensor.EncodeFloats(t.Data, d, f)
	return t, nil
}
