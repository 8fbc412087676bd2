package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"infer/model/tensor"
)

// mnistPorts are the inputs of mnist-cnn.
var mnistPorts = []Port{{Name: "input.1", DType: tensor.Float32, Shape: []int64{-1, 1, 28, 28}}}

// pixels returns n float32 values as an image has them after normalisation, the same in every run.
func pixels(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.IntN(256))/255*2 - 1
	}
	return v
}

// floatTensor returns a float32 tensor of shape [rows, 1, 28, 28].
func mnistTensor(tb testing.TB, rows int) tensor.Tensor {
	tb.Helper()
	t, err := tensor.FromFloat32("input.1", tensor.Shape{int64(rows), 1, 28, 28}, pixels(rows*784))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// binaryBody returns the request of tritonclient for an image in the binary form.
func binaryBody(tb testing.TB) (body []byte, jsonLen int) {
	tb.Helper()
	t := mnistTensor(tb, 1)
	text := fmt.Sprintf(`{"inputs":[{"name":"input.1","shape":[1,1,28,28],"datatype":"FP32","parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true}}`, len(t.Data))
	return append([]byte(text), t.Data...), len(text)
}

// jsonBody returns the request of a Python client for an image in JSON: floats widened to double, as tolist does.
func jsonBody(tb testing.TB) []byte {
	tb.Helper()
	t := mnistTensor(tb, 1)
	b := []byte(`{"inputs": [{"name": "input.1", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [`)
	for i := range 784 {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendFloat(b, float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))), 'g', -1, 64)
	}
	return append(b, `]}]}`...)
}

// shortBody is jsonBody with numbers of few digits.
func shortBody(tb testing.TB) []byte {
	tb.Helper()
	b := []byte(`{"inputs":[{"name":"input.1","shape":[1,1,28,28],"datatype":"FP32","data":[`)
	for i, v := range pixels(784) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(v), 'f', 4, 64)
	}
	return append(b, `]}]}`...)
}

// logits returns the answer of mnist-cnn.
func logits(tb testing.TB) *Response {
	tb.Helper()
	t, err := tensor.FromFloat32("17", tensor.Shape{1, 10}, pixels(10))
	if err != nil {
		tb.Fatal(err)
	}
	return &Response{Model: "mnist-cnn", Version: "1", Outputs: []tensor.Tensor{t}}
}

// cases are what the benchmarks and the test of allocations run: one request and its answer.
func cases(tb testing.TB) map[string]struct {
	size int
	run  func() error
} {
	tb.Helper()
	binaryIn, jsonLen := binaryBody(tb)
	jsonIn, shortIn := jsonBody(tb), shortBody(tb)
	tfsIn := append([]byte(`{"instances": `), jsonIn[len(`{"inputs": [{"name": "input.1", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": `):len(jsonIn)-len(`}]}`)]...)
	tfsIn = append(tfsIn, '}')
	out := logits(tb)
	var r Request
	var dst []byte
	type one = struct {
		size int
		run  func() error
	}
	return map[string]one{
		"OIP-binary": {len(binaryIn), func() error {
			if err := r.DecodeOIP(binaryIn, jsonLen, "mnist-cnn", mnistPorts, DefaultLimits); err != nil {
				return err
			}
			var err error
			dst, _, err = AppendOIP(dst[:0], out, r.Outputs, r.Binary)
			return err
		}},
		"OIP-JSON-double": {len(jsonIn), func() error {
			if err := r.DecodeOIP(jsonIn, -1, "mnist-cnn", mnistPorts, DefaultLimits); err != nil {
				return err
			}
			var err error
			dst, _, err = AppendOIP(dst[:0], out, r.Outputs, r.Binary)
			return err
		}},
		"OIP-JSON-short": {len(shortIn), func() error {
			if err := r.DecodeOIP(shortIn, -1, "mnist-cnn", mnistPorts, DefaultLimits); err != nil {
				return err
			}
			var err error
			dst, _, err = AppendOIP(dst[:0], out, r.Outputs, r.Binary)
			return err
		}},
		"TFS-row": {len(tfsIn), func() error {
			if err := r.DecodeTFS(tfsIn, "mnist-cnn", mnistPorts, DefaultLimits); err != nil {
				return err
			}
			var err error
			dst, err = AppendTFS(dst[:0], out, r.Row)
			return err
		}},
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, c := range cases(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			for b.Loop() {
				if err := c.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestNoAllocations is the promise that a Request in use again takes nothing from the heap.
func TestNoAllocations(t *testing.T) {
	for name, c := range cases(t) {
		t.Run(name, func(t *testing.T) {
			if err := c.run(); err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(100, func() {
				if err := c.run(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
