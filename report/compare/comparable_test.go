package compare

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/report"
)

// profiled is a profile as the program writes it, with a p50 of 2 ms.
func profiled(t testing.TB, change func(*report.Document)) *report.Document {
	t.Helper()
	d := report.New("profile")
	seed := uint64(1)
	d.Manifest = report.Manifest{
		Model: &report.ModelRef{Path: "m.onnx", SHA256: "aa"}, Tool: "1.0", Go: "go1.26", CPUs: 2,
		Runtime: &report.RuntimeRef{Name: "onnxruntime", Version: "1.30.0", Providers: []string{"cpu"}},
		Host: map[string]any{"fingerprint": "f1", "cpu_model": "AMD EPYC", "arch": "amd64", "kernel": "6.1",
			"isa": []any{"avx", "avx2"}},
		Options:  map[string]any{"threads": 2, "inter_threads": 0, "session_config": nil},
		Bindings: map[string]string{"image": "1x1x8x8"}, Data: &report.DataRef{Source: "random"}, Seed: &seed,
	}
	d.Add(timed("latency_p50", 0.002, 0.00001))
	if change != nil {
		change(d)
	}
	return d
}

// timed is a metric with an interval of half to either side.
func timed(name string, value, half float64) report.Metric {
	m := report.NewMetric(name)
	lo, hi := value-half, value+half
	m.Value, m.N, m.Method = &value, 1000, "order-statistic"
	if half > 0 {
		m.Lo, m.Hi, m.Confidence = &lo, &hi, 0.95
	}
	return m
}

// loaded is a load test as the program writes it.
func loaded(t testing.TB, change func(*report.Document, *report.LoadDetails)) *report.Document {
	t.Helper()
	d := report.New("loadtest")
	seed := uint64(1)
	d.Manifest = report.Manifest{Tool: "1.0", Host: map[string]any{"fingerprint": "f1"}, Seed: &seed,
		Options: map[string]any{"arrival": "poisson", "timeout_s": 10, "connections": 1000}, Data: &report.DataRef{Source: "random", SHA256: "dd"}}
	x := &report.LoadDetails{
		Target:   report.LoadTarget{URL: "http://localhost:8000", Protocol: "oip-http", Encoding: "binary", Model: "m", Payloads: 16, Rows: 1, PayloadHash: "pp"},
		Schedule: report.LoadSchedule{Loop: "open", Arrival: "poisson", Stages: []report.LoadStage{{From: 200, To: 200, For: 10}}},
		Window:   report.LoadWindow{Seconds: 10},
	}
	d.Add(timed("latency_p99", 0.02, 0.0002))
	if change != nil {
		change(d, x)
	}
	if err := d.SetDetails(x); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDiffers(t *testing.T) {
	set := func(key string, v any) func(*report.Document) {
		return func(d *report.Document) { d.Manifest.Options[key] = v }
	}
	for _, c := range []struct {
		name   string
		change func(*report.Document)
		want   string // what, base and head of the first difference; "": none
		vary   string // allows it; "": nothing does
	}{
		{"nothing", nil, "", ""},
		{"the model", func(d *report.Document) { d.Manifest.Model = &report.ModelRef{Path: "n.onnx", SHA256: "bb"} }, "", ""},
		{"the command", func(d *report.Document) { d.Manifest.Command = []string{"infer", "profile"} }, "", ""},
		{"mode of a quantization", set("mode", "static"), "", ""},
		{"the kernel alone", func(d *report.Document) { d.Manifest.Host["kernel"] = "6.2" }, "", ""},
		{"kind", func(d *report.Document) { d.Kind = "predict" }, "kind profile predict", ""},
		{"machine", func(d *report.Document) {
			d.Manifest.Host["fingerprint"], d.Manifest.Host["cpu_model"] = "f2", "Intel Xeon"
		}, "machine: cpu model AMD EPYC Intel Xeon", "machine"},
		{"CPUs", func(d *report.Document) { d.Manifest.Host["fingerprint"], d.Manifest.CPUs = "f2", 4 }, "machine: effective CPUs 2 4", "machine"},
		{"instructions", func(d *report.Document) {
			d.Manifest.Host["fingerprint"], d.Manifest.Host["isa"] = "f2", []any{"avx"}
		}, "machine: isa avx,avx2 avx", "machine"},
		{"only the fingerprint", func(d *report.Document) { d.Manifest.Host["fingerprint"] = "f2" }, "machine f1 f2", "machine"},
		{"no fingerprint", func(d *report.Document) { d.Manifest.Host = map[string]any{"cpu_model": "Intel Xeon"} }, "machine: cpu model AMD EPYC Intel Xeon", "machine"},
		{"threads", set("threads", 4), "option threads 2 4", "threads"},
		{"inter-op threads", set("inter_threads", 1), "option inter-threads 0 1", "inter_threads"},
		{"session config", set("session_config", map[string]string{"a": "b"}), "option session-config none a:b", "session-config"},
		{"threads as read from a file", set("threads", float64(2)), "", ""},
		{"runtime", func(d *report.Document) { d.Manifest.Runtime.Version = "1.29.0" }, "runtime onnxruntime 1.30.0 onnxruntime 1.29.0", "runtime"},
		{"provider", func(d *report.Document) { d.Manifest.Runtime.Providers = []string{"cuda", "cpu"} }, "provider cpu cuda, cpu", "provider"},
		{"shape", func(d *report.Document) { d.Manifest.Bindings["image"] = "8x1x8x8" }, "input image 1x1x8x8 8x1x8x8", "input"},
		{"another input", func(d *report.Document) { d.Manifest.Bindings = map[string]string{"x": "1x1x8x8"} }, "input image 1x1x8x8 none", "input"},
		{"one input more", func(d *report.Document) { d.Manifest.Bindings["mask"] = "1x8" }, "input mask none 1x8", "input"},
		{"data", func(d *report.Document) { d.Manifest.Data.Source = "rows" }, "data random rows", "data"},
		{"seed", func(d *report.Document) { s := uint64(2); d.Manifest.Seed = &s }, "seed 1 2", "seed"},
	} {
		base, head := profiled(t, nil), profiled(t, c.change)
		got := ""
		list := Differs(base, head, nil)
		if len(list) > 0 {
			got = list[0].What + " " + list[0].Base + " " + list[0].Head
		}
		if got != c.want || Comparable(base, head, nil) != (c.want == "") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.want == "" {
			continue
		}
		if back := Differs(head, base, nil); len(back) != len(list) {
			t.Errorf("%s: %d differences, and %d the other way round", c.name, len(list), len(back))
		}
		for _, v := range VaryNames() {
			want := varyName(c.vary) == v
			if got := Comparable(base, head, []string{v}); got != want {
				t.Errorf("%s: with --vary %s comparable is %v", c.name, v, got)
			}
		}
	}
}

func TestDiffersOfLoads(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*report.Document, *report.LoadDetails)
		want   string
		vary   string
	}{
		{"nothing", nil, "", ""},
		{"address and model", func(_ *report.Document, x *report.LoadDetails) {
			x.Target.URL, x.Target.Model, x.Target.Server = "http://other:1", "n", "triton"
		}, "", ""},
		{"protocol", func(_ *report.Document, x *report.LoadDetails) { x.Target.Protocol = "oip-grpc" }, "protocol oip-http oip-grpc", "protocol"},
		{"encoding", func(_ *report.Document, x *report.LoadDetails) { x.Target.Encoding = "json" }, "encoding binary json", "encoding"},
		{"rate", func(_ *report.Document, x *report.LoadDetails) {
			x.Schedule.Stages[0] = report.LoadStage{From: 201, To: 201, For: 10}
		}, "rate 200 /s 201 /s", "rate"},
		{"stages", func(_ *report.Document, x *report.LoadDetails) {
			x.Schedule.Stages = []report.LoadStage{{From: 100, To: 300, For: 5}, {From: 300, To: 300, For: 5}}
		}, "rate 200 /s 100 /s to 300 /s in 5 s, 300 /s for 5 s", "stages"},
		{"arrival", func(_ *report.Document, x *report.LoadDetails) { x.Schedule.Arrival = "constant" }, "arrival poisson constant", "arrival"},
		{"window", func(_ *report.Document, x *report.LoadDetails) { x.Window.Seconds = 20 }, "duration 10 s 20 s", "duration"},
		{"the same window, nearly", func(_ *report.Document, x *report.LoadDetails) { x.Window.Seconds = 10.004 }, "", ""},
		{"rows", func(_ *report.Document, x *report.LoadDetails) { x.Target.Rows = 8 }, "rows of a request 1 8", "batch"},
		{"payload", func(_ *report.Document, x *report.LoadDetails) { x.Target.PayloadHash = "qq" }, "payload 16 payloads (sha256 pp) 16 payloads (sha256 qq)", "payload"},
		{"data", func(d *report.Document, _ *report.LoadDetails) { d.Manifest.Data.SHA256 = "ee" }, "data random (sha256 dd) random (sha256 ee)", "data"},
		{"timeout", func(d *report.Document, _ *report.LoadDetails) { d.Manifest.Options["timeout_s"] = 1 }, "option timeout 10 1", "timeout"},
		{"scenario", func(d *report.Document, _ *report.LoadDetails) { d.Manifest.Options["scenario"] = "offline" }, "scenario server offline", "scenario"},
		{"loop", func(_ *report.Document, x *report.LoadDetails) {
			x.Schedule = report.LoadSchedule{Loop: "closed", Concurrency: 4}
		}, "loop open closed", "loop"},
		{"a shard", func(_ *report.Document, x *report.LoadDetails) { x.Schedule.Shard = "0/2" }, "", ""},
	} {
		base, head := loaded(t, nil), loaded(t, c.change)
		got := ""
		if list := Differs(base, head, nil); len(list) > 0 {
			got = list[0].What + " " + list[0].Base + " " + list[0].Head
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.want != "" && !Comparable(base, head, []string{c.vary}) {
			t.Errorf("%s: --vary %s does not allow it", c.name, c.vary)
		}
	}
	closed := func(n int, seconds float64) *report.Document {
		return loaded(t, func(_ *report.Document, x *report.LoadDetails) {
			x.Schedule = report.LoadSchedule{Loop: "closed", Concurrency: n}
			x.Window.Seconds = seconds
		})
	}
	if list := Differs(closed(4, 10), closed(8, 10), nil); len(list) != 1 || list[0].What != "concurrency" {
		t.Errorf("concurrency: %+v", list)
	}
	if list := Differs(closed(4, 10), closed(4, 5), nil); len(list) != 0 {
		t.Errorf("a closed loop that ends by requests: %+v", list)
	}
}

// Another seed makes other random values: who lets the seed vary lets them, too.
func TestVarySeed(t *testing.T) {
	head := loaded(t, func(d *report.Document, x *report.LoadDetails) {
		s := uint64(2)
		d.Manifest.Seed, d.Manifest.Data.SHA256, x.Target.PayloadHash = &s, "ee", "qq"
	})
	if list := Differs(loaded(t, nil), head, nil); len(list) != 3 {
		t.Errorf("differences %+v", list)
	}
	if !Comparable(loaded(t, nil), head, []string{"seed"}) {
		t.Error("--vary seed does not allow another seed")
	}
}

// A result of another tool knows nothing of the machine: no difference, and a warning.
func TestUntold(t *testing.T) {
	foreign := loaded(t, func(d *report.Document, x *report.LoadDetails) {
		d.Manifest = report.Manifest{Tool: "vegeta 12"}
		*x = report.LoadDetails{}
	})
	for _, pair := range [][2]*report.Document{{loaded(t, nil), foreign}, {foreign, loaded(t, nil)}} {
		list, warnings := differs(factsOf(pair[0]), factsOf(pair[1]), nil)
		text := strings.Join(warnings, "\n")
		if len(list) != 0 || !strings.Contains(text, "tells of machine,") || !strings.Contains(text, "vegeta 12") {
			t.Errorf("%+v, %s", list, text)
		}
	}
}

func TestCheckVary(t *testing.T) {
	d := profiled(t, func(d *report.Document) { d.Manifest.Options["graph_level"] = "all" })
	if err := CheckVary([]string{"threads", "inter_threads", "--session-config", "graph-level", "Machine"}, d); err != nil {
		t.Error(err)
	}
	err := CheckVary([]string{"threads", "tread"}, d)
	if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"tread"`) || !strings.Contains(fault.HintOf(err), "machine") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	if err := CheckVary([]string{"graph-level"}); err == nil {
		t.Error("an option that no document has is taken")
	}
	if hint := fault.HintOf(CheckVary([]string{"thread"}, d)); !strings.HasPrefix(hint, "did you mean threads?") {
		t.Errorf("hint %q", hint)
	}
}
