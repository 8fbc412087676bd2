package trace

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"infer/internal/fault"
)

// line writes one event as ONNX Runtime 1.30 does: one a line, scalars in args as strings, the name not escaped.
func line(cat, name, op string, ts, dur string) string {
	args := `{}`
	if op != "" {
		args = `{"op_name" : "` + op + `","provider" : "CPUExecutionProvider","output_type_shape" : [{"float":[1,8]}]}`
	}
	return `{"cat" : "` + cat + `","pid" :1,"tid" :7,"dur" :` + dur + `,"ts" :` + ts + `,"ph" : "X","name" :"` + name + `","args" : ` + args + "},\n"
}

func run(lines ...string) string {
	return strings.Join(lines, "") + line("Session", "model_run", "", "0", "1000")
}

func TestRead(t *testing.T) {
	node := func(name, op, ts, dur string) string { return line("Node", name+"_kernel_time", op, ts, dur) }
	for _, c := range []struct {
		name     string
		text     string
		skip     int
		want     map[string]float64 // microseconds over all runs, by node
		runs     int
		repaired int
		skipped  int
	}{
		{
			name: "two runs, the first skipped",
			text: "[\n" + run(node("conv", "Conv", "0", "900")) + run(node("conv", "Conv", "0", "100"), node("relu", "Relu", "100", "7")) + "]\n",
			skip: 1, want: map[string]float64{"conv": 100, "relu": 7}, runs: 1, skipped: 1,
		},
		{
			name: "a loop keeps only its own time, its body runs twice",
			text: run(node("body", "Add", "12", "5"), node("body", "Add", "20", "6"), node("loop", "Loop", "10", "40")),
			want: map[string]float64{"loop": 40 - 5 - 6, "body": 11}, runs: 1,
		},
		{
			name: "what only overlaps is not nested",
			text: run(node("a", "Add", "10", "5"), node("b", "Mul", "12", "9")),
			want: map[string]float64{"a": 5, "b": 9}, runs: 1,
		},
		{
			name: "what a loop holds may seem to outlast it by the rounding",
			text: run(node("body", "Add", "12", "9"), node("loop", "Loop", "10", "10")),
			want: map[string]float64{"loop": 1, "body": 9}, runs: 1,
		},
		{
			name: "two loops within each other",
			text: run(node("body", "Add", "14", "2"), node("inner", "Loop", "12", "6"), node("outer", "Scan", "10", "20")),
			want: map[string]float64{"outer": 14, "inner": 4, "body": 2}, runs: 1,
		},
		{
			name: "nodes of other threads are not within",
			text: run(strings.Replace(node("other", "Add", "12", "5"), `"tid" :7`, `"tid" :8`, 1), node("loop", "Loop", "10", "40")),
			want: map[string]float64{"loop": 40, "other": 5}, runs: 1,
		},
		{
			name: "a name with a line end, or with the rest of an event",
			text: run(node("two\nlines", "Conv", "0", "5"), node(`x"}},{"cat":"y`, "Conv", "5", "6"), node(`back\`, "Conv", "11", "7")),
			want: map[string]float64{"two\nlines": 5, `x"}},{"cat":"y`: 6, `back\`: 7}, runs: 1, repaired: 3,
		},
		{
			name: "a run that failed leaves its nodes behind",
			text: run(node("a", "Add", "10", "1")) + node("a", "Add", "2000", "500") + line("Node", "a_kernel_time", "Add", "3001", "2") + line("Session", "model_run", "", "3000", "10"),
			want: map[string]float64{"a": 3}, runs: 2,
		},
		{
			name: "sorted by begin, as older runtimes write: a run stands before its nodes",
			text: line("Session", "model_run", "", "10", "100") + node("a", "Add", "20", "30") + node("b", "Mul", "60", "20") +
				line("Session", "model_run", "", "200", "100") + node("a", "Add", "220", "40") + node("b", "Mul", "270", "20"),
			want: map[string]float64{"a": 70, "b": 40}, runs: 2,
		},
		{
			name: "two callers at once: a call is of the run of its thread",
			text: run(node("a", "Add", "0", "1")) + strings.ReplaceAll(run(node("a", "Add", "0", "1")), `"tid" :7`, `"tid" :8`) +
				strings.ReplaceAll(node("a", "Add", "2010", "5"), `"tid" :7`, `"tid" :8`) + node("a", "Add", "2012", "7") +
				line("Session", "model_run", "", "2005", "20") + strings.ReplaceAll(line("Session", "model_run", "", "2004", "40"), `"tid" :7`, `"tid" :8`),
			want: map[string]float64{"a": 14}, runs: 4,
		},
		{
			name: "a name with a quote and a backslash is repaired",
			text: run(node(`we"ird\n/x`, "Conv", "0", "42")),
			want: map[string]float64{`we"ird\n/x`: 42}, runs: 1, repaired: 1,
		},
		{
			name: "a node called a_kernel_time loses one suffix",
			text: run(node("a_kernel_time", "Conv", "0", "3")),
			want: map[string]float64{"a_kernel_time": 3}, runs: 1,
		},
		{
			name: "fences of older runtimes are no kernel time",
			text: run(line("Node", "conv_fence_before", "Conv", "0", "50"), node("conv", "Conv", "0", "10"), line("Node", "conv_fence_after", "Conv", "10", "50")),
			want: map[string]float64{"conv": 10}, runs: 1,
		},
		{
			name: "a run that is cut off is left out",
			text: run(node("conv", "Conv", "0", "10")) + node("conv", "Conv", "0", "999"),
			want: map[string]float64{"conv": 10}, runs: 1, skipped: 1,
		},
		{
			name: "rubbish between events is passed over",
			text: "[\nnonsense\n{\"cat\": 3}\n{}\n" + run(node("a", "Add", "0", "10")) + "{\"cat\" :\n" + run(node("a", "Add", "0", "20")),
			want: map[string]float64{"a": 30}, runs: 2,
		},
		{
			name: "a branch that the first run did not take counts as zero there",
			text: run(node("a", "Add", "0", "10")) + run(node("a", "Add", "0", "20"), node("b", "Mul", "20", "4")),
			want: map[string]float64{"a": 30, "b": 4}, runs: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.text), c.skip)
			if err != nil {
				t.Fatal(err)
			}
			if got.Runs != c.runs || got.Repaired != c.repaired || got.Skipped != c.skipped {
				t.Errorf("runs %d, repaired %d, skipped %d; want %d, %d, %d", got.Runs, got.Repaired, got.Skipped, c.runs, c.repaired, c.skipped)
			}
			if len(got.Nodes) != len(c.want) {
				t.Errorf("%d nodes, want %d", len(got.Nodes), len(c.want))
			}
			for _, n := range got.Nodes {
				if len(n.Seconds) != got.Runs {
					t.Errorf("%s: %d values for %d runs", n.Name, len(n.Seconds), got.Runs)
				}
				var sum float64
				for _, s := range n.Seconds {
					sum += s
				}
				if math.Abs(sum*1e6-c.want[n.Name]) > 1e-6 {
					t.Errorf("%s: %g µs, want %g", n.Name, sum*1e6, c.want[n.Name])
				}
			}
		})
	}
}

// TestReadGolden reads what ONNX Runtime 1.30 wrote: two runs of a graph whose names are no valid JSON, and of a Loop
// of three rounds, whose times add up by hand.
func TestReadGolden(t *testing.T) {
	names, err := ReadFile("testdata/ort-1.30-names.json", 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"we\"ird\n/é", `back\n\q`, "a_kernel_time"} {
		if n := names.Nodes[i]; n.Name != want || n.Calls != 2 {
			t.Errorf("node %d: %q, %d calls; want %q, 2", i, n.Name, n.Calls, want)
		}
	}
	if names.Format != ONNXRuntime || names.Repaired != 4 || names.Runs != 2 || names.Cut || names.PeakInUse != 768 || names.ArenaHeld != 1048576 {
		t.Errorf("format %s, repaired %d, runs %d, cut %v, peak %d, held %d", names.Format, names.Repaired, names.Runs, names.Cut, names.PeakInUse, names.ArenaHeld)
	}
	near(t, "load", names.Load, 373e-6)
	near(t, "init", names.Init, 3263e-6)
	near(t, "first run", names.RunSeconds[0], 714e-6)
	if len(names.Last) != 3 || names.Last[0].Name != names.Nodes[0].Name {
		t.Fatalf("time line of the last run: %+v", names.Last)
	}
	near(t, "begin on the time line", names.Last[0].Begin, (4986-4975)*1e-6)

	loop, err := ReadFile("testdata/ort-1.30-loop.json", 0)
	if err != nil {
		t.Fatal(err)
	}
	held := loop.Nodes[2]
	near(t, "self time of the loop", held.Seconds[0], (122-7-14-3-4-2-3)*1e-6)
	near(t, "time of the loop", held.Total[0], 122e-6)
	if loop.Nodes[0].Calls != 6 || loop.Nodes[0].Total != nil || len(held.Inputs) != 3 || held.Inputs[0].DType != "int64" || held.Shapes != "float 4" {
		t.Errorf("body: %+v\nloop: %+v", loop.Nodes[0], held)
	}
}

// TestReadThreads: how the calling thread of a parallel node spent its time, in microseconds as ONNX Runtime tells it.
func TestReadThreads(t *testing.T) {
	told := func(block string) string {
		return strings.Replace(line("Node", "conv_kernel_time", "Conv", "0", "99"), `"op_name"`, `"thread_scheduling_stats" : {"main_thread": {"thread_pool_name": "session-1-intra-op", "thread_id": "1", "block_size": [`+
			block+`], "core": 1, "Distribution": 3, "DistributionEnqueue": 4, "Run": 70, "Wait": 11, "WaitRevoke": 1}, "sub_threads": {"2": {"num_run": 9, "core": 0}}},"op_name"`, 1)
	}
	got, err := Read(strings.NewReader(run(told("16"))+run(told(""))+run(strings.Replace(told(""), `{"main_thread"`, `"", "x": {"main_thread"`, 1))), 0)
	if err != nil {
		t.Fatal(err)
	}
	n := got.Nodes[0]
	if n.Scheduled != 2 || n.Parallel != 1 {
		t.Errorf("scheduled %d, parallel %d of %d calls; want 2, 1 of 3", n.Scheduled, n.Parallel, n.Calls)
	}
	near(t, "run", n.Run, 70e-6)
	near(t, "wait", n.Wait, 12e-6)
	near(t, "dispatch", n.Dispatch, 7e-6)
}

// TestReadGenerations: the same two runs as different releases and tools write them give the same times.
func TestReadGenerations(t *testing.T) {
	const name, seconds = "conv", 30e-6
	recent := "[\n" + run(line("Node", "conv_kernel_time", "Conv", "10", "30")) + run(line("Node", "conv_kernel_time", "Conv", "10", "30")) + "]\n"
	old := strings.ReplaceAll(recent, `"op_name"`, `"graph_index" : "5","exec_plan_index" : "0","op_name"`)
	old = strings.ReplaceAll(old, "{\"cat\" : \"Node\"", line("Node", "conv_fence_before", "Conv", "9", "1")+"{\"cat\" : \"Node\"")
	for _, c := range []struct {
		name, text string
		fences     bool
	}{
		{"of 2026", recent, false},
		{"with fences", old, true},
		{"wrapped", `{"displayTimeUnit": "ms", "traceEvents": ` + strings.ReplaceAll(recent, ",\n]", "]") + `, "otherData": {}}`, false},
		{"by a JSON writer on one line", strings.NewReplacer(" : ", ": ", " :", ": ", ",\n]\n", "]", "\n", " ").Replace(recent), false},
		{"without its brackets", strings.Trim(recent, "[]\n"), false},
		{"with rows of a device", strings.Replace(recent, "]\n", `{"cat" : "Kernel","pid" :-1,"tid" :-1,"dur" :500,"ts" :12,"ph" : "X","name" :"gemm","args" : {"stream" : "7","op_name" : "Conv"}},`+"\n]\n", 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.text), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != ONNXRuntime || got.Runs != 2 || len(got.Nodes) != 1 || got.Nodes[0].Name != name || got.Fences != c.fences || got.Repaired != 0 {
				t.Fatalf("%+v", got)
			}
			near(t, "first", got.Nodes[0].Seconds[0], seconds)
			near(t, "second", got.Nodes[0].Seconds[1], seconds)
			if device := c.name == "with rows of a device"; device != strings.Contains(strings.Join(got.Notes, " "), "device") {
				t.Errorf("notes %q", got.Notes)
			}
		})
	}
}

func TestReadGzip(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, "[\n"+run(line("Node", "a_kernel_time", "Add", "0", "3"))+"]\n")
	z.Close()
	got, err := Read(bytes.NewReader(packed.Bytes()), 0)
	if err != nil || got.Runs != 1 || got.Cut {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = Read(bytes.NewReader(packed.Bytes()[:packed.Len()/2]), 0)
	if err == nil && !got.Cut || err != nil && fault.HintOf(err) == "" {
		t.Errorf("a file that was cut is read as whole: %+v", got)
	}
}

// TestReadCut: every prefix of a trace is read without an error once it holds an event, or refused; none invents a run.
func TestReadCut(t *testing.T) {
	whole, err := os.ReadFile("testdata/ort-1.30-names.json")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole)-3; n += 7 {
		got, err := Read(bytes.NewReader(whole[:n]), 0)
		if err != nil {
			if fault.HintOf(err) == "" {
				t.Fatalf("%d bytes: an error without a hint: %v", n, err)
			}
			continue
		}
		if !got.Cut || got.Runs > 1 {
			t.Fatalf("%d of %d bytes: cut %v, %d runs", n, len(whole), got.Cut, got.Runs)
		}
	}
}

// TestReadCapped: a file with as many events as the runtime writes at most was stopped there.
func TestReadCapped(t *testing.T) {
	w := newWindow(strings.NewReader("[\n" + run(line("Node", "a_kernel_time", "Add", "0", "1")) + line("Node", "a_kernel_time", "Add", "0", "1") + "]\n"))
	x := &Trace{Each: 1, Events: eventLimit - 3}
	r := &reader{w: w, t: x, ort: newORTFold(x, 0), spans: newSpanFold(x, 0)}
	if err := r.begin(); err != nil {
		t.Fatal(err)
	}
	r.ort.finish()
	if !x.Capped || !x.Cut || x.Runs != 1 || x.Skipped != 1 || x.Events != eventLimit {
		t.Fatalf("capped %v, cut %v, runs %d, skipped %d, events %d", x.Capped, x.Cut, x.Runs, x.Skipped, x.Events)
	}
}

// TestReadManyRuns: where a value a run would fill the memory, values become means of several runs; what they add up to
// stays.
func TestReadManyRuns(t *testing.T) {
	const runs = 3000
	var b strings.Builder
	for i := range runs {
		b.WriteString(run(line("Node", fmt.Sprintf("n%d_kernel_time", i), "Add", "0", "10"), line("Node", "same_kernel_time", "Add", "20", strconv.Itoa(i%10+1))))
	}
	got, err := Read(strings.NewReader(b.String()), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Whole != runs || got.Each < 2 || got.Runs != (runs+got.Each-1)/got.Each || len(got.Notes) == 0 {
		t.Fatalf("whole %d, each %d, runs %d, notes %q", got.Whole, got.Each, got.Runs, got.Notes)
	}
	sum := 0.0
	for i, v := range got.Nodes[1].Seconds {
		sum += v * float64(min(got.Each, runs-i*got.Each))
	}
	near(t, "sum", sum, runs*5.5e-6)
	if len(got.Nodes)*got.Runs > mostValues {
		t.Errorf("%d values", len(got.Nodes)*got.Runs)
	}
}

// TestReadRefuses: what is no trace is called by what it seems to be.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "empty"},
		{"text", "hello\n", "no JSON"},
		{"no list of events", `{"traceEvents": "none"}`, "no list"},
		{"no events", `{"traceEvents": []}`, "no event"},
		{"another JSON document", `{"name_": 1, "x": [1,2]}`, "no event"},
		{"a list of something", `[1, 2, {"a": 1}]`, "no event"},
		{"a report", `{"schema": "infer.report/v1", "kind": "profile"}`, "report of infer"},
		{"a database", "SQLite format 3\x00\x10\x00", "SQLite"},
		{"an ONNX model", "\x08\x07\x12\x07pytorch\x1a\x032.0:\x10", "ONNX model"},
		{"a binary", "\x7fELF\x00\x01", "binary"},
		{"a cut head", `{"traceEvents": [{"ph": "X", "na`, "before its first event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.text), 0)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
				t.Errorf("%v; want %q and a hint", err, c.want)
			}
			if k := fault.KindOf(err); k != fault.Usage && k != fault.Unsupported {
				t.Errorf("kind %v", k)
			}
		})
	}
}

// TestReadProperties: self times add up to the calls that nothing holds, and the order of args changes nothing.
func TestReadProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var lines []string
		top := 0
		for ts := 10; ts < 800; {
			dur := 1 + r.IntN(100)
			top += dur
			lines = append(lines, nested(r, ts, dur, 0)...)
			ts += dur + r.IntN(3)
		}
		text := run(lines...)
		got, err := Read(strings.NewReader(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, n := range got.Nodes {
			sum += n.Seconds[0]
		}
		near(t, "self times", sum, float64(top)*1e-6)

		turned := strings.ReplaceAll(text, `"op_name" : "Loop","provider" : "CPUExecutionProvider"`, `"provider" : "CPUExecutionProvider","op_name" : "Loop"`)
		other, err := Read(strings.NewReader(turned), 0)
		if err != nil || !reflect.DeepEqual(got, other) {
			t.Fatalf("the order of args changes the trace: %v", err)
		}
	}
}

// nested returns a Loop and what it holds, in the order of their ends.
func nested(r *rand.Rand, ts, dur, depth int) []string {
	var lines []string
	for at := ts; depth < 3 && at < ts+dur; {
		d := 1 + r.IntN(30)
		if at+d > ts+dur {
			break
		}
		lines = append(lines, nested(r, at, d, depth+1)...)
		at += d + r.IntN(5)
	}
	return append(lines, line("Node", fmt.Sprintf("loop%d_%d_kernel_time", depth, r.IntN(4)), "Loop", strconv.Itoa(ts), strconv.Itoa(dur)))
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9+1e-9*math.Abs(want) {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// FuzzTrace: whatever the file is, it is read or refused, and every node has a value for every run.
func FuzzTrace(f *testing.F) {
	f.Add(run(line("Node", "conv_kernel_time", "Conv", "0", "10")))
	f.Add(`{"cat":"Node","name" :"a"b_kernel_time","args" : {}}`)
	f.Add(`{"schemaVersion":1,"traceEvents":[{"ph":"X","cat":"cpu_op","name":"aten::a","pid":1,"tid":"t","ts":1.5,"dur":2.25e1,"args":{"Input Dims":[[1,2],[]],"Input type":["float","Scalar"]}}]}`)
	f.Add(`[{"ph":"B","name":"x","ts":1},{"ph":"E","ts":9}]`)
	f.Add("{\"data\":[\"k\"]}\n{\"CudaEvent\":{\"startNs\":\"1\",\"endNs\":\"5\",\"kernel\":{\"shortName\":\"0\"}}}")
	f.Add("Time (%),Total Time (ns),Instances,Name\n100.0,75200,1,\"k<int, 4>\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Read(strings.NewReader(text), 0)
		if err != nil {
			return
		}
		if got.Format == "" || len(got.RunSeconds) != got.Runs {
			t.Errorf("format %q, %d values for %d runs", got.Format, len(got.RunSeconds), got.Runs)
		}
		for _, n := range got.Nodes {
			if len(n.Seconds) != got.Runs || n.Total != nil && len(n.Total) != got.Runs || n.Calls == 0 {
				t.Errorf("%q: %d values, %d totals, %d calls for %d runs", n.Name, len(n.Seconds), len(n.Total), n.Calls, got.Runs)
			}
		}
	})
}
