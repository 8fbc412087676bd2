package wire

import (
	"encoding/binary"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"infer/internal/fault"
	tfspb "infer/internal/pb/tfs"
	"infer/model/tensor"
)

// tensorProto builds the generated message of a tensor: its bytes, or its elements where typed.
func tensorProto(x *tensor.Tensor, typed bool) *tfspb.TensorProto {
	m := &tfspb.TensorProto{TensorShape: &tfspb.TensorShapeProto{}}
	for _, c := range tensorProtoTypes {
		if c.dtype == x.DType {
			m.Dtype = tfspb.DataType(c.number)
		}
	}
	for _, d := range x.Shape {
		m.TensorShape.Dim = append(m.TensorShape.Dim, &tfspb.TensorShapeProto_Dim{Size: d})
	}
	c := contentsOf(x)
	switch x.DType {
	case tensor.String:
		m.StringVal = c.BytesContents
		return m
	case tensor.Uint8, tensor.Uint16:
		for _, v := range c.UintContents {
			c.IntContents = append(c.IntContents, int32(v))
		}
		c.UintContents = nil
	case tensor.Float16, tensor.BFloat16:
		for i := 0; i < len(x.Data) && typed; i += 2 {
			m.HalfVal = append(m.HalfVal, int32(binary.LittleEndian.Uint16(x.Data[i:])))
		}
	}
	if !typed {
		m.TensorContent = x.Data
		return m
	}
	m.BoolVal, m.IntVal, m.Int64Val, m.Uint32Val = c.BoolContents, c.IntContents, c.Int64Contents, c.UintContents
	m.Uint64Val, m.FloatVal, m.DoubleVal = c.Uint64Contents, c.Fp32Contents, c.Fp64Contents
	return m
}

func predictRequest(list []tensor.Tensor, typed bool) *tfspb.PredictRequest {
	m := &tfspb.PredictRequest{
		ModelSpec:    &tfspb.ModelSpec{Name: "m", SignatureName: Signature, VersionChoice: &tfspb.ModelSpec_Version{Version: wrapperspb.Int64(3)}},
		Inputs:       map[string]*tfspb.TensorProto{},
		OutputFilter: []string{"y"},
	}
	for i := range list {
		m.Inputs[list[i].Name] = tensorProto(&list[i], typed)
	}
	return m
}

// TestPredictFromProto decodes what the generated messages encode.
func TestPredictFromProto(t *testing.T) {
	for _, typed := range []bool{false, true} {
		data := marshal(t, predictRequest(samples(t), typed))
		var r Request
		for range 2 {
			if err := r.DecodePredict(data, DefaultLimits); err != nil {
				t.Fatal(err)
			}
		}
		if r.Model != "m" || r.Version != "3" || len(r.Outputs) != 1 || r.Outputs[0].Name != "y" || len(r.Inputs) != len(samples(t)) {
			t.Errorf("%+v", r)
		}
		for _, want := range samples(t) { // a map has no order
			for _, got := range r.Inputs {
				if got.Name == want.Name {
					sameTensors(t, []tensor.Tensor{got}, []tensor.Tensor{want})
				}
			}
		}
	}
}

// TestPredictToProto unmarshals what this package encodes, requests and answers, and reads both back.
func TestPredictToProto(t *testing.T) {
	in := Request{Model: "m", Version: "3", Inputs: samples(t), Outputs: []Output{{Name: "y"}}}
	data, err := AppendPredict(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	var m tfspb.PredictRequest
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	if want := predictRequest(in.Inputs, false); !proto.Equal(&m, want) {
		t.Errorf("%v\nwant %v", &m, want)
	}
	var request Request
	if err := request.DecodePredict(data, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, request.Inputs, in.Inputs)

	data, err = AppendPredictResponse(nil, &Response{Model: "m", Version: "3", Outputs: samples(t)})
	if err != nil {
		t.Fatal(err)
	}
	var answer tfspb.PredictResponse
	if err := proto.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	for _, x := range samples(t) {
		if got, want := answer.Outputs[x.Name], tensorProto(&x, true); string(marshal(t, got)) != string(marshal(t, want)) {
			t.Errorf("output %v, want %v", got, want)
		}
	}
	if s := answer.ModelSpec; s.GetName() != "m" || s.GetVersion().GetValue() != 3 || s.GetSignatureName() != Signature {
		t.Errorf("model_spec %v", s)
	}
	var back Response
	if err := back.DecodePredictResponse(data, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, back.Outputs, samples(t))
	if _, err := AppendPredictResponse(nil, &Response{Version: "one"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a version that is no number: error %v", err)
	}
}

// TestPredictFill: one element stands for all, as TensorFlow has it.
func TestPredictFill(t *testing.T) {
	x, err := tensor.FromFloat32("x", tensor.Shape{3}, []float32{2, 2, 2})
	if err != nil {
		t.Fatal(err)
	}
	one := tensorProto(&x, true)
	one.FloatVal = one.FloatVal[:1]
	var r Request
	if err := r.DecodePredict(marshal(t, &tfspb.PredictRequest{Inputs: map[string]*tfspb.TensorProto{"x": one}}), DefaultLimits); err != nil {
		t.Fatal(err)
	}
	sameTensors(t, r.Inputs, []tensor.Tensor{x})
}

func TestPredictRefuses(t *testing.T) {
	float := func(dims []int64, v ...float32) *tfspb.TensorProto {
		m := &tfspb.TensorProto{Dtype: tfspb.DataType_DT_FLOAT, FloatVal: v, TensorShape: &tfspb.TensorShapeProto{}}
		for _, d := range dims {
			m.TensorShape.Dim = append(m.TensorShape.Dim, &tfspb.TensorShapeProto_Dim{Size: d})
		}
		return m
	}
	one := func(x *tfspb.TensorProto) *tfspb.PredictRequest {
		return &tfspb.PredictRequest{Inputs: map[string]*tfspb.TensorProto{"x": x}}
	}
	content := float([]int64{2})
	content.TensorContent = []byte("abcd")
	strings7 := float([]int64{1})
	strings7.Dtype, strings7.TensorContent = tfspb.DataType_DT_STRING, []byte("\x01a")
	small := float([]int64{1})
	small.Dtype, small.IntVal = tfspb.DataType_DT_INT8, []int32{128}
	rank := float(nil, 1)
	rank.TensorShape.UnknownRank = true
	complex64 := float([]int64{1})
	complex64.Dtype = tfspb.DataType_DT_COMPLEX64
	for _, c := range []struct {
		name string
		m    *tfspb.PredictRequest
		kind fault.Kind
		text string
	}{
		{"content of another size", one(content), fault.Usage, "input byte size mismatch for input 'x'. Expected 8, got 4"},
		{"strings in content", one(strings7), fault.Usage, "string_val"},
		{"int8 out of range", one(small), fault.Usage, "128, is out of the range of INT8"},
		{"no rank", one(rank), fault.Usage, "unknown_rank"},
		{"complex", one(complex64), fault.Usage, "dtype 8"},
		{"no elements", one(float([]int64{2})), fault.Usage, "expected 2 elements for input 'x', got 0"},
		{"too few", one(float([]int64{3}, 1, 2)), fault.Usage, "expected 3 elements for input 'x', got 2"},
		{"too many", one(float([]int64{1}, 1, 2)), fault.Usage, "got more"},
		{"a large shape of one element", one(float([]int64{1 << 20}, 1)), fault.Usage, "got at most"},
		{"huge shape", one(float([]int64{1e9, 1}, 1)), fault.TooLarge, "limit"},
		{"negative dimension", one(float([]int64{-1}, 1)), fault.Usage, "invalid dimensions"},
		{"another signature", &tfspb.PredictRequest{ModelSpec: &tfspb.ModelSpec{SignatureName: "train"}}, fault.Usage, `no signature "train"`},
		{"a label", &tfspb.PredictRequest{ModelSpec: &tfspb.ModelSpec{VersionChoice: &tfspb.ModelSpec_VersionLabel{VersionLabel: "stable"}}}, fault.Usage, "version_label"},
		{"an output twice", &tfspb.PredictRequest{OutputFilter: []string{"y", "y"}}, fault.Usage, "output 'y' already exists in request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			err := r.DecodePredict(marshal(t, c.m), DefaultLimits)
			if fault.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v of kind %d, want kind %d with %q", err, fault.KindOf(err), c.kind, c.text)
			}
		})
	}
}

// TestUnpacked reads repeated numbers that are not packed, which protobuf allows everywhere.
func TestUnpacked(t *testing.T) {
	var contents []byte
	for _, v := range []int64{-1, 5} {
		contents = protowire.AppendVarint(protowire.AppendTag(contents, 2, varintType), uint64(v))
	}
	var in []byte
	in = protowire.AppendString(protowire.AppendTag(in, 1, bytesType), "x")
	in = protowire.AppendString(protowire.AppendTag(in, 2, bytesType), "INT32")
	in = protowire.AppendVarint(protowire.AppendTag(in, 3, varintType), 2)
	in = protowire.AppendBytes(protowire.AppendTag(in, 5, bytesType), contents)
	var r Request
	if err := r.DecodeModelInfer(protowire.AppendBytes(protowire.AppendTag(nil, 5, bytesType), in), DefaultLimits); err != nil {
		t.Fatal(err)
	}
	want, err := tensor.FromInts("x", tensor.Int32, tensor.Shape{2}, []int64{-1, 5})
	if err != nil {
		t.Fatal(err)
	}
	sameTensors(t, r.Inputs, []tensor.Tensor{want})
}

// FuzzPredict: whatever decodes is valid and survives the way through both encoders.
func FuzzPredict(f *testing.F) {
	f.Add(marshal(f, predictRequest(samples(f), false)))
	f.Add(marshal(f, predictRequest(samples(f), true)))
	limits := Limits{Bytes: 1 << 16, Elements: 1 << 16, Depth: 64, Inputs: 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Request
		if err := r.DecodePredict(data, limits); err != nil {
			if k := fault.KindOf(err); k != fault.Usage && k != fault.TooLarge {
				t.Fatalf("kind %d: %v", k, err)
			}
			return
		}
		again, err := AppendPredict(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(again, &tfspb.PredictRequest{}); err != nil {
			t.Fatal(err)
		}
		var back Request
		if err := back.DecodePredict(again, DefaultLimits); err != nil {
			t.Fatal(err)
		}
		sameTensors(t, back.Inputs, r.Inputs)
		answer, err := AppendPredictResponse(nil, &Response{Model: r.Model, Version: r.Version, Outputs: r.Inputs})
		if err != nil {
			t.Fatal(err)
		}
		var out Response
		if err := out.DecodePredictResponse(answer, DefaultLimits); err != nil {
			t.Fatal(err)
		}
		sameTensors(t, out.Outputs, r.Inputs)
	})
}

// FuzzPredictResponse reads answers as a client.
func FuzzPredictResponse(f *testing.F) {
	data, err := AppendPredictResponse(nil, &Response{Model: "m", Version: "1", Outputs: samples(f)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Response
		if r.DecodePredictResponse(data, Limits{Bytes: 1 << 16, Elements: 1 << 16, Inputs: 16}) != nil {
			return
		}
		for i := range r.Outputs {
			if err := r.Outputs[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTensorFlowNames holds names and numbers to TensorFlow's own list.
func TestTensorFlowNames(t *testing.T) {
	for _, c := range tensorProtoTypes {
		d, known := ParseTensorFlowName(tfspb.DataType_name[TensorFlowType(c.dtype)])
		if !known || d != c.dtype || TensorFlowName(d) != tfspb.DataType(c.number).String() {
			t.Errorf("%s: %s, back %s", c.dtype, TensorFlowName(c.dtype), d)
		}
	}
	if name := TensorFlowName(tensor.Int4); name != tfspb.DataType(TensorFlowType(tensor.Int4)).String() {
		t.Errorf("a dtype without one: %s", name)
	}
	if _, known := ParseTensorFlowName("DT_INVALID"); known {
		t.Error("DT_INVALID is a dtype")
	}
}
