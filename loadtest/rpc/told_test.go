package rpc

import (
	"bytes"
	"math"
	"testing"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/wire"
	"infer/loadtest/sample"
	"infer/model/tensor"
)

// response is an answer as infer serve makes it.
func response(t testing.TB, rows int64, params ...wire.Param) []byte {
	t.Helper()
	x, err := tensor.New("y", tensor.Float32, tensor.Shape{rows, 250})
	if err != nil {
		t.Fatal(err)
	}
	b, err := wire.AppendModelInferResponse(nil, &wire.Response{Model: "m", Version: "1", ID: "7", Params: params, Outputs: []tensor.Tensor{x}}, false)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pieces cuts a message.
func pieces(b []byte, step int) mem.BufferSlice {
	var s mem.BufferSlice
	for len(b) > 0 {
		n := min(step, len(b))
		s = append(s, mem.SliceBuffer(b[:n]))
		b = b[n:]
	}
	return s
}

func TestRead(t *testing.T) {
	const us = time.Microsecond
	none := told{sample.Untold, sample.Untold, 0}
	text := wire.Param{Name: "model_digest", Value: "sha256:" + string(bytes.Repeat([]byte("0"), 200))}
	for _, c := range []struct {
		name string
		in   []byte
		want told
		ok   bool
	}{
		{"empty", nil, none, true},
		{"nothing told", response(t, 1), none, true},
		{"all", response(t, 1, wire.Param{Name: "queue_us", Value: int64(12)}, wire.Param{Name: "compute_us", Value: uint64(3000)},
			wire.Param{Name: "batch_size", Value: int64(8)}, text), told{12 * us, 3000 * us, 8}, true},
		{"zero", response(t, 1, wire.Param{Name: "queue_us", Value: int64(0)}), told{0, sample.Untold, 0}, true},
		{"behind the tensors", append(response(t, 100), response(t, 1, wire.Param{Name: "compute_us", Value: int64(5)})...), told{sample.Untold, 5 * us, 0}, true},
		{"other types", response(t, 1, wire.Param{Name: "queue_us", Value: "12"}, wire.Param{Name: "compute_us", Value: 1.5}, wire.Param{Name: "batch_size", Value: true}), none, true},
		{"absurd", response(t, 1, wire.Param{Name: "queue_us", Value: int64(-1)}, wire.Param{Name: "compute_us", Value: int64(math.MaxInt64)},
			wire.Param{Name: "batch_size", Value: int64(1 << 40)}), none, true},
		{"cut", response(t, 1)[:100], none, false},
		{"text", []byte("<html>not found</html>"), none, false},
		{"an entry that is longer than the message", []byte{byte(parametersTag), 100, 1}, none, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{1, 2, 7, 1 << 20} {
				if got, ok := read(pieces(c.in, step)); got != c.want || ok != c.ok {
					t.Errorf("in pieces of %d: got %v, %t; want %v, %t", step, got, ok, c.want, c.ok)
				}
			}
		})
	}
}

// reference reads the same with nothing but the reader of protobuf.
func reference(t testing.TB, b []byte) (told, bool) {
	want := untold
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 || number > protowire.MaxValidNumber || kind == protowire.StartGroupType || kind == protowire.EndGroupType {
			return want, false
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return want, false
		}
		if number == 4 && kind == protowire.BytesType && n <= 128 {
			v, _ := protowire.ConsumeBytes(b)
			if !want.entry(v) {
				return want, false
			}
		}
		b = b[n:]
	}
	return want, true
}

func FuzzRead(f *testing.F) {
	f.Add(response(f, 1, wire.Param{Name: "queue_us", Value: int64(12)}, wire.Param{Name: "batch_size", Value: int64(8)}), 3)
	f.Add([]byte{byte(parametersTag), 4, 1, 2, 3, 4}, 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		got, ok := read(pieces(b, len(b)+1))
		if step > 0 {
			if again, okToo := read(pieces(b, step)); again != got || okToo != ok {
				t.Fatalf("in pieces of %d: %v, %t; at once: %v, %t", step, again, okToo, got, ok)
			}
		}
		if want, right := reference(t, b); ok != right || ok && got != want {
			t.Fatalf("got %v, %t; want %v, %t", got, ok, want, right)
		}
		if got.queue < -1 || got.compute < -1 || got.batch < 0 {
			t.Fatalf("got %v", got)
		}
	})
}
