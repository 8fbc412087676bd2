package affine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"infer/model/tensor"
)

// The sizes are those of the first matrix of a BERT's feed-forward part. MB/s are of float32 input, on one core.
const benchK, benchN = 768, 3072

func benchmarkOn(b *testing.B, run func(x []float32)) {
	x := normals(rand.New(rand.NewPCG(9, 9)), benchK*benchN)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		run(x)
	}
}

func BenchmarkQuantizeWeight(b *testing.B) {
	for _, d := range []tensor.DType{tensor.Int8, tensor.Int4} {
		for _, axis := range []int{PerTensor, 0, 1} {
			b.Run(fmt.Sprintf("%v/axis%d", d, axis), func(b *testing.B) {
				benchmarkOn(b, func(x []float32) {
					if _, err := QuantizeWeight(x, tensor.Shape{benchK, benchN}, axis, Grid{DType: d, Symmetric: true}); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

func BenchmarkQuantizeBlocks(b *testing.B) {
	for _, bits := range []int{4, 8} {
		for _, symmetric := range []bool{true, false} {
			b.Run(fmt.Sprintf("%dbits/symmetric=%v", bits, symmetric), func(b *testing.B) {
				benchmarkOn(b, func(x []float32) {
					if _, err := QuantizeBlocks(x, benchK, benchN, bits, 32, symmetric); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

func BenchmarkRefineBlocks(b *testing.B) {
	benchmarkOn(b, func(x []float32) {
		blocks, err := QuantizeBlocks(x, benchK, benchN, 4, 32, false)
		if err != nil {
			b.Fatal(err)
		}
		blocks.Refine(x)
	})
}

func BenchmarkPortable(b *testing.B) {
	benchmarkOn(b, func(x []float32) {
		blocks, err := QuantizeBlocks(x, benchK, benchN, 4, 32, false)
		if err != nil {
			b.Fatal(err)
		}
		blocks.Portable()
	})
}

func BenchmarkQuantize(b *testing.B) {
	dst := make([]byte, benchK*benchN)
	benchmarkOn(b, func(x []float32) { Params{tensor.Uint8, 0.01, 128}.Quantize(dst, x) })
}
