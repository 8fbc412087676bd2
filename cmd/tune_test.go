package cmd

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/model"
	"infer/report"
)

func tuneDetails(t *testing.T, r result) (*report.Document, report.TuneDetails) {
	t.Helper()
	d := r.document(t)
	x, err := detailsOf[report.TuneDetails](d)
	if err != nil {
		t.Fatal(err)
	}
	return d, x
}

// TestTuneUsage: what makes no sense is refused before anything is measured.
func TestTuneUsage(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct{ args, want string }{
		{"--objective fastest", `--objective "fastest" is not known`},
		{"--max-time 10ms", "--max-time 10ms is below 1s"},
		{"--slo p99>20ms", "wants latency_p99 to be high"},
		{"--slo error_rate<1%", "infer tune does not measure error_rate"},
		{"--slo accuracy_top1>=90%", "infer tune does not measure accuracy_top1"},
		{"--batch 0,4", "--batch 0 is not at least 1"},
		{"--accuracy-budget sqnr:30dB", "judges classes alone"},
		{"--accuracy-budget top1:0.5", "has no rows to be judged on"},
		{"--data ../testdata/digits/test", "--data judges variants"},
		{"--variant int8", "has no NAME=FILE"},
		{"--variant base=" + digits, "the name is taken"},
		{"--variant a=" + digits + " --variant a=" + digits, "the name is taken"},
		{"--variant a=nowhere.onnx", "does not exist"},
		{"--variant a=../testdata/odd/if.onnx", "it has no input"},
		{"--knob threads", "it has no NAME=VALUES"},
		{"--knob threads=1|two", `"two" is no value of threads`},
		{"--knob threads=1|1", "is empty or there twice"},
		{"--knob threads=1 --knob threads=2", "threads is there twice"},
		{"--knob treads=1|2", "did you mean threads?"},
		{"--knob variant=a|b", "variants are files"},
		{"--knob threads=200", "the default setting of the search makes no sense"},
		{"--dim batch=2 --knob batch=1|2", "the rows of a run cannot be chosen: --dim gives batch"},
		{"-o " + filepath.Join(folder, "none", "tuned.yaml"), "make its folder first"},
		{"-o " + digits, "is a file that the model is read from"},
		{"nowhere.onnx other.onnx", "accepts at most 1 arg"},
	} {
		args := append([]string{"tune", digits, "--dry-run"}, strings.Fields(c.args)...)
		if strings.HasPrefix(c.args, "-o") { // a dry run writes nothing
			args = append([]string{"tune", digits}, strings.Fields(c.args)...)
		}
		r := infer(t, nil, args...)
		if r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" || !strings.Contains(r.err, "hint") {
			t.Errorf("%s: exit %d, %s; want %q", c.args, r.code, r.err, c.want)
		}
	}
}

// TestTuneDryRun: the space is shown with what is left out, nothing is written, and no runtime is needed.
func TestTuneDryRun(t *testing.T) {
	t.Chdir(linked(t))
	offline := map[string]string{"INFER_OFFLINE": "1", "INFER_ORT_LIBRARY": "nowhere"}
	r := infer(t, offline, "tune", digits, "--dry-run", "--slo", "p99<20ms", "--batch", "1,4", "--knob", "session.force_spinning_stop=0|1", "--format", "json")
	d, x := tuneDetails(t, r)
	if r.code != 0 || d.Verdict != report.OK || x.Candidates < 4 || len(x.Trials) != 0 {
		t.Fatalf("exit %d, %s, %d settings: %s", r.code, d.Verdict, x.Candidates, r.err)
	}
	values := map[string]string{}
	for _, k := range x.Space {
		values[k.Name] = strings.Join(k.Values, " ")
	}
	if values["batch"] != "1 4" || values["session.force_spinning_stop"] != "0 1" || values["spinning"] != "1 0" {
		t.Errorf("%v", values)
	}
	if r := infer(t, offline, "tune", digits, "--dry-run"); r.code != 0 || !strings.Contains(r.out, "Left out before measuring") || !strings.Contains(r.out, "nothing was measured") {
		t.Errorf("text: %s", r.out)
	}
	if _, err := os.Stat("tuned.yaml"); err == nil {
		t.Error("a dry run wrote tuned.yaml")
	}
}

// linked is a new folder with the repository's testdata where the tests have it.
func linked(t *testing.T) string {
	t.Helper()
	data, err := filepath.Abs("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Symlink(data, filepath.Join(folder, "testdata")); err != nil {
		t.Skip("no symbolic links:", err)
	}
	inner := filepath.Join(folder, "work")
	if err := os.Mkdir(inner, 0o750); err != nil {
		t.Fatal(err)
	}
	return inner
}

// quickTune are flags of a search that ends soon, whatever the machine does.
var quickTune = []string{"--max-time", "3s", "--batch", "1,4", "--format", "json"}

// TestTune searches for real: the file that comes out of it is one that profile, serve and loadtest take, a journal is
// gone on from, and one of another search is refused.
func TestTune(t *testing.T) {
	needEngine(t)
	t.Chdir(linked(t))
	args := append([]string{"tune", digits, "--slo", "p50<10s", "--journal", "journal.jsonl"}, quickTune...)
	r := infer(t, passedOn(), args...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d, x := tuneDetails(t, r)
	if len(x.Trials) < 2 || x.Trials[0].Rounds == 0 || x.Output != "tuned.yaml" || x.Reading == "" || len(x.Steps) == 0 || x.Resumed != 0 {
		t.Errorf("%+v", x)
	}
	if d.Metric("throughput", nil) == nil || value(t, d, "latency_p50", nil) <= 0 || len(d.Gates) != 1 {
		t.Errorf("metrics %+v, gates %+v", d.Metrics, d.Gates)
	}
	for _, trial := range x.Trials {
		if trial.Rounds > 0 && trial.Outcome != "failed" && (trial.Init <= 0 || trial.FirstRun <= 0 || trial.Runs == 0) {
			t.Errorf("%v: %+v", trial.Setting, trial)
		}
	}
	acceptedEverywhere(t, "tuned.yaml")

	again := infer(t, passedOn(), args...)
	if _, y := tuneDetails(t, again); y.Resumed == 0 || y.Journal != "journal.jsonl" {
		t.Errorf("exit %d: %d blocks came from the journal: %s", again.code, y.Resumed, again.err)
	}
	other := infer(t, passedOn(), append(args, "--seed", "2")...)
	if other.code != 2 || !strings.Contains(other.err, "journal") || other.out != "" {
		t.Errorf("a journal of another search: exit %d: %s", other.code, other.err)
	}
	if r := infer(t, nil, "report", writeJSON(t, r.out), "--report", "t.html", "--report", "t.csv", "--report", "t.md", "--report", "t.xml"); r.code != 0 {
		t.Errorf("report: exit %d: %s", r.code, r.err)
	}
}

// writeJSON writes a document for infer report.
func writeJSON(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tune.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// acceptedEverywhere runs the three commands that take a file of settings.
func acceptedEverywhere(t *testing.T, file string) {
	t.Helper()
	for _, args := range [][]string{
		{"profile", digits, "--runs", "20", "--warm-up", "3", "--cold", "0", "--roofline", "off", "--profiled-runs", "0"},
		{"serve", digits, "--check", "--http", "127.0.0.1:0", "--grpc", "off", "--metrics", "off"},
		{"loadtest", digits, "--rps", "50", "--duration", "300ms", "--warm-up", "0s", "--floor", "off"},
	} {
		r := infer(t, passedOn(), append(args, "--config", file)...)
		if r.code != 0 && !(args[0] == "loadtest" && (r.code == 3 || r.code == 4)) { // its figures are not for this test to judge
			t.Errorf("%s: exit %d: %s", args[0], r.code, r.err)
		}
		if strings.Contains(r.err, "another machine") {
			t.Errorf("%s: %s", args[0], r.err)
		}
	}
}

// TestTuneImpossible: where no setting holds the objective nothing is written, and the exit code says so.
func TestTuneImpossible(t *testing.T) {
	needEngine(t)
	t.Chdir(linked(t))
	r := infer(t, passedOn(), append([]string{"tune", digits, "--slo", "p50<1ns"}, quickTune...)...)
	d, x := tuneDetails(t, r)
	if r.code != 3 || d.Verdict != report.FailedGate || x.Output != "" {
		t.Errorf("exit %d, %s, written %q: %s", r.code, d.Verdict, x.Output, r.err)
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// TestTuneFewBlocks: a figure of too few blocks for an interval is no value that a gate could take for exact.
func TestTuneFewBlocks(t *testing.T) {
	lo, hi := 0.0019, 0.0021
	trial := &report.TuneTrial{P50: report.Interval{Value: 0.002, Lo: &lo, Hi: &hi, N: 60}, Throughput: report.Interval{Value: 500, N: 3}, Runs: 60, SLO: report.GateInconclusive}
	d := report.New("tune")
	addTrial(d, trial, nil)
	for expr, want := range map[string]string{"p50<20ms": report.Pass, "throughput>=400/s": report.GateInconclusive, "throughput>=600/s": report.GateInconclusive} {
		g, err := report.ParseSLO(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := gate(g, d, trial); got.Verdict != want {
			t.Errorf("%s: %+v, want %s", expr, got, want)
		}
	}
	if m := d.Metric("throughput", nil); m.Value != nil || m.N != 3 || len(d.Warnings) != 1 || d.Warnings[0] != "throughput of the chosen setting has no value: n = 3 is too few for an interval" {
		t.Errorf("%+v, %q", m, d.Warnings)
	}
}

// damaged writes the digits model with the weights of its last layer negated: it takes and gives the same, and is wrong.
func damaged(t *testing.T) string {
	t.Helper()
	m, err := model.Load(digits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	last := m.Proto.Graph.Nodes[len(m.Proto.Graph.Nodes)-1]
	for _, in := range last.Inputs[1:] {
		w := m.Proto.Graph.Initializer(in)
		v, err := w.Value()
		if err != nil {
			t.Fatal(err)
		}
		v.Data = slices.Clone(v.Data)
		for i := 3; i < len(v.Data); i += 4 {
			v.Data[i] ^= 0x80 // the sign of a float32
		}
		if err := w.SetValue(v); err != nil {
			t.Fatal(err)
		}
	}
	m.MarkEdited()
	path := filepath.Join(t.TempDir(), "damaged.onnx")
	if err := m.Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTuneVariants: a variant that answers worse than the budget allows is left out before anything is timed.
func TestTuneVariants(t *testing.T) {
	needEngine(t)
	t.Chdir(linked(t))
	r := infer(t, passedOn(), append([]string{"tune", digits, "--variant", "same=" + digits, "--variant", "wrong=" + damaged(t), "--data", "../testdata/digits/test", "--objective", "latency", "--threads", "1"}, quickTune...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	_, x := tuneDetails(t, r)
	if len(x.Variants) != 2 || x.Variants[0].Verdict != "takes part" || !strings.Contains(x.Variants[1].Verdict, "left out: accuracy drops by 9") {
		t.Fatalf("%+v", x.Variants)
	}
	if a := x.Variants[0].Accuracy; a == nil || math.Abs(a.Value-354.0/360) > 1e-9 || x.Variants[0].Drop.Value != 0 {
		t.Errorf("%+v", x.Variants[0])
	}
	for _, trial := range x.Trials {
		if trial.Setting["variant"] == "wrong" || trial.Accuracy == nil {
			t.Errorf("%v: accuracy %v", trial.Setting, trial.Accuracy)
		}
	}
	for _, bad := range []string{"top1:0.5", "agreement:99%"} {
		data := t.TempDir() // rows without labels
		copyFile(t, "../testdata/digits/test/input.npy", filepath.Join(data, "input.npy"))
		r := infer(t, passedOn(), append([]string{"tune", digits, "--variant", "wrong=" + damaged(t), "--data", data, "--accuracy-budget", bad}, quickTune...)...)
		if bad == "top1:0.5" && (r.code != 2 || !strings.Contains(r.err, "has no labels")) {
			t.Errorf("%s: exit %d: %s", bad, r.code, r.err)
		}
		if bad != "top1:0.5" && !strings.Contains(r.out, "have the class that the model gives") {
			t.Errorf("%s: exit %d: %s", bad, r.code, r.err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTuneDocument: the result is one that the schema of reports and the commands that read reports know.
func TestTuneDocument(t *testing.T) {
	r := infer(t, nil, "tune", digits, "--dry-run", "--format", "json")
	var v map[string]any
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || v["kind"] != "tune" {
		t.Fatalf("%v: %v", v["kind"], err)
	}
	path := writeJSON(t, r.out)
	if r := infer(t, nil, "report", path); r.code != 0 {
		t.Errorf("report: exit %d: %s", r.code, r.err)
	}
	if r := infer(t, nil, "compare", path, path); r.code != 2 && r.code != 4 && r.code != 0 || strings.Contains(r.err, "goroutine") {
		t.Errorf("compare: exit %d: %s", r.code, r.err)
	}
}

// TestTuneInterrupted: what is known by then is told, and no file of settings is written that was not confirmed.
func TestTuneInterrupted(t *testing.T) {
	needEngine(t)
	t.Chdir(linked(t))
	c, stdout, stderr := startInfer(t, "tune", digits, "--max-time", "1h", "--journal", "journal.jsonl", "--format", "json")
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile("journal.jsonl"); err == nil && bytes.Count(b, []byte("\n")) > 3 {
			break
		}
	}
	out, errs, code := interrupt(t, c, stdout, stderr)
	d, x := tuneDetails(t, result{code, out, errs})
	if code != 130 || d.Verdict != report.Interrupted || !x.Interrupted || len(x.Trials) == 0 || x.Trials[0].Rounds == 0 {
		t.Errorf("exit %d, %s: %s", code, d.Verdict, errs)
	}
	if _, err := os.Stat("tuned.yaml"); err == nil && !x.Confirmed {
		t.Error("a file of settings was written")
	}
}
