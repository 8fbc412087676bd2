package baseline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// run is a valid document of day i with p99 in ms.
func run(i int, p99 float64) *report.Document {
	d := report.New("loadtest")
	d.Created = epoch.AddDate(0, 0, i)
	d.Manifest = report.Manifest{Tool: "test", Host: map[string]any{"fingerprint": "aaaabbbbcccc"}}
	m := report.NewMetric("latency_p99")
	v := p99 / 1e3
	m.Value, m.N = &v, 1000
	d.Add(m)
	return d
}

func open(t *testing.T, spec string) *Store {
	t.Helper()
	s, err := Open(spec)
	if err != nil {
		t.Fatalf("open %q: %v", spec, err)
	}
	return s
}

func add(t *testing.T, s *Store, d *report.Document, accepted ...report.Acceptance) {
	t.Helper()
	if err := s.Add(d, accepted); err != nil {
		t.Fatalf("add: %v", err)
	}
}

// few is how many runs a store keeps where a test does not need all of Keep: git takes its time.
const few = 4

// days are those of the runs of s, newest first.
func days(s *Store) []int {
	var out []int
	for _, r := range s.Runs() {
		out = append(out, int(r.Document.Created.Sub(epoch).Hours()/24))
	}
	return out
}

// specs are stores of every kind that keep many runs, empty.
func specs(t *testing.T) map[string]string {
	t.Helper()
	repository(t)
	return map[string]string{"file": "perf/base.jsonl", "folder": "accepted/", "git": "git:refs/infer/baseline:a/b/base.jsonl"}
}

func TestStoreKeeps(t *testing.T) {
	for name, spec := range specs(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, spec)
			if s.keep != Keep {
				t.Errorf("it keeps %d runs, want %d", s.keep, Keep)
			}
			s.keep = few
			if s.Missing() == nil || len(s.Runs()) != 0 || fault.KindOf(s.Missing()) != fault.Usage || fault.HintOf(s.Missing()) != hintFirst {
				t.Fatalf("new store: %v, %d runs", s.Missing(), len(s.Runs()))
			}
			for _, i := range []int{3, 1, 2} {
				add(t, s, run(i, 10))
			}
			if s.Missing() != nil || !slices.Equal(days(s), []int{3, 2, 1}) {
				t.Fatalf("after three: %v, days %v", s.Missing(), days(s))
			}
			add(t, s, run(2, 10)) // the same again
			for i := 4; i < 4+few; i++ {
				add(t, s, run(i, 10))
			}
			s = open(t, spec)
			if got := days(s); len(got) != few || got[0] != 3+few || got[few-1] != 4 {
				t.Fatalf("days %v, want the newest %d", got, few)
			}
			s.keep = few
			if err := s.Add(run(0, 10), nil); err == nil || !strings.Contains(err.Error(), "older than the 4 accepted ones") {
				t.Errorf("adding an old run: %v", err)
			}
			for _, r := range s.Runs() {
				if err := r.Document.Validate(); err != nil || len(r.SHA256) != 64 || r.Path == "" {
					t.Errorf("run %q: %v", r.Path, err)
				}
			}
		})
	}
}

func TestStoreOfOneDocument(t *testing.T) {
	repository(t)
	for name, spec := range map[string]string{"file": "base.json", "git": "git:refs/infer/baseline:perf/base.json"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, spec)
			add(t, s, run(1, 10))
			add(t, s, run(5, 11))
			if s = open(t, spec); !slices.Equal(days(s), []int{5}) {
				t.Errorf("days %v, want the last alone", days(s))
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	until, later := 0.012, 0.015
	for name, spec := range specs(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, spec)
			add(t, s, run(1, 10))
			add(t, s, run(2, 12), report.Acceptance{Metric: "latency_p99", Reason: "a larger model", Until: &until}, report.Acceptance{Metric: "throughput", Reason: "the same"})
			add(t, s, run(3, 12))
			s = open(t, spec)
			s.keep = few
			if got := s.Accepted(); len(got) != 2 || got[0].Metric != "latency_p99" || *got[0].Until != until || got[1].Reason != "the same" {
				t.Fatalf("accepted %+v", got)
			}
			add(t, s, run(4, 15), report.Acceptance{Metric: "latency_p99", Reason: "larger still", Until: &later})
			if got := s.Accepted(); len(got) != 2 || *got[0].Until != later {
				t.Fatalf("the later acceptance does not replace the first: %+v", got)
			}
			for i := 5; i < 5+few; i++ {
				add(t, s, run(i, 15))
			}
			if got := s.Accepted(); len(got) != 0 {
				t.Errorf("still accepted when all of the base is at the new level: %+v", got)
			}
		})
	}
}

func TestAcceptedLabels(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.jsonl"))
	of := func(batch, reason string) report.Acceptance {
		return report.Acceptance{Metric: "latency_p50", Labels: map[string]string{"batch": batch}, Reason: reason}
	}
	add(t, s, run(1, 10), of("1", "first"), of("8", "first"))
	add(t, s, run(2, 10), of("8", "later"))
	if got := s.Accepted(); len(got) != 2 || got[0].Labels["batch"] != "8" || got[0].Reason != "later" || got[1].Labels["batch"] != "1" {
		t.Errorf("accepted %+v", got)
	}
}

func TestAcceptanceStaysWithItsRun(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "a.jsonl"))
	add(t, s, run(1, 10), report.Acceptance{Metric: "latency_p99", Reason: "why"})
	other := open(t, filepath.Join(dir, "b.jsonl"))
	add(t, other, s.Runs()[0].Document)
	if got := other.Accepted(); len(got) != 0 {
		t.Errorf("a document of one store brings %+v into another", got)
	}
	if got := s.Accepted(); len(got) != 1 {
		t.Errorf("adding to another store took the acceptance away: %+v", got)
	}
}

func TestAgeAndMachines(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "base.jsonl"))
	if got := s.Age(epoch); got != "" {
		t.Errorf("age of nothing: %q", got)
	}
	add(t, s, run(0, 10))
	add(t, s, run(1, 10))
	if got := s.Age(epoch.AddDate(0, 0, 31)); got != "" {
		t.Errorf("after 30 days: %q", got)
	}
	if got := s.Age(epoch.AddDate(0, 0, 46)); !strings.Contains(got, "45 days old") {
		t.Errorf("after 45 days: %q", got)
	}
	head := run(2, 10)
	if got := s.Machines(head); got != "" {
		t.Errorf("same machine: %q", got)
	}
	head.Manifest.Host["fingerprint"] = "ddddeeeeffff"
	if got := s.Machines(head); !strings.Contains(got, "2 of the 2") || !strings.Contains(got, "theirs is aaaabbbbcccc, this one is ddddeeeeffff") {
		t.Errorf("another machine: %q", got)
	}
}

func TestAddRefuses(t *testing.T) {
	invalid, broken, stopped := run(1, 10), run(1, 10), run(1, 10)
	invalid.AddCheck("cpu_throttled", false, "throttled")
	broken.Metrics[0].Unit = "ms"
	stopped.Verdict = report.Interrupted
	s := open(t, filepath.Join(t.TempDir(), "base.jsonl"))
	for _, c := range []struct {
		name string
		d    *report.Document
		kind fault.Kind
		says string
	}{
		{"invalid", invalid, fault.Untrusted, "not to be trusted"},
		{"interrupted", stopped, fault.Untrusted, "not to be trusted"},
		{"broken", broken, fault.Usage, `unit "ms"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.Add(c.d, nil)
			if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || fault.HintOf(err) == "" {
				t.Errorf("got %v", err)
			}
			if s.Missing() == nil {
				t.Error("it was added")
			}
		})
	}
}

// load is a document of a load test with figures in n sections.
func load(t testing.TB, n int) *report.Document {
	d := run(1, 10)
	f := &report.LoadFigures{Seconds: float64(n), Lag: &stats.Sketch{}, ConnWait: &stats.Sketch{}}
	for i := range n {
		s := report.LoadSection{Seconds: 1, Due: 2000, Sent: 2000, Answered: 2000, Good: 2000, Outcomes: map[string]int64{"ok": 2000}, Latency: &stats.Sketch{}, Service: &stats.Sketch{}}
		for j := range 2000 {
			s.Latency.Add(0.001 * float64(1+(i*2000+j*7919)%9973))
			s.Service.Add(0.0005 * float64(1+(i*2000+j*7919)%9973))
			f.Lag.Add(1e-6 * float64(1+j))
		}
		f.Sections = append(f.Sections, s)
		f.Timeline = append(f.Timeline, report.LoadSlice{At: float64(i), Seconds: 1, Latency: s.Latency.Coarse(6)})
		f.Slowest = append(f.Slowest, report.LoadSlow{Latency: 1})
	}
	if err := d.SetDetails(report.LoadDetails{Schedule: report.LoadSchedule{Loop: "open"}, Figures: f}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSlim(t *testing.T) {
	d := load(t, 24)
	before := len(d.Details)
	s, err := Slim(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Details) != before || len(d.Warnings) != 0 {
		t.Error("Slim changed its argument")
	}
	if len(s.Details) > SlimBytes || before < 2*SlimBytes {
		t.Errorf("%d bytes became %d, want at most %d", before, len(s.Details), SlimBytes)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "the course of the figures") {
		t.Errorf("warnings %q", s.Warnings)
	}
	var l, whole report.LoadDetails
	if err := json.Unmarshal(s.Details, &l); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Details, &whole); err != nil {
		t.Fatal(err)
	}
	all := &stats.Sketch{}
	for _, x := range whole.Figures.Sections {
		all.Merge(x.Latency)
	}
	f := l.Figures
	if l.Schedule.Loop != "open" || f == nil || len(f.Sections) != 1 || f.Sections[0].Due != 48000 || f.Sections[0].Outcomes["ok"] != 48000 || f.Sections[0].Seconds != 24 {
		t.Fatalf("figures %+v", f)
	}
	got := f.Sections[0].Latency
	if got.Count() != all.Count() || got.Max() != all.Max() || got.Sum() != all.Sum() {
		t.Error("the counts are not all there")
	}
	for _, p := range report.ShiftPercentiles {
		if a, b := got.Quantile(p), all.Quantile(p); a < b*0.98 || a > b*1.02 {
			t.Errorf("p%g is %v, was %v", 100*p, a, b)
		}
	}
	again, err := Slim(s)
	if err != nil || !bytes.Equal(again.Details, s.Details) || len(again.Warnings) != 1 {
		t.Errorf("slimming twice is not slimming once: %v", err)
	}
}

func TestSlimOtherKinds(t *testing.T) {
	d := report.New("profile")
	p := report.ProfileDetails{ProfiledRuns: 10}
	for i := range 1000 {
		p.ByNode = append(p.ByNode, report.Share{Name: fmt.Sprintf("a node with a long name, as exporters give it, number %d", i), Op: "Conv"})
	}
	p.ByOp = []report.Share{{Name: "Conv", Count: 1000}}
	if err := d.SetDetails(p); err != nil {
		t.Fatal(err)
	}
	s, err := Slim(d)
	if err != nil {
		t.Fatal(err)
	}
	var got report.ProfileDetails
	if err := json.Unmarshal(s.Details, &got); err != nil {
		t.Fatal(err)
	}
	if got.ByNode != nil || len(got.ByOp) != 1 || got.ProfiledRuns != 10 || len(s.Warnings) != 1 || !strings.HasSuffix(s.Warnings[0], "without by_node") {
		t.Errorf("%+v, warnings %q", got, s.Warnings)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, "good.jsonl")
	add(t, s, run(1, 10))
	add(t, s, run(2, 10))
	good, err := os.ReadFile("good.jsonl")
	must(err)
	must(os.WriteFile("half.jsonl", good[:len(good)-40], 0o644))
	must(os.WriteFile("other.json", []byte(`{"name": "left-pad"}`), 0o644))
	must(os.WriteFile("edited.jsonl", bytes.Replace(good, []byte(`"unit":"s"`), []byte(`"unit":"ms"`), 1), 0o644))
	must(os.WriteFile("accepted.jsonl", bytes.Replace(good, []byte(`{"schema"`), []byte(`{"accepted":7,"schema"`), 1), 0o644))
	must(os.Mkdir("folder", 0o755))
	must(os.WriteFile("folder/run.json", good[:100], 0o644))
	must(os.WriteFile("folder/.hidden.json", []byte("x"), 0o644))
	must(os.WriteFile("empty.jsonl", []byte("\n \n"), 0o644))
	for _, c := range []struct{ spec, says string }{
		{"half.jsonl", "half.jsonl:2: it is not a complete report"},
		{"other.json", "other.json: it is a JSON object without a schema"},
		{"edited.jsonl", `edited.jsonl:1: its document is damaged: metric "latency_p99": unit "ms"`},
		{"accepted.jsonl", `accepted.jsonl:1: its field "accepted" is damaged`},
		{"folder", filepath.Join("folder", "run.json") + ": it is not a complete report"},
		{"nothing.txt", "is not there, and its ending says neither file nor folder"},
		{"", "is the name of nothing"},
		{os.DevNull, "is neither a file nor a folder"},
		{filepath.Join("good.jsonl", "x.json"), "cannot be read"},
	} {
		t.Run(c.spec, func(t *testing.T) {
			_, err := Open(c.spec)
			if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.says) || fault.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v (hint %q), want …%s…", err, fault.HintOf(err), c.says)
			}
		})
	}
	for spec, says := range map[string]string{"empty.jsonl": "has no documents", "none.json": "there is no such file", "none/": "there is no such folder"} {
		if s := open(t, spec); s.Missing() == nil || !strings.Contains(s.Missing().Error(), says) {
			t.Errorf("%s: %v", spec, s.Missing())
		}
	}
	if s, err := Open("other.json"); err == nil {
		t.Fatal(s)
	}
	if got, _ := os.ReadFile("other.json"); string(got) != `{"name": "left-pad"}` {
		t.Errorf("somebody's file is now %q", got)
	}
}

func TestFolderLeavesWhatIsNotIts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, run(1, 10))
	add(t, s, run(2, 10))
	var mine bytes.Buffer
	if err := report.Write(&mine, run(0, 10)); err != nil {
		t.Fatal(err)
	}
	own, edited := s.Runs()[0].Path, s.Runs()[1].Path
	for name, b := range map[string][]byte{filepath.Join(dir, "mine.json"): mine.Bytes(), edited: mine.Bytes()} {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := 3; i < 4+Keep; i++ {
		add(t, s, run(i, 10))
	}
	for path, want := range map[string]bool{own: false, edited: true, filepath.Join(dir, "mine.json"): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: is there: %v, want %v", filepath.Base(path), err == nil, want)
		}
	}
}

// TestAddThatCannotWrite holds every kind of file to leaving what was there when the disk refuses.
func TestAddThatCannotWrite(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root writes everywhere")
	}
	dir := t.TempDir()
	for _, spec := range []string{filepath.Join(dir, "a", "base.jsonl"), filepath.Join(dir, "b") + "/"} {
		s := open(t, spec)
		add(t, s, run(1, 10))
		in := filepath.Dir(s.Runs()[0].Path)
		if err := os.Chmod(in, 0o555); err != nil {
			t.Fatal(err)
		}
		if err := s.Add(run(2, 10), nil); err == nil || fault.HintOf(err) != hintKeep {
			t.Errorf("%s: %v", spec, err)
		}
		if s := open(t, spec); len(s.Runs()) != 1 {
			t.Errorf("%s has %d runs", spec, len(s.Runs()))
		}
		_ = os.Chmod(in, 0o755)
	}
}

// FuzzDecode: whatever JSON lines decode are runs that can be stored and read again; nothing panics.
func FuzzDecode(f *testing.F) {
	r, err := newRun(run(1, 10), []report.Acceptance{{Metric: "latency_p99", Reason: "why"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(r.raw, '\n'))
	f.Add(append(append(slices.Clone(r.raw), "\r\n\n"...), r.raw...))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		runs, err := decode("x.jsonl", b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %q", err)
			}
			return
		}
		again, err := encode("x.jsonl", runs[1:], runs[0], len(runs)+1)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode("x.jsonl", again)
		if err != nil || len(back) > len(runs) {
			t.Fatalf("%d runs became %d: %v", len(runs), len(back), err)
		}
		for _, r := range back {
			acceptances(r.Document)
			if _, err := Slim(r.Document); err != nil && strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %q", err)
			}
		}
	})
}

// TestHolds: a run is known, whatever was accepted with it.
func TestHolds(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.jsonl"))
	add(t, s, run(1, 10), report.Acceptance{Metric: "latency_p99", Reason: "known"})
	if !s.Holds(run(1, 10)) || s.Holds(run(2, 10)) || !s.Many() {
		t.Error("a run that was added is not known, or another one is")
	}
	bad := run(3, 10)
	bad.AddCheck("drift", false, "the machine became slower")
	if err := s.Add(bad, nil); err == nil || !strings.Contains(err.Error(), "drift: the machine became slower") {
		t.Errorf("an invalid run: %v", err)
	}
}
