//go:build unix

package trace

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// BenchmarkReadFile reads 100 MB as ONNX Runtime 1.30 writes them, runs of a model of 2 000 nodes. It reports
// the time of the processor and the most memory that the process took, of which a Go test that does nothing takes some 8 MB.
func BenchmarkReadFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "trace.json")
	size := writeTrace(b, path, 100_000_000)
	b.SetBytes(size)
	b.ReportAllocs()
	begin := cpuSeconds()
	for b.Loop() {
		t, err := ReadFile(path, 0)
		if err != nil {
			b.Fatal(err)
		}
		if len(t.Nodes) != 2000 || t.Cut || t.Runs == 0 {
			b.Fatalf("%d nodes, %d runs, cut %v", len(t.Nodes), t.Runs, t.Cut)
		}
	}
	b.ReportMetric((cpuSeconds()-begin)/float64(b.N), "cpu-s/op")
	b.ReportMetric(peakMB(), "peak-MB")
}

// writeTrace writes whole runs until the file has about size bytes, and returns how many it has.
func writeTrace(tb testing.TB, path string, size int64) int64 {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprint(w, "[\n")
	ts := 1000
	for written := int64(0); written < size; {
		begin := ts
		for i := range 2000 {
			n, _ := fmt.Fprintf(w, `{"cat" : "Node","pid" :7,"tid" :7,"dur" :%d,"ts" :%d,"ph" : "X","name" :"/layer.%d/Conv_kernel_time","args" : {"activation_size" : "46464","node_index" : "%d","input_type_shape" : [{"float":[1,24,22,22]},{"float":[24,24,3,3]},{"float":[24]}],"mem_in_use_peak" : "1594696","mem_in_use_delta" : "0","mem_arena_held" : "2538056","provider" : "CPUExecutionProvider","thread_scheduling_stats" : {"main_thread": {"thread_pool_name": "session-1-intra-op", "thread_id": "140283871996800", "block_size": [1], "core": 1, "Distribution": 1, "DistributionEnqueue": 0, "Run": %d, "Wait": 2, "WaitRevoke": 0}, "sub_threads": {"140283691914944": {"num_run": %d, "core": 0}}},"output_size" : "46464","op_name" : "Conv","output_type_shape" : [{"float":[1,24,22,22]}],"parameter_size" : "20832"}},`+"\n", 20+i%7, ts, i, i, 15+i%7, i)
			written += int64(n)
			ts += 40
		}
		fmt.Fprintf(w, `{"cat" : "Session","pid" :7,"tid" :7,"dur" :%d,"ts" :%d,"ph" : "X","name" :"model_run","args" : {}},`+"\n", ts-begin+20, begin-10)
		ts += 100
	}
	fmt.Fprint(w, "]\n")
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

// cpuSeconds is the processor's time that this process took: what tells of the reader on a machine that others use too.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) * 1e-9
}

// peakMB is the most memory that this process took, 0 where the system does not tell.
func peakMB() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	var kb float64
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "VmHWM: %f kB", &kb)
	}
	return kb / 1000
}
