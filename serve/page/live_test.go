package page_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"infer/internal/chromium"
	"infer/model/tensor"
)

// TestLive reads what the page polls, from a real server after three requests.
func TestLive(t *testing.T) {
	url := serving(t, nil, digits(t), identity(t, "text", tensor.String, 2))
	body := []byte(`{"inputs":{"x":["a","b"]}}`)
	for range 3 {
		if status, _, answer := request(t, http.MethodPost, url+"/predictions/text", "application/json", body, nil); status != http.StatusOK {
			t.Fatalf("status %d: %s", status, answer)
		}
	}
	_, kind, answer := request(t, http.MethodGet, url+"/live", "", nil, nil)
	if kind != "application/json" {
		t.Errorf("content type %q", kind)
	}
	var live struct {
		Ready  bool
		Models []struct {
			Name, Version, State, Digest, Declared string
			Inputs                                 []struct {
				Name, Datatype string
				Shape          []int64
				Example        struct {
					Shape []int64
					Data  []any
				}
			}
			Requests int
		}
		Figures []map[string]any
	}
	if err := json.Unmarshal(answer, &live); err != nil {
		t.Fatal(err)
	}
	if !live.Ready || len(live.Models) != 2 || len(live.Figures) != 2 {
		t.Fatalf("%s", answer)
	}
	image, text := live.Models[0], live.Models[1]
	if image.Name != "digits" || image.Version != "1" || image.State != "READY" || len(image.Digest) != 64 || image.Declared != "image" {
		t.Errorf("%+v", image)
	}
	in := image.Inputs[0]
	if in.Datatype != "FP32" || !slices.Equal(in.Shape, []int64{-1, 1, 8, 8}) || !slices.Equal(in.Example.Shape, []int64{1, 1, 8, 8}) || len(in.Example.Data) != 1 {
		t.Errorf("%+v", in)
	}
	if text.Requests != 3 || text.Inputs[0].Datatype != "BYTES" || fmt.Sprintf("%T", text.Inputs[0].Example.Data[0]) != "string" {
		t.Errorf("%+v", text)
	}
	for _, name := range []string{"answered", "unanswered", "latency_p50", "latency_p99", "queue_p50", "queue_p99", "batch_rows"} {
		series, _ := live.Figures[0][name].([]any)
		if len(series) != 60 {
			t.Errorf("%s has %d values, not one a second of a minute", name, len(series))
		}
	}
	if live.Figures[0]["latency_p50"].([]any)[0] != nil {
		t.Error("a second without requests has a latency")
	}
}

// TestLiveOrder: a model that cannot serve stands behind those that do, with why and what to do about it, and a model
// that can batch says what that gains.
func TestLiveOrder(t *testing.T) {
	_, _, answer := request(t, http.MethodGet, serving(t, nil, broken(t), digits(t))+"/live", "", nil, nil)
	var live struct {
		Ready  bool
		Models []struct {
			Name, State, Reason, Hint string
			BatchNote                 string `json:"batch_note"`
			Gain                      struct {
				Rows     int
				Together float64 `json:"together_seconds"`
				Alone    float64 `json:"alone_seconds"`
			}
		}
	}
	if err := json.Unmarshal(answer, &live); err != nil {
		t.Fatal(err)
	}
	if !live.Ready || len(live.Models) != 2 {
		t.Fatalf("%s", answer)
	}
	good, bad := live.Models[0], live.Models[1]
	if good.Name != "digits" || good.State != "READY" || good.Gain.Rows < 1 || good.Gain.Alone <= 0 || good.Gain.Together <= 0 {
		t.Errorf("first is %+v", good)
	}
	if bad.Name != "a-broken-one" || bad.State != "UNAVAILABLE" || bad.Reason == "" || bad.Hint == "" {
		t.Errorf("last is %+v", bad)
	}
}

// TestHalves holds the half precision of the page's script to that of the program: rounding, ties, subnormal numbers,
// overflow, NaN.
func TestHalves(t *testing.T) {
	values := []float64{0, math.Copysign(0, -1), 1, -2.5, 65504, 65519, 65520, 1e30, -1e30, 6e-8, 2.9e-8, 3e-8, 1e-9, 2049, 2051, 1.0 / 3, 0.1}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		values = append(values, math.Ldexp(r.NormFloat64(), r.IntN(48)-30))
	}
	for i, v := range values {
		values[i] = float64(float32(v)) // one rounding, not two
	}
	list, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	c := chromium.Start(t)
	c.Open(serving(t, nil, digits(t)) + "/")
	for datatype, bits := range map[string]func(float32) uint16{"FP16": tensor.Float16Bits, "BF16": tensor.BFloat16Bits} {
		var got []uint16
		c.Eval(fmt.Sprintf(`import("/page/oip.js").then(async ({ encode }) => {
			const { headers, body } = encode([{ name: "x", shape: [%d], datatype: %q, data: %s }], []);
			const bytes = await body.slice(Number(headers["Inference-Header-Content-Length"])).arrayBuffer();
			return [...new Uint16Array(bytes)];
		})`, len(values), datatype, list), &got)
		if len(got) != len(values) {
			t.Fatalf("%s: %d values of %d", datatype, len(got), len(values))
		}
		for i, v := range values {
			if want := bits(float32(v)); got[i] != want {
				t.Errorf("%s of %v is %#04x, want %#04x", datatype, v, got[i], want)
			}
		}
	}
}
