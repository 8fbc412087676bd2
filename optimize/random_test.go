package optimize

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// made is a graph in the making, for one size of each dynamic axis.
type made struct {
	*rand.Rand
	nodes  []*onnx.Node
	consts []*onnx.Tensor
	values []string
	shapes map[string]tensor.Shape // of the values
}

// TestRandomMoves: graphs of random steps that move data give the same after all passes, also where their dynamic axes
// have other sizes than those that they were made for, if they can be run with them.
func TestRandomMoves(t *testing.T) {
	cpu := enginetest.CPU(t)
	shrunk, resized := 0, 0
	for seed := range uint64(randomGraphs) {
		m := randomGraph(seed)
		after, results := prepared(t, m.Proto, slices.Concat(Passes(), Passes()), 0)
		if nodes(after.Proto) > nodes(m.Proto) {
			t.Errorf("seed %d: %d nodes, then %d: %v", seed, nodes(m.Proto), nodes(after.Proto), results)
		}
		if nodes(after.Proto) < nodes(m.Proto) {
			shrunk++
		}
		for _, larger := range []int64{0, 1} {
			ran, err := sameAt(t, cpu, m, after, larger)
			if err != nil || !ran && larger == 0 {
				t.Fatalf("seed %d, dynamic axes larger by %d: %v: %v\n%s\n%s", seed, larger, err, results, edges(m.Proto.Graph), edges(after.Proto.Graph))
			}
			if ran && larger > 0 {
				resized++
			}
		}
	}
	if shrunk < randomGraphs/2 || resized < randomGraphs/10 {
		t.Errorf("of %d graphs %d became smaller and %d ran with another size", randomGraphs, shrunk, resized)
	}
}

// randomGraphs is how many graphs are tried.
const randomGraphs = 300

// sameAt runs both models with the dynamic axes larger than they were made for; ran is false where the first one cannot
// be. How large they are is in the documentation of the input.
func sameAt(t *testing.T, cpu engine.Provider, before, after *model.Model, larger int64) (ran bool, err error) {
	x := before.Proto.Graph.Inputs[0]
	var shape tensor.Shape
	for i, d := range x.Type.Dims {
		if !d.Known {
			d.Size = int64(x.Doc[i]-'0') + larger
		}
		shape = append(shape, d.Size)
	}
	in, _, err := dataset.Random(before, map[string]tensor.Shape{"x": shape}, 7)
	if err != nil {
		return false, err
	}
	want, err := outputs(cpu, before, in)
	if err != nil {
		return false, nil
	}
	got, err := outputs(cpu, after, in)
	if err != nil {
		return true, err
	}
	for i := range want {
		if !want[i].Shape.Equal(got[i].Shape) || want[i].DType != got[i].DType {
			return true, fmt.Errorf("%s is %v and becomes %v", want[i].Name, want[i].Shape, got[i].Shape)
		}
		if d := distance(t, want[i], got[i]); !(d <= 1e-5) {
			return true, fmt.Errorf("%s differs by %g", want[i].Name, d)
		}
	}
	return true, nil
}

// outputs is run without a test that fails.
func outputs(p engine.Provider, m *model.Model, in []tensor.Tensor) ([]tensor.Tensor, error) {
	s, err := p.Open(context.Background(), m, engine.Config{OptLevel: engine.OptNone, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out := make([]tensor.Tensor, len(s.Outputs()))
	for i, o := range s.Outputs() {
		out[i].Name = o.Name
	}
	return out, s.Run(context.Background(), in, out)
}

// randomGraph returns a model of some random steps from x, whose four axes have 1 to 4 elements. Up to two are dynamic.
func randomGraph(seed uint64) *model.Model {
	g := &made{Rand: rand.New(rand.NewPCG(seed, 1)), shapes: map[string]tensor.Shape{}}
	shape, dims, sizes := tensor.Shape{}, []any{}, ""
	dynamic := [][]int{{}, {0}, {0, 1}, {3}, {0, 2}}[g.IntN(5)]
	for i := range 4 {
		d := 1 + g.Int64N(4)
		shape, dims, sizes = append(shape, d), append(dims, int(d)), sizes+fmt.Sprint(d)
		if slices.Contains(dynamic, i) {
			dims[i] = string(rune('n' + i))
		}
	}
	g.value("x", shape)
	for range 4 + g.IntN(10) {
		g.step()
	}
	out := values(untyped(g.values[len(g.values)-1]))
	for _, v := range g.values[1 : len(g.values)-1] {
		if g.IntN(12) == 0 {
			out = append(out, untyped(v))
		}
	}
	x := float("x", dims...)
	x.Doc = sizes
	return lean(build(values(x), out, g.nodes, g.consts...))
}

// value adds a value.
func (g *made) value(name string, s tensor.Shape) {
	g.values, g.shapes[name] = append(g.values, name), s
}

// add adds a node that makes one value of a shape.
func (g *made) add(op string, s tensor.Shape, inputs []string, attrs ...*onnx.Attribute) string {
	out := fmt.Sprintf("v%d", len(g.nodes))
	g.nodes = append(g.nodes, node(op, inputs, names(out), attrs...))
	g.value(out, s)
	return out
}

// ints adds a constant.
func (g *made) ints(v ...int64) string {
	name := fmt.Sprintf("c%d", len(g.consts))
	g.consts = append(g.consts, i64(name, v...))
	return name
}

// scalar adds a float32 constant of one element, with some axes.
func (g *made) scalar(v float32) string {
	name := fmt.Sprintf("c%d", len(g.consts))
	g.consts = append(g.consts, filled(name, v, slices.Repeat([]int64{1}, g.IntN(3))...))
	return name
}

// step adds something to one of the last values.
func (g *made) step() {
	x := g.values[len(g.values)-1-min(g.IntN(3)*g.IntN(2), len(g.values)-1)]
	s := g.shapes[x]
	elements, _ := s.Elements()
	axis := 0
	if len(s) > 0 {
		axis = g.IntN(len(s))
	}
	switch k := g.IntN(20); {
	case k < 3:
		g.reshape(x, s, elements)
	case k == 3:
		at := g.IntN(len(s) + 1)
		g.add("Flatten", tensor.Shape{count(s[:at]), count(s[at:])}, names(x), intAttr("axis", int64(at)))
	case k == 4:
		g.squeeze(x, s)
	case k < 7 && len(s) < 6:
		at := g.IntN(len(s) + 1)
		g.add("Unsqueeze", slices.Insert(s.Clone(), at, 1), names(x, g.ints(int64(at))))
	case k < 9:
		perm, to := []int64{}, tensor.Shape{}
		for _, p := range g.Perm(len(s)) {
			perm, to = append(perm, int64(p)), append(to, s[p])
		}
		g.add("Transpose", to, names(x), intsAttr("perm", perm...))
	case k < 11 && len(s) > 0:
		from, to := g.Int64N(s[axis]), s[axis]
		if g.IntN(2) == 0 {
			from, to = 0, 1+g.Int64N(s[axis])
		}
		g.add("Slice", with(s, axis, to-from), names(x, g.ints(from), g.ints(to), g.ints(int64(axis))))
	case k == 11 && len(s) > 0 && s[axis] > 1:
		g.apart(x, s, axis)
	case k == 12 && len(s) > 0 && elements < 500:
		g.add("Concat", with(s, axis, 2*s[axis]), names(x, x), intAttr("axis", int64(axis)-int64(len(s))*g.Int64N(2)))
	case k == 13 && len(s) > 0:
		keep := g.Int64N(2)
		to := with(s, axis, 1)
		if keep == 0 {
			to = slices.Delete(to, axis, axis+1)
		}
		g.add([]string{"ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2"}[g.IntN(4)], to, names(x, g.ints(int64(axis))), intAttr("keepdims", keep))
	case k == 14 && len(s) > 0:
		g.add("Gather", with(s, axis, 1), names(x, g.ints(g.Int64N(s[axis]))), intAttr("axis", int64(axis)))
	case k == 15:
		g.computed(x, s)
	case k == 16 && elements < 500:
		g.expand(x, s)
	case k == 17 && len(s) > 1:
		c := g.scalar([]float32{0, 1, 2}[g.IntN(3)])
		g.add([]string{"Mul", "Add", "Sub", "Max"}[g.IntN(4)], s, names(x, c))
	case k == 18:
		y := g.add("Cast", s, names(x), intAttr("to", int64(tensor.Float64)))
		g.add("Cast", s, names(y), intAttr("to", int64(tensor.Float32)))
		g.values = slices.DeleteFunc(g.values, func(v string) bool { return v == y })
	default:
		g.add([]string{"Relu", "Neg", "Identity", "Abs", "Sigmoid"}[g.IntN(5)], s, names(x))
	}
}

// count returns the number of elements of a shape.
func count(s tensor.Shape) int64 {
	n, _ := s.Elements()
	return n
}

// with returns s with another size on an axis.
func with(s tensor.Shape, axis int, size int64) tensor.Shape {
	s = s.Clone()
	s[axis] = size
	return s
}

// reshape adds a Reshape to a random shape, written with sizes, a -1, or a 0.
func (g *made) reshape(x string, s tensor.Shape, elements int64) {
	var to tensor.Shape
	for rest := elements; rest > 1 || g.IntN(3) == 0; {
		d := int64(1)
		for _, p := range []int64{2, 3, 5, 2} {
			if rest%(d*p) == 0 && g.IntN(2) == 0 {
				d *= p
			}
		}
		if rest%2 != 0 && rest%3 != 0 && rest%5 != 0 || len(to) == 4 {
			d = rest
		}
		to, rest = append(to, d), rest/d
		if len(to) == 5 {
			to[4] *= rest
			break
		}
	}
	written := slices.Clone(to)
	for i := range written {
		if i < len(s) && s[i] == to[i] && g.IntN(2) == 0 {
			written[i] = 0
		}
	}
	if len(written) > 0 && g.IntN(3) > 0 {
		written[g.IntN(len(written))] = -1
	}
	g.add("Reshape", to, names(x, g.ints(written...)))
}

// squeeze adds a Squeeze of some of the axes of one element.
func (g *made) squeeze(x string, s tensor.Shape) {
	var axes []int64
	to := tensor.Shape{}
	for i, d := range s {
		if d == 1 && i > 0 && g.IntN(2) == 0 {
			axes = append(axes, int64(i))
			continue
		}
		to = append(to, d)
	}
	if axes != nil {
		g.add("Squeeze", to, names(x, g.ints(axes...)))
	}
}

// apart adds Slices of all of x, and sometimes puts them together again.
func (g *made) apart(x string, s tensor.Shape, axis int) {
	at := 1 + g.Int64N(s[axis]-1)
	a := g.add("Slice", with(s, axis, at), names(x, g.ints(0), g.ints(at), g.ints(int64(axis))))
	b := g.add("Slice", with(s, axis, s[axis]-at), names(x, g.ints(at), g.ints(1<<60), g.ints(int64(axis))))
	if g.IntN(2) == 0 {
		g.add("Concat", s, names(a, b), intAttr("axis", int64(axis)))
	}
}

// computed adds a Reshape whose shape is computed from sizes of x: two axes become one, or one becomes two.
func (g *made) computed(x string, s tensor.Shape) {
	if len(s) < 2 || len(s) > 5 {
		return
	}
	at := g.IntN(len(s) - 1)
	to := slices.Concat(s[:at], tensor.Shape{s[at] * s[at+1]}, s[at+2:])
	all := g.hidden("Shape", names(x))
	var parts []string
	for i := range s {
		part := g.hidden("Gather", names(all, g.ints(int64(i))))
		switch {
		case i == at+1:
			parts[at] = g.hidden("Mul", names(parts[at], part))
		case g.IntN(4) == 0:
			parts = append(parts, g.ints(s[i]))
		default:
			parts = append(parts, part)
		}
	}
	g.add("Reshape", to, names(x, g.hidden("Concat", parts, intAttr("axis", 0))))
}

// hidden adds a node whose value no step works on.
func (g *made) hidden(op string, inputs []string, attrs ...*onnx.Attribute) string {
	out := fmt.Sprintf("v%d", len(g.nodes))
	g.nodes = append(g.nodes, node(op, inputs, names(out), attrs...))
	return out
}

// expand adds an Expand of the axes of one element, to constants or to sizes of x.
func (g *made) expand(x string, s tensor.Shape) {
	to, given := s.Clone(), []int64{}
	for i, d := range s {
		given = append(given, 1)
		if d == 1 && i > 0 && g.IntN(2) == 0 {
			to[i] = 3
			given[i] = 3
		}
	}
	if g.IntN(2) == 0 && len(to) < 5 {
		to, given = slices.Insert(to, 0, 2), slices.Insert(given, 0, 2)
	}
	if g.IntN(2) == 0 && len(s) == len(to) {
		largest := g.hidden("Max", names(g.hidden("Shape", names(x)), g.ints(given...)))
		g.add("Expand", to, names(x, largest))
		return
	}
	g.add("Expand", to, names(x, g.ints(given...)))
}
