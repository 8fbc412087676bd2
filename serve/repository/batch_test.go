package repository

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/serve/batch"
)

// TestTogether runs calls of one, two and three rows at once that want different outputs, and looks at what each gets.
func TestTogether(t *testing.T) {
	m := enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 2), enginetest.Value("s", tensor.String, "n")),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 2), enginetest.Value("t", tensor.String, "n")),
		[]*onnx.Node{
			enginetest.Node("Neg", enginetest.Names("x"), enginetest.Names("y")),
			enginetest.Node("Identity", enginetest.Names("s"), enginetest.Names("t")),
		})
	seen := watchEvents()
	r := serve(t, Options{Observer: seen}, save(t, m, t.TempDir(), "m.onnx"))
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if !h.Info().BatchAxis {
		t.Fatal(h.Info().BatchNote)
	}
	wants, outputs := [][]string{nil, {"t", "y"}, {"y"}}, []int{2, 2, 1}
	for range 2 { // the second time with the memory of the first
		calls := make([]*Call, 3)
		jobs := make([]*batch.Job, 3)
		for k := range calls {
			c := NewCall()
			n := int64(k + 1)
			x, s := make([]float32, 2*n), make([]string, n)
			for i := range s {
				x[2*i], x[2*i+1], s[i] = float32(k), float32(i), fmt.Sprint(k, i)
			}
			c.Inputs = []tensor.Tensor{{Name: "s", DType: tensor.String, Shape: tensor.Shape{n}, Strings: s}, enginetest.Floats("x", tensor.Shape{n, 2}, x...)}
			c.Want = wants[k]
			if err := h.check(c); err != nil {
				t.Fatal(err)
			}
			c.job.Rows, c.job.Value, c.job.Queued = c.Rows, c, time.Now()
			calls[k], jobs[k] = c, &c.job
		}
		if err := h.run(t.Context(), 0, jobs); err != nil {
			t.Fatal(err)
		}
		for k, c := range calls {
			if c.err != nil || c.Batch.Rows != 6 || c.Batch.Calls != 3 || c.Batch.Span == (SpanContext{}) || len(c.Outputs) != outputs[k] {
				t.Fatalf("call %d: %v, %+v, %d outputs", k, c.err, c.Batch, len(c.Outputs))
			}
			for _, o := range c.Outputs {
				if o.Shape[0] != int64(k+1) {
					t.Fatalf("call %d: %s has shape %s", k, o.Name, o.Shape)
				}
				for i := range k + 1 {
					if o.Name == "t" && o.Strings[i] != fmt.Sprint(k, i) || o.Name == "y" && (float32s(o)[2*i] != -float32(k) || float32s(o)[2*i+1] != -float32(i)) {
						t.Fatalf("call %d: %+v", k, o)
					}
				}
			}
			c.Free()
		}
	}
	if last := seen.runs[len(seen.runs)-1]; last.Rows != 6 || last.Calls != 3 || last.Err != nil {
		t.Errorf("run %+v", last)
	}
	if s := h.stats(); s.Inferences != 12 || s.Executions != 2 || s.Success.Count != 6 {
		t.Errorf("stats %+v", s)
	}
}

// TestNotAlike: calls of two shapes that were put together are run one by one, and so are those of a run that fails.
func TestNotAlike(t *testing.T) {
	// Gather fails for an index outside the table.
	m := enginetest.Build(
		enginetest.Values(enginetest.Value("i", tensor.Int64, "n", "k")),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", "k")),
		[]*onnx.Node{enginetest.Node("Gather", enginetest.Names("table", "i"), enginetest.Names("y"))},
		enginetest.Initializer(enginetest.Floats("table", nil, 10, 11, 12, 13)))
	r := serve(t, Options{}, save(t, m, t.TempDir(), "m.onnx"))
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if !h.Info().BatchAxis {
		t.Fatal(h.Info().BatchNote)
	}
	for _, test := range []struct {
		name  string
		calls [][]int64
		bad   int // the call that fails; -1: none
	}{
		{"two shapes", [][]int64{{1}, {2, 3}}, -1},
		{"one call fails", [][]int64{{1}, {9}, {3}}, 1},
	} {
		var jobs []*batch.Job
		for _, v := range test.calls {
			c := NewCall()
			c.Inputs = []tensor.Tensor{enginetest.Int64s("i", tensor.Shape{1, int64(len(v))}, v...)}
			if err := h.check(c); err != nil {
				t.Fatal(err)
			}
			c.job.Rows, c.job.Value = 1, c
			jobs = append(jobs, &c.job)
		}
		if err := h.run(t.Context(), 0, jobs); err != errApart {
			t.Fatal(err)
		}
		for k, j := range jobs {
			c := j.Value.(*Call)
			if (c.err != nil) != (k == test.bad) {
				t.Errorf("%s: call %d: %v", test.name, k, c.err)
			}
			if c.err == nil && float32s(c.Outputs[0])[0] != float32(10+test.calls[k][0]) {
				t.Errorf("%s: call %d: %v", test.name, k, c.Outputs[0])
			}
			c.Free()
		}
	}
}

// TestConcurrent sends calls from many goroutines: each gets its own rows back, whatever ran together.
func TestConcurrent(t *testing.T) {
	seen := watchEvents()
	r := serve(t, Options{Observer: seen, Model: ModelOptions{MaxDelay: time.Millisecond, MaxBatch: 8}}, save(t, plus(1), t.TempDir(), "m.onnx"))
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for k := range 50 {
				h, err := r.Acquire("m", "", "")
				if err != nil {
					t.Error(err)
					return
				}
				c := NewCall()
				v := float32(100*g + k)
				c.Inputs = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, v, -v)}
				if err := h.Infer(t.Context(), c); err != nil {
					t.Error(err)
				} else if got := float32s(c.Outputs[0]); got[0] != v+1 || got[1] != 1-v {
					t.Errorf("%v: got %v", v, got)
				}
				c.Free()
				h.Release()
			}
		})
	}
	all.Wait()
	together := 0
	for _, run := range seen.runs {
		if run.Rows > 8 {
			t.Errorf("a run of %d rows", run.Rows)
		}
		if run.Calls > 1 {
			together++
		}
	}
	if together == 0 {
		t.Error("nothing ran together")
	}
	s, err := r.Stats("", "")
	if err != nil || len(s) != 1 || s[0].Inferences != 400 || s[0].Success.Count != 400 || s[0].Fail.Count != 0 || s[0].Waiting+s[0].Running != 0 {
		t.Errorf("stats %+v, %v", s, err)
	}
}
