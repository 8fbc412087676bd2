package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/tensor"
)

// in returns a request of one input with shape, datatype and the rest of its object.
func in(shape, datatype, rest string) string {
	return fmt.Sprintf(`{"inputs":[{"name":"x","shape":%s,"datatype":"%s",%s}]}`, shape, datatype, rest)
}

// elementsOf returns the elements of a tensor as JSON writes them.
func elementsOf(t *testing.T, x tensor.Tensor) string {
	t.Helper()
	if err := x.Check(); err != nil {
		t.Fatal(err)
	}
	return string(mustElements(t, x))
}

func TestDecodeOIPData(t *testing.T) {
	for _, c := range []struct{ name, shape, datatype, data, want string }{
		{"flat", "[2,3]", "FP32", "[1,2,3,4,5,6.5]", "1.0,2.0,3.0,4.0,5.0,6.5"},
		{"nested", "[2,3]", "FP32", "[[1,2,3],[4,5,6]]", "1.0,2.0,3.0,4.0,5.0,6.0"},
		{"nested in another way, as Triton takes it", "[2,3]", "INT64", "[[[1],2],[[3,4,[]]],5,[6]]", "1,2,3,4,5,6"},
		{"spaces", " [ 1 , 2 ] ", "INT32", " [ [ -1 ,\n 2 ] ] ", "-1,2"},
		{"not finite", "[4]", "FP64", "[NaN,Infinity,-Infinity,-Inf]", "NaN,Infinity,-Infinity,-Infinity"},
		{"a scalar", "[]", "FP64", "[0.1]", "0.1"},
		{"empty", "[0,5]", "FP32", "[]", ""},
		{"empty and nested", "[2,0]", "BYTES", "[[],[]]", ""},
		{"bool", "[3]", "BOOL", "[true,false,true]", "true,false,true"},
		{"int8", "[2]", "INT8", "[-128,127]", "-128,127"},
		{"uint64", "[1]", "UINT64", "[18446744073709551615]", "18446744073709551615"},
		{"int64", "[2]", "INT64", "[-9223372036854775808,9007199254740993]", "-9223372036854775808,9007199254740993"},
		{"strings", "[2,2]", "BYTES", `[["a","\u0000b\u0000"],["é\ud83d\ude00","\"\\\/\n"]]`, `"a","\u0000b\u0000","é😀","\"\\/\n"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, order := range []string{
				fmt.Sprintf(`{"inputs":[{"name":"x","shape":%s,"datatype":"%s","data":%s}]}`, c.shape, c.datatype, c.data),
				fmt.Sprintf(`{"inputs":[{"data":%s,"extra":{"data":[1]},"datatype":"%s","shape":%s,"name":"x"}],"z":[null]}`, c.data, c.datatype, c.shape),
				fmt.Sprintf(`{"inputs":[{"n\u0061me":"\u0078","shape":%s,"data":%s,"datatype":"%s"}]}`, c.shape, c.data, c.datatype),
			} {
				var r Request
				if err := r.DecodeOIP([]byte(order), -1, "m", nil, DefaultLimits); err != nil {
					t.Fatalf("%s: %v", order, err)
				}
				x := r.Inputs[0]
				if got := elementsOf(t, x); got != c.want || x.Name != "x" || string(appendShape(nil, x.Shape)) != strings.ReplaceAll(c.shape, " ", "") {
					t.Errorf("%s: %s of shape %v, want %s", order, got, x.Shape, c.want)
				}
			}
		})
	}
}

func TestDecodeOIPFields(t *testing.T) {
	body := `{"id":"a-\u0031","parameters":{"priority":2,"timeout":1500,"own":"s","n":-3,"u":18446744073709551615,"f":1.5,"b":true,
		"sequence_id":0,"sequence_start":false},
		"outputs":[{"name":"o"},{"name":"p","parameters":{"binary_data":false,"classification":3,"other":[{}]}}],
		"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}`
	want := Request{
		ID: "a-1", Priority: 2, Timeout: 1500 * time.Microsecond, Outputs: []Output{{Name: "o"}, {Name: "p", Classes: 3}},
		Params: []Param{{"own", "s"}, {"n", int64(-3)}, {"u", uint64(math.MaxUint64)}, {"f", 1.5}, {"b", true}},
	}
	var r Request
	if err := r.DecodeOIP([]byte(body), -1, "m", nil, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	if r.ID != want.ID || r.Priority != want.Priority || r.Timeout != want.Timeout || r.Binary || !reflect.DeepEqual(r.Outputs, want.Outputs) || !reflect.DeepEqual(r.Params, want.Params) {
		t.Errorf("%+v", r)
	}
	// The default of all outputs counts wherever it stands, and an output overrides it.
	body = `{"outputs":[{"name":"o"},{"name":"p","parameters":{"binary_data":false}}],"inputs":[],"parameters":{"binary_data_output":true}}`
	if err := r.DecodeOIP([]byte(body), -1, "m", nil, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	if !r.Binary || !reflect.DeepEqual(r.Outputs, []Output{{Name: "o", Binary: true}, {Name: "p"}}) || r.ID != "" || len(r.Params) != 0 || r.Priority != 0 {
		t.Errorf("%+v", r)
	}
}

// refusedBodies are bodies that are refused, with a part of the message.
var refusedBodies = []struct {
	name, body string
	kind       fault.Kind
	want       string
}{
	{"nothing", ``, fault.Usage, "expected an object"},
	{"half", `{`, fault.Usage, "expected a key"},
	{"no object", `[]`, fault.Usage, "expected an object"},
	{"brackets", strings.Repeat("[", 100_000), fault.Usage, "expected an object"},
	{"text behind", in("[1]", "FP32", `"data":[1]`) + "x", fault.Usage, "unexpected text"},
	{"no inputs", `{}`, fault.Usage, "'inputs'"},
	{"inputs no array", `{"inputs":{}}`, fault.Usage, "'inputs'"},
	{"an input no object", `{"inputs":[1]}`, fault.Usage, "input 0"},
	{"inputs twice", `{"inputs":[],"inputs":[]}`, fault.Usage, "'inputs' is given twice"},
	{"id no string", `{"id":1,"inputs":[]}`, fault.Usage, "'id'"},
	{"an endless id", `{"id":"` + strings.Repeat("a", 2000) + `","inputs":[]}`, fault.TooLarge, "'id'"},
	{"no name", `{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}`, fault.Usage, "'name'"},
	{"name no string", `{"inputs":[{"name":1,"shape":[1],"datatype":"FP32","data":[1]}]}`, fault.Usage, "'name'"},
	{"name twice", `{"inputs":[{"name":"x","name":"x","shape":[1],"datatype":"FP32","data":[1]}]}`, fault.Usage, "'name' is given twice"},
	{"no shape", `{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}`, fault.Usage, "'shape'"},
	{"shape no array", in("4", "FP32", `"data":[1]`), fault.Usage, "'shape'"},
	{"shape of floats", in("[1.5]", "FP32", `"data":[1]`), fault.Usage, "1.5"},
	{"a negative dimension", in("[2,-5]", "FP32", `"data":[1]`), fault.Usage, "'shape': dimension 1: -5"},
	{"an endless shape", in("["+strings.Repeat("1,", 100)+"1]", "FP32", `"data":[1]`), fault.TooLarge, "'shape'"},
	{"a dimension over int64", in("[9223372036854775808]", "FP32", `"data":[1]`), fault.Usage, "'shape'"},
	{"a product over int64", in("[16,1152921504606846978]", "FP32", `"data":[1]`), fault.Usage, "causes total element count to exceed maximum size of 9223372036854775807"},
	{"a product that wraps to one", in("[4294967296,4294967296]", "INT8", `"data":[1]`), fault.Usage, "causes total element count"},
	{"bytes over int64", in("[4,1152921504606846978]", "FP32", `"data":[1.0]`), fault.TooLarge, "input 'x'"},
	{"a huge shape", in("[1000000000000,1]", "FP32", `"data":[1]`), fault.TooLarge, "input 'x'"},
	{"a large shape", in("[1000000000,1]", "FP32", `"data":[1]`), fault.TooLarge, "input 'x'"},
	{"a shape that lies", in("[1000000,1]", "FP32", `"data":[1]`), fault.Usage, "does not match true shape"},
	{"a huge axis beside an empty one", in("[1000000000000,0]", "FP32", `"data":[]`), fault.TooLarge, "input 'x'"},
	{"no datatype", `{"inputs":[{"name":"x","shape":[1],"data":[1]}]}`, fault.Usage, "'datatype'"},
	{"an unknown datatype", in("[1]", "FP31", `"data":[1]`), fault.Usage, "'FP31'"},
	{"no data", `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}`, fault.Usage, "no field is set"},
	{"data twice", in("[1]", "FP32", `"data":[1],"data":[1]`), fault.Usage, "'data' is given twice"},
	{"data no array", in("[]", "FP32", `"data":1`), fault.Usage, "'data'"},
	{"too few", in("[2,2]", "FP32", `"data":[1,2,3]`), fault.Usage, "has 4 elements, and 'data' has fewer"},
	{"too many", in("[2,2]", "FP32", `"data":[1,2,3,4,5]`), fault.Usage, "has 4 elements, and 'data' has more"},
	{"too many for none", in("[0]", "FP32", `"data":[1]`), fault.Usage, "'data' has more"},
	{"open data", strings.TrimSuffix(in("[2]", "FP32", `"data":[1,2`), "}]}"), fault.Usage, "'data' of input 'x'"},
	{"int8 too large", in("[3]", "INT8", `"data":[1,2,128]`), fault.Usage, "input 'x' for model 'm': element 2: 128 is out of the range of INT8"},
	{"uint8 negative", in("[1]", "UINT8", `"data":[-1]`), fault.Usage, "element 0: -1 is out of the range of UINT8"},
	{"int64 too large", in("[1]", "INT64", `"data":[9223372036854775808]`), fault.Usage, "out of the range of INT64"},
	{"an integer with a point", in("[2]", "INT32", `"data":[1,2.0]`), fault.Usage, "element 1: 2.0 is not an integer"},
	{"a float too large", in("[1]", "FP32", `"data":[1e39]`), fault.Usage, "1e39 is out of the range of FP32"},
	{"a bool as a number", in("[1]", "BOOL", `"data":[1]`), fault.Usage, "element 0"},
	{"a string as a number", in("[2]", "FP32", `"data":[1,"2"]`), fault.Usage, "element 1"},
	{"null", in("[1]", "FP32", `"data":[null]`), fault.Usage, "element 0"},
	{"a number as a string", in("[1]", "BYTES", `"data":[1]`), fault.Usage, "element 0"},
	{"an object as an element", in("[1]", "FP32", `"data":[{}]`), fault.Usage, "element 0"},
	{"bytes that are no UTF-8", in("[2]", "BYTES", "\"data\":[\"a\",\"\xff\"]"), fault.Usage, "element 1: the string is not UTF-8"},
	{"FP16", in("[1]", "FP16", `"data":[1]`), fault.Usage, "receiving FP16 data via JSON is not supported. Please use the binary data format for input x"},
	{"BF16", in("[1]", "BF16", `"data":[1]`), fault.Usage, "receiving BF16 data via JSON is not supported. Please use the binary data format for input x"},
	{"data and binary", in("[1]", "FP32", `"data":[1],"parameters":{"binary_data_size":4}`), fault.Usage, "But set 'data' 'binary_data_size'"},
	{"binary without a binary part", in("[1]", "FP32", `"parameters":{"binary_data_size":4}`), fault.Usage, "unexpected size for input 'x', expecting 4 additional bytes for model 'm'"},
	{"a binary size no number", in("[1]", "FP32", `"parameters":{"binary_data_size":"4"}`), fault.Usage, "'binary_data_size'"},
	{"a negative binary size", in("[1]", "FP32", `"parameters":{"binary_data_size":-4}`), fault.Usage, "'binary_data_size'"},
	{"a binary size twice", in("[1]", "FP32", `"parameters":{"binary_data_size":4,"binary_data_size":4}`), fault.Usage, "twice"},
	{"shared memory", in("[1]", "FP32", `"parameters":{"shared_memory_region":"r"}`), fault.Unsupported, "shared memory"},
	{"an input twice", `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]},{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}`, fault.Usage, "input 'x' already exists in request"},
	{"an output twice", `{"inputs":[],"outputs":[{"name":"OUTPUT0"},{"name":"OUTPUT0"}]}`, fault.Usage, "output 'OUTPUT0' already exists in request"},
	{"an output without a name", `{"inputs":[],"outputs":[{}]}`, fault.Usage, "'name': output 0"},
	{"an output no object", `{"inputs":[],"outputs":["o"]}`, fault.Usage, "output 0"},
	{"outputs no array", `{"inputs":[],"outputs":{}}`, fault.Usage, "'outputs'"},
	{"binary_data no bool", `{"inputs":[],"outputs":[{"name":"o","parameters":{"binary_data":1}}]}`, fault.Usage, "'binary_data'"},
	{"a negative classification", `{"inputs":[],"outputs":[{"name":"o","parameters":{"classification":-1}}]}`, fault.Usage, "'classification'"},
	{"an output in shared memory", `{"inputs":[],"outputs":[{"name":"o","parameters":{"shared_memory_region":"r"}}]}`, fault.Unsupported, "shared memory"},
	{"a negative priority", `{"inputs":[],"parameters":{"priority":-1}}`, fault.Usage, "'priority'"},
	{"a timeout no number", `{"inputs":[],"parameters":{"timeout":"1s"}}`, fault.Usage, "'timeout'"},
	{"an endless timeout", `{"inputs":[],"parameters":{"timeout":18446744073709551615}}`, fault.Usage, "'timeout'"},
	{"a reserved parameter", `{"inputs":[],"parameters":{"triton_x":1}}`, fault.Usage, "reserved"},
	{"a parameter that is an object", `{"inputs":[],"parameters":{"p":{}}}`, fault.Usage, "'p'"},
	{"a parameter twice", `{"inputs":[],"parameters":{"p":1,"p":2}}`, fault.Usage, "twice"},
	{"a sequence", `{"inputs":[],"parameters":{"sequence_id":7}}`, fault.Unsupported, "sequence_id"},
	{"the start of a sequence", `{"inputs":[],"parameters":{"sequence_start":true}}`, fault.Unsupported, "sequence_start"},
	{"depth in data", in("[1]", "FP32", `"data":`+strings.Repeat("[", 120)+"1"+strings.Repeat("]", 120)), fault.Usage, "JSON nesting depth exceeds maximum allowed limit (64)"},
	{"depth below an ignored key", `{"ignored":` + strings.Repeat("[", 5_000_000), fault.Usage, "JSON nesting depth exceeds"},
	{"many inputs", `{"inputs":[` + strings.Repeat(`{"name":"x","shape":[0],"datatype":"FP32","data":[]},`, 2), fault.Usage, "already exists"},
}

func TestDecodeOIPRefuses(t *testing.T) {
	for _, c := range refusedBodies {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := r.DecodeOIP([]byte(c.body), -1, "m", nil, DefaultLimits)
			runtime.ReadMemStats(&after)
			if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > uint64(2*len(c.body))+64<<10 {
				t.Errorf("%d bytes taken for a body of %d", taken, len(c.body))
			}
		})
	}
}

func TestDecodeOIPLimits(t *testing.T) {
	small := Limits{Bytes: 64, Elements: 10, Depth: 8, Inputs: 2}
	for _, c := range []struct{ name, body, want string }{
		{"elements", in("[11]", "INT8", `"data":[0,0,0,0,0,0,0,0,0,0,0]`), "limit of 10"},
		{"bytes", in("[9]", "INT64", `"data":[0,0,0,0,0,0,0,0,0]`), "limit of 64"},
		{"bytes of strings", in("[3]", "BYTES", `"data":["aaaaaaaaa","bbbbbbbbb","c"]`), "limit of 64"},
		{"inputs", `{"inputs":[{"name":"a","shape":[0],"datatype":"FP32","data":[]},{"name":"b","shape":[0],"datatype":"FP32","data":[]},{"name":"c","shape":[0],"datatype":"FP32","data":[]}]}`, "limit of 2"},
		{"outputs", `{"inputs":[],"outputs":[{"name":"a"},{"name":"b"},{"name":"c"}]}`, "limit of 2"},
		{"parameters", `{"inputs":[],"parameters":{"a":1,"b":2,"c":3}}`, "limit of 2"},
	} {
		var r Request
		err := r.DecodeOIP([]byte(c.body), -1, "m", nil, small)
		if err == nil || fault.KindOf(err) != fault.TooLarge || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// framed returns strings in the binary form.
func framed(s ...string) []byte {
	return appendRaw(nil, &tensor.Tensor{Strings: s})
}

func TestDecodeOIPBinary(t *testing.T) {
	two := []byte{0, 0, 128, 63, 0, 0, 0, 64}
	for _, c := range []struct {
		name, text string
		blobs      []byte
		want       string // elements of the inputs, or a part of the error
		bad        bool
	}{
		{"floats", in("[2]", "FP32", `"parameters":{"binary_data_size":8}`), two, "1.0,2.0", false},
		{"half precision", in("[1]", "FP16", `"parameters":{"binary_data_size":2}`), []byte{0, 0x3c}, "1.0", false},
		{"bool", in("[2]", "BOOL", `"parameters":{"binary_data_size":2}`), []byte{1, 0}, "true,false", false},
		{"strings", in("[2]", "BYTES", `"parameters":{"binary_data_size":13}`), framed("a\x00bc", "\n"), `"a\u0000bc","\n"`, false},
		{"empty", in("[0,4]", "FP32", `"parameters":{"binary_data_size":0}`), nil, "", false},
		{"too short", in("[3]", "FP32", `"parameters":{"binary_data_size":8}`), two, "input byte size mismatch for input 'x' for model 'm'. Expected 12, got 8", true},
		{"too long", in("[1]", "FP32", `"parameters":{"binary_data_size":8}`), two, "Expected 4, got 8", true},
		{"missing", in("[3]", "FP32", `"parameters":{"binary_data_size":12}`), two, "unexpected size for input 'x', expecting 4 additional bytes for model 'm'", true},
		{"left over", in("[1]", "FP32", `"parameters":{"binary_data_size":4}`), two, "unexpected additional input data for model 'm'", true},
		{"a huge size", in("[1]", "FP32", `"parameters":{"binary_data_size":9223372036854775807}`), two, "unexpected size for input 'x'", true},
		{"a huge shape", in("[1000000000]", "FP32", `"parameters":{"binary_data_size":8}`), two, "limit", true},
		{"no bool", in("[2]", "BOOL", `"parameters":{"binary_data_size":2}`), []byte{1, 2}, "element 1 of input 'x'", true},
		{"too few strings", in("[3]", "BYTES", `"parameters":{"binary_data_size":13}`), framed("abcd", "e"), "expected 3 string elements for inference input 'x' for model 'm', got 2", true},
		{"many strings", in("[1000000]", "BYTES", `"parameters":{"binary_data_size":10}`), framed("a", "b"), "expected 1000000 string elements", true},
		{"too many strings", in("[1]", "BYTES", `"parameters":{"binary_data_size":10}`), framed("a", "b"), "unexpected number of string elements for inference input 'x' for model 'm', expecting 1", true},
		{"half a length", in("[1]", "BYTES", `"parameters":{"binary_data_size":7}`), append(framed("a"), 0, 0), "unexpected number of string elements", true},
		{"half a length first", in("[2]", "BYTES", `"parameters":{"binary_data_size":11}`), append(framed("abcde"), 0, 0), "incomplete string length indicator", true},
		{"an endless string", in("[1]", "BYTES", `"parameters":{"binary_data_size":6}`), []byte{255, 255, 255, 255, 1, 2}, "incomplete string data", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			err := r.DecodeOIP(append([]byte(c.text), c.blobs...), len(c.text), "m", nil, DefaultLimits)
			if c.bad {
				if err == nil || !strings.Contains(err.Error(), c.want) || fault.HTTPStatus(err)/100 != 4 {
					t.Fatalf("error %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := elementsOf(t, r.Inputs[0]); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	for _, n := range []int{-2, 1 << 30} {
		var r Request
		if err := r.DecodeOIP([]byte(`{}`), n, "m", nil, DefaultLimits); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("inference header size should be in range (0, 2), got: %d", n)) {
			t.Errorf("a header of %d: %v", n, err)
		}
	}
}

func TestDecodeOIPRaw(t *testing.T) {
	fp := func(dims ...int64) []Port { return []Port{{Name: "INPUT0", DType: tensor.Float32, Shape: dims}} }
	str := func(dims ...int64) []Port { return []Port{{Name: "INPUT0", DType: tensor.String, Shape: dims}} }
	body := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1)), math.Float32bits(2))
	for _, c := range []struct {
		name  string
		ports []Port
		want  string // shape, or a part of the error
		bad   bool
	}{
		{"a fixed shape", fp(2, 1), "2x1", false},
		{"an open axis", fp(-1), "2", false},
		{"an open batch axis", fp(-1, 2), "1x2", false},
		{"two rows", fp(-1, 1), "2x1", false},
		{"an open axis behind the batch axis", fp(-1, -1, 1), "1x2x1", false},
		{"two open axes", fp(1, -1, -1), "The shape of the raw input 'INPUT0' can not be deduced because there are more than one variable-sized dimension", true},
		{"three open axes", fp(-1, -1, -1), "can not be deduced", true},
		{"another size", fp(3), "input byte size mismatch for input 'INPUT0' for model 'm'. Expected 12, got 8", true},
		{"no multiple", fp(-1, 3), "input byte size mismatch", true},
		{"two inputs", append(fp(1), fp(1)...), "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'm' model configuration", true},
		{"a string", str(1), "1", false},
		{"a string with a batch axis", str(-1, 1), "1x1", false},
		{"strings", str(-1), "For BYTE datatype raw input 'INPUT0', the model must have input shape [1]", true},
		{"a scalar string", str(), "must have input shape [1]", true},
		{"a dtype that cannot be", []Port{{Name: "INPUT0", DType: tensor.Int4, Shape: []int64{-1}}}, "cannot carry", true},
	} {
		var r Request
		err := r.DecodeOIP(body, 0, "m", c.ports, DefaultLimits)
		switch {
		case c.bad && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		case !c.bad && (err != nil || r.Inputs[0].Shape.String() != c.want || !r.Binary || r.Inputs[0].Check() != nil):
			t.Errorf("%s: %v %v", c.name, r.Inputs, err)
		}
	}
}

func TestAppendOIP(t *testing.T) {
	f, _ := tensor.FromFloat32("f", tensor.Shape{2, 2}, []float32{1, 0.1, float32(math.Inf(-1)), float32(math.NaN())})
	i, _ := tensor.FromInts("i", tensor.Int8, tensor.Shape{2}, []int64{-128, 127})
	s, _ := tensor.FromStrings("s", tensor.Shape{2}, []string{"a\"\\\x00\n", "é"})
	h, _ := tensor.New("h", tensor.Float16, tensor.Shape{1})
	r := &Response{Model: "m", Version: "3", ID: "x", Params: []Param{{"p", int64(1)}, {"q", "s"}, {"r", true}}, Outputs: []tensor.Tensor{f, i, s}}
	got, n, err := AppendOIP([]byte("before"), r, nil, false)
	want := `before{"id":"x","model_name":"m","model_version":"3","parameters":{"p":1,"q":"s","r":true},"outputs":[` +
		`{"name":"f","datatype":"FP32","shape":[2,2],"data":[1.0,0.1,-Infinity,NaN]},` +
		`{"name":"i","datatype":"INT8","shape":[2],"data":[-128,127]},` +
		`{"name":"s","datatype":"BYTES","shape":[2],"data":["a\"\\\u0000\n","é"]}]}`
	if err != nil || n != -1 || string(got) != want {
		t.Errorf("%s %d %v", got, n, err)
	}
	r.Outputs = []tensor.Tensor{h, i, s}
	got, n, err = AppendOIP(nil, r, []Output{{Name: "h", Binary: true}, {Name: "i"}, {Name: "s", Binary: true}}, false)
	text := `{"id":"x","model_name":"m","model_version":"3","parameters":{"p":1,"q":"s","r":true},"outputs":[` +
		`{"name":"h","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}},` +
		`{"name":"i","datatype":"INT8","shape":[2],"data":[-128,127]},` +
		`{"name":"s","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":15}}]}`
	if err != nil || n != len(text) || string(got) != text+"\x00\x00"+string(framed(s.Strings...)) {
		t.Errorf("%q %d %v", got, n, err)
	}
	for _, c := range []struct {
		out  tensor.Tensor
		kind fault.Kind
		want string
	}{
		{h, fault.Usage, "sending FP16 data via JSON is not supported. Please use the binary data format for output h"},
		{tensor.Tensor{Name: "s", DType: tensor.String, Shape: tensor.Shape{1}, Strings: []string{"\xff"}}, fault.Usage, "element 0 of 's' is not UTF-8"},
		{tensor.Tensor{Name: "q", DType: tensor.Sequence}, fault.Unsupported, "output 'q' is sequence"},
	} {
		if _, _, err := AppendOIP(nil, &Response{Outputs: []tensor.Tensor{c.out}}, nil, false); err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.out.Name, err)
		}
	}
}

func TestFloatsReadBack(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 999999, 1e6, 1e-5, 123456.5, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, 1.0 / 3} {
		b := appendFloat(nil, f, 64)
		var back float64
		if err := json.Unmarshal(b, &back); err != nil || math.Float64bits(back) != math.Float64bits(f) || !strings.ContainsAny(string(b), ".e") {
			t.Errorf("%v is %s: %v %v", f, b, back, err)
		}
		b = appendFloat(nil, float64(float32(f)), 32)
		var narrow float32
		if !math.IsInf(float64(float32(f)), 0) && (json.Unmarshal(b, &narrow) != nil || narrow != float32(f)) {
			t.Errorf("%v is %s", float32(f), b)
		}
	}
}

func TestErrorsAreJSON(t *testing.T) {
	for _, message := range []string{"", "plain", "a \"quoted\"\n\x01 word \\", "bad \xff\xc3 bytes", "é😀"} {
		var got struct{ Error string }
		if err := json.Unmarshal(AppendError(nil, message), &got); err != nil || got.Error != strings.ToValidUTF8(message, "\ufffd") && message != "bad \xff\xc3 bytes" {
			t.Errorf("%q: %q %v", message, got.Error, err)
		}
	}
}

func TestClientRoundTrip(t *testing.T) {
	f, _ := tensor.FromFloat32("f", tensor.Shape{1, 3}, []float32{1, 0.1, -2e-9})
	s, _ := tensor.FromStrings("s", tensor.Shape{2}, []string{"", "é\x00"})
	want := Request{ID: "1", Priority: 1, Timeout: time.Second, Binary: true, Inputs: []tensor.Tensor{f, s}, Outputs: []Output{{Name: "o", Binary: true}, {Name: "p", Classes: 2}}, Params: []Param{{"p", "q"}}}
	for _, inBinary := range []bool{false, true} {
		body, n, err := AppendOIPRequest(nil, &want, inBinary)
		if err != nil {
			t.Fatal(err)
		}
		var got Request
		if err := got.DecodeOIP(body, n, "m", nil, DefaultLimits); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		sameRequest(t, &got, &want)
		answer := Response{Model: "m", Version: "1", ID: "1", Outputs: want.Inputs, Params: want.Params}
		body, n, err = AppendOIP(nil, &answer, nil, inBinary)
		if err != nil {
			t.Fatal(err)
		}
		var r Response
		if err := r.DecodeOIPResponse(body, n, DefaultLimits); err != nil {
			t.Fatal(err)
		}
		sameResponse(t, &r, &answer)
	}
	var r Response
	if err := r.DecodeOIPResponse([]byte(`{"outputs":[{"name":"o","shape":[1],"datatype":"FP32","data":[1,2]}]}`), -1, DefaultLimits); err == nil || !strings.Contains(err.Error(), "output 'o'") {
		t.Error(err)
	}
}

// sameRequest compares two requests.
func sameRequest(t *testing.T, got, want *Request) {
	t.Helper()
	sameElements(t, got.Inputs, want.Inputs)
	if got.ID != want.ID || got.Priority != want.Priority || got.Timeout != want.Timeout || got.Binary != want.Binary || got.Row != want.Row {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(got.Outputs)+len(want.Outputs) > 0 && !reflect.DeepEqual(got.Outputs, want.Outputs) {
		t.Errorf("outputs %+v, want %+v", got.Outputs, want.Outputs)
	}
	sameParams(t, got.Params, want.Params)
}

// sameResponse compares two answers.
func sameResponse(t *testing.T, got, want *Response) {
	t.Helper()
	sameElements(t, got.Outputs, want.Outputs)
	if got.ID != want.ID || got.Model != want.Model || got.Version != want.Version {
		t.Errorf("%+v, want %+v", got, want)
	}
	sameParams(t, got.Params, want.Params)
}

// sameParams compares parameters; NaN equals NaN.
func sameParams(t *testing.T, got, want []Param) {
	t.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w && len(got)+len(want) > 0 {
		t.Errorf("parameters %s, want %s", g, w)
	}
}

// sameElements compares tensors by name, dtype, shape and what JSON says of their elements: NaN is NaN, whatever its
// bits.
func sameElements(t *testing.T, got, want []tensor.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		same := tensor.Equal(g, w) || g.DType == w.DType && g.Shape.Equal(w.Shape) && g.DType.IsFloat() && string(mustElements(t, g)) == string(mustElements(t, w))
		if g.Name != w.Name || !same {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
}
