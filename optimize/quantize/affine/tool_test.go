package affine

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"infer/model/tensor"
)

// TestPythonTool compares every number with ONNX Runtime's own quantizers, bit for bit, on the arrays that
// testdata/tool.py makes. scripts/quantizer-check.sh runs it.
func TestPythonTool(t *testing.T) {
	python := os.Getenv("INFER_TEST_QUANTIZER_PYTHON")
	if python == "" {
		t.Skip("INFER_TEST_QUANTIZER_PYTHON names no Python with the onnxruntime package (scripts/quantizer-check.sh sets it)")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, filepath.Join("testdata", "tool.py"), dir).CombinedOutput(); err != nil {
		t.Fatalf("tool.py: %v\n%s", err, out)
	}
	for _, c := range []struct {
		name  string
		check func(*testing.T, toolCase)
		least int
	}{
		{"ranges", checkRanges, 24},
		{"weights", checkWeights, 200},
		{"biases", checkBiases, 300},
		{"blocks", checkBlocks, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			cases := openCases(t, filepath.Join(dir, c.name+".npz"))
			if len(cases) < c.least {
				t.Fatalf("%d cases, want %d or more", len(cases), c.least)
			}
			for _, x := range cases {
				c.check(t, x)
				if t.Failed() {
					t.Fatalf("case %s differs", x.name)
				}
			}
		})
	}
}

// toolCase is a name, "SETTING_SETTING_…", and arrays by the part of their name after the dot.
type toolCase struct {
	name   string
	arrays map[string]tensor.Tensor
}

func openCases(t *testing.T, path string) []toolCase {
	t.Helper()
	z, err := tensor.OpenNpz(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var cases []toolCase
	for _, full := range z.Names() {
		name, part, _ := strings.Cut(full, ".")
		if len(cases) == 0 || cases[len(cases)-1].name != name {
			cases = append(cases, toolCase{name, map[string]tensor.Tensor{}})
		}
		a, err := z.Open(full)
		if err != nil {
			t.Fatal(err)
		}
		if cases[len(cases)-1].arrays[part], err = a.All(); err != nil {
			t.Fatal(err)
		}
	}
	return cases
}

func (c toolCase) floats(t *testing.T, part string) []float32 {
	t.Helper()
	v, err := tensor.Floats(c.arrays[part])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c toolCase) ints(t *testing.T, part string) []int32 {
	t.Helper()
	v, err := tensor.Int64s(c.arrays[part])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}

// setting returns number i of the name.
func (c toolCase) setting(t *testing.T, i int) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Split(c.name, "_")[i])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// grid reads DTYPE_SYMMETRIC_REDUCED.
func (c toolCase) grid(t *testing.T) Grid {
	t.Helper()
	name, _, _ := strings.Cut(c.name, "_")
	d, err := tensor.ParseDType(name)
	if err != nil {
		t.Fatal(err)
	}
	return Grid{d, c.setting(t, 1) == 1, c.setting(t, 2) == 1}
}

func checkRanges(t *testing.T, c toolCase) {
	los, his := c.floats(t, "lo"), c.floats(t, "hi")
	scales, zeros := c.floats(t, "scale"), c.ints(t, "zero")
	g := c.grid(t)
	for i := range los {
		want := Params{g.DType, scales[i], zeros[i]}
		if got := g.Fit(float64(los[i]), float64(his[i])); got != want {
			t.Errorf("%+v of [%g, %g]: %v, the tool %v", g, los[i], his[i], got, want)
		}
	}
}

func (c toolCase) weight(t *testing.T) (*Weight, []float32) {
	t.Helper()
	x := c.floats(t, "x")
	w, err := QuantizeWeight(x, c.arrays["x"].Shape, c.setting(t, 3), c.grid(t))
	if err != nil {
		t.Fatal(err)
	}
	return w, x
}

func (w *Weight) levels() []int32 {
	n, _ := w.Shape.Elements()
	q := make([]int32, n)
	load(q, w.DType, w.Data, 0)
	return q
}

func checkWeights(t *testing.T, c toolCase) {
	w, _ := c.weight(t)
	same(t, "scales", floatBits(w.Scales), floatBits(c.floats(t, "scales")))
	same(t, "zero points", w.Zeros, c.ints(t, "zeros"))
	same(t, "elements", w.levels(), c.ints(t, "q"))
}

func checkBiases(t *testing.T, c toolCase) {
	w, x := c.weight(t)
	b, err := QuantizeBias(c.floats(t, "bias"), c.floats(t, "input")[0], w, x)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "adjusted", []int32{int32(b.Adjusted)}, c.ints(t, "adjusted"))
	same(t, "scales of the weight", floatBits(w.Scales), floatBits(c.floats(t, "scales")))
	same(t, "elements of the weight", w.levels(), c.ints(t, "q"))
	same(t, "scales", floatBits(b.Scales), floatBits(c.floats(t, "bias_scales")))
	same(t, "elements", b.Data, c.ints(t, "bias_q"))
}

// checkBlocks leaves out the bits that stand for no element: where K is odd, the tool leaves what it wrote before in
// the high nibble of the last byte, which nothing reads.
func checkBlocks(t *testing.T, c toolCase) {
	w := c.arrays["w"]
	k, n := w.Shape[0], w.Shape[1]
	bits, size := c.setting(t, 0), c.setting(t, 1)
	b, err := QuantizeBlocks(c.floats(t, "w"), k, n, bits, size, c.setting(t, 2) == 1)
	if err != nil {
		t.Fatal(err)
	}
	packed := slices.Clone(c.arrays["packed"].Data)
	if bits == 4 && k%2 == 1 {
		for column := range int(n) {
			packed[column*b.kBlocks()*b.blob()+int(k)/2] &= 15
		}
	}
	same(t, "scales", floatBits(b.Scales), floatBits(c.floats(t, "scales")))
	same(t, "elements", b.Packed, packed)
	same(t, "zero points", b.Zeros, c.arrays["zeros"].Data)
}

func floatBits(v []float32) []uint32 {
	bits := make([]uint32, len(v))
	for i, x := range v {
		bits[i] = math.Float32bits(x)
	}
	return bits
}

func same[T byte | int32 | uint32](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d, the tool has %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: element %d is %#x, the tool has %#x", what, i, got[i], want[i])
			return
		}
	}
}
