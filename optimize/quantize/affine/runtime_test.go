package affine

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// run returns the output of a model with one input. The runtime does not optimize it: it would run a blocked
// DequantizeLinear and MatMul as MatMulNBits, with activations of 8 bits.
func run(t *testing.T, m *model.Model, x tensor.Tensor) []float32 {
	t.Helper()
	m.Proto.Opsets = append(m.Proto.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	s, err := enginetest.CPU(t).Open(t.Context(), m, engine.Config{Threads: 1, OptLevel: engine.OptNone})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]tensor.Tensor, 1)
	if err := s.Run(t.Context(), []tensor.Tensor{x}, out); err != nil {
		t.Fatal(err)
	}
	y, err := tensor.Floats(out[0])
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// constant is an initializer of raw elements.
func constant(name string, d tensor.DType, s tensor.Shape, data []byte) *onnx.Tensor {
	return enginetest.Initializer(tensor.Tensor{Name: name, DType: d, Shape: s, Data: data})
}

// TestRuntimeBlocks: the product of the identity and the blocks is the matrix, in both forms, to the bit.
func TestRuntimeBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, bits := range []int{4, 8} {
		for _, symmetric := range []bool{true, false} {
			const k, n, size = 80, 7, 16 // an odd count of blocks, and of columns
			w := normals(r, k*n)
			b, err := QuantizeBlocks(w, k, n, bits, size, symmetric)
			if err != nil {
				t.Fatal(err)
			}
			b.Refine(w)
			identity := make([]float32, k*k)
			for i := range k {
				identity[i*k+i] = 1
			}
			x := enginetest.Floats("x", tensor.Shape{k, k}, identity...)
			want := b.Dequantize()
			if got := run(t, nbitsModel(b), x); !slices.Equal(got, want) {
				t.Errorf("MatMulNBits of %d bits, symmetric %v: not the matrix", bits, symmetric)
			}
			if got := run(t, portableModel(b), x); !slices.Equal(got, want) {
				t.Errorf("DequantizeLinear of %d bits, symmetric %v: not the matrix", bits, symmetric)
			}
		}
	}
}

func nbitsModel(b *Blocks) *model.Model {
	kBlocks := int64(b.kBlocks())
	node := enginetest.Node("MatMulNBits", enginetest.Names("x", "w", "s"), enginetest.Names("y"), enginetest.Int("K", b.K),
		enginetest.Int("N", b.N), enginetest.Int("bits", int64(b.Bits)), enginetest.Int("block_size", int64(b.Size)))
	node.Domain = "com.microsoft"
	scales := enginetest.Floats("s", tensor.Shape{b.N, kBlocks}, b.Scales...)
	constants := []*onnx.Tensor{
		constant("w", tensor.Uint8, tensor.Shape{b.N, kBlocks, int64(b.blob())}, b.Packed),
		enginetest.Initializer(scales),
	}
	if b.Zeros != nil {
		node.Inputs = append(node.Inputs, "z")
		constants = append(constants, constant("z", tensor.Uint8, tensor.Shape{b.N, int64(b.zeroRow())}, b.Zeros))
	}
	return product(b, []*onnx.Node{node}, constants)
}

func portableModel(b *Blocks) *model.Model {
	elements, scales, zeros := b.Portable()
	node := enginetest.Node("DequantizeLinear", enginetest.Names("w", "s"), enginetest.Names("d"), enginetest.Int("axis", 0),
		enginetest.Int("block_size", int64(b.Size)))
	elements.Name, scales.Name, zeros.Name = "w", "s", "z"
	constants := []*onnx.Tensor{enginetest.Initializer(elements), enginetest.Initializer(scales)}
	if b.Zeros != nil {
		node.Inputs = append(node.Inputs, "z")
		constants = append(constants, enginetest.Initializer(zeros))
	}
	matmul := enginetest.Node("MatMul", enginetest.Names("x", "d"), enginetest.Names("y"))
	return product(b, []*onnx.Node{node, matmul}, constants)
}

// product is a model from x [K, K] to y [K, N].
func product(b *Blocks, nodes []*onnx.Node, constants []*onnx.Tensor) *model.Model {
	return enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, int(b.K), int(b.K))),
		enginetest.Values(enginetest.Value("y", tensor.Float32, int(b.K), int(b.N))), nodes, constants...)
}

// TestRuntimeQuantize: the runtime's QuantizeLinear has the levels of Quantize, ties and, on x64, NaN included.
func TestRuntimeQuantize(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	x := append(normals(r, 1000), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32)
	if runtime.GOARCH == "amd64" {
		x = append(x, float32(math.NaN()))
	}
	for i := range 100 {
		x = append(x, float32(i-50)*0.125)
	}
	for _, d := range dtypes {
		p := Grid{DType: d}.Fit(-3, 4)
		p.Scale = 0.25
		want := make([]float32, len(x))
		p.Fake(want, x)
		zero := make([]byte, 2)
		store(zero, d, 0, []int32{p.Zero})
		scale := binary.LittleEndian.AppendUint32(nil, math.Float32bits(p.Scale))
		m := enginetest.Build(
			enginetest.Values(enginetest.Value("x", tensor.Float32, len(x))),
			enginetest.Values(enginetest.Value("y", tensor.Float32, len(x))),
			[]*onnx.Node{
				enginetest.Node("QuantizeLinear", enginetest.Names("x", "s", "z"), enginetest.Names("q")),
				enginetest.Node("DequantizeLinear", enginetest.Names("q", "s", "z"), enginetest.Names("y")),
			},
			constant("s", tensor.Float32, nil, scale), constant("z", d, nil, zero[:(d.Bits()+7)/8]))
		if got := run(t, m, enginetest.Floats("x", nil, x...)); !slices.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%v: %g becomes %g, in the runtime %g", p, x[i], want[i], got[i])
					break
				}
			}
		}
	}
}
