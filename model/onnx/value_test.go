package onnx

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/model/tensor"
)

// typed returns a tensor with a packed typed field.
func typed(d tensor.DType, dims tensor.Shape, field int, chunks ...[]byte) *Tensor {
	return &Tensor{Name: "t", DType: d, Dims: dims, payload: payload{field: field, typed: chunks}}
}

func ints(vs ...int64) (b []byte) {
	for _, v := range vs {
		b = protowire.AppendVarint(b, uint64(v))
	}
	return b
}

func TestValue(t *testing.T) {
	f32 := protowire.AppendFixed32(nil, math.Float32bits(1.5))
	f64 := protowire.AppendFixed64(nil, math.Float64bits(1.5))
	tests := []struct {
		name string
		t    *Tensor
		want []byte
		err  string
	}{
		{"float", typed(tensor.Float32, nil, fieldFloat, f32), f32, ""},
		{"complex64", typed(tensor.Complex64, tensor.Shape{1}, fieldFloat, f32, f32), append(slices.Clone(f32), f32...), ""},
		{"double", typed(tensor.Float64, tensor.Shape{1}, fieldDouble, f64), f64, ""},
		{"int32 in two chunks", typed(tensor.Int32, tensor.Shape{2}, fieldInt32, ints(-1), ints(258)), []byte{255, 255, 255, 255, 2, 1, 0, 0}, ""},
		{"int8", typed(tensor.Int8, tensor.Shape{2}, fieldInt32, ints(-128, 127)), []byte{128, 127}, ""},
		{"uint16", typed(tensor.Uint16, tensor.Shape{1}, fieldInt32, ints(65535)), []byte{255, 255}, ""},
		{"bool", typed(tensor.Bool, tensor.Shape{2}, fieldInt32, ints(1, 0)), []byte{1, 0}, ""},
		{"float16", typed(tensor.Float16, tensor.Shape{1}, fieldInt32, ints(0x3e00)), []byte{0, 0x3e}, ""},
		{"bfloat16", typed(tensor.BFloat16, tensor.Shape{1}, fieldInt32, ints(0x3fc0)), []byte{0xc0, 0x3f}, ""},
		{"float8", typed(tensor.Float8E4M3FN, tensor.Shape{1}, fieldInt32, ints(0x7e)), []byte{0x7e}, ""},
		{"int4, odd", typed(tensor.Int4, tensor.Shape{3}, fieldInt32, ints(0x21, 0x0f)), []byte{0x21, 0x0f}, ""},
		{"uint2", typed(tensor.Uint2, tensor.Shape{5}, fieldInt32, ints(0xe4, 1)), []byte{0xe4, 1}, ""},
		{"int64", typed(tensor.Int64, tensor.Shape{1}, fieldInt64, ints(-2)), []byte{254, 255, 255, 255, 255, 255, 255, 255}, ""},
		{"uint32", typed(tensor.Uint32, tensor.Shape{1}, fieldUint64, ints(1<<32-1)), []byte{255, 255, 255, 255}, ""},
		{"no elements, no data", &Tensor{DType: tensor.Float32, Dims: tensor.Shape{4, 0}}, []byte{}, ""},
		{"raw", raw("r", tensor.Int16, tensor.Shape{2}, 4), []byte{0, 1, 2, 3}, ""},
		{"raw too short", raw("r", tensor.Int16, tensor.Shape{3}, 4), nil, "takes 6 bytes, and it holds 4"},
		{"raw too long", raw("r", tensor.Int16, nil, 4), nil, "takes 2 bytes, and it holds 4"},
		{"no data", &Tensor{DType: tensor.Float32, Dims: tensor.Shape{1}}, nil, "does not hold them"},
		{"wrong field", typed(tensor.Float32, tensor.Shape{1}, fieldInt32, ints(1)), nil, "does not hold them"},
		{"too few varints", typed(tensor.Int32, tensor.Shape{3}, fieldInt32, ints(1, 300)), nil, "takes 3 entries"},
		{"too many varints", typed(tensor.Int32, tensor.Shape{1}, fieldInt32, ints(1, 2)), nil, "takes 1 entries"},
		{"cut varint", typed(tensor.Int32, tensor.Shape{1}, fieldInt32, []byte{0x80}), nil, "malformed"},
		{"10 GB claimed, raw", raw("r", tensor.Float32, tensor.Shape{50000, 50000}, 4), nil, "takes 10000000000 bytes"},
		{"10 GB claimed, typed", typed(tensor.Int32, tensor.Shape{50000, 50000}, fieldInt32, ints(1)), nil, "takes 10000000000 bytes"},
		{"overflow", raw("r", tensor.Float32, tensor.Shape{1 << 40, 1 << 40}, 4), nil, "too large"},
		{"overflow of bytes", raw("r", tensor.Float32, tensor.Shape{1 << 60}, 4), nil, "too large"},
		{"negative", raw("r", tensor.Float32, tensor.Shape{-1}, 4), nil, "negative"},
		{"newer data type", raw("r", 27, tensor.Shape{4}, 3), nil, "data type 27 is not known"},
		{"external", &Tensor{DType: tensor.Int8, Dims: tensor.Shape{1}, External: &External{Location: "d"}}, nil, "not loaded"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			v, err := c.t.Value()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil || !bytes.Equal(v.Data, c.want) {
				t.Fatalf("got %v, %v; want %v", v.Data, err, c.want)
			}
			if err := v.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSetValue(t *testing.T) {
	x := typed(tensor.Float32, tensor.Shape{1}, fieldFloat, []byte{0, 0, 0, 0})
	x.External = &External{Location: "gone"}
	x.Unknown = append(lenField(3, intField(1, 0)), lenField(99, []byte("kept"))...) // a segment, and something new
	if err := x.SetValue(tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{2}, Strings: []string{"a", ""}}); err != nil {
		t.Fatal(err)
	}
	v, err := x.Value()
	if err != nil || !slices.Equal(v.Strings, []string{"a", ""}) || x.External != nil {
		t.Errorf("got %q, %v", v.Strings, err)
	}
	if string(x.Unknown) != string(lenField(99, []byte("kept"))) {
		t.Errorf("unknown fields are %q", x.Unknown)
	}
	if n, err := x.ByteSize(); n != 1 || err != nil {
		t.Errorf("ByteSize is %d, %v", n, err)
	}
	if _, err := NewTensor("s", tensor.Tensor{DType: tensor.Sequence}); err == nil {
		t.Error("a sequence became a tensor")
	}
	if _, err := NewTensor("s", tensor.Tensor{DType: tensor.Int8, Shape: tensor.Shape{3}, Data: []byte{1}}); err == nil {
		t.Error("1 byte became 3 elements")
	}
}

func TestReadTensorFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "input_0.pb")
	b := bytes.Join([][]byte{intField(1, 2), intField(2, 1), lenField(8, []byte("x")), lenField(9, make([]byte, 8))}, nil)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	v, err := ReadTensorFile(path)
	if err != nil || v.Name != "x" || len(v.Data) != 8 {
		t.Errorf("got %+v, %v", v, err)
	}
	for _, bad := range []string{"", "hello", string(b[:len(b)-1]), string(encode(t, tiny()))} {
		if _, err := DecodeTensor([]byte(bad)); err == nil {
			t.Errorf("%q passes as a tensor", bad)
		}
	}
	if _, err := ReadTensorFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestDeferred: elements that are made on demand are read and written as if they were there, and are made anew each time.
func TestDeferred(t *testing.T) {
	made, fail := 0, error(nil)
	d := Deferred("w", tensor.Uint8, tensor.Shape{2, 2}, func() ([]byte, error) {
		made++
		return []byte{1, 2, 3, 4}, fail
	})
	plain, err := NewTensor("w", tensor.Tensor{DType: tensor.Uint8, Shape: tensor.Shape{2, 2}, Data: []byte{1, 2, 3, 4}})
	if err != nil {
		t.Fatal(err)
	}
	model := func(w *Tensor) *Model {
		return &Model{IRVersion: 8, Opsets: []Opset{{Version: 13}}, Graph: &Graph{Initializers: []*Tensor{w}, Outputs: []*ValueInfo{{Name: "w"}}}}
	}
	want, err := Encode(model(plain))
	if err != nil {
		t.Fatal(err)
	}
	if err := model(d).Check(); err != nil || made != 0 {
		t.Errorf("checked with %v, made %d times", err, made)
	}
	if n := Size(model(d)); n != int64(len(want)) || made != 0 {
		t.Errorf("size %d, want %d; made %d times", n, len(want), made)
	}
	for i := 1; i <= 2; i++ {
		if got, err := Encode(model(d.Clone())); err != nil || !bytes.Equal(got, want) || made != i {
			t.Errorf("encoded as %x, %v, want %x; made %d times", got, err, want, made)
		}
	}
	if v, err := d.Value(); err != nil || !bytes.Equal(v.Data, []byte{1, 2, 3, 4}) || made != 3 {
		t.Errorf("value %v, %v", v, err)
	}
	if _, ok := d.Raw(); ok {
		t.Error("it has raw bytes")
	}
	fail = errors.New("the disk is gone")
	if _, err := Encode(model(d)); !errors.Is(err, fail) {
		t.Errorf("encoded with %v", err)
	}
	short := Deferred("w", tensor.Uint8, tensor.Shape{3}, func() ([]byte, error) { return []byte{1}, nil })
	if _, err := short.Value(); err == nil || !strings.Contains(err.Error(), "1 were made") {
		t.Errorf("too few elements: %v", err)
	}
	if _, err := Encode(model(short)); err == nil {
		t.Error("too few elements were written")
	}
}
