package trace

import (
	"strings"
	"testing"
)

// kineto is PyTorch's trace as its usual builds write it: two steps, modules around an operator, a kernel of a device
// that ends behind its step, a range that the device repeats, a flow arrow.
const kineto = `{
  "schemaVersion": 1,
  "deviceProperties": [{"id": 0, "name": "GPU"}],
  "traceEvents": [
  {
    "ph": "X", "cat": "cpu_op", "name": "aten::conv2d", "pid": 9, "tid": 9, "ts": 1600000000000010.500, "dur": 40.250,
    "args": {"External id": 1, "Input Dims": [[1, 3, 8, 8], [4, 3, 3, 3], []], "Input type": ["float", "float", "Scalar"]}
  },
  {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 9, "tid": 9, "ts": 1600000000000020.500, "dur": 10, "args": {"correlation": 1}},
  {"ph": "X", "cat": "kernel", "name": "gemm<float, 4>", "pid": 0, "tid": 7, "ts": 1600000000000095.000, "dur": 30, "args": {"correlation": 1}},
  {"ph": "X", "cat": "gpu_user_annotation", "name": "ProfilerStep#1", "pid": 0, "tid": 7, "ts": 1600000000000000, "dur": 100},
  {"ph": "s", "id": 1, "pid": 9, "tid": 9, "ts": 1600000000000020.500, "cat": "ac2g", "name": "ac2g"},
  {"ph": "X", "cat": "python_function", "name": "nn.Module: Net_0", "pid": 9, "tid": 9, "ts": 1600000000000005, "dur": 60},
  {"ph": "X", "cat": "python_function", "name": "nn.Module: Conv2d_0", "pid": 9, "tid": 9, "ts": 1600000000000008, "dur": 50},
  {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#1", "pid": 9, "tid": 9, "ts": 1600000000000000, "dur": 100},
  {"ph": "X", "cat": "user_annotation", "name": "ProfilerStep#2", "pid": 9, "tid": 9, "ts": 1600000000000100, "dur": 100},
  {"ph": "X", "cat": "cpu_op", "name": "aten::relu", "pid": 9, "tid": 9, "ts": 1600000000000150, "dur": 5},
  {"ph": "X", "cat": "cpu_op", "name": "aten::late", "pid": 9, "tid": 9, "ts": 1600000000000900, "dur": 5},
  {"ph": "X", "cat": "Trace", "name": "PyTorch Profiler (0)", "pid": "Spans", "tid": "PyTorch Profiler", "ts": 1600000000000000, "dur": 1000}
  ]
}`

func TestReadPyTorch(t *testing.T) {
	got, err := Read(strings.NewReader(kineto), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Format != PyTorch || got.Runs != 2 || got.Cut {
		t.Fatalf("%+v", got)
	}
	near(t, "a step", got.RunSeconds[0], 100e-6)
	want := map[string]float64{ // seconds of self time in the first step, then in the second
		"Net_0": 10e-6, "Net_0/Conv2d_0": 9.75e-6, "Net_0/Conv2d_0/aten::conv2d": 30.25e-6,
		"Net_0/Conv2d_0/cudaLaunchKernel": 10e-6, "gemm<float, 4>": 30e-6, "aten::relu": 0,
	}
	if len(got.Nodes) != len(want) {
		t.Errorf("%d nodes, want %d", len(got.Nodes), len(want))
	}
	for _, n := range got.Nodes {
		near(t, n.Name, n.Seconds[0], want[n.Name])
		switch n.Op {
		case "aten::conv2d":
			if n.Provider != "cpu" || len(n.Inputs) != 2 || n.Shapes != "float 1x3x8x8, float 4x3x3x3" {
				t.Errorf("%+v", n)
			}
			near(t, "total", n.Total[0], 40.25e-6)
		case "gemm<float, 4>":
			if n.Provider != "gpu" {
				t.Errorf("a kernel on %q", n.Provider)
			}
		}
	}
	if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, "1 events outside") || !strings.Contains(notes, "beside each other") {
		t.Errorf("notes %q", got.Notes)
	}
}

// TestReadPyTorchOld reads what PyTorch 1.13 without libkineto wrote, which tells no categories: the times of its
// operators are those that the file shows.
func TestReadPyTorchOld(t *testing.T) {
	got, err := ReadFile("testdata/torch-1.13.json", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Format != PyTorch || got.Runs != 2 || got.Skipped != 1 {
		t.Fatalf("%+v", got)
	}
	near(t, "the last step", got.RunSeconds[1], 253e-6)
	for _, n := range got.Nodes {
		if n.Name == "aten::addmm" {
			near(t, "aten::addmm without what it calls", n.Seconds[1], (74-1-1-0-0)*1e-6)
			near(t, "aten::addmm", n.Total[1], 74e-6)
		}
	}
}

func TestReadChrome(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"whole spans", `[{"ph":"M","name":"process_name","pid":1},{"ph":"X","name":"in\"ner","ts":3,"dur":4,"pid":1,"tid":1},{"ph":"X","name":"outer","ts":1,"dur":9,"pid":1,"tid":1}]`},
		{"begins and ends", `[{"ph":"B","name":"outer","ts":1,"pid":1,"tid":1},{"ph":"B","name":"in\"ner","ts":3,"pid":1,"tid":1},{"ph":"E","ts":7,"pid":1,"tid":1},{"ph":"E","ts":10,"pid":1,"tid":1}`},
		{"one a line", `{"traceEvents":[` + "\n" + `{"ph":"X","name":"outer","ts":1e0,"dur":9.0,"pid":"a","tid":"b"},` + "\n" + `{"ph":"X","name":"in\"ner","ts":3,"dur":4,"pid":"a","tid":"b"}` + "\n]}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.text), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != Chrome || got.Runs != 1 || len(got.Nodes) != 2 || len(got.Notes) == 0 {
				t.Fatalf("%+v", got)
			}
			near(t, "run", got.RunSeconds[0], 9e-6)
			for _, n := range got.Nodes {
				near(t, n.Name, n.Seconds[0], map[string]float64{"outer": 5e-6, `in"ner`: 4e-6}[n.Name])
			}
		})
	}
}

func TestReadNsight(t *testing.T) {
	lines := `{"data":["a","gemm<float, 4>","relu"],"files":[]}
{"Type":48,"TraceProcessEvent":{"startNs":"5","endNs":"9","name":"0","globalTid":"1"}}
{"Type":79,"CudaEvent":{"startNs":"1000","endNs":"3000","deviceId":1,"streamId":"7","kernel":{"demangledName":"1","shortName":"1"}}}
{"Type":79,"CudaEvent":{"startNs":"4000","endNs":"5000","deviceId":1,"streamId":"7","kernel":{"demangledName":"1","shortName":"1"}}}
{"Type":80,"CudaEvent":{"startNs":"5000","endNs":"5500","deviceId":1,"streamId":"8","memcpy":{"sizebytes":"4"}}}
{"Type":106,"CudaEvent":{"startNs":"5000","endNs":"9500","deviceId":0,"streamId":"8","sync":{"eventId":1}}}
`
	sums := "Generating SQLite file x.sqlite from x.nsys-rep\nProcessing [x.sqlite] with [cuda_gpu_kern_sum.py]... \n\n" +
		"Time (%),Total Time (ns),Instances,Avg (ns),Name\n85.7,3000,2,1500.0,\"gemm<float, 4>\"\n14.3,500,1,500.0,[CUDA memcpy]\n\n"
	calls := "Start (ns),Duration (ns),CorrId,Device,Strm,Name\n1000,2000,1,GPU (0),7,\"gemm<float, 4>\"\n4000,1000,2,GPU (0),7,\"gemm<float, 4>\"\n5000,500,3,GPU (0),7,[CUDA memcpy]\n"
	for _, c := range []struct{ name, text string }{
		{"export as json", lines},
		{"sums", sums},
		{"sums in microseconds", strings.NewReplacer("(ns)", "(us)", "3000", "3.0", ",500,", ",0.5,").Replace(sums)},
		{"calls", calls},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.text), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != Nsight || got.Runs != 1 || len(got.Nodes) != 2 || len(got.Notes) == 0 {
				t.Fatalf("%+v", got)
			}
			n := got.Nodes[0]
			if n.Name != "gemm<float, 4>" || n.Calls != 2 || n.Provider != "gpu" || got.Nodes[1].Name != "[CUDA memcpy]" {
				t.Errorf("%+v\n%+v", n, got.Nodes[1])
			}
			near(t, "kernel", n.Seconds[0], 3e-6)
			near(t, "copy", got.Nodes[1].Seconds[0], 0.5e-6)
		})
	}
	for _, text := range []string{`{"data":["a"]}` + "\n", "Time (%),Total Time (ns),Instances,Name\n", `{"Type":1,"x":{}} {`} {
		if _, err := Read(strings.NewReader(text), 0); err == nil {
			t.Errorf("%q is read as a trace", text)
		}
	}
}
