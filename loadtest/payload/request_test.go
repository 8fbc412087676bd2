package payload

import (
	"slices"
	"strconv"
	"testing"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// mixed is a set of two payloads with inputs of several dtypes and one axis of rows.
func mixed() (*Set, []wire.Port) {
	s := &Set{}
	for i := range 2 {
		f := float32(i)
		s.Payloads = append(s.Payloads, Payload{Inputs: []tensor.Tensor{
			floats("x", tensor.Shape{2, 2}, f, 0.1, -3, 1e30), ints("i", tensor.Shape{2}, int64(i), -1<<62), texts("s", tensor.Shape{2}, "ä\"\n", ""),
		}})
	}
	return s, []wire.Port{{Name: "x", DType: tensor.Float32, Shape: []int64{-1, 2}}, {Name: "i", DType: tensor.Int64, Shape: []int64{-1}}, {Name: "s", DType: tensor.String, Shape: []int64{-1}}}
}

func same(t *testing.T, got, want []tensor.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Name != want[i].Name || !tensor.Equal(got[i], want[i]) {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

// TestRequests: what is sent, the server's half of wire understands.
func TestRequests(t *testing.T) {
	s, ports := mixed()
	for _, binary := range []bool{true, false} {
		list, err := OIPRequests(s, "a/b", "3", binary)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range list {
			jsonLen := -1
			if at := slices.IndexFunc(r.Header, func(h Header) bool { return h.Name == "Inference-Header-Content-Length" }); at >= 0 {
				if jsonLen, err = strconv.Atoi(r.Header[at].Value); err != nil {
					t.Fatal(err)
				}
			}
			var got wire.Request
			if err := got.DecodeOIP(r.Body, jsonLen, "m", ports, wire.DefaultLimits); err != nil {
				t.Fatal(err)
			}
			same(t, got.Inputs, s.Payloads[i].Inputs)
			if got.Binary != binary || binary != (jsonLen > 0) || r.Path != "/v2/models/a%2Fb/versions/3/infer" || r.Method != "POST" {
				t.Errorf("%+v, outputs in binary %v", r, got.Binary)
			}
		}
	}
	for _, c := range []struct {
		make func(*Set, string, string) ([]Request, error)
		path string
	}{{TFSRequests, "/v1/models/m/versions/3:predict"}, {TorchServeRequests, "/predictions/m/3"}} {
		list, err := c.make(s, "m", "3")
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range list {
			var got wire.Request
			if err := got.DecodeTFS(r.Body, "m", ports, wire.DefaultLimits); err != nil {
				t.Fatal(err)
			}
			same(t, got.Inputs, s.Payloads[i].Inputs)
			if !got.Row || r.Path != c.path || r.Header[0] != (Header{"Content-Type", "application/json"}) {
				t.Errorf("%+v", r)
			}
		}
	}
	messages, err := ModelInfers(s, "m", "3", true)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range messages {
		var got wire.Request
		if err := got.DecodeModelInfer(m, wire.DefaultLimits); err != nil {
			t.Fatal(err)
		}
		same(t, got.Inputs, s.Payloads[i].Inputs)
		if got.Model != "m" || got.Version != "3" || len(got.Params) != 1 || got.Params[0] != (wire.Param{Name: "timing", Value: true}) {
			t.Errorf("%+v", got)
		}
	}
}

// TestColumns: inputs without one axis of rows are sent columnar.
func TestColumns(t *testing.T) {
	x, scalar := floats("x", tensor.Shape{1, 2}, 1, 2), ints("i", nil, 7)
	empty, _ := tensor.New("x", tensor.Float32, tensor.Shape{0, 2})
	for _, in := range [][]tensor.Tensor{{x, scalar}, {empty}, {x, ints("i", tensor.Shape{3}, 1, 2, 3)}} {
		list, err := TFSRequests(&Set{Payloads: []Payload{{Inputs: in}}}, "m", "")
		if err != nil || string(list[0].Body[:10]) != `{"inputs":` || list[0].Path != "/v1/models/m:predict" {
			t.Errorf("%s %v", list[0].Body, err)
		}
	}
}

func TestRequestsRefuse(t *testing.T) {
	half, _ := tensor.New("x", tensor.Float16, tensor.Shape{1, 2})
	small, _ := tensor.New("x", tensor.Int4, tensor.Shape{1, 2})
	of := func(t tensor.Tensor) *Set { return &Set{Payloads: []Payload{{Inputs: []tensor.Tensor{t}}}} }
	_, err := OIPRequests(of(half), "m", "", false)
	refuses(t, err, "binary data format")
	if _, err := OIPRequests(of(half), "m", "", true); err != nil {
		t.Error(err)
	}
	for _, make := range []func(*Set, string, string) ([]Request, error){TFSRequests, TorchServeRequests} {
		if _, err := make(of(small), "m", ""); fault.KindOf(err) != fault.Unsupported {
			t.Error(err)
		}
		_, err := make(of(half), "", "")
		refuses(t, err, "the name of the model is not known")
	}
	if _, err := ModelInfers(of(small), "m", "", false); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
}
