package advice

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"infer/internal/host"
	"infer/internal/stats"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/report"
)

// histogram is that of n runs that go up evenly from lo to hi seconds.
func histogram(n int, lo, hi float64) *stats.Histogram {
	h := stats.NewHistogram()
	for i := range n {
		h.Add(lo + (hi-lo)*float64(i)/float64(max(1, n-1)))
	}
	return h
}

// spinning lets the threads spin for longer than the run took.
func spinning(f *Facts) { f.Details.Idle.Spin, f.Details.Idle.CPU = 0.05, 0.045 }

// quiet are the facts of a profile in which nothing is wrong: two threads on two CPUs, nobody else, all that can be
// measured was.
func quiet() *Facts {
	d := report.New("profile")
	p50 := report.NewMetric("latency_p50")
	p50.Value, p50.N = ptr(0.010), 500
	d.Add(p50)
	return &Facts{
		Document: d, Path: "model.onnx", Config: engine.Config{Threads: 2}, Model: quantized("Sin"),
		CPUs:         host.CPUs{Count: 2, Affinity: 2, Source: "affinity"},
		Machine:      host.Machine{Cores: 2, Threads: 2, NUMANodes: 1, ISA: []string{"avx2", "avx512_vnni"}},
		Interference: host.Interference{Wall: 5, SelfCPU: 9.9, RunQueueDelay: 0.01},
		Details: &report.ProfileDetails{
			ProfiledRuns: 20, Latency: histogram(500, 0.0100, 0.0101),
			ByNode: []report.Share{
				{Name: "conv", Op: "Conv", Provider: "CPUExecutionProvider", Count: 1, Seconds: 0.008, Share: 0.8, Class: "compute", Parallel: ptr(1), Wait: ptr(0.1), Bytes: ptr(1e6), WeightBytes: ptr(1e5)},
				{Name: "pool", Op: "MaxPool", Provider: "CPUExecutionProvider", Count: 1, Seconds: 0.002, Share: 0.2, Class: "memory", Parallel: ptr(0), Bytes: ptr(1e6), WeightBytes: ptr(0)},
			},
			Correction: &report.Correction{Untraced: report.Interval{Value: 0.0101, N: 10}, Sum: report.Interval{Value: 0.010, N: 10}, Residual: 0.0001, Nodes: 2, Scale: 1, Calibrated: "a chain"},
			Cold:       []report.ColdStart{{SessionInit: 0.1, FirstRun: 0.02}},
			Stages: []report.StageRow{{Stage: "pre", Latency: histogram(50, 0.002, 0.0021)}, {Stage: "pre pipelined", Latency: histogram(50, 0.002, 0.0021)},
				{Stage: "forward pipelined", Latency: histogram(50, 0.010, 0.0101)}},
			Memory:    &report.Memory{Initializers: 10 << 20, Allocator: &report.Allocator{PeakInUse: 30 << 20, Held: 60 << 20}},
			Trace:     &report.TraceInfo{Run: report.Interval{Value: 0.011, N: 20}, Runs: 20, Events: 1000},
			Denormals: &report.Denormals{Scanned: 2, Elements: 1000},
			Idle:      &report.Idle{Share: 0.9, Spin: 0.005, CPU: 0.0045, Gap: 0.2, N: 5}, // less than the run itself
			Batches:   []report.BatchRow{{Batch: 4, Latency: histogram(50, 0.04, 0.041), FirstRun: 0.05}},
		},
		Ran: enginetest.Identity(1, 4).Proto,
	}
}

func TestQuiet(t *testing.T) {
	if got := Unjudged(quiet()); len(got) > 0 {
		t.Errorf("not judged: %v", got)
	}
	if got := Check(quiet()); len(got) > 0 {
		t.Errorf("it says %+v", got)
	}
}

// TestTrouble makes one thing wrong at a time: that rule speaks, and no other.
func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		rule    string
		wrong   func(f *Facts)
		what    string // part of the finding
		command string
		bound   float64
	}{
		{"CPU-OVERSUB", func(f *Facts) { f.Config.Threads = 4 }, "4 threads share 2 usable CPUs", "infer profile model.onnx --threads 2", 0},
		{"CPU-THROTTLED", func(f *Facts) { f.Interference.ThrottledCount, f.Interference.Throttled = 7, 0.5 }, "in 7 periods", "infer profile model.onnx --threads 1", 0},
		{"CO-TENANT", func(f *Facts) { f.Interference.OtherCPU = 0.4 }, "40 % of the machine", "infer profile model.onnx --session-config session.intra_op.allow_spinning=0", 0},
		// 16 % and 84 % of 10 to 20 ms evenly are 11.6 and 18.4: (18.4 - 11.6)/2/15 = 22.7 %.
		{"NOISE", func(f *Facts) { f.Details.Latency = histogram(500, 0.010, 0.020) }, "vary by 22.", "infer profile model.onnx --duration 20s", 0},
		{"NOISE", func(f *Facts) { f.Interference.Steal = 1 }, "the hypervisor took 10 %", "infer profile model.onnx --duration 20s", 0},
		{"SMT", func(f *Facts) { f.Machine.SMT, f.Machine.Cores = true, 1 }, "2 threads on 1 physical core", "infer profile model.onnx --threads 1", 0},
		{"NUMA", func(f *Facts) { f.Machine.NUMANodes = 2 }, "one NUMA node of 1 CPU", "infer profile model.onnx --threads 1", 0},
		{"NO-VNNI", func(f *Facts) { f.Machine.ISA = []string{"avx2"} }, "8-bit dot products", "", 0},
		{"SPIN-IDLE", spinning, "45 ms of CPU time, a run takes 10 ms", "infer profile model.onnx --session-config session.intra_op.allow_spinning=0", 0},
		// The pipeline takes 6 + 10 ms; as fast as alone it would take 2 + 10: 16/12 = 1.33.
		{"SPIN-PREPOST", func(f *Facts) { f.Details.Stages[1].Latency = histogram(50, 0.0060, 0.0061) }, "pre takes 2.9", "infer profile model.onnx --session-config session.intra_op.allow_spinning=0", 1.33},
		// Half of a run is outside of nodes: without it twice as fast.
		{"OVERHEAD-BOUND", func(f *Facts) {
			c := f.Details.Correction
			c.Nodes, c.Below, c.Residual, c.Sum.Value = 10, 4, 0.00505, 0.00505
		}, "50 % of a run is spent between", "infer optimize model.onnx --level full", 2},
		// 80 % of the node time, 79.2 % of the run, at half the bytes: 1/(1 - 0.792/2) = 1.66.
		{"MEM-BOUND", func(f *Facts) { f.Details.ByNode[0].Class = "memory" }, "100 % of the time", "infer optimize model.onnx --level full", 1.98},
		// Of 80 % of the nodes' time 40 % is waiting; 99 % of a run is in nodes: 1/(1 - 0.317) = 1.46.
		{"IMBALANCE", func(f *Facts) { f.Details.ByNode[0].Wait = ptr(0.4) }, "40 % of the time of parallel nodes", "infer profile model.onnx --session-config session.dynamic_block_base=4", 1.46},
		// All of the nodes, 99 % of a run, over two threads: 1/(1 - 0.99/2) = 1.98.
		{"SERIAL-OPS", func(f *Facts) { f.Details.ByNode[0].Parallel = ptr(0) }, "on one thread of 2", "infer tune model.onnx", 1.98},
		{"COLD", func(f *Facts) { f.Details.Cold[0].SessionInit = 1.98 }, "as long as 200 steady runs", "infer convert model.onnx --to ort", 0},
		{"FIRST-SHAPE", func(f *Facts) { f.Details.Batches[0].FirstRun = 0.4 }, "takes 9.9", "infer optimize model.onnx --fix-dims", 0},
		{"ARENA", func(f *Facts) { f.Details.Memory.Allocator.Held = 120 << 20 }, "holds 126 MB and never used more than 31.5 MB", "infer profile model.onnx --session-config session.use_device_allocator_for_initializers=1", 0},
		{"OPT-LEVEL", func(f *Facts) { f.Config.OptLevel = engine.OptBasic }, "basic rewrites", "infer profile model.onnx", 0},
		{"PREPACK-OFF", func(f *Facts) { f.Config.Entries = map[string]string{"session.disable_prepacking": "1"} }, "not laid out", "infer profile model.onnx", 0},
		{"CAP", func(f *Facts) { f.Details.Trace.Capped = true }, "limit of events", "infer profile model.onnx --profiled-runs 10", 0},
		{"DENORMALS", func(f *Facts) {
			f.Details.Denormals.Found, f.Details.Denormals.Speedup = 9, &report.Interval{Value: 3, Lo: ptr(2.9), Hi: ptr(3.1), N: 9}
		}, "9 of 1000 weights", "", 3},
		{"EP-FALLBACK", func(f *Facts) {
			f.Config.Providers = []engine.ProviderSpec{{Name: "cuda"}, {Name: "cpu"}}
			f.Details.ByNode[0].Provider = "CUDAExecutionProvider"
			f.Details.ByNode = append(f.Details.ByNode, report.Share{Name: "Memcpy", Op: "MemcpyToHost", Provider: "CUDAExecutionProvider", Count: 1, Bytes: ptr(2e6), Parallel: ptr(1)})
		}, "1 node fell back", "infer inspect model.onnx", 1.25},
	} {
		t.Run(c.rule, func(t *testing.T) {
			f := quiet()
			c.wrong(f)
			got := Check(f)
			if len(got) != 1 || got[0].Rule != c.rule {
				t.Fatalf("it says %+v", got)
			}
			a := got[0]
			if !strings.Contains(a.What, c.what) || a.Command != c.command || math.Abs(a.Bound-c.bound) > 0.011 || a.Try == "" || len(a.Evidence) == 0 {
				t.Errorf("it says %+v", a)
			}
		})
	}
}

// TestSilent: what looks like trouble and is none.
func TestSilent(t *testing.T) {
	for _, c := range []struct {
		name string
		not  func(f *Facts)
	}{
		{"idle without spinning", func(f *Facts) {
			spinning(f)
			f.Config.Entries = map[string]string{"session.intra_op.allow_spinning": "0"}
		}},
		{"one thread does not spin", func(f *Facts) { spinning(f); f.Config.Threads = 1 }},
		{"bound threads", func(f *Facts) {
			f.Machine.NUMANodes, f.Config.Entries = 2, map[string]string{"session.intra_op_thread_affinities": "1"}
		}},
		{"subnormal numbers that cost nothing", func(f *Facts) {
			f.Details.Denormals.Found, f.Details.Denormals.Speedup = 9, &report.Interval{Value: 1.01, Lo: ptr(0.99), Hi: ptr(1.02), N: 9}
		}},
		{"a large arena of a small session", func(f *Facts) { f.Details.Memory.Allocator = &report.Allocator{PeakInUse: 1 << 20, Held: 16 << 20} }},
		{"a slow start of a slow model", func(f *Facts) {
			f.Details.Cold[0].SessionInit = 1.98
			*f.Document.Metrics[0].Value = 0.1
		}},
		{"short nodes whose sum is not known well enough", func(f *Facts) {
			c := f.Details.Correction
			c.Nodes, c.Below, c.Residual, c.Sum = 10, 4, 0.00505, report.Interval{Value: 0.00505, Lo: ptr(0), Hi: ptr(0.0101), N: 8}
		}},
		{"short nodes and a run that is all nodes", func(f *Facts) { c := f.Details.Correction; c.Nodes, c.Below = 10, 9 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := quiet()
			c.not(f)
			if got := Check(f); len(got) > 0 {
				t.Errorf("it says %+v", got)
			}
		})
	}
}

// TestMemoryOfWeights: where weights are most of the bytes, the advice is to store them smaller; a quantized model gets
// larger batches where its batch axis allows them.
func TestMemoryOfWeights(t *testing.T) {
	f := quiet()
	f.Model = enginetest.Identity(1, "batch", 4)
	for i := range f.Details.ByNode {
		f.Details.ByNode[i].Class, f.Details.ByNode[i].WeightBytes = "memory", f.Details.ByNode[i].Bytes
	}
	a := want(t, f, "MEM-BOUND", true)
	// All of the bytes are weights: a quarter of 99 % of the run: 1/(1 - 0.99·0.75) = 3.88.
	if a != nil && (a.Command != "infer quantize model.onnx --int8" || math.Abs(a.Bound-3.88) > 0.02) {
		t.Errorf("it says %+v", *a)
	}
	m := quantized("")
	m.Proto.Graph.Inputs[0] = value("x", 1, "batch", 8, 16, 16)
	f.Model = m
	if a := want(t, f, "MEM-BOUND", true); a != nil && (a.Command != "infer profile model.onnx --batch 1,2,4,8" || a.Bound != 0) {
		t.Errorf("it says %+v", *a)
	}
}

// TestNothingKnown: without facts nothing is said, and what is missing is.
func TestNothingKnown(t *testing.T) {
	f := &Facts{}
	if got := Check(f); len(got) > 0 {
		t.Errorf("it says %+v", got)
	}
	got := Unjudged(f)
	i := slices.IndexFunc(got, func(u report.UnjudgedRule) bool { return u.Rule == "LAYOUT" })
	if i < 0 || got[i].Why != "no times of nodes: the profile has no traced runs" {
		t.Errorf("not judged: %+v", got)
	}
}

// TestOrder: what voids the figures comes first, then the largest bound.
func TestOrder(t *testing.T) {
	f := quiet()
	f.Config.Threads = 4
	spinning(f)
	f.Details.ByNode[0].Class, f.Details.ByNode[0].Wait = "memory", ptr(0.4)
	var got []string
	for _, a := range Check(f) {
		got = append(got, a.Rule)
	}
	if w := []string{"CPU-OVERSUB", "MEM-BOUND", "IMBALANCE", "SPIN-IDLE"}; !slices.Equal(got, w) {
		t.Errorf("order is %v, want %v", got, w)
	}
}

func TestBound(t *testing.T) {
	for _, c := range []struct{ share, factor, want float64 }{
		{0.5, 2, 4.0 / 3}, {0.4, gone, 1 / 0.6}, {0, 10, 1}, {1, 4, 4}, {1, gone, 0}, {0.5, 0, 0},
	} {
		if got := Bound(c.share, c.factor); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Bound(%g, %g) is %g, want %g", c.share, c.factor, got, c.want)
		}
	}
}

// TestTable: every rule has a row in the manual, and no row is of a rule that there is not.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/advice.md")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range Rules() {
		if ids[r.ID] || r.Trigger == "" || r.Advice == "" || strings.ContainsAny(r.Trigger+r.Advice, "\n") {
			t.Errorf("rule %+v", r)
		}
		ids[r.ID] = true
		if !strings.Contains(string(text), "\n| `"+r.ID+"` |") {
			t.Errorf("docs/advice.md lacks a row for %s", r.ID)
		}
	}
	for line := range strings.Lines(string(text)) {
		if row, ok := strings.CutPrefix(line, "| `"); ok {
			if id, _, _ := strings.Cut(row, "`"); !ids[id] {
				t.Errorf("docs/advice.md tells of %s, which is no rule", id)
			}
		}
	}
}
