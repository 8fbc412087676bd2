package wire

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"infer/internal/fault"
	"infer/internal/pb"
	"infer/model/tensor"
)

// samples are tensors of every dtype of the protocol, with the extreme values of each.
func samples(t testing.TB) []tensor.Tensor {
	t.Helper()
	var list []tensor.Tensor
	add := func(x tensor.Tensor, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	for _, c := range []struct {
		d tensor.DType
		v []int64
	}{
		{tensor.Int8, []int64{-128, -1, 0, 127}}, {tensor.Uint8, []int64{0, 1, 128, 255}},
		{tensor.Int16, []int64{math.MinInt16, -1, 0, math.MaxInt16}}, {tensor.Uint16, []int64{0, 1, 2, math.MaxUint16}},
		{tensor.Int32, []int64{math.MinInt32, -1, 0, math.MaxInt32}}, {tensor.Uint32, []int64{0, 1, 2, math.MaxUint32}},
		{tensor.Int64, []int64{math.MinInt64, -1, 0, math.MaxInt64}}, {tensor.Uint64, []int64{0, 1, 2, math.MaxInt64}},
		{tensor.Bool, []int64{0, 1, 1, 0}},
	} {
		add(tensor.FromInts(c.d.String(), c.d, tensor.Shape{2, 2}, c.v))
	}
	for _, d := range []tensor.DType{tensor.Float32, tensor.Float64, tensor.Float16, tensor.BFloat16} {
		x, err := tensor.New(d.String(), d, tensor.Shape{1, 4})
		if err == nil {
			tensor.EncodeFloats(x.Data, d, []float32{0, -1.5, float32(math.Inf(1)), float32(math.NaN())})
		}
		add(x, err)
	}
	add(tensor.FromStrings("string", tensor.Shape{3}, []string{"", "a\x00b", "größe"}))
	add(tensor.New("empty", tensor.Float32, tensor.Shape{0, 3}))
	add(tensor.FromFloat32("scalar", tensor.Shape{}, []float32{7}))
	return list
}

// typed is samples without the halves, which have no typed contents.
func typed(t testing.TB) []tensor.Tensor {
	var list []tensor.Tensor
	for _, x := range samples(t) {
		if x.DType != tensor.Float16 && x.DType != tensor.BFloat16 {
			list = append(list, x)
		}
	}
	return list
}

func sameTensors(t *testing.T, got, want []tensor.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Name != want[i].Name || !tensor.Equal(got[i], want[i]) {
			t.Errorf("tensor %d is %v, want %v", i, got[i], want[i])
		}
		if err := got[i].Check(); err != nil {
			t.Errorf("tensor %q: %v", got[i].Name, err)
		}
	}
}

// message builds the generated message of a request.
func message(list []tensor.Tensor, typed bool) *pb.ModelInferRequest {
	m := &pb.ModelInferRequest{ModelName: "m", ModelVersion: "3", Id: "42"}
	for i := range list {
		x := &list[i]
		in := &pb.ModelInferRequest_InferInputTensor{Name: x.Name, Datatype: Datatype(x.DType), Shape: x.Shape}
		if typed {
			in.Contents = contentsOf(x)
		} else {
			m.RawInputContents = append(m.RawInputContents, appendRaw(nil, x))
		}
		m.Inputs = append(m.Inputs, in)
	}
	return m
}

// contentsOf is a second way, beside appendRepeated, from a tensor to typed contents.
func contentsOf(x *tensor.Tensor) *pb.InferTensorContents {
	c := &pb.InferTensorContents{}
	le := binary.LittleEndian
	for i, s := range x.Strings {
		_ = i
		c.BytesContents = append(c.BytesContents, []byte(s))
	}
	width := elementSize(x.DType)
	for i := 0; width > 0 && i < len(x.Data); i += width {
		b := x.Data[i:]
		switch x.DType {
		case tensor.Bool:
			c.BoolContents = append(c.BoolContents, b[0] != 0)
		case tensor.Int8:
			c.IntContents = append(c.IntContents, int32(int8(b[0])))
		case tensor.Int16:
			c.IntContents = append(c.IntContents, int32(int16(le.Uint16(b))))
		case tensor.Int32:
			c.IntContents = append(c.IntContents, int32(le.Uint32(b)))
		case tensor.Int64:
			c.Int64Contents = append(c.Int64Contents, int64(le.Uint64(b)))
		case tensor.Uint8:
			c.UintContents = append(c.UintContents, uint32(b[0]))
		case tensor.Uint16:
			c.UintContents = append(c.UintContents, uint32(le.Uint16(b)))
		case tensor.Uint32:
			c.UintContents = append(c.UintContents, le.Uint32(b))
		case tensor.Uint64:
			c.Uint64Contents = append(c.Uint64Contents, le.Uint64(b))
		case tensor.Float32:
			c.Fp32Contents = append(c.Fp32Contents, math.Float32frombits(le.Uint32(b)))
		case tensor.Float64:
			c.Fp64Contents = append(c.Fp64Contents, math.Float64frombits(le.Uint64(b)))
		}
	}
	return c
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestModelInferFromProto decodes what the generated messages encode.
func TestModelInferFromProto(t *testing.T) {
	for _, c := range []struct {
		name  string
		typed bool
		list  []tensor.Tensor
	}{{"raw", false, samples(t)}, {"typed", true, typed(t)}, {"no inputs", false, nil}} {
		t.Run(c.name, func(t *testing.T) {
			m := message(c.list, c.typed)
			m.Parameters = map[string]*pb.InferParameter{
				"priority": {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: 2}},
				"timeout":  {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1500}},
				"a":        {ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: -0.5}},
			}
			m.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}, {Name: "z", Parameters: map[string]*pb.InferParameter{
				"classification": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 3}},
				"binary_data":    {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
			}}}
			var r Request
			for range 2 { // again, on the same memory
				if err := r.DecodeModelInfer(marshal(t, m), DefaultLimits); err != nil {
					t.Fatal(err)
				}
			}
			sameTensors(t, r.Inputs, c.list)
			if r.Model != "m" || r.Version != "3" || r.ID != "42" || r.Typed != c.typed || r.Priority != 2 || r.Timeout != 1500*time.Microsecond {
				t.Errorf("%+v", r)
			}
			if len(r.Params) != 1 || r.Params[0] != (Param{"a", -0.5}) {
				t.Errorf("parameters %v", r.Params)
			}
			if len(r.Outputs) != 2 || r.Outputs[0] != (Output{Name: "y"}) || r.Outputs[1] != (Output{Name: "z", Classes: 3}) {
				t.Errorf("outputs %v", r.Outputs)
			}
		})
	}
}

// TestModelInferToProto unmarshals what this package encodes, and reads it back.
func TestModelInferToProto(t *testing.T) {
	in := Request{Model: "m", Version: "3", ID: "42", Priority: 1, Timeout: time.Second, Inputs: samples(t),
		Outputs: []Output{{Name: "y"}, {Name: "z", Classes: 2}}, Params: []Param{{"s", "x"}, {"b", true}, {"i", int64(-1)}, {"d", 0.5}, {"u", uint64(1)}}}
	data, err := AppendModelInfer(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	var m pb.ModelInferRequest
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	want := message(in.Inputs, false)
	want.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}, {Name: "z", Parameters: map[string]*pb.InferParameter{
		"classification": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 2}}}}}
	want.Parameters = map[string]*pb.InferParameter{
		"priority": {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: 1}},
		"timeout":  {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1e6}},
		"s":        {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "x"}},
		"b":        {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
		"i":        {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -1}},
		"d":        {ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: 0.5}},
		"u":        {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: 1}},
	}
	if !proto.Equal(&m, want) {
		t.Errorf("%v\nwant %v", &m, want)
	}
	var back Request
	if err := back.DecodeModelInfer(data, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, back.Inputs, in.Inputs)
}

// TestModelInferResponse goes both ways, raw and typed.
func TestModelInferResponse(t *testing.T) {
	for _, c := range []struct {
		name        string
		list        []tensor.Tensor
		typed, want bool
	}{{"raw", samples(t), false, false}, {"typed", typed(t), true, true}, {"typed with halves", samples(t), true, false}} {
		t.Run(c.name, func(t *testing.T) {
			out := Response{Model: "m", Version: "3", ID: "42", Outputs: c.list, Params: []Param{{"queue_us", int64(5)}}}
			data, err := AppendModelInferResponse(nil, &out, c.typed)
			if err != nil {
				t.Fatal(err)
			}
			var m pb.ModelInferResponse
			if err := proto.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if m.ModelName != "m" || m.ModelVersion != "3" || m.Id != "42" || m.Parameters["queue_us"].GetInt64Param() != 5 {
				t.Errorf("%v", &m)
			}
			if c.want != (len(m.RawOutputContents) == 0) {
				t.Errorf("%d raw contents", len(m.RawOutputContents))
			}
			for i, o := range m.Outputs {
				x := &c.list[i]
				if o.Name != x.Name || o.Datatype != Datatype(x.DType) || !tensor.Shape(o.Shape).Equal(x.Shape) {
					t.Errorf("output %v, want %v", o, x)
				}
				if c.want && !proto.Equal(o.Contents, contentsOf(x)) && !strings.Contains(o.Contents.String(), "nan") {
					t.Errorf("contents %v, want %v", o.Contents, contentsOf(x))
				}
			}
			var back Response
			for range 2 {
				if err := back.DecodeModelInferResponse(data, DefaultLimits); err != nil {
					t.Fatal(err)
				}
			}
			sameTensors(t, back.Outputs, c.list)
		})
	}
}

// TestModelInferRefuses has one row for each thing that a request can get wrong.
func TestModelInferRefuses(t *testing.T) {
	in := func(datatype string, shape []int64, c *pb.InferTensorContents) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: "m", Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: datatype, Shape: shape, Contents: c}}}
	}
	raw := func(m *pb.ModelInferRequest, raws ...string) *pb.ModelInferRequest {
		for _, r := range raws {
			m.RawInputContents = append(m.RawInputContents, []byte(r))
		}
		return m
	}
	ints := func(v ...int32) *pb.InferTensorContents { return &pb.InferTensorContents{IntContents: v} }
	uints := func(v ...uint32) *pb.InferTensorContents { return &pb.InferTensorContents{UintContents: v} }
	with := func(m *pb.ModelInferRequest, name string, p *pb.InferParameter) *pb.ModelInferRequest {
		m.Parameters = map[string]*pb.InferParameter{name: p}
		return m
	}
	text := &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: "1"}}
	minus := &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -1}}
	shared := in("FP32", []int64{1}, nil)
	shared.Inputs[0].Parameters = map[string]*pb.InferParameter{"shared_memory_region": text}
	twice := raw(in("FP32", []int64{1}, nil), "abcd", "abcd")
	twice.Inputs = append(twice.Inputs, twice.Inputs[0])
	outputs := raw(in("FP32", []int64{1}, nil), "abcd")
	outputs.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}, {Name: "y"}}
	for _, c := range []struct {
		name string
		m    *pb.ModelInferRequest
		kind fault.Kind
		text string
	}{
		{"raw and contents", raw(in("INT32", []int64{1}, ints(1)), "abcd"), fault.Usage, "contents field must not be specified when using raw_input_contents for 'x' for model 'm'"},
		{"more raws than inputs", raw(in("FP32", []int64{1}, nil), "abcd", "abcd"), fault.Usage, "the number of inputs (1) does not match the number of raw_input_contents (2)"},
		{"raw too short", raw(in("FP32", []int64{2}, nil), "abcd"), fault.Usage, "input byte size mismatch for input 'x' for model 'm'. Expected 8, got 4"},
		{"raw bool of 2", raw(in("BOOL", []int64{1}, nil), "\x02"), fault.Usage, "no bool"},
		{"no data at all", in("FP32", []int64{2}, nil), fault.Usage, "expected 2 elements for input 'x' for model 'm'"},
		{"halves as contents", in("FP16", []int64{1}, uints(1)), fault.Usage, "FP16 data of input 'x' for model 'm' must come in raw_input_contents"},
		{"contents of another type", in("FP32", []int64{1}, ints(1)), fault.Usage, "unexpected int_contents for input 'x' for model 'm': FP32 data belong in fp32_contents"},
		{"int8 too large", in("INT8", []int64{2}, ints(1, 128)), fault.Usage, "element 1 of input 'x' for model 'm', 128, is out of the range of INT8"},
		{"int8 too small", in("INT8", []int64{1}, ints(-129)), fault.Usage, "-129, is out of the range of INT8"},
		{"int16 too large", in("INT16", []int64{1}, ints(1<<15)), fault.Usage, "32768, is out of the range of INT16"},
		{"uint8 too large", in("UINT8", []int64{1}, uints(256)), fault.Usage, "256, is out of the range of UINT8"},
		{"uint16 too large", in("UINT16", []int64{1}, uints(math.MaxUint32)), fault.Usage, "4294967295, is out of the range of UINT16"},
		{"too few elements", in("INT64", []int64{2}, &pb.InferTensorContents{Int64Contents: []int64{math.MaxInt64}}), fault.Usage, "expected 2 elements for input 'x' for model 'm', got 1"},
		{"too many elements", in("INT32", []int64{1}, ints(1, 2)), fault.Usage, "expected 1 elements for input 'x' for model 'm', got more"},
		{"too many strings", in("BYTES", []int64{1}, &pb.InferTensorContents{BytesContents: [][]byte{nil, nil}}), fault.Usage, "got more"},
		{"negative dimension", raw(in("FP32", []int64{-1}, nil), "abcd"), fault.Usage, "invalid dimensions"},
		{"shape that overflows", raw(in("FP32", []int64{1 << 20, 1 << 20, 1 << 30}, nil), "abcd"), fault.Usage, "maximum size"},
		{"huge shape", raw(in("FP32", []int64{1e9, 1}, nil), "abcd"), fault.TooLarge, "more elements than the limit"},
		{"huge shape, typed", in("BYTES", []int64{60 << 20}, &pb.InferTensorContents{BytesContents: [][]byte{nil}}), fault.Usage, "got at most"},
		{"many dimensions", raw(in("FP32", make([]int64, 65), nil), ""), fault.TooLarge, "more than 64 dimensions"},
		{"unknown datatype", raw(in("FP8", []int64{1}, nil), "a"), fault.Usage, `unknown datatype "FP8"`},
		{"no datatype", raw(in("", []int64{1}, nil), "a"), fault.Usage, "unknown datatype"},
		{"shared memory", shared, fault.Unsupported, "shared memory"},
		{"an input twice", twice, fault.Usage, "input 'x' already exists in request"},
		{"an output twice", outputs, fault.Usage, "output 'y' already exists in request"},
		{"priority as text", with(&pb.ModelInferRequest{}, "priority", text), fault.Usage, "invalid value type for 'priority' parameter"},
		{"negative timeout", with(&pb.ModelInferRequest{}, "timeout", minus), fault.Usage, "invalid value for 'timeout'"},
		{"sequence", with(&pb.ModelInferRequest{}, "sequence_id", text), fault.Unsupported, "sequences"},
		{"reserved parameter", with(&pb.ModelInferRequest{}, "triton_x", text), fault.Usage, "reserved"},
		{"long name", &pb.ModelInferRequest{ModelName: strings.Repeat("m", 1025)}, fault.TooLarge, "over the limit of 1024"},
		{"parameter without a value", with(&pb.ModelInferRequest{}, "p", &pb.InferParameter{}), fault.Usage, "parameter 'p' has no value"},
		{"string cut off", raw(in("BYTES", []int64{1}, nil), "\x05\x00\x00\x00ab"), fault.Usage, "incomplete string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			err := r.DecodeModelInfer(marshal(t, c.m), DefaultLimits)
			if fault.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v of kind %d, want kind %d with %q", err, fault.KindOf(err), c.kind, c.text)
			}
		})
	}
	var r Request
	for _, data := range []string{"\x0a", "\x0a\x05ab", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x0a\x01\xff", "\x2a\x02\x0a\x05"} {
		if err := r.DecodeModelInfer([]byte(data), DefaultLimits); fault.KindOf(err) != fault.Usage {
			t.Errorf("bytes %q: error %v", data, err)
		}
	}
	small := DefaultLimits
	small.Bytes, small.Inputs = 8, 1
	for name, m := range map[string]*pb.ModelInferRequest{
		"bytes":  raw(in("FP32", []int64{4}, nil), strings.Repeat("a", 16)),
		"typed":  in("INT32", []int64{3}, ints(1, 2, 3)),
		"inputs": message(samples(t)[:2], false),
	} {
		if err := r.DecodeModelInfer(marshal(t, m), small); fault.KindOf(err) != fault.TooLarge {
			t.Errorf("limit of %s: error %v", name, err)
		}
	}
}

// TestModelInferAllocations: a raw request decoded into a Request that was in use takes nothing from the heap, nor does
// an answer that is encoded into memory that suffices.
func TestModelInferAllocations(t *testing.T) {
	m := message(samples(t), false)
	m.Id = ""
	m.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}}
	data := marshal(t, m)
	var r Request
	if n := testing.AllocsPerRun(100, func() {
		if err := r.DecodeModelInfer(data, DefaultLimits); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("decoding takes %v allocations", n)
	}
	out := Response{Model: "m", Version: "1", Outputs: samples(t)}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendModelInferResponse(dst, &out, false); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("encoding takes %v allocations", n)
	}
}

// FuzzModelInfer: whatever decodes is a valid request, one that the generated code reads too, and survives the way
// through AppendModelInfer.
func FuzzModelInfer(f *testing.F) {
	f.Add(marshal(f, message(samples(f), false)))
	f.Add(marshal(f, message(typed(f), true)))
	f.Add([]byte("\x0a\x01m\x2a\x0a\x0a\x01x\x12\x03FP8\x18\x05\x3a\x00"))
	limits := Limits{Bytes: 1 << 16, Elements: 1 << 16, Depth: 64, Inputs: 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Request
		if err := r.DecodeModelInfer(data, limits); err != nil {
			if k := fault.KindOf(err); k != fault.Usage && k != fault.TooLarge && k != fault.Unsupported {
				t.Fatalf("kind %d: %v", k, err)
			}
			return
		}
		for i := range r.Inputs {
			if err := r.Inputs[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
		if err := proto.Unmarshal(data, &pb.ModelInferRequest{}); err != nil && !strings.Contains(err.Error(), "invalid UTF-8") {
			t.Fatalf("decoded what is no message: %v", err)
		}
		again, err := AppendModelInfer(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		var back Request
		if err := back.DecodeModelInfer(again, limits); err != nil {
			t.Fatal(err)
		}
		sameTensors(t, back.Inputs, r.Inputs)
	})
}

// FuzzModelInferResponse is FuzzModelInfer for answers.
func FuzzModelInferResponse(f *testing.F) {
	for _, typed := range []bool{false, true} {
		data, err := AppendModelInferResponse(nil, &Response{Model: "m", Outputs: samples(f)[:9]}, typed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	limits := Limits{Bytes: 1 << 16, Elements: 1 << 16, Depth: 64, Inputs: 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Response
		if r.DecodeModelInferResponse(data, limits) != nil {
			return
		}
		again, err := AppendModelInferResponse(nil, &r, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(again, &pb.ModelInferResponse{}); err != nil {
			t.Fatal(err)
		}
		var back Response
		if err := back.DecodeModelInferResponse(again, DefaultLimits); err != nil {
			t.Fatal(err)
		}
		sameTensors(t, back.Outputs, r.Outputs)
	})
}

func BenchmarkDecodeModelInfer(b *testing.B) {
	x, err := tensor.New("x", tensor.Float32, tensor.Shape{1, 1, 28, 28})
	if err != nil {
		b.Fatal(err)
	}
	data := marshal(b, message([]tensor.Tensor{x}, false))
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		if err := r.DecodeModelInfer(data, DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}
