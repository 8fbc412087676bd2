package enginetest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Conform runs the table that says what the seam promises. A case that needs an operator or dtype that only some
// providers have skips itself by name; the cpu has them all.
func Conform(t *testing.T, p Named) {
	t.Helper()
	c := suite{p}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"dtypes", c.dtypes},
		{"half precision", c.half},
		{"sub-byte dtypes", c.subByte},
		{"strings", c.strings},
		{"dynamic shapes", c.dynamicShapes},
		{"chosen outputs", c.chosenOutputs},
		{"outputs in the memory given", c.received},
		{"inputs by name", c.inputsByName},
		{"refused tensors", c.refused},
		{"sequences", c.sequences},
		{"maps", c.maps},
		{"optional", c.optional},
		{"initializers as inputs", c.initializersAsInputs},
		{"constant output", c.constantOutput},
		{"unaligned data", c.unaligned},
		{"concurrent runs", c.concurrent},
		{"cancelled run", c.cancel},
		{"close", c.close},
		{"settings", c.settings},
		{"trace", c.trace},
		{"optimized graph", c.optimizedGraph},
		{"edited model", c.edited},
		{"external data", c.externalData},
		{"external constants", c.externalConstants},
		{"bad models", c.badModels},
		{"bound", c.bound},
		{"bound dynamic", c.boundDynamic},
		{"bound cancelled", c.boundCancel},
		{"bound timed in a row", c.boundTimed},
		{"bound closed", c.boundClosed},
	} {
		t.Run(test.name, test.run)
	}
}

// suite runs the cases on one provider.
type suite struct{ p Named }

// open opens m with one thread. On a provider other than the cpu a model that it cannot run skips the test.
func (c suite) open(t *testing.T, m *model.Model) engine.Session {
	t.Helper()
	return c.openWith(t, m, engine.Config{Threads: 1})
}

func (c suite) openWith(t *testing.T, m *model.Model, config engine.Config) engine.Session {
	t.Helper()
	s, err := c.p.Provider.Open(t.Context(), m, config)
	if err != nil && c.p.Name != "cpu" && fault.KindOf(err) == fault.Unsupported {
		t.Skipf("the %s provider does not run this model: %v", c.p.Name, err)
	}
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// runs runs s once and returns the outputs, which the session allocates.
func runs(t *testing.T, s engine.Session, in ...tensor.Tensor) []tensor.Tensor {
	t.Helper()
	out := make([]tensor.Tensor, len(s.Outputs()))
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatalf("run: %v", err)
	}
	return out
}

// same fails where got and want differ in dtype, shape or content.
func same(t *testing.T, got, want tensor.Tensor) {
	t.Helper()
	if got.DType != want.DType || !got.Shape.Equal(want.Shape) {
		t.Fatalf("got %s of shape %s, want %s of shape %s", got.DType, got.Shape, want.DType, want.Shape)
	}
	if !bytes.Equal(got.Data, want.Data) || !slices.Equal(got.Strings, want.Strings) {
		t.Fatalf("got % x %q, want % x %q", got.Data, got.Strings, want.Data, want.Strings)
	}
	if len(got.Elems) != len(want.Elems) {
		t.Fatalf("got %d parts, want %d", len(got.Elems), len(want.Elems))
	}
	for i := range got.Elems {
		same(t, got.Elems[i], want.Elems[i])
	}
}

// wantKind fails unless err is of a kind.
func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	if fault.KindOf(err) != kind {
		t.Fatalf("got kind %d, want %d: %v", fault.KindOf(err), kind, err)
	}
}

// sample returns a tensor with bytes that differ: small numbers, valid in every dtype.
func sample(t *testing.T, d tensor.DType, s tensor.Shape) tensor.Tensor {
	t.Helper()
	v, err := tensor.New("", d, s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Data {
		v.Data[i] = byte(i*7+1) & 0x3f
		if d == tensor.Bool {
			v.Data[i] &= 1
		}
	}
	for i := range v.Strings {
		v.Strings[i] = []string{"", "a", "wörter", "two words", "nul\x00nul"}[i%5]
	}
	return v
}

// dtypes gives a tensor of every dtype and rank through Identity, with outputs that the session allocates and in place.
func (c suite) dtypes(t *testing.T) {
	for d := tensor.Float32; d <= tensor.BFloat16; d++ {
		t.Run(d.String(), func(t *testing.T) {
			if d == tensor.Int64 && c.p.Name == "openvino" {
				t.Skip("the openvino provider keeps 32 bits of an int64")
			}
			for _, s := range []tensor.Shape{{}, {1}, {2, 3}, {0, 3}, {2, 1, 0}, {1, 1, 1, 1, 5}} {
				c.identity(t, d, s)
			}
		})
	}
}

func (c suite) identity(t *testing.T, d tensor.DType, s tensor.Shape) {
	t.Helper()
	dynamic, fixed := make([]any, len(s)), make([]any, len(s))
	for i := range s {
		dynamic[i], fixed[i] = string(rune('a'+i)), int(s[i])
	}
	for _, dims := range [][]any{dynamic, fixed} {
		session, err := c.p.Provider.Open(t.Context(), Identity(d, dims...), engine.Config{Threads: 1})
		if err != nil {
			if optionalDType(d) || c.p.Name != "cpu" {
				t.Skipf("%s: %v", d, err)
			}
			t.Fatalf("shape %s: %v", s, err)
		}
		x := sample(t, d, s)
		same(t, runs(t, session, x)[0], x)
		y, err := tensor.New("y", d, s)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Run(t.Context(), []tensor.Tensor{x}, []tensor.Tensor{y}); err != nil {
			t.Fatalf("in place, shape %s: %v", s, err)
		}
		same(t, y, x)
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// optionalDType reports a dtype that ONNX has and that runtimes need not have kernels for.
func optionalDType(d tensor.DType) bool {
	return d == tensor.Complex64 || d == tensor.Complex128 || d > tensor.BFloat16
}

// half casts to the two half-precision types, whose outputs the wrapper of the library cannot read.
func (c suite) half(t *testing.T) {
	x := Floats("", nil, 1.5, -2, 0, 65504)
	for _, test := range []struct {
		d    tensor.DType
		want []uint16
	}{
		{tensor.Float16, []uint16{0x3e00, 0xc000, 0, 0x7bff}},
		{tensor.BFloat16, []uint16{0x3fc0, 0xc000, 0, 0x4780}}, // 65504 is nearest to 65536 in bfloat16
	} {
		t.Run(test.d.String(), func(t *testing.T) {
			s := c.open(t, Build(Values(Value("x", tensor.Float32, "n")), Values(Value("y", test.d, "n")),
				[]*onnx.Node{Node("Cast", Names("x"), Names("y"), Int("to", int64(test.d)))}))
			same(t, runs(t, s, x)[0], tensor.Tensor{DType: test.d, Shape: tensor.Shape{4}, Data: littleEndian(test.want)})
		})
	}
}

// subByte packs two elements a byte: 5 elements take 3 bytes.
func (c suite) subByte(t *testing.T) {
	x := Floats("", nil, 1, 2, 3, 4, 5)
	for _, d := range []tensor.DType{tensor.Uint4, tensor.Int4} {
		t.Run(d.String(), func(t *testing.T) {
			s := c.open(t, Build(Values(Value("x", tensor.Float32, "n")), Values(Value("y", d, "n")),
				[]*onnx.Node{Node("Cast", Names("x"), Names("y"), Int("to", int64(d)))}))
			y := runs(t, s, x)[0]
			same(t, y, tensor.Tensor{DType: d, Shape: tensor.Shape{5}, Data: []byte{0x21, 0x43, 0x05}})
			back := c.open(t, Build(Values(Value("x", d, "n")), Values(Value("y", tensor.Float32, "n")),
				[]*onnx.Node{Node("Cast", Names("x"), Names("y"), Int("to", int64(tensor.Float32)))}))
			y.Name = ""
			same(t, runs(t, back, y)[0], x)
		})
	}
}

// strings come back with their zero bytes, empty ones included.
func (c suite) strings(t *testing.T) {
	s := c.open(t, Identity(tensor.String, "n"))
	for _, text := range [][]string{{"one"}, {"", ""}, {"a\x00b", "", "\xff\xfe", "日本語"}, {}} {
		x := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{int64(len(text))}, Strings: text}
		same(t, runs(t, s, x)[0], x)
	}
}

// dynamicShapes runs an operator whose output has as many columns as its input has values that are not 0.
func (c suite) dynamicShapes(t *testing.T) {
	s := c.open(t, nonZero())
	for _, test := range []struct {
		in   []float32
		want []int64
	}{{[]float32{0, 1, 0, 2}, []int64{1, 3}}, {[]float32{0, 0}, nil}, {[]float32{5}, []int64{0}}} {
		got := runs(t, s, Floats("", nil, test.in...))[0]
		same(t, got, Int64s("", tensor.Shape{1, int64(len(test.want))}, test.want...))
	}
	ctx := context.Background()
	wrong := Int64s("y", tensor.Shape{1, 3}, 0, 0, 0)
	wantKind(t, s.Run(ctx, []tensor.Tensor{Floats("", nil, 0, 1, 0, 2)}, []tensor.Tensor{wrong}), fault.Usage)
	right := Int64s("y", tensor.Shape{1, 2}, 0, 0)
	if err := s.Run(ctx, []tensor.Tensor{Floats("", nil, 0, 1, 0, 2)}, []tensor.Tensor{right}); err != nil {
		t.Fatal(err)
	}
	same(t, right, Int64s("", tensor.Shape{1, 2}, 1, 3))
}

func nonZero() *model.Model {
	return Build(Values(Value("x", tensor.Float32, "n")), Values(Value("y", tensor.Int64, 1, "count")),
		[]*onnx.Node{Node("NonZero", Names("x"), Names("y"))})
}
