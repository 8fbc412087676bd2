package wire

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

// held returns the bytes that an arena has taken.
func held(a *arena) int { return 8*cap(a.block) + stringSize*cap(a.strs) }

// smallEnough fails where a message took more memory than a fixed amount and a small multiple of its size.
func smallEnough(t *testing.T, a *arena, size int) {
	t.Helper()
	if held(a) > 64<<10+32*size {
		t.Errorf("%d bytes taken for a message of %d", held(a), size)
	}
}

// refused fails where an error is none of the client's.
func refused(t *testing.T, err error) {
	t.Helper()
	if fault.HTTPStatus(err)/100 != 4 && fault.KindOf(err) != fault.Unsupported {
		t.Errorf("an error that blames the server: %v", err)
	}
	if len(err.Error()) > 8<<10 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// hasHalf reports whether a tensor is in half precision, which JSON does not carry.
func hasHalf(list []tensor.Tensor) bool {
	for i := range list {
		if list[i].DType == tensor.Float16 || list[i].DType == tensor.BFloat16 {
			return true
		}
	}
	return false
}

// notUTF8 reports whether err is that of a string that JSON cannot carry.
func notUTF8(err error) bool { return err != nil && strings.Contains(err.Error(), "not UTF-8") }

func FuzzDecodeOIP(f *testing.F) {
	for _, c := range refusedBodies {
		if len(c.body) < 1<<12 {
			f.Add([]byte(c.body), -1)
		}
	}
	text := `{"id":"1","parameters":{"priority":1,"timeout":5,"p":1.5},"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"outputs":[{"name":"o","parameters":{"classification":1}}]}`
	f.Add([]byte(text+"\x00\x00\x80\x3f\x00\x00\x00\x40"), len(text))
	f.Add([]byte(in("[2]", "BYTES", `"data":["a\u0000","\ud83d\ude00"]`)), -1)
	text = in("[2]", "BYTES", `"parameters":{"binary_data_size":10}`)
	f.Add(append([]byte(text), framed("a", "b")...), len(text))
	f.Add([]byte("12345678"), 0)
	ports := []Port{{Name: "x", DType: tensor.Float32, Shape: []int64{-1, 2}}}
	f.Fuzz(func(t *testing.T, body []byte, jsonLen int) {
		var r Request
		err := r.DecodeOIP(body, jsonLen, "m", ports, DefaultLimits)
		smallEnough(t, &r.arena, len(body))
		if err != nil {
			refused(t, err)
			return
		}
		for _, inBinary := range []bool{true, false} {
			again, n, err := AppendOIPRequest(nil, &r, inBinary)
			if !inBinary && (hasHalf(r.Inputs) || notUTF8(err)) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			var back Request
			if err := back.DecodeOIP(again, n, "m", ports, DefaultLimits); err != nil {
				t.Fatalf("%q: %v", again, err)
			}
			back.Timeout, r.Timeout = back.Timeout.Truncate(1000), r.Timeout.Truncate(1000)
			sameRequest(t, &back, &r)
		}
	})
}

func FuzzDecodeOIPResponse(f *testing.F) {
	text := `{"id":"1","model_name":"m","model_version":"2","parameters":{"p":"q"},"outputs":[{"name":"o","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}`
	f.Add([]byte(text+"\x00\x00\x80\x3f\x00\x00\x00\x40"), len(text))
	f.Add([]byte(`{"model_name":"m","outputs":[{"name":"o","shape":[1,2],"datatype":"INT8","data":[[1,-2]]}]}`), -1)
	f.Add([]byte(`{"error":"no"}`), -1)
	f.Fuzz(func(t *testing.T, body []byte, jsonLen int) {
		var r Response
		err := r.DecodeOIPResponse(body, jsonLen, DefaultLimits)
		smallEnough(t, &r.arena, len(body))
		if err != nil {
			refused(t, err)
			return
		}
		for _, inBinary := range []bool{true, false} {
			again, n, err := AppendOIP(nil, &r, nil, inBinary)
			if !inBinary && (hasHalf(r.Outputs) || notUTF8(err)) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			var back Response
			if err := back.DecodeOIPResponse(again, n, DefaultLimits); err != nil {
				t.Fatalf("%q: %v", again, err)
			}
			sameResponse(t, &back, &r)
		}
	})
}

func FuzzDecodeTFS(f *testing.F) {
	for _, body := range []string{
		`{"instances":[{"x":[1,2],"s":"a","h":1,"i":2},{"x":[3,4],"s":{"b64":"YQ=="},"h":1,"i":2}]}`,
		`{"signature_name":"","inputs":{"x":[[1],[2]],"s":[["a"],["\u0000"]]}}`, `{"instances":[[1]]}`, `{"inputs":{"x":[[],[]]}}`,
		`{"inputs":{"x":[[1],[2,3]]}}`, `{"inputs":{"i":9223372036854775808}}`,
	} {
		f.Add([]byte(body))
	}
	ports := portsOf("ish")
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Request
		err := r.DecodeTFS(body, "m", ports, DefaultLimits)
		smallEnough(t, &r.arena, len(body))
		if err != nil {
			refused(t, err)
			return
		}
		// What an answer with the same tensors says is, but for its key, a request.
		answer := Response{Outputs: r.Inputs}
		text, err := AppendTFS(nil, &answer, r.Row)
		if err != nil {
			t.Fatal(err)
		}
		request := strings.Replace(strings.Replace(string(text), `{"predictions":`, `{"instances":`, 1), `{"outputs":`, `{"inputs":`, 1)
		only := ports
		if len(r.Inputs) == 1 {
			only = []Port{{Name: r.Inputs[0].Name, DType: r.Inputs[0].DType}}
		}
		var back Request
		if err := back.DecodeTFS([]byte(request), "m", only, DefaultLimits); err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		sameElements(t, back.Inputs, r.Inputs)
	})
}
