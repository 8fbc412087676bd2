package cmd

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"infer/model"
	"infer/report"
	"infer/testdata/arch"
)

// chain writes a model of n operators in a row.
func chain(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chain.onnx")
	if err := model.New(arch.Chain("Sigmoid", n, 1<<16)).Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func compareDetails(t *testing.T, r result) (*report.Document, report.CompareDetails) {
	t.Helper()
	d := r.document(t)
	x, err := detailsOf[report.CompareDetails](d)
	if err != nil {
		t.Fatal(err)
	}
	return d, x
}

// TestCompareUsage: comparisons that make no sense are refused before anything is measured.
func TestCompareUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "a side has no result"},
		{"a.json", "a side has no result"},
		{"a.json b.json c.json", "accepts at most 2 arg"},
		{"--a x.onnx", "needs --a and --b"},
		{"--a x.onnx --b y.onnx a.json b.json", "cannot go together"},
		{"--a x.onnx --b y.onnx --pairs 0", "--pairs 0: there is nothing to compare"},
		{"--a x.onnx --b y.onnx --block 1ms", "--block 1ms is not in"},
		{"--a x.onnx --b y.onnx --max-time -1s", "--max-time -1s is not above 0"},
		{"--a x.onnx --b y.onnx --rps 5 --concurrency 2", "--rps is an open loop"},
		{"--a x.onnx --b y.onnx --rps -5", "--rps -5 is not above 0"},
		{"--a x.onnx --b y.onnx --rps NaN", "--rps NaN is not above 0"},
		{"--a exec:true --b exec:true --rps 5", "cannot be loaded"},
		{"--a x.onnx --b exec:true --concurrency 2", "cannot be loaded"},
		{"--a x.onnx --b y.onnx --alpha 0.7", "--alpha 0.7"},
		{"--a x.onnx --b y.onnx --min-effect lots", `--min-effect "lots" is no share`},
		{"--a x.onnx --b y.onnx --gate latency_p99<=+5%%", "at character 16"},
		{"--a x.onnx --b y.onnx --a-set color=red", `"color" cannot be set for one side`},
		{"--a x.onnx --b y.onnx --a-set threads=4x", `threads="4x" is no number`},
		{"--a x.onnx --b y.onnx --b-set inter-threads=1.5", `inter-threads="1.5" is no number`},
		{"--a x.onnx --b y.onnx --accept latency_p99", "is not METRIC:REASON"},
		{"--a nowhere.onnx --b nowhere.onnx", "nowhere.onnx"},
		{"--a localhost:1 --b localhost:2", "localhost:1"},
		{"a.json --base b.json --head c.json", "is on neither side"},
		{"a.json b.json --update-baseline on-pass", "has no store to update"},
		{"--a x.onnx --b y.onnx --accept latencyp99:known", `did you mean latency_p99`},
		{"--a x.onnx --b y.onnx --vary thread", "did you mean threads"},
		{"a.onnx b.onnx", "for a live comparison: --a a.onnx --b b.onnx"},
		{"http://localhost:1 http://localhost:2", "for a live comparison: --a http://localhost:1 --b http://localhost:2"},
		{"--a exec:true --b exec:true --gate p99<=+5%", `gate "p99<=+5%": a comparison of these two cannot measure latency_p99`},
		{"--a exec:true --b exec:true --gate max_rps>=-5%", "both tell latency_mean latency_p50 peak_rss"},
		{"--a exec:true --b exec:true --gate accuracy_top1>=-1pt", "give two models"},
		{"a.json --baseline runs --update-baseline sometimes", `"sometimes" is not known`},
	} {
		r := infer(t, nil, append([]string{"compare"}, strings.Fields(c.args)...)...)
		if r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: exit %d, %s; want %q", c.args, r.code, r.err, c.want)
		}
	}
}

// TestCompareModels: a model against itself does not regress, one that does four times the work does, and --explain
// names the operators that came to it.
func TestCompareModels(t *testing.T) {
	needEngine(t)
	short, long := chain(t, 2), chain(t, 8)
	quick := []string{"--block", "60ms", "--max-time", "60s", "--threads", "1", "--format", "json"}
	r := infer(t, passedOn(), append([]string{"compare", "--a", short, "--b", short, "--gate", "latency_p50<=+400%", "--gate", "model_bytes<=+0%", "--gate", "latency_p50<1h"}, quick...)...)
	d, x := compareDetails(t, r)
	if r.code != 0 || d.Verdict != report.OK && d.Verdict != report.Inconclusive {
		t.Errorf("the same model: exit %d, %s: %s", r.code, d.Verdict, r.err)
	}
	if d.Gates[1].Verdict != report.Pass || d.Gates[2].Verdict != report.Pass {
		t.Errorf("gates on the size and a limit of the head: %+v", d.Gates)
	}
	if len(x.Pairs) < 8 || len(x.Shift) == 0 || len(x.Looks) == 0 || x.Pairs[0].First != "base" || x.Pairs[1].First != "head" || x.Pairs[0].Base.N == 0 {
		t.Errorf("%d pairs, shift %v, looks %v", len(x.Pairs), x.Shift, x.Looks)
	}
	r = infer(t, passedOn(), append([]string{"compare", "--a", short, "--b", long, "--gate", "latency_p50<=+10%", "--explain"}, quick...)...)
	d, x = compareDetails(t, r)
	if r.code != 3 || d.Verdict != report.Regressed {
		t.Fatalf("four times the work: exit %d, %s: %s", r.code, d.Verdict, r.err)
	}
	if m := x.Metrics[0]; m.Name != "latency_p50" || m.Ratio == nil || *m.Ratio < 1.1 || m.RatioLo == nil || *m.RatioLo > *m.Ratio || m.PValue == nil || *m.PValue > 0.05 {
		t.Errorf("%+v", m)
	}
	if x.Explain == nil {
		t.Fatalf("nothing is explained: %s", r.err)
	}
	added := 0
	for _, row := range x.Explain.Rows {
		if row.State == "added" && row.Op == "Sigmoid" {
			added++
		}
	}
	if added != 6 {
		t.Errorf("%d of 6 nodes were added: %+v", added, x.Explain)
	}
}

// TestCompareOptions: what is set for one side alone is named, and allowed.
func TestCompareOptions(t *testing.T) {
	needEngine(t)
	m := chain(t, 2)
	r := infer(t, passedOn(), "compare", "--a", m, "--b", m, "--a-set", "threads=1", "--b-set", "session-config=session.intra_op.allow_spinning=0", "--pairs", "2",
		"--block", "50ms", "--max-time", "1s", "--format", "json")
	if r.code != 0 && r.code != 3 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	_, x := compareDetails(t, r)
	if len(x.Differs) != 2 || !x.Differs[0].Allowed || x.Differs[1].What != "threads" || x.Differs[1].Base != "1" || x.Differs[1].Head != "none" {
		t.Errorf("differs %+v", x.Differs)
	}
}

// TestCompareUnlike: models that take other inputs are not compared, unless these are meant to vary; by force they are, and
// the result says so.
func TestCompareUnlike(t *testing.T) {
	needEngine(t)
	args := []string{"compare", "--a", digits, "--b", chain(t, 2), "--pairs", "1", "--block", "50ms", "--max-time", "200ms", "--format", "json"}
	r := infer(t, passedOn(), args...)
	d, x := compareDetails(t, r)
	if r.code != 4 || d.Verdict != report.NotComparable || len(x.Differs) == 0 || !strings.Contains(r.err, "not comparable: input") {
		t.Errorf("exit %d, %s, %+v: %s", r.code, d.Verdict, x.Differs, r.err)
	}
	r = infer(t, passedOn(), append(args, "--force")...)
	d, x = compareDetails(t, r)
	if r.code == 4 || !x.Forced || len(x.Pairs) == 0 || !strings.Contains(strings.Join(d.Warnings, " "), "by force") {
		t.Errorf("forced: exit %d, %+v: %s", r.code, d.Warnings, r.err)
	}
	r = infer(t, passedOn(), append(args, "--vary", "input")...)
	if _, x = compareDetails(t, r); r.code == 4 || x.Forced || len(x.Pairs) == 0 || len(x.Differs) == 0 || !x.Differs[0].Allowed {
		t.Errorf("allowed: exit %d, %+v: %s", r.code, x.Differs, r.err)
	}
}

// TestCompareAccuracy: both models answer the same labelled rows.
func TestCompareAccuracy(t *testing.T) {
	needEngine(t)
	r := infer(t, passedOn(), "compare", "--a", digits, "--b", digits, "--input", "../testdata/digits/test", "--pairs", "1", "--block", "50ms", "--max-time", "200ms",
		"--gate", "accuracy_top1>=-2pt", "--gate", "peak_rss<=+50%", "--format", "json")
	d, x := compareDetails(t, r)
	if r.code != 0 || d.Gates[0].Verdict != report.Pass || d.Gates[1].Verdict != report.Pass {
		t.Errorf("exit %d, %+v: %s", r.code, d.Gates, r.err)
	}
	if a := x.Accuracy; a == nil || a.Rows != 360 || a.Gained != 0 || a.Lost != 0 || a.Both < 300 {
		t.Errorf("accuracy %+v", a)
	}
	if len(x.Cold) != 8 || x.Cold[0].Base.Values["peak_rss"] < 1e6 {
		t.Errorf("cold starts %+v", x.Cold)
	}
}

// TestCompareServers: two servers under the same arrivals, one of which is slower by far.
func TestCompareServers(t *testing.T) {
	serve := func(d time.Duration) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { time.Sleep(d); _, _ = w.Write([]byte("ok")) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	quick, slow := serve(time.Millisecond), serve(20*time.Millisecond)
	r := infer(t, nil, "compare", "--a", quick, "--b", slow, "--protocol", "http", "--rps", "150", "--block", "800ms", "--max-time", "60s", "--gate", "latency_p50<=+100%", "--explain", "--format", "json")
	d, x := compareDetails(t, r)
	if r.code != 3 || d.Verdict != report.Regressed {
		t.Fatalf("exit %d, %s: %s", r.code, d.Verdict, r.err)
	}
	if x.Explain == nil || x.Explain.What != "phases" || !strings.Contains(x.Explain.Reading, "network and the rest of the server") {
		t.Errorf("explained by %+v", x.Explain)
	}
	if b := x.Pairs[0]; b.Base.N != b.Head.N {
		t.Errorf("the blocks of a pair had %d and %d requests of one schedule", b.Base.N, b.Head.N)
	}
}

// TestCompareDies: a server that dies in the middle ends the comparison with the side's name.
func TestCompareDies(t *testing.T) {
	var served atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	defer s.Close()
	var dying *httptest.Server
	dying = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1) == 60 {
			go func() { _ = dying.Listener.Close(); dying.CloseClientConnections() }()
		}
		_, _ = w.Write([]byte("ok"))
	}))
	defer dying.Close()
	out := filepath.Join(t.TempDir(), "out.json")
	r := infer(t, nil, "compare", "--a", s.URL, "--b", dying.URL, "--protocol", "http", "--rps", "100", "--block", "200ms", "--max-time", "20s", "--timeout", "1s", "-o", out)
	if r.code != 1 || !strings.Contains(r.err, "head: ") || !strings.Contains(r.err, "pairs: ") || r.out != "" {
		t.Errorf("exit %d: %s%s", r.code, r.err, r.out)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a result was written")
	}
}

// TestCompareCommands: programs are timed from start to exit, servers are started on a free port and stopped.
func TestCompareCommands(t *testing.T) {
	r := infer(t, nil, "compare", "--a", "exec:sleep 0.01", "--b", "exec:sleep 0.08", "--pairs", "8", "--block", "50ms", "--max-time", "30s", "--gate", "latency_p50<=+50%", "--format", "json")
	if d, _ := compareDetails(t, r); r.code != 3 || d.Verdict != report.Regressed {
		t.Errorf("exit %d, %s: %s", r.code, d.Verdict, r.err)
	}
	r = infer(t, nil, "compare", "--a", "exec:sleep 0.01", "--b", "exec:sleep 0.08", "--block", "50ms", "--max-time", "30s", "--format", "json")
	if d, _ := compareDetails(t, r); r.code != 3 || d.Gates[0].Expr != "latency_p50<=+5%" {
		t.Errorf("without a gate: exit %d, %+v: %s", r.code, d.Gates, r.err)
	}
	if r := infer(t, nil, "compare", "--a", "exec:true", "--b", "exec:sleep 100", "--max-time", "300ms"); r.code != 1 || !strings.Contains(r.err, "ran on after 300ms") {
		t.Errorf("a program that hangs: exit %d, %s", r.code, r.err)
	}
	if r := infer(t, nil, "compare", "--a", "exec:true", "--b", "exec:false"); r.code != 1 || !strings.Contains(r.err, "head: ") {
		t.Errorf("a program that fails: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, "compare", "--a", "exec:no-such-program --port {port}", "--b", "exec:true"); r.code == 0 || !strings.Contains(r.err, "base: ") {
		t.Errorf("a program that is not there: exit %d: %s", r.code, r.err)
	}
	needEngine(t)
	t.Setenv(asInfer, "1")
	serve := "exec:infer serve " + digits + " --http 127.0.0.1:{port} --grpc off --metrics off"
	r = infer(t, passedOn(), "compare", "--a", serve, "--b", serve, "--pairs", "2", "--block", "200ms", "--max-time", "10s", "--gate", "latency_p50<=+1000%", "--format", "json")
	d, x := compareDetails(t, r)
	if r.code != 0 || x.Base.Kind != "command" || len(x.Pairs) < 2 || x.Pairs[0].Head.Values["peak_rss"] < 1e6 || x.Base.Starts < 1 || x.Head.Starts < 1 {
		t.Errorf("exit %d, %s, %+v: %s", r.code, d.Verdict, x.Base, r.err)
	}
}

// TestCompareInterrupted: Ctrl-C gives the pairs that were measured, and 130.
func TestCompareInterrupted(t *testing.T) {
	out, errs, code := interruptedAfter(t, 1500*time.Millisecond, "compare", "--a", "exec:sleep 0.01", "--b", "exec:sleep 0.01", "--block", "100ms", "--max-time", "1h", "--pairs", "1000", "--format", "json")
	d, x := compareDetails(t, result{out: out, err: errs})
	if code != 130 || d.Verdict != report.Interrupted || len(x.Pairs) == 0 {
		t.Errorf("exit %d, %s, %d pairs: %s", code, d.Verdict, len(x.Pairs), errs)
	}
}

// dailyRun writes a profile of day i of a month, with an interval that decides a gate on its p50 of 10 ms and i more, and
// returns its path.
func dailyRun(t *testing.T, dir string, i int) string {
	t.Helper()
	d := report.New("profile")
	d.Created = time.Date(2026, 11, 1+i, 12, 0, 0, 0, time.UTC)
	m := report.NewMetric("latency_p50")
	v := 0.010 + float64(i)*1e-3
	lo, hi := v*0.99, v*1.01
	m.Value, m.Lo, m.Hi, m.Confidence, m.N = &v, &lo, &hi, 0.95, 1000
	d.Add(m)
	if err := d.SetDetails(report.ProfileDetails{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, d.Created.Format("02")+".json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(f, d); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCompareBaselineFirst: the first run of a store has nothing to be compared with, but limits of its own values hold.
func TestCompareBaselineFirst(t *testing.T) {
	path := dailyRun(t, t.TempDir(), 0)
	for _, c := range []struct {
		gate    string
		code    int
		verdict report.Verdict
		gates   int
		updated bool
		reason  string
	}{
		{"latency_p50<1ms", 3, report.FailedGate, 1, false, "latency_p50"},
		{"latency_p50<1s", 0, report.OK, 1, true, "the first run"},
		{"latency_p50<=+5%", 0, report.OK, 0, true, "the first run"},
	} {
		r := infer(t, nil, "compare", path, "--baseline", filepath.Join(t.TempDir(), "runs"), "--update-baseline", "on-pass", "--gate", c.gate, "--format", "json")
		d, x := compareDetails(t, r)
		if r.code != c.code || d.Verdict != c.verdict || len(d.Gates) != c.gates || x.Baseline.Updated != c.updated || !strings.HasPrefix(x.Reason, c.reason) {
			t.Errorf("%s: exit %d, %s, %+v, %+v, %q: %s", c.gate, r.code, d.Verdict, d.Gates, x.Baseline, x.Reason, r.err)
		}
	}
}

// TestAcceptedMetrics: what is kept of an acceptance is each metric that passed by it, with its labels.
func TestAcceptedMetrics(t *testing.T) {
	one, eight := 0.001, 0.004
	at := func(batch string, head *float64, by bool) report.CompareMetric {
		return report.CompareMetric{Name: "latency_p50", Labels: map[string]string{"batch": batch}, Head: head, Verdict: report.Pass, Accepted: by}
	}
	got := accepted([]report.Acceptance{{Metric: "latency_p50", Reason: "why"}, {Metric: "latency_p50", Reason: "of old", At: "2026-11-23T12:00:00Z"}},
		[]report.CompareMetric{at("1", &one, true), at("2", &one, false), at("8", &eight, true)})
	if len(got) != 2 || got[0].Labels["batch"] != "1" || *got[0].Until != one || got[1].Labels["batch"] != "8" || *got[1].Until != eight || got[1].Reason != "why" || got[1].At == "" {
		t.Errorf("%+v", got)
	}
}

// TestCompareBaselineGrows: a store takes runs that decide nothing until it has as many as it needs to judge, each once.
func TestCompareBaselineGrows(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "runs")
	add := func(path string) (*report.Document, report.CompareDetails) {
		r := infer(t, nil, "compare", path, "--baseline", store, "--update-baseline", "on-pass", "--format", "json")
		if r.code != 0 {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
		return compareDetails(t, r)
	}
	for i := range 5 {
		d, x := add(dailyRun(t, dir, i))
		if says := "run " + string(rune('1'+i)) + " of 5 that a baseline needs"; !x.Baseline.Updated || !strings.Contains(strings.Join(d.Warnings, "\n"), says) {
			t.Errorf("run %d: %s, %+v, %q", i, d.Verdict, x.Baseline, d.Warnings)
		}
	}
	if d, x := add(dailyRun(t, dir, 2)); x.Baseline.Updated || x.Baseline.Runs != 5 || d.Verdict == report.OK && !strings.Contains(strings.Join(d.Warnings, "\n"), "already") {
		t.Errorf("once more: %s, %+v, %q", d.Verdict, x.Baseline, d.Warnings)
	}
}

// TestFresh: a side is started anew where that takes at most half as long as was measured since the last start.
func TestFresh(t *testing.T) {
	opened, closed := 0, 0
	side := func() *liveSide {
		return &liveSide{close: func() { closed++ }, block: func(context.Context, uint64) (report.CompareBlock, error) { return report.CompareBlock{}, nil }}
	}
	f := &fresh{open: func(context.Context) (*liveSide, error) { opened++; return side(), nil }}
	f.started(side(), time.Hour)
	for i, c := range []struct {
		cost, used time.Duration
		want       int
	}{{time.Hour, 0, 0}, {time.Second, 1999 * time.Millisecond, 0}, {time.Second, 2 * time.Second, 1}, {0, 0, 2}} {
		f.cost, f.used = c.cost, c.used
		if _, err := f.block(t.Context(), 1); err != nil || opened != c.want || closed != c.want || f.starts != c.want+1 {
			t.Errorf("block %d: %d opened, %d closed, %d starts, %v", i, opened, closed, f.starts, err)
		}
	}
	f.close()
	f.close()
	if closed != 3 {
		t.Errorf("%d closed", closed)
	}
	f.open = func(context.Context) (*liveSide, error) { return nil, errors.New("the port is taken") }
	if _, err := f.block(t.Context(), 1); err == nil {
		t.Error("a side that cannot be started again is no error")
	}
}
