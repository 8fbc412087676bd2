package emit

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// sketch is a random graph of images in the making.
type sketch struct {
	rng    *rand.Rand
	nodes  []*onnx.Node
	values []string // all of the shape image
}

// pick returns one of the values, a late one more often.
func (s *sketch) pick() string {
	n := len(s.values)
	return s.values[n-1-min(s.rng.IntN(n), s.rng.IntN(n))]
}

// grow adds a step: one node, or a few, that give one more value.
func (s *sketch) grow() {
	n := len(s.nodes)
	name := func(part string) string { return fmt.Sprintf("%s%d", part, n) }
	add := func(o, in, out string, attrs ...*onnx.Attribute) { s.nodes = append(s.nodes, op(o, in, out, attrs...)) }
	a, b, v := s.pick(), s.pick(), name("v")
	square := []*onnx.Attribute{ints("kernel_shape", 3, 3), pads}
	switch s.rng.IntN(14) {
	case 0, 1, 2:
		add("Conv", a+" w b", v, pads)
	case 3:
		add("Conv", a+" depthwise", v, pads, enginetest.Int("group", 8))
	case 4:
		add("Add", a+" "+b, v)
	case 5:
		add("Mul", a+[]string{" scale", " sixth"}[s.rng.IntN(2)], v)
	case 6:
		add("Relu", a, v)
	case 7:
		add("Clip", a+" zero six", v)
	case 8:
		add("MaxPool", a, v, square...)
	case 9:
		add("AveragePool", a, v, square...)
	case 10:
		add("Concat", a+" "+b+" "+a+" "+b, name("c"), enginetest.Int("axis", 1))
		add("Conv", name("c")+" deep b", v, pads)
	case 11:
		add("Sigmoid", a, name("s"))
		add("Mul", a+" "+name("s"), v)
	case 12:
		add("Split", a+" halves", name("s")+" "+name("t"), enginetest.Int("axis", 2))
		add("Concat", name("t")+" "+name("s"), v, enginetest.Int("axis", 2))
	case 13:
		add([]string{"Tanh", "LeakyRelu"}[s.rng.IntN(2)], a, v)
	}
	s.values = append(s.values, v)
}

// randomGraph returns a graph of about ten nodes, with a product behind the images, that gives that and any of them.
func randomGraph(seed uint64) pattern {
	s := &sketch{rng: rand.New(rand.NewPCG(seed, 1)), values: []string{"x"}}
	for range 4 + s.rng.IntN(10) {
		s.grow()
	}
	last := s.values[len(s.values)-1]
	s.nodes = append(s.nodes, op("Flatten", last, "f"), op("Gemm", "f flat b64", "g"), op("Relu", "g", "r"), op("MatMul", "r m", "p"), op("Add", "p b64", "y"))
	p := pattern{nodes: s.nodes}
	if v := s.pick(); v != "x" {
		p.also = append(p.also, v)
	}
	return p
}

// TestRandomGraphs: whatever the graph, the rewritten one is valid, keeps its outputs, and becomes what was predicted.
func TestRandomGraphs(t *testing.T) {
	p := enginetest.CPU(t)
	worst := math.Inf(1)
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := randomGraph(seed)
			m, in := c.model(), []tensor.Tensor{c.input()}
			q, plan, e := quantize(t, p, m, target(t, "cpu:avx2"), in)
			l, err := Check(t.Context(), p, engine.Config{Threads: 1}, model.New(q), e.Decisions)
			if err != nil {
				t.Fatal(err)
			}
			if l.Fused != l.Predicted {
				t.Errorf("%d of %d predictions came true: %v", l.Fused, l.Predicted, l.Mismatches)
			}
			want, _ := runModel(t, m, in)
			got, _ := runModel(t, q, in)
			for i := range want {
				db := affine.SQNR(floatsOf(t, want[i]), floatsOf(t, got[i]))
				worst = min(worst, db)
				if !(db >= 12) { // of 1000 seeds, the worst output keeps 13.8
					t.Errorf("output %d keeps %.1f dB", i, db)
				}
			}
			again := m.Clone()
			if _, err := plan.Static(again, observe(t, p, m, in, plan.Values()), StaticOptions{PerChannel: true}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encode(t, q), encode(t, again)) {
				t.Error("the same plan gives other bytes")
			}
		})
	}
	t.Logf("at least %.1f dB", worst)
}

// TestValuesOfAnyChoice: the values of a plan of all nodes are those of every plan of fewer.
func TestValuesOfAnyChoice(t *testing.T) {
	for seed := range uint64(200) {
		m := randomGraph(seed).model()
		shapes := static.Infer(m, nil)
		all := map[string]bool{}
		for _, v := range NewPlan(m, shapes, target(t, "cpu:avx2"), never).Values() {
			all[v] = true
		}
		rng := rand.New(rand.NewPCG(seed, 2))
		refused := map[string]bool{}
		for _, n := range m.Graph.Nodes {
			refused[n.Name] = weightedOp(n) && rng.IntN(2) == 0
		}
		some := NewPlan(m, shapes, target(t, "cpu:avx2"), func(n *onnx.Node) string {
			if refused[n.Name] {
				return "refused"
			}
			return ""
		})
		for _, v := range some.Values() {
			if !all[v] {
				t.Errorf("seed %d: %s is quantized only where %v are float", seed, v, refused)
			}
		}
	}
}

func weightedOp(n *onnx.Node) bool { return is(n, "Conv") || is(n, "Gemm") || is(n, "MatMul") }
