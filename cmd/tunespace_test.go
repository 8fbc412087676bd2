package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/host"
	"infer/internal/term"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/tune"
	"infer/report"
	"infer/testdata/arch"
)

// eight is a machine of eight CPUs without a quota, and a model of free rows.
func eight() spaceFacts {
	return spaceFacts{
		machine: host.Machine{Cores: 8, Threads: 8, CPUs: host.CPUs{Count: 8, Affinity: 8, Source: "affinity"}},
		free:    1 << 30, bytes: 1 << 20, width: 1, objective: "throughput",
		config: engine.Config{Threads: 8, Providers: []engine.ProviderSpec{{Name: "cpu"}}},
		rows:   1, rowsError: func(int64) error { return nil }, batches: []int64{1, 2},
	}
}

// knobText is what a space has of a knob, the default first; "" where it has none.
func knobText(s *tuneSpace, name string) string {
	for _, k := range s.knobs {
		if k.Name == name {
			return strings.Join(k.Values, " ")
		}
	}
	return ""
}

// TestTuneSpace: what is searched follows from the machine, the model and the flags, and what is not is said.
func TestTuneSpace(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(x *spaceFacts)
		knob   string
		want   string
		pruned string // in a reason; "": none is asked for
	}{
		{"threads halve", func(*spaceFacts) {}, knobThreads, "8 4 2 1", ""},
		{"instances double", func(*spaceFacts) {}, knobInstances, "1 2 4 8", ""},
		{"a quota", func(x *spaceFacts) {
			x.machine.CPUs = host.CPUs{Count: 2, Affinity: 8, Quota: 2.5, Source: "cgroup quota"}
			x.config.Threads = 2
		}, knobThreads, "2 1", "the quota grants 2.5 of the 8 CPUs"},
		{"two threads a core", func(x *spaceFacts) { x.machine.SMT, x.machine.Cores = true, 4 }, knobThreads, "8 4 2 1", ""},
		{"two threads a core, six cores", func(x *spaceFacts) {
			x.machine.SMT, x.machine.Cores, x.machine.CPUs.Count = true, 6, 12
			x.config.Threads = 12
		}, knobThreads, "12 6 3 1", ""},
		{"more threads than cores", func(x *spaceFacts) { x.machine.SMT, x.machine.Cores = true, 3 }, knobThreads, "8 3 2 1", "between the 3 physical cores and all 8"},
		{"threads are given", func(x *spaceFacts) { x.threads, x.config.Threads = true, 3 }, knobThreads, "3", "--threads 3 is given"},
		{"latency has one instance", func(x *spaceFacts) { x.objective = "latency" }, knobInstances, "1", "no run quicker"},
		{"latency has one row", func(x *spaceFacts) { x.objective = "latency" }, knobBatch, "1", "takes longer"},
		{"rows are fixed", func(x *spaceFacts) { x.fixedRows, x.rows = "--dim gives batch", 4 }, knobBatch, "4", "--dim gives batch"},
		{"too few rows of data", func(x *spaceFacts) {
			x.rowsError = func(n int64) error {
				if n > 1 {
					return errors.New("there is one row")
				}
				return nil
			}
		}, knobBatch, "1", "there is one row"},
		{"a narrow graph", func(*spaceFacts) {}, knobInter, "1", "1.00 times that of its longest path"},
		{"a wide graph", func(x *spaceFacts) { x.width = 4.2 }, knobInter, "1 2 4", ""},
		{"an entry is given", func(x *spaceFacts) { x.config.Entries = map[string]string{"session.intra_op.allow_spinning": "0"} }, knobSpinning, "", "--session-config sets"},
		{"an entry is given, and asked for", func(x *spaceFacts) {
			x.config.Entries = map[string]string{"session.intra_op.allow_spinning": "0"}
			x.knobs = []string{"spinning=0|1"}
		}, knobSpinning, "", "--session-config sets session.intra_op.allow_spinning=0"},
		{"another entry is given, and asked for", func(x *spaceFacts) {
			x.config.Entries = map[string]string{"session.force_spinning_stop": "1"}
			x.knobs = []string{"session.force_spinning_stop=0|1"}
		}, "session.force_spinning_stop", "", "--session-config sets session.force_spinning_stop=1"},
		{"an entry by its full name", func(x *spaceFacts) { x.knobs = []string{"session.intra_op.allow_spinning=0|1"} }, knobSpinning, "1 0", ""},
		{"another entry", func(x *spaceFacts) { x.knobs = []string{"mlas.use_lut_gemm=0|1"} }, "mlas.use_lut_gemm", "0 1", ""},
		{"threads by --knob, the default first", func(x *spaceFacts) { x.knobs = []string{"threads=2|8"} }, knobThreads, "8 2", ""},
		{"without the default", func(x *spaceFacts) { x.knobs = []string{"threads=2|4"} }, knobThreads, "2 4", ""},
		{"a GPU", func(x *spaceFacts) { x.config.Providers[0].Name = "cuda" }, knobThreads, "8", "the provider cuda is no CPU"},
		{"a GPU does not spin", func(x *spaceFacts) { x.config.Providers[0].Name = "cuda" }, knobSpinning, "1", ""},
		{"variants", func(x *spaceFacts) { x.variants = []string{"int8"} }, knobVariant, "base int8", ""},
	} {
		x := eight()
		c.change(&x)
		s, err := newSpace(x)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := knobText(s, c.knob); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.name, c.knob, got, c.want)
		}
		if why := fmt.Sprint(s.pruned); !strings.Contains(why, c.pruned) {
			t.Errorf("%s: left out %s, want %q", c.name, why, c.pruned)
		}
	}
}

// TestTuneAllowed: combinations that make no sense are not searched.
func TestTuneAllowed(t *testing.T) {
	x := eight()
	x.width = 4
	s, err := newSpace(x)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		set  tune.Setting
		want string
	}{
		{tune.Setting{}, ""},
		{tune.Setting{knobThreads: "4", knobInstances: "2"}, ""},
		{tune.Setting{knobThreads: "4", knobInstances: "4"}, "4 × 4 threads on 8 CPUs take turns"},
		{tune.Setting{knobThreads: "1", knobSpinning: "0"}, "waits for no other"},
		{tune.Setting{knobThreads: "1", knobBlocks: "4"}, "shares nothing out"},
		{tune.Setting{knobThreads: "4", knobInter: "2"}, ""},
		{tune.Setting{knobThreads: "8", knobInter: "2"}, "more than 8 CPUs"},
		{tune.Setting{knobThreads: "2", knobInter: "2", knobInstances: "2"}, "compete"},
	} {
		if why := s.allowed(s.full(c.set)); (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
			t.Errorf("%v: %q, want %q", c.set, why, c.want)
		}
	}
	s.facts.bytes = 400 << 20
	if why := s.allowed(s.full(tune.Setting{knobThreads: "2", knobInstances: "4"})); !strings.Contains(why, "4 copies of the model need 1.68 GB, and 1.07 GB are free") {
		t.Errorf("memory: %q", why)
	}
	if why := s.allowed(s.full(tune.Setting{knobThreads: "1", knobInstances: "8"})); why != "" {
		t.Errorf("runs on one thread share a session: %q", why)
	}
	if a, b := s.cost(s.full(tune.Setting{knobThreads: "1"})), s.cost(s.full(nil)); a >= b {
		t.Errorf("one thread costs %v, eight %v", a, b)
	}
}

// TestTuneConfig: a setting is the session that the file of settings describes.
func TestTuneConfig(t *testing.T) {
	x := eight()
	x.config.Entries = map[string]string{"a.b": "c"}
	x.knobs = []string{"session.force_spinning_stop=0|1", "provider.use_arena=1|0", "cpu.x=y|z"}
	s, err := newSpace(x)
	if err != nil {
		t.Fatal(err)
	}
	c := s.config(s.full(nil))
	if c.Threads != 8 || c.InterThreads != 0 || len(c.Entries) != 2 || c.Entries["session.force_spinning_stop"] != "0" {
		t.Errorf("the default: %+v", c)
	}
	c = s.config(s.full(tune.Setting{knobThreads: "2", knobSpinning: "0", knobInter: "3", "provider.use_arena": "0"}))
	if c.Threads != 2 || c.InterThreads != 3 || c.Entries["session.intra_op.allow_spinning"] != "0" || c.Entries["a.b"] != "c" {
		t.Errorf("%+v", c)
	}
	if o := c.Providers[0].Options; o["use_arena"] != "0" || o["x"] != "y" {
		t.Errorf("provider options %v", o)
	}
	if len(x.config.Entries) != 1 || x.config.Providers[0].Options != nil {
		t.Error("the configuration of the flags changed")
	}
}

// TestGraphWidth: a chain has no work to share out, branches of equal work have as much as there are of them.
func TestGraphWidth(t *testing.T) {
	if w := graphWidth(model.New(arch.Chain("Sigmoid", 12, 1<<12)), nil); w < 0.999 || w > 1.001 {
		t.Errorf("a chain: %v", w)
	}
	var nodes []*onnx.Node
	var outs []string
	for i := range 4 {
		mid, out := fmt.Sprintf("m%d", i), fmt.Sprintf("y%d", i)
		nodes = append(nodes, enginetest.Node("Sigmoid", enginetest.Names("x"), enginetest.Names(mid)), enginetest.Node("Tanh", enginetest.Names(mid), enginetest.Names(out)))
		outs = append(outs, out)
	}
	var ports []*onnx.ValueInfo
	for _, o := range outs {
		ports = append(ports, enginetest.Value(o, tensor.Float32, 64, 1024))
	}
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 64, 1024)), ports, nodes)
	if w := graphWidth(m, nil); w < 3.99 || w > 4.01 {
		t.Errorf("four branches: %v", w)
	}
	empty, err := model.Load("../testdata/odd/no-nodes.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if w := graphWidth(empty, nil); w != 0 {
		t.Errorf("no nodes: %v", w)
	}
}

// TestTunedFile: the file is YAML that loads whatever is in the names, and a kept default is in comments alone.
func TestTunedFile(t *testing.T) {
	f := tunedFile{
		head:    []string{"a command with\nserve: {check: true}", "and \x1b[31mred"},
		machine: "123456789012",
		found: []entry{{key: "threads", values: []string{"3"}}, {key: "model", values: []string{"we # ird: 'né\".onnx"}, note: "in place of\nanother"},
			{key: "session-config", values: []string{"a.b=1", `c.d="x" # y`}, list: true}},
		sections: []fileSection{{"serve", []entry{{key: "instances", values: []string{"2"}}, {key: "slo", values: []string{"20ms"}}}},
			{"loadtest", []entry{{key: "slo", values: []string{"p99<20ms"}, list: true}}}, {"profile", []entry{{key: "dim", list: true}}}},
	}
	load := func() *config {
		t.Helper()
		path := filepath.Join(t.TempDir(), "tuned.yaml")
		if err := os.WriteFile(path, []byte(f.text()), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(path, term.Streams{}, newRoot(&app{std: term.Streams{}}))
		if err != nil {
			t.Fatalf("%v\n%s", err, f.text())
		}
		return c
	}
	c := load()
	if c.v.GetInt("threads") != 3 || c.v.GetString("model") != "we # ird: 'né\".onnx" || c.v.GetString("serve.slo") != "20ms" || c.v.GetString(tunedOn) != "123456789012" {
		t.Errorf("%v", c.v.AllSettings())
	}
	if got := c.v.GetStringSlice("session-config"); !slices.Equal(got, []string{"a.b=1", `c.d="x" # y`}) {
		t.Errorf("session-config %q", got)
	}
	if c.v.IsSet("serve.check") || c.v.IsSet("profile") || strings.Contains(f.text(), "\x1b") {
		t.Errorf("%s", f.text())
	}
	f.keep = true
	c = load()
	if c.v.IsSet("threads") || !strings.Contains(f.text(), "# threads: 3\n") || c.v.GetInt("serve.instances") != 2 {
		t.Errorf("a kept default: %v\n%s", c.v.AllSettings(), f.text())
	}
}

// TestTunedSettings: what the flags gave is in the file, whatever is chosen; a default that stays is a comment, unless the
// search had one of its own.
func TestTunedSettings(t *testing.T) {
	for _, c := range []struct {
		name  string
		knobs []string
		keep  bool
		want  string
	}{
		{"chosen", nil, false, "session-config: [a.b=1], provider-option: [arena=1], threads: 8"},
		{"the default stays", nil, true, "session-config: [a.b=1], provider-option: [arena=1]"},
		{"a default of its own stays", []string{"threads=2|4", "session.force_spinning_stop=1|0"}, true, "session-config: [a.b=1 session.force_spinning_stop=1], provider-option: [arena=1], threads: 2"},
	} {
		x := eight()
		x.knobs = c.knobs
		s, err := newSpace(x)
		if err != nil {
			t.Fatal(err)
		}
		u := &tuner{f: &tuneFlags{knobs: c.knobs, engine: engineFlags{sessionConfig: []string{"a.b=1"}, providerOptions: []string{"arena=1"}}}, space: s}
		f := &tunedFile{machine: "m"}
		u.addSettings(f, &report.TuneDetails{KeepDefault: c.keep})
		path := filepath.Join(t.TempDir(), "tuned.yaml")
		if err := os.WriteFile(path, []byte(f.text()), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := loadConfig(path, term.Streams{}, newRoot(&app{std: term.Streams{}}))
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, f.text())
		}
		text := fmt.Sprintf("session-config: %v, provider-option: %v", got.v.GetStringSlice("session-config"), got.v.GetStringSlice("provider-option"))
		if got.v.IsSet("threads") {
			text += ", threads: " + got.v.GetString("threads")
		}
		if text != c.want {
			t.Errorf("%s: %s, want %s\n%s", c.name, text, c.want, f.text())
		}
	}
}

// TestTunedElsewhere: a file of another machine is taken with a warning.
func TestTunedElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tuned.yaml")
	if err := os.WriteFile(path, []byte("tuned-on: \"0123456789ab\"\nthreads: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := infer(t, nil, "inspect", digits, "--config", path)
	if r.code != 0 || !strings.Contains(r.err, "was tuned on another machine") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
