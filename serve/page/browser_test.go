package page_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"infer/internal/wire"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/serve/observe"
	"infer/serve/page"
	"infer/serve/repository"
)

type fake struct{}

func (fake) Ready() bool { return true }
func (fake) Index() []repository.State {
	return []repository.State{{Name: "squeezenet1.1", Version: "1", State: "READY"}, {Name: "iris-rf", Version: "3", State: "READY"}, {Name: "broken", Version: "1", State: "UNAVAILABLE", Reason: `open model "broken.onnx": the file is truncated: 1024 of 90112 bytes are there`}}
}

func ports(name string, d tensor.DType, shape ...int64) ([]wire.Port, []model.Port) {
	ty := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, s := range shape {
		if s < 0 {
			ty.Dims = append(ty.Dims, onnx.Dim{Name: "N"})
		} else {
			ty.Dims = append(ty.Dims, onnx.Fixed(s))
		}
	}
	return []wire.Port{{Name: name, DType: d, Shape: shape}}, []model.Port{{Name: name, Type: ty}}
}

var loaded = time.Date(2026, 11, 27, 5, 0, 0, 0, time.UTC)

func infos() []*repository.Info {
	a, am := ports("data_0", tensor.Float32, 1, 3, 224, 224)
	b, bm := ports("float_input", tensor.Float32, -1, 4)
	return []*repository.Info{
		{Name: "squeezenet1.1", Version: "1", Digest: strings.Repeat("ab12", 16), Inputs: a, Model: am, Outputs: []wire.Port{{Name: "softmaxout_1", DType: tensor.Float32, Shape: []int64{1, 1000}}}, Instances: 2, Threads: 1, BatchNote: "the model fixes axis 0 to 1", Loaded: loaded},
		{Name: "iris-rf", Version: "3", Digest: strings.Repeat("c0de", 16), Inputs: b, Model: bm, Outputs: []wire.Port{{Name: "label", DType: tensor.Int64, Shape: []int64{-1}}, {Name: "scores", DType: tensor.Float32, Shape: []int64{-1, 3}}}, MaxBatch: 64, BatchAxis: true, BatchNote: "rows do not affect each other: 8 rows together equal 8 alone", Instances: 1, Threads: 2, Loaded: loaded},
	}
}

var all = infos()

func (fake) Infos() []*repository.Info { return all }
func (fake) Stats(_, _ string) ([]repository.Stats, error) {
	return []repository.Stats{{Name: "squeezenet1.1", Version: "1", Success: repository.Duration{Count: 123456}, Fail: repository.Duration{Count: 3}, Waiting: 2, Running: 1}}, nil
}
func (fake) Live() []observe.Live {
	l := observe.Live{Model: "squeezenet1.1", Version: "1"}
	for i := range 60 {
		f := func(x float64) *float64 { return &x }
		s := observe.Step{Answered: 180 + 40*float64(i%7)/7, Refused: float64(i % 5)}
		if i > 8 {
			s.LatencyP50, s.LatencyP99 = f(0.005+0.001*float64(i%4)), f(0.014+0.003*float64(i%6))
			s.QueueP50, s.QueueP99 = f(0.00002*float64(1+i%3)), f(0.004+0.001*float64(i%5))
			s.BatchRows = f(1 + float64(i%9)/4)
		}
		l.Steps = append(l.Steps, s)
	}
	return []observe.Live{l, {Model: "iris-rf", Version: "3", Steps: make([]observe.Step, 60)}}
}

func serveFake(t *testing.T) string {
	p := page.New(fake{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, body, ok := p.Get(r.URL.EscapedPath()); ok {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Security-Policy", page.Policy)
			w.Write(body)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/infer") {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Server-Timing", "queue;dur=0.021, run;dur=4.912")
			w.Header().Set("X-Infer-Batch-Size", "1")
			w.Write([]byte(`{"model_name":"iris-rf","model_version":"3","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[2]},{"name":"scores","datatype":"FP32","shape":[1,3],"data":[0.02,0.17,0.81]}]}`))
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestLook(t *testing.T) {
	url := serveFake(t)
	c := startChrome(t)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1200, 360} {
			c.look(width, scheme)
			c.open(url + "/")
			c.wait(`document.querySelectorAll(".card").length === 3`)
			c.eval(`document.querySelectorAll("details.try")[1].open = true; document.querySelectorAll("form.try-form")[1].requestSubmit()`, nil)
			c.wait(`document.querySelector(".answer .bars")`)
			var wide int
			c.eval(`document.documentElement.scrollWidth`, &wide)
			if wide > width {
				t.Errorf("at %d px the page is %d px wide", width, wide)
			}
			c.shot(scheme + map[int]string{1200: "-desktop", 360: "-phone"}[width])
			if axe := os.Getenv("INFER_TEST_AXE"); axe != "" {
				src, err := os.ReadFile(axe)
				if err != nil {
					t.Fatal(err)
				}
				c.eval(string(src)+"; 0", nil)
				var v []struct {
					ID, Help string
					Nodes    []struct{ HTML, FailureSummary string }
				}
				c.eval(`axe.run().then((r) => r.violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.map((n) => ({html: n.html, failureSummary: n.failureSummary}))})))`, &v)
				for _, x := range v {
					t.Errorf("%s %d: axe: %s: %s: %v", scheme, width, x.ID, x.Help, x.Nodes)
				}
			}
		}
	}
	for _, e := range c.errors {
		t.Error("the page:", e)
	}
}
