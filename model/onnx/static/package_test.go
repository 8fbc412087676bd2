package static

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/model/onnx"
	"infer/model/tensor"
)

// nodeValue is an input or output of one of onnx's node tests. It is nil where it is no tensor.
type nodeValue struct {
	DType  tensor.DType `json:"dtype"`
	Shape  []int64      `json:"shape"`
	Ints   []int64      `json:"ints"` // the elements, where there are few
	Floats []float64    `json:"floats"`
}

type nodeTest struct {
	Name    string                `json:"name"`
	Inputs  map[string]*nodeValue `json:"inputs"`
	Outputs map[string]*nodeValue `json:"outputs"`
}

// tally counts what a comparison found.
type tally struct {
	models, whole     int            // whole: every output known in full
	outputs, known    int            // tensors
	wrong, uncompared int            // outputs that contradict; sequences, optionals and outputs without a value
	unknown           map[string]int // outputs by the operator of the last node
}

// TestOfficialPackage compares inference with onnx's own tests of nodes and small graphs: what Infer says of an output
// is to be what the test expects. What it leaves open is counted. scripts/onnx-check.sh runs it.
func TestOfficialPackage(t *testing.T) {
	python := os.Getenv("INFER_TEST_ONNX_PYTHON")
	if python == "" {
		t.Skip("INFER_TEST_ONNX_PYTHON names no Python with the onnx package (scripts/onnx-check.sh sets it)")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, filepath.Join("testdata", "node.py"), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tests.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []nodeTest
	if err := json.Unmarshal(data, &tests); err != nil {
		t.Fatal(err)
	}
	if len(tests) < 1000 {
		t.Fatalf("the package has only %d tests", len(tests))
	}
	for _, mode := range []struct {
		name, suffix string
		symbolic     bool
		floor        float64 // the share of models of which every output must be known in full
	}{
		{"shapes", ".onnx", false, 0.83},
		{"shapes and small inputs constant", ".const.onnx", false, 0.97},
		{"dynamic axes", ".onnx", true, 0.81},
	} {
		t.Run(mode.name, func(t *testing.T) {
			n := tally{unknown: map[string]int{}}
			for _, c := range tests {
				c.compare(t, filepath.Join(dir, c.Name+mode.suffix), mode.symbolic, &n)
			}
			t.Logf("%d models, %d of them known in full; %d outputs, %d of them known in full, %d contradictions; %d outputs that are no tensors",
				n.models, n.whole, n.outputs, n.known, n.wrong, n.uncompared)
			t.Logf("unknown by operator: %s", n.worst())
			if share := float64(n.whole) / float64(n.models); share < mode.floor {
				t.Errorf("%.3f of the models are known in full, want %g", share, mode.floor)
			}
		})
	}
}

// worst lists the operators with the most unknown outputs.
func (n *tally) worst() string {
	ops := slices.SortedFunc(maps.Keys(n.unknown), func(a, b string) int {
		return cmp.Or(n.unknown[b]-n.unknown[a], cmp.Compare(a, b))
	})
	var out []string
	for _, op := range ops {
		out = append(out, fmt.Sprintf("%s %d", op, n.unknown[op]))
	}
	return strings.Join(out, ", ")
}

// compare infers one model and reports contradictions.
func (c nodeTest) compare(t *testing.T, path string, symbolic bool, n *tally) {
	m, closer, err := onnx.OpenFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer closer.Close()
	bound, sizes := map[string][]onnx.Dim{}, map[string]int64{}
	for _, v := range m.Graph.Inputs {
		in := c.Inputs[v.Name]
		if in == nil {
			continue
		}
		bound[v.Name] = []onnx.Dim{}
		for _, k := range in.Shape {
			d := onnx.Fixed(k)
			if symbolic && k > 1 { // axes of the same size have the same name, for which operands fit each other
				d = onnx.Symbol(fmt.Sprintf("x%d", k))
				sizes[d.Name] = k
			}
			bound[v.Name] = append(bound[v.Name], d)
		}
	}
	s := Infer(m, bound)
	Cost(m, s)
	Liveness(m, s)
	compared, whole := false, true
	for name, want := range c.Outputs {
		got, _ := s.Of(m.Graph, name)
		if want == nil {
			n.uncompared++
			continue
		}
		compared = true
		n.outputs++
		known, err := want.agree(got, sizes)
		switch {
		case err != nil:
			n.wrong++
			whole = false
			t.Errorf("%s: %s: %v", c.Name, name, err)
		case known:
			n.known++
			continue
		default:
			whole = false
			n.unknown[m.Graph.Nodes[len(m.Graph.Nodes)-1].OpType]++
		}
	}
	if compared {
		n.models++
	}
	if compared && whole {
		n.whole++
	}
}

// agree compares what is known with what has to be, and tells whether dtype and shape are known in full.
func (want *nodeValue) agree(got Value, sizes map[string]int64) (known bool, err error) {
	known = got.Kind == onnx.KindTensor && got.HasShape && got.DType != tensor.Undefined
	if got.Kind != onnx.KindNone && got.Kind != onnx.KindTensor {
		return known, fmt.Errorf("a tensor is said to be of kind %d", got.Kind)
	}
	if got.DType != tensor.Undefined && got.DType != want.DType {
		return known, fmt.Errorf("dtype %s, want %s", got.DType, want.DType)
	}
	if got.HasShape && len(got.Dims) != len(want.Shape) {
		return known, fmt.Errorf("shape %s, want %v", got, want.Shape)
	}
	for i, d := range got.Dims {
		size, ok := d.Size, d.Known
		if !ok && d.Name != "" {
			if size, ok = eval(d.Name, sizes); !ok {
				return known, fmt.Errorf("axis %d is %q, which is no expression in the axes", i, d.Name)
			}
		}
		known = known && ok
		if ok && size != want.Shape[i] {
			return known, fmt.Errorf("shape %s, want %v", got, want.Shape)
		}
	}
	if got.Ints != nil && want.Ints != nil && !slices.Equal(got.Ints, want.Ints) {
		return known, fmt.Errorf("elements %v, want %v", got.Ints, want.Ints)
	}
	if got.Floats != nil && want.Floats != nil && !slices.Equal(got.Floats, want.Floats) {
		return known, fmt.Errorf("elements %v, want %v", got.Floats, want.Floats)
	}
	return known, nil
}

// eval computes an expression as dim.String writes it.
func eval(expr string, sizes map[string]int64) (int64, bool) {
	p := &parser{rest: expr, sizes: sizes}
	n := p.sum()
	return n, !p.bad && p.rest == ""
}

type parser struct {
	rest  string
	sizes map[string]int64
	bad   bool
}

func (p *parser) take(prefix string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, prefix)
	return ok
}

func (p *parser) need(s string) { p.bad = !p.take(s) || p.bad }

func (p *parser) sum() int64 {
	n := int64(0)
	if p.take("-") {
		n = -p.product()
	} else {
		n = p.product()
	}
	for {
		switch {
		case p.take(" + "):
			n += p.product()
		case p.take(" - "):
			n -= p.product()
		default:
			return n
		}
	}
}

func (p *parser) product() int64 {
	n := p.factor()
	for p.take("*") {
		n *= p.factor()
	}
	return n
}

func (p *parser) factor() int64 {
	switch {
	case p.take("floor(("):
		a := p.sum()
		p.need(")/")
		b := int64(0)
		if p.take("(") {
			b = p.sum()
			p.need(")")
		} else {
			b = p.factor()
		}
		p.need(")")
		if p.bad || b <= 0 {
			p.bad = true
			return 0
		}
		return floorInt(a, b)
	case p.take("min("):
		a := p.sum()
		p.need(", ")
		b := p.sum()
		p.need(")")
		return min(a, b)
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return r != 'x' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	if n, ok := p.sizes[word]; ok {
		return n
	}
	var n int64
	if _, err := fmt.Sscanf(word, "%d", &n); err != nil || strings.Contains(word, "x") {
		p.bad = true
	}
	return n
}
