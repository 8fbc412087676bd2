package cmd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// otherDigit changes the fifth significant digit of the value of a metric in the text of a document.
func otherDigit(t *testing.T, text, metric string) string {
	t.Helper()
	at := regexp.MustCompile(`"name": "` + metric + `",\s+"unit": "[^"]*",\s+"better": "[^"]*",\s+"value": 0?\.?0*[1-9]\.?(?:[0-9]\.?){3}()[0-9]`).FindStringSubmatchIndex(text)
	if at == nil {
		t.Fatalf("%s is not in the document", metric)
	}
	i := at[2]
	return text[:i] + string('0'+(text[i]-'0'+5)%10) + text[i+1:]
}

// verifies calls infer report --verify on a document and on one with another digit in it.
func verifies(t *testing.T, metric string, args ...string) {
	t.Helper()
	r := infer(t, nil, append([]string{"report", "--verify", "--format", "json"}, args...)...)
	if r.code != 0 || r.err != "" {
		t.Errorf("as it is: exit %d: %s", r.code, r.err)
	}
	v := r.document(t).Verification()
	if v == nil || v.Differs != 0 || v.Same < 10 {
		t.Fatalf("%+v", v)
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		t.Fatal(err)
	}
	tampered := filepath.Join(filepath.Dir(args[0]), "tampered.json")
	if err := os.WriteFile(tampered, []byte(otherDigit(t, string(text), metric)), 0o600); err != nil {
		t.Fatal(err)
	}
	r = infer(t, nil, append([]string{"report", "--verify", tampered}, args[1:]...)...)
	if r.code != 1 || !strings.Contains(r.err, "infer: error: verify ") || !strings.Contains(r.err, metric) && !strings.Contains(r.err, "details.configs[0].metrics[") || strings.Count(r.err, "\n") != 2 || !strings.Contains(r.out, "differs") {
		t.Errorf("%s with another digit: exit %d: %s\n%s", metric, r.code, r.err, r.out)
	}
}

// TestVerifyLoads: load tests and what is merged of them follow from their samples.
func TestVerifyLoads(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer s.Close()
	dir := t.TempDir()
	var runs, samples []string
	for _, name := range []string{"a", "b"} {
		run, sample := filepath.Join(dir, name+".json"), filepath.Join(dir, name+".samples")
		r := infer(t, nil, quick(s.URL, "--protocol", "http", "--rps", "300", "--seed", "3", "--slo", "p99<1s", "--samples-out", sample, "-o", run)...)
		if !trusted(r) {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
		runs, samples = append(runs, run), append(samples, sample)
	}
	verifies(t, "latency_mean", runs[0], samples[0])
	verifies(t, "throughput", runs[0])
	if r := infer(t, nil, "report", "--verify", runs[0], samples[1]); r.code != 2 || !strings.Contains(r.err, "are of the load of") {
		t.Errorf("samples of another load: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, "report", "--verify", samples[0]); r.code != 2 || !strings.Contains(r.err, "no document to verify") {
		t.Errorf("samples alone: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, "report", "--verify", runs[0], "--slo", "p99<1s"); r.code != 2 {
		t.Errorf("verified and judged at once: exit %d: %s", r.code, r.err)
	}
	merged := filepath.Join(dir, "merged.json")
	r := infer(t, nil, "report", "--merge", runs[1], runs[0], "--format", "json", "-o", merged)
	if !trusted(r) {
		t.Fatalf("merge: exit %d: %s", r.code, r.err)
	}
	verifies(t, "latency_mean", merged, samples[0], samples[1])
	if r := infer(t, nil, "report", "--merge", runs[0]); r.code != 2 || !strings.Contains(r.err, "nothing to merge it with") {
		t.Errorf("one document: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, "report", "--merge", runs[0], runs[0]); r.code != 2 || !strings.Contains(r.err, "here twice") {
		t.Errorf("the same twice: exit %d: %s", r.code, r.err)
	}
	decision := filepath.Join(dir, "decision.json")
	if r := infer(t, nil, "report", "x="+runs[0], "y="+runs[1], "--price", "0.40/h", "--format", "json", "-o", decision); r.code != 0 && !trusted(r) {
		t.Fatalf("decision: exit %d: %s", r.code, r.err)
	}
	verifies(t, "latency_mean", decision, runs[1], runs[0])
}

// TestVerifyModels: profiles, what is merged of them, and comparisons follow from what they hold.
func TestVerifyModels(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	var runs []string
	for _, name := range []string{"a", "b"} {
		run := filepath.Join(dir, name+".json")
		r := infer(t, passedOn(), "profile", digits, "--runs", "400", "--warm-up", "3", "--cold", "1", "--batch", "2", "--gate", "latency_p50<1h", "--format", "json", "-o", run)
		if r.code != 0 {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
		runs = append(runs, run)
	}
	verifies(t, "latency_mean", runs[0])
	merged := filepath.Join(dir, "merged.json")
	if r := infer(t, nil, "report", "--merge", runs[0], runs[1], "--format", "json", "-o", merged); r.code != 0 {
		t.Fatalf("merge: exit %d: %s", r.code, r.err)
	}
	verifies(t, "latency_p99", merged)
	verifies(t, "latency_mean", merged, runs[1], runs[0])
	other := filepath.Join(dir, "other.json")
	infer(t, passedOn(), "profile", digits, "--runs", "40", "--warm-up", "3", "--cold", "0", "--profiled-runs", "0", "--threads", "1", "--format", "json", "-o", other)
	if r := infer(t, nil, "report", "--merge", runs[0], other); r.code != 2 || !strings.Contains(r.err, "option threads differs") {
		t.Errorf("other options: exit %d: %s", r.code, r.err)
	}
	compared := filepath.Join(dir, "compare.json")
	infer(t, nil, "compare", runs[0], runs[1], "--format", "json", "-o", compared)
	verifies(t, "latency_p50", compared, runs[1], runs[0])
	live := filepath.Join(dir, "live.json")
	infer(t, passedOn(), "compare", "--a", digits, "--b", digits, "--block", "50ms", "--pairs", "6", "--max-time", "5s", "--format", "json", "-o", live)
	verifies(t, "latency_p50", live)
}
