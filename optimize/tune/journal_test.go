package tune

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// journaled searches a small space with a journal at path; the context ends at block cut, 0: never.
func journaled(t *testing.T, path string, o Options, cut int) (string, *machine, int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m, blocks := fixed(weathers()[1], 4), 0
	m.cut = func() {
		if blocks++; blocks == cut {
			cancel()
		}
	}
	m.refuse = func(s Setting) error {
		if s["spinning"] == "0" && s["instances"] == "4" {
			return fault.New(fault.Unsupported, "", "no such setting")
		}
		return nil
	}
	o.Objective, o.Journal = "throughput", path
	d, err := searchBy(ctx, cpuSpace(4, "1", "2"), m.openArm, o, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	resumed := d.Resumed
	d.Resumed, d.Journal = 0, ""
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), m, resumed
}

// A search that was cut goes on where it was; one that is finished measures nothing anew and says what it said.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tune.jsonl")
	_, m, resumed := journaled(t, path, Options{Manifest: "m"}, 20)
	if m.blocks != 19 || resumed != 0 {
		t.Fatalf("%d blocks, %d resumed", m.blocks, resumed)
	}
	// What a killed program leaves of its last line is not a block.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"phase":"screen","round":7,"set`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	whole, m, resumed := journaled(t, path, Options{Manifest: "m"}, 0)
	if resumed != 18 {
		t.Errorf("%d blocks resumed, want 18: those of the round that was cut are measured again", resumed)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := strings.Count(string(data), `"failed"`)
	if lines := strings.Count(string(data), "\n"); lines != 1+19+m.blocks+failed {
		t.Errorf("%d lines, want a heading, 19 and %d blocks and %d failures", lines, m.blocks, failed)
	}
	again, m, _ := journaled(t, path, Options{Manifest: "m"}, 0)
	if m.blocks != 0 || m.opens != 0 {
		t.Errorf("a finished search took %d blocks more", m.blocks)
	}
	if again != whole {
		t.Errorf("repeated from the journal:\n%s\nwant\n%s", again, whole)
	}
	// With more time it goes on from the same blocks.
	if _, _, resumed := journaled(t, path, Options{Manifest: "m", MaxTime: 10 * time.Minute}, 0); resumed == 0 {
		t.Error("with another --max-time nothing was resumed")
	}
}

// A file that is no journal of this search is refused, and stays as it is.
func TestJournalRefuses(t *testing.T) {
	const head = `{"schema":"infer.tune-journal/v1","manifest":"m","seed":0}` + "\n"
	const block = `{"phase":"screen","round":0,"setting":{"a":"1"},"block":{"seconds":[1],"rows":1,"throughput":1,"cpu":1,"peak_rss":0,"elapsed_ns":1}}` + "\n"
	for _, c := range []struct{ name, data, want string }{
		{"another model", strings.Replace(head, `"m"`, `"n"`, 1), "of another search"},
		{"another seed", strings.Replace(head, `0}`, `1}`, 1), "of another search"},
		{"a picture", "\x89PNG\r\n\x1a\n", "no journal"},
		{"no line", "hello", "no journal"},
		{"other JSON", "{}\n", "no journal"},
		{"no block", head + "{}\n", "line 2: a negative round, sitting or time, or no setting"},
		{"no runs", head + strings.Replace(block, "[1]", "[]", 1), "line 2: a block without runs"},
		{"negative", head + block + strings.Replace(block, "[1]", "[-1]", 1), "line 3: a run of no time"},
		{"cut inside", head + `{"phase":` + "\n" + block, "line 2 is not of a journal"},
		{"unknown field", head + strings.Replace(block, `"phase"`, `"phase_"`, 1), "line 2 is not of a journal"},
	} {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, []byte(c.data), 0o600); err != nil {
			t.Fatal(err)
		}
		m := fixed(weathers()[0], 1)
		_, err := searchBy(t.Context(), cpuSpace(2, "1"), m.openArm, Options{Objective: "latency", Journal: path, Manifest: "m"}, m.clock)
		if err == nil || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || !strings.Contains(err.Error(), c.want) || m.opens > 0 {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != c.data {
			t.Errorf("%s: the file is now %q, %v", c.name, now, err)
		}
	}
	m := fixed(weathers()[0], 1)
	_, err := searchBy(t.Context(), cpuSpace(2, "1"), m.openArm, Options{Objective: "latency", Journal: filepath.Join(t.TempDir(), "none", "j")}, m.clock)
	if fault.KindOf(err) != fault.Usage || m.opens > 0 {
		t.Errorf("a journal in a folder that is not there: %v", err)
	}
}

// A journal that was cut in its first line begins anew.
func TestJournalCutHeading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(path, []byte(`{"schema":"infer.tu`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, m, resumed := journaled(t, path, Options{Manifest: "m"}, 8); m.blocks != 7 || resumed != 0 {
		t.Errorf("%d blocks, %d resumed", m.blocks, resumed)
	}
	if _, _, resumed := journaled(t, path, Options{Manifest: "m"}, 8); resumed != 7 {
		t.Errorf("%d resumed, want 7: a short one and a round", resumed)
	}
}

// A gain is told by blocks of one sitting: what the machine did between two is none. Of settings that are alike the default
// stays, whatever the time of each sitting is, though the machine is twice as slow in every other one.
func TestResumeOnAnotherDay(t *testing.T) {
	for seed := range uint64(4) {
		path := filepath.Join(t.TempDir(), "tune.jsonl")
		for i, limit := range []time.Duration{30 * time.Second, 5 * time.Minute, 30 * time.Second, 20 * time.Second} {
			m := newMachine(weathers()[0], seed+100*uint64(i), func(Setting) (float64, float64) {
				slow := float64(2 - i%2)
				return 0.01 * slow, 100 / slow
			})
			d, err := searchBy(t.Context(), cpuSpace(4, "1", "2"), m.openArm, Options{Objective: "throughput", Seed: seed, MaxTime: limit, Journal: path}, m.clock)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && d.Resumed == 0 {
				t.Errorf("seed %d, sitting %d: nothing was resumed", seed, i)
			}
			for _, row := range d.Trials {
				if g := row.Gain; g != nil && (g.Value < 0.8 || g.Value > 1.25) {
					t.Errorf("seed %d, sitting %d: %v gains %.2f, and all are alike: %s", seed, i, row.Setting, g.Value, d.Reading)
				}
			}
		}
	}
}

func FuzzReadJournal(f *testing.F) {
	h := heading{journalSchema, "m", 0}
	line, err := json.Marshal(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(string(line) + "\n"))
	f.Add([]byte(string(line) + "\n" + `{"phase":"screen","round":3,"setting":{"a":"1"},"opened_ns":5,"block":{"seconds":[0.1],"rows":1,"throughput":10,"elapsed_ns":9}}` + "\n{"))
	f.Add([]byte(string(line) + "\n" + `{"phase":"race","round":3,"setting":{"a":"1"},"failed":"no","block":{"seconds":null}}` + "\n"))
	f.Add([]byte(`{"sch`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, whole, err := readJournal(data, h)
		if err != nil {
			if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Fatalf("%v has no hint", err)
			}
			return
		}
		if whole > len(data) || whole > 0 && data[whole-1] != '\n' {
			t.Fatalf("whole lines end at %d of %d", whole, len(data))
		}
		for _, e := range entries {
			if e.wrong() != "" {
				t.Fatalf("%+v", e)
			}
			if _, err := json.Marshal(e); err != nil {
				t.Fatal(err)
			}
		}
	})
}
