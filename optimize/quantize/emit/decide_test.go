package emit

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// rewritings are all of this package that change weights alone.
var rewritings = []struct {
	name  string
	run   func(*onnx.Model) ([]Decision, error)
	opset int64 // the least
}{
	{"dynamic", func(m *onnx.Model) ([]Decision, error) {
		return ToDynamic(m, nil, DynamicOptions{PerChannel: true, Embeddings: true})
	}, 11},
	{"weight-only", func(m *onnx.Model) ([]Decision, error) {
		return ToWeightOnly(m, nil, WeightOptions{Bits: 4, Block: 16, Embeddings: true})
	}, 9},
	{"portable", func(m *onnx.Model) ([]Decision, error) {
		return ToWeightOnly(m, nil, WeightOptions{Bits: 8, Block: 16, Portable: true, Store: true})
	}, 21},
	{"stored", stored, 9},
}

// TestLeft: nodes that stay in float, with the reason.
func TestLeft(t *testing.T) {
	in := func(name string, dims ...any) *onnx.ValueInfo { return enginetest.Value(name, tensor.Float32, dims...) }
	one := func(op string, inputs []string, attrs ...*onnx.Attribute) *onnx.Node {
		return enginetest.Node(op, inputs, enginetest.Names("y"), attrs...)
	}
	names := enginetest.Names
	half, _ := tensor.New("w", tensor.Float16, tensor.Shape{64, 32})
	infinite := normal("w", 1, 1, 64, 32)
	floatsOf(t, infinite)[77] = float32(math.Inf(1))
	lstm := func(attrs ...*onnx.Attribute) *onnx.Node { return one("LSTM", names("x", "w", "r"), attrs...) }
	bare := attention(one("Attention", names("x", "w", ""))).Graph.Nodes[0]
	biased := attention(one("Attention", names("x", "w", "b", "", "", "z"))).Graph.Nodes[0]
	sized := attention(one("Attention", names("x", "w", "b"), &onnx.Attribute{Name: "qkv_hidden_sizes", Type: onnx.AttrInts, Ints: []int64{64, 64, 64}})).Graph.Nodes[0]
	const alike = "the same for both"
	tests := []struct {
		name                string
		node                *onnx.Node
		w                   *onnx.Tensor
		dynamic, weightOnly string
	}{
		{"computed", one("MatMul", names("x", "z")), nil, "its second operand is no constant", alike},
		{"half", one("MatMul", names("x", "w")), enginetest.Initializer(half), "its weight is float16, and only float32 is quantized", alike},
		{"vector", one("MatMul", names("x", "w")), weight("w", 1, 64), "its weight is a vector", alike},
		{"empty", one("MatMul", names("x", "w")), weight("w", 1, 64, 0), "its weight is empty", alike},
		{"infinite", one("MatMul", names("x", "w")), enginetest.Initializer(infinite), "its weight: element 77 is +Inf, which has no quantized form", alike},
		{"transposed", one("Gemm", names("x", "w"), enginetest.Int("transA", 1)), weight("w", 1, 64, 32), "its first operand is transposed (transA)", alike},
		{"computed addend", one("Gemm", names("x", "w", "z"), &onnx.Attribute{Name: "beta", Type: onnx.AttrFloat, F: 2}), weight("w", 1, 64, 32),
			"what it adds is computed, and scaled by beta", alike},
		{"axes", one("MatMul", names("x", "w")), weight("w", 1, 3, 64, 32), "", "its weight has 3 axes, and the kernel takes matrices"},
		{"few rows", one("MatMul", names("x", "w")), weight("w", 1, 8, 256), "", "its 8 rows are fewer than a block of 16"},
		{"small", one("MatMul", names("x", "w")), weight("w", 1, 64, 15), "", "its weight has only 960 elements"},
		{"batch first", lstm(enginetest.Int("layout", 1)), weight("w", 1, 1, 64, 32), "the integer kernel has no layout 1 (batch first)", "no kernel for LSTM with weights in blocks"},
		{"computed states", lstm(), weight("w", 1, 1, 64, 32), "its R is no float32 constant", "no kernel for LSTM with weights in blocks"},
		{"GRU", one("GRU", names("x", "w", "r")), weight("w", 1, 1, 48, 32), "no integer kernel for GRU", "no kernel for GRU with weights in blocks"},
		{"RNN", one("RNN", names("x", "w", "r")), weight("w", 1, 1, 48, 32), "no integer kernel for RNN", "no kernel for RNN with weights in blocks"},
		{"Conv", one("Conv", names("x", "w")), weight("w", 1, 8, 4, 3, 3),
			"no integer kernel for Conv that is faster than float when activations are quantized in every run", "no kernel for Conv with weights in blocks"},
		{"bare attention", bare, weight("w", 1, 64, 192), "it has no bias, which the integer kernel needs", "no kernel for Attention with weights in blocks"},
		{"biased attention", biased, weight("w", 1, 64, 192), "the integer kernel takes no attention bias and no past length", "no kernel for Attention with weights in blocks"},
		{"sized attention", sized, weight("w", 1, 64, 192), "the integer kernel has one size for query, key and value", "no kernel for Attention with weights in blocks"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if c.weightOnly == alike {
				c.weightOnly = c.dynamic
			}
			for i, why := range []string{c.dynamic, c.weightOnly} {
				if why == "" {
					continue
				}
				m := graph([]*onnx.ValueInfo{in("x", 64, 64), in("z", 64, 64), in("r", 1, 64, 16), in("b", 192)}, []string{"y"}, []*onnx.Node{c.node.Clone()}, weight("unused", 1, 2))
				if c.w != nil {
					m.Graph.Initializers = append(m.Graph.Initializers, c.w)
				}
				before := m.Clone()
				list, err := rewritings[i].run(m)
				if err != nil {
					t.Fatal(err)
				}
				if len(list) != 1 || list[0].Form != Float || list[0].Why != why {
					t.Errorf("%s: decided %+v, not %q", rewritings[i].name, list, why)
				}
				if !bytes.Equal(encode(t, m), encode(t, before)) {
					t.Errorf("%s: the model has changed", rewritings[i].name)
				}
			}
		})
	}
}

func encode(t *testing.T, m *onnx.Model) []byte {
	t.Helper()
	b, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWidened: ONNX Runtime 1.30 makes a bias of a row that gives a product more columns or axes than it has.
func TestWidened(t *testing.T) {
	for _, c := range []struct {
		name  string
		x     []any
		w     []int64
		row   []int64
		float bool
	}{
		{"one column", []any{9, 64}, []int64{64, 1}, []int64{32}, true},
		{"three axes", []any{9, 64}, []int64{64, 32}, []int64{1, 1, 32}, true},
		{"a vector", []any{64}, []int64{64, 32}, []int64{1, 32}, true},
		{"as many axes", []any{9, 64}, []int64{64, 32}, []int64{1, 32}, false},
		{"one element", []any{9, 64}, []int64{64, 32}, []int64{1, 1, 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, c.x...)}, []string{"y"}, []*onnx.Node{
				enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("p")),
				enginetest.Node("Add", enginetest.Names("p", "c"), enginetest.Names("y")),
			}, weight("w", 1, c.w...), enginetest.Initializer(normal("c", 2, 1, c.row...)))
			in := normal("x", 3, 1, 9, 64)
			if len(c.x) == 1 {
				in = normal("x", 3, 1, 64)
			}
			r := try(t, m, []tensor.Tensor{in}, dynamically(DynamicOptions{Reduced: true}))
			r.check(t, least, nil)
			if d := r.decisions[0]; (d.Form == Float) != c.float {
				t.Errorf("decided %+v", d)
			}
		})
	}
}

// TestNeeds: what a model must import before it can be rewritten, and what it imports afterwards.
func TestNeeds(t *testing.T) {
	for _, r := range rewritings {
		t.Run(r.name, func(t *testing.T) {
			m := branches()
			m.Opsets[0].Version = r.opset - 1
			if _, err := r.run(m); fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
				t.Errorf("opset %d: %v", r.opset-1, err)
			}
			m = branches()
			m.IRVersion, m.Opsets[0].Version = 8, r.opset
			if _, err := r.run(m); err != nil {
				t.Fatal(err)
			}
			if has := m.Opset(microsoft) == 1; has != (r.name == "weight-only") {
				t.Errorf("imports %v", m.Opsets)
			}
			if want := map[bool]int64{true: 10, false: 8}[r.name == "portable"]; m.IRVersion != want {
				t.Errorf("IR version %d, not %d", m.IRVersion, want)
			}
		})
	}
}

// TestOptions: options that are not valid are the caller's fault.
func TestOptions(t *testing.T) {
	for _, o := range []WeightOptions{{}, {Bits: 2, Block: 32}, {Bits: 4, Block: 8}, {Bits: 4, Block: 48}, {Bits: 4, Block: 512}, {Bits: 8, Block: 32, AccuracyLevel: 5}, {Bits: 8, Block: 32, AccuracyLevel: -1}} {
		if _, err := ToWeightOnly(branches(), nil, o); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := ToDynamic(branches(), nil, DynamicOptions{WeightDType: tensor.Int4}); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// TestPicked: nodes that are not picked stay, and are not decided about.
func TestPicked(t *testing.T) {
	for _, r := range []func(*onnx.Model, func(*onnx.Node) bool) ([]Decision, error){
		func(m *onnx.Model, pick func(*onnx.Node) bool) ([]Decision, error) {
			return ToDynamic(m, pick, DynamicOptions{})
		},
		func(m *onnx.Model, pick func(*onnx.Node) bool) ([]Decision, error) {
			return ToWeightOnly(m, pick, DefaultWeightOptions)
		},
		func(m *onnx.Model, pick func(*onnx.Node) bool) ([]Decision, error) {
			return ToStored(m, pick, StoreOptions{})
		},
	} {
		m := branches()
		list, err := r(m, func(n *onnx.Node) bool { return n.Name == "e1" })
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 1 || list[0].Node != "e1" || list[0].Note == "" || m.Graph.Initializer("w") == nil {
			t.Errorf("decided %+v", list)
		}
	}
}

// TestDeterministic: the same model gives the same bytes, and no name is made twice.
func TestDeterministic(t *testing.T) {
	for _, r := range rewritings {
		t.Run(r.name, func(t *testing.T) {
			var first []byte
			for range 5 {
				m := branches()
				if _, err := r.run(m); err != nil {
					t.Fatal(err)
				}
				if err := m.Check(); err != nil {
					t.Fatal(err)
				}
				b := encode(t, m)
				if first == nil {
					first = b
				}
				if !bytes.Equal(b, first) {
					t.Fatal("the bytes differ")
				}
			}
		})
	}
}

// TestStoreTheRest: what has no form in blocks is stored where that is asked for, in one decision a node.
func TestStoreTheRest(t *testing.T) {
	m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, "batch", 16, 8, 8)}, []string{"y"}, []*onnx.Node{
		enginetest.Node("Conv", enginetest.Names("x", "k"), enginetest.Names("c")),
		enginetest.Node("GlobalAveragePool", enginetest.Names("c"), enginetest.Names("g")),
		enginetest.Node("Flatten", enginetest.Names("g"), enginetest.Names("f")),
		enginetest.Node("MatMul", enginetest.Names("f", "w"), enginetest.Names("p")),
		enginetest.Node("MatMul", enginetest.Names("p", "v"), enginetest.Names("y")),
	}, weight("k", 1, 64, 16, 3, 3), weight("w", 2, 64, 64), weight("v", 3, 64, 4))
	o := DefaultWeightOptions
	o.Bits, o.Store = 8, true
	r := try(t, m, []tensor.Tensor{normal("x", 3, 1, 2, 16, 8, 8)}, weightOnlyWith(o))
	r.check(t, 36, map[string]int{"Conv": 1, "MatMulNBits": 1, "Cast": 0, "MatMul": 1})
	var forms []Form
	for _, d := range r.decisions {
		forms = append(forms, d.Form)
	}
	if want := []Form{Stored, WeightOnly, Float}; !slices.Equal(forms, want) {
		t.Errorf("forms %v, not %v", forms, want)
	}
}
