package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

func inputs(docs ...*report.Document) []Input {
	var out []Input
	for i, d := range docs {
		out = append(out, Input{Path: fmt.Sprintf("%s%d.json", d.Kind, i+1), Doc: d})
	}
	return out
}

func gatesOf(t testing.TB, exprs ...string) Options {
	t.Helper()
	o := DefaultOptions
	for _, e := range exprs {
		g, err := report.ParseGate(e)
		if err != nil {
			t.Fatal(err)
		}
		o.Gates = append(o.Gates, g)
	}
	return o
}

// compared compares, and checks what holds for every comparison.
func compared(t testing.TB, base, head []Input, o Options) (*report.Document, *report.CompareDetails) {
	t.Helper()
	d, err := Files(base, head, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	x := &report.CompareDetails{}
	if err := json.Unmarshal(d.Details, x); err != nil {
		t.Fatal(err)
	}
	if x.Mode != "files" || x.Reason == "" || x.Method == "" || len(d.Gates) < len(o.Gates) {
		t.Errorf("details lack something: %+v", x)
	}
	return d, x
}

// with is a profile whose metrics are these.
func with(t testing.TB, ms ...report.Metric) *report.Document {
	return profiled(t, func(d *report.Document) { d.Metrics = ms })
}

// runsOf are profiles, one for each p50, a minute apart.
func runsOf(t testing.TB, from time.Time, values ...float64) []Input {
	var docs []*report.Document
	for i, v := range values {
		d := with(t, timed("latency_p50", v, v/200))
		d.Created = from.Add(time.Duration(i) * time.Minute)
		docs = append(docs, d)
	}
	return inputs(docs...)
}

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// One run a side cannot tell a change from noise: what is not beyond the limit by three times 10 % is open, in either
// direction.
// A change the other way round is the same change.
// Which method compares how many runs a side.
// Two of the same: with noise between runs as it is on hosted machines a gate of +5 % fails seldom, and one with a true
// +30 % is caught mostly.
// A share of n rows has Newcombe's interval, whether or not the document has one.
func TestShares(t *testing.T) {
	accuracy := func(hits, n int) *report.Document {
		m := report.NewMetric("accuracy_top1")
		v := float64(hits) / float64(n)
		m.Value, m.N = &v, n
		return with(t, m)
	}
	for _, c := range []struct {
		base, head int
		gate       string
		want       string
	}{
		{760, 760, "accuracy_top1>=-0.5pt", report.GateInconclusive}, {760, 760, "accuracy_top1>=-5pt", report.Pass}, {760, 660, "accuracy_top1>=-0.5pt", report.Fail},
		{760, 760, "accuracy_top1>=-10%", report.Pass}, // 7.6 points of 76 %
	} {
		_, x := compared(t, inputs(accuracy(c.base, 1000)), inputs(accuracy(c.head, 1000)), gatesOf(t, c.gate))
		m := x.Metrics[0]
		want := stats.Independent(stats.Wilson(c.base, 1000, 0.95), stats.Wilson(c.head, 1000, 0.95))
		lo, hi := want.Interval(0.95)
		if m.Verdict != c.want || m.Method != "newcombe" || m.Ratio != nil || math.Abs(*m.ChangeLo-lo) > 1e-12 || math.Abs(*m.ChangeHi-hi) > 1e-12 {
			t.Errorf("%d to %d, %s: %s by %s: %s", c.base, c.head, c.gate, m.Verdict, m.Method, m.Reason)
		}
	}
	// Four runs over the same rows are no four samples.
	var docs []*report.Document
	for range 4 {
		docs = append(docs, accuracy(760, 1000))
	}
	if _, x := compared(t, inputs(docs...), inputs(accuracy(755, 1000), accuracy(755, 1000), accuracy(755, 1000), accuracy(755, 1000)), gatesOf(t, "accuracy_top1>=-0.1pt")); x.Metrics[0].Method != "newcombe" || x.Metrics[0].Verdict == report.Fail {
		t.Errorf("%+v", x.Metrics[0])
	}
}

// One run that tells no interval of a metric decides nothing, however large the change: tails of other tools' results
// differ by several times. Several runs do, and what is exact does.
// What a gate says it would have caught is beyond its limit, by as much as the noise asks for; without a gate it is what
// would have been told from none.
// A gate that wants an improvement says what was wanted, and of no change that it would have been caught.
// What cannot be believed decides nothing, and lets nothing go green that the figures would not.
func TestInvalid(t *testing.T) {
	spoil := func(d *report.Document) *report.Document {
		d.AddCheck("noise", true, "fine")
		d.AddCheck("other_load", false, "others used 90 %%")
		return d
	}
	interrupt := func(d *report.Document) *report.Document {
		d.Verdict = report.Interrupted
		return d
	}
	slow := func() *report.Document { return with(t, timed("latency_p50", 0.004, 0.00001)) }
	load := func() *report.Document { return loaded(t, nil) }
	for _, c := range []struct {
		name       string
		base, head *report.Document
		gate       string
		want       report.Verdict
		says       string
	}{
		{"a profile", profiled(t, nil), spoil(profiled(t, nil)), "latency_p50<=+1000%", report.Inconclusive, "profile1.json (other_load)"},
		{"the base", spoil(profiled(t, nil)), profiled(t, nil), "latency_p50<=+1000%", report.Inconclusive, "profile1.json (other_load)"},
		{"a slow profile", profiled(t, nil), spoil(slow()), "latency_p50<=+5%", report.Invalid, "a gate is missed"},
		{"an absolute gate", profiled(t, nil), spoil(slow()), "latency_p50<=3ms", report.Invalid, "a gate is missed"},
		{"a load test", load(), spoil(load()), "latency_p99<=+1000%", report.Invalid, "loadtest1.json (other_load)"},
		{"interrupted", profiled(t, nil), interrupt(profiled(t, nil)), "latency_p50<=+1000%", report.Inconclusive, "it was interrupted"},
		{"an interrupted load test", load(), interrupt(load()), "latency_p99<=+1000%", report.Invalid, "it was interrupted"},
	} {
		d, x := compared(t, inputs(c.base), inputs(c.head), gatesOf(t, c.gate))
		if d.Verdict != c.want || !strings.Contains(x.Reason, c.says) || d.Validity.Verdict != report.NotValid {
			t.Errorf("%s: %s, %s", c.name, d.Verdict, x.Reason)
		}
		for _, g := range d.Gates {
			if g.Verdict != report.GateInconclusive || !strings.Contains(g.Reason, "1.json (") {
				t.Errorf("%s: %+v", c.name, g)
			}
		}
	}
}

func TestMissingMetric(t *testing.T) {
	short := report.NewMetric("latency_p99")
	short.N = 100
	d, _ := compared(t, inputs(profiled(t, nil)), inputs(with(t, timed("latency_p50", 0.002, 0), short)), gatesOf(t, "latency_p99<=+5%", "throughput>=-3%", "peak_rss<=1GB"))
	for i, want := range []string{"was not measured in base and has no value in head (needs 368 runs, has 100); both have latency_p50", "throughput was not measured in base and was not measured in head", "peak_rss was not measured"} {
		if g := d.Gates[i]; g.Verdict != report.GateInconclusive || !strings.Contains(g.Reason, want) {
			t.Errorf("%+v", g)
		}
	}
	if d.Verdict != report.Inconclusive {
		t.Errorf("verdict %s", d.Verdict)
	}
	d, _ = compared(t, inputs(profiled(t, nil), with(t, short)), inputs(profiled(t, nil)), gatesOf(t, "latency_p50<=+1000%"))
	if g := d.Gates[0]; g.Verdict != report.Pass || !strings.Contains(g.Reason, "only 1 of the 2 base runs have it") {
		t.Errorf("%+v", g)
	}
}

func TestNotComparable(t *testing.T) {
	other := profiled(t, func(d *report.Document) {
		d.Manifest.Options["threads"] = 8
		d.Manifest.Bindings = map[string]string{"x": "1x3"}
	})
	o := gatesOf(t, "latency_p50<=+1000%")
	d, x := compared(t, inputs(profiled(t, nil)), inputs(other), o)
	for _, want := range []string{"option threads is 2 in base and 8 in head", "input image is 1x1x8x8 in base and none in head"} {
		if !strings.Contains(x.Reason, want) || !strings.Contains(d.Warnings[0], want) || !strings.Contains(d.Gates[0].Reason, want) {
			t.Errorf("%q is not said: %s", want, x.Reason)
		}
	}
	if d.Verdict != report.NotComparable || report.ExitCode(d, false) != 4 || d.Gates[0].Verdict != report.GateInconclusive || x.Next == nil || !strings.HasSuffix(x.Next.Command, "--vary input,threads") {
		t.Errorf("%s, %+v, %+v", d.Verdict, d.Gates, x.Next)
	}
	o.Force = true
	d, x = compared(t, inputs(profiled(t, nil)), inputs(other), o)
	if d.Verdict != report.OK || !x.Forced || !strings.Contains(strings.Join(d.Warnings, "\n"), "compared by --force, although") {
		t.Errorf("%s, forced %v, %q", d.Verdict, x.Forced, d.Warnings)
	}
	o.Force, o.Vary = false, []string{"threads", "input"}
	d, x = compared(t, inputs(profiled(t, nil)), inputs(other), o)
	if d.Verdict != report.OK || x.Forced || len(x.Differs) != 3 || !x.Differs[0].Allowed {
		t.Errorf("%s, %+v", d.Verdict, x.Differs)
	}
	if d, x := compared(t, inputs(profiled(t, nil)), inputs(loaded(t, nil)), DefaultOptions); d.Verdict != report.NotComparable || !strings.Contains(x.Reason, "kind is profile in base and loadtest in head") {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
}

// The runs of a side must be alike, too, and --vary does not let them differ in what sets the sides apart.
func TestMixedSide(t *testing.T) {
	threads := func(n int) *report.Document {
		return profiled(t, func(d *report.Document) { d.Manifest.Options["threads"] = n })
	}
	o := gatesOf(t, "latency_p50<=+1000%")
	o.Vary = []string{"threads"}
	d, x := compared(t, inputs(threads(2), threads(4)), inputs(threads(2)), o)
	if d.Verdict != report.NotComparable || !strings.Contains(x.Reason, "option threads among the base runs is 2 (profile1.json) and 4 (profile2.json)") {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
	seeded := func(n uint64) *report.Document {
		return profiled(t, func(d *report.Document) { d.Manifest.Seed = &n })
	}
	o.Vary = []string{"seed"}
	if d, x := compared(t, inputs(seeded(1), seeded(2)), inputs(seeded(3)), o); d.Verdict != report.OK {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
	two := profiled(t, func(d *report.Document) { d.Manifest.Model.SHA256 = "bb" })
	if d, x := compared(t, inputs(profiled(t, nil), two), inputs(two), o); x.Base.Model != nil || !strings.Contains(strings.Join(d.Warnings, "\n"), "base runs are not all of the same model") {
		t.Errorf("%q", d.Warnings)
	}
}

func TestDefaultGates(t *testing.T) {
	both := with(t, timed("latency_p50", 0.002, 0), timed("latency_p99", 0.02, 0))
	for _, c := range []struct {
		base, head *report.Document
		want       string
	}{
		{both, with(t, both.Metrics...), "latency_p50<=+5%"}, {both, profiled(t, nil), "latency_p50<=+5%"},
		{loaded(t, nil), loaded(t, nil), "latency_p99<=+5%"}, {with(t, both.Metrics[1]), with(t, both.Metrics[1]), "latency_p99<=+5%"},
		{with(t, report.Exact("model_bytes", 5)), with(t, report.Exact("model_bytes", 6)), ""},
	} {
		d, x := compared(t, inputs(c.base), inputs(c.head), DefaultOptions)
		got := ""
		if len(d.Gates) > 0 {
			got = d.Gates[0].Expr
		}
		if got != c.want || len(x.Metrics) == 0 || c.want == "" && d.Verdict != report.OK {
			t.Errorf("gate %q, want %q; %s", got, c.want, d.Verdict)
		}
	}
}

// A gate without labels is about every point of a sweep, and its worst counts.
func TestLabels(t *testing.T) {
	at := func(batch string, v float64) report.Metric {
		m := timed("latency_p50", v, v/1000)
		m.Labels = map[string]string{"batch": batch}
		return m
	}
	base, head := with(t, at("1", 0.001), at("8", 0.004)), with(t, at("1", 0.001), at("8", 0.009))
	d, x := compared(t, inputs(base), inputs(head), gatesOf(t, "latency_p50<=+50%", "latency_p50{batch=1}<=+50%"))
	if d.Gates[0].Verdict != report.Fail || !strings.HasPrefix(d.Gates[0].Reason, "latency_p50{batch=8} +125 %") || d.Gates[1].Verdict != report.Pass || d.Verdict != report.Regressed {
		t.Errorf("%s, %+v", d.Verdict, d.Gates)
	}
	if len(x.Metrics) != 3 || *x.Metrics[0].PAdjusted < *x.Metrics[0].PValue {
		t.Errorf("%+v", x.Metrics)
	}
	if m := d.Metric("latency_p50", map[string]string{"batch": "8", "side": "head"}); m == nil || *m.Value != 0.009 {
		t.Errorf("metrics %+v", d.Metrics)
	}
}

// An absolute gate is about the head alone, and its failure is no regression.
func TestAbsoluteGate(t *testing.T) {
	d, _ := compared(t, inputs(profiled(t, nil)), inputs(profiled(t, nil)), gatesOf(t, "latency_p50<1ms", "latency_p50<=+1000%"))
	if d.Verdict != report.FailedGate || d.Gates[0].Verdict != report.Fail || d.Gates[1].Verdict != report.Pass {
		t.Errorf("%s, %+v", d.Verdict, d.Gates)
	}
	// Several runs: from the lowest to the highest end of their intervals.
	d, _ = compared(t, inputs(profiled(t, nil)), runsOf(t, day, 0.001, 0.002, 0.003), gatesOf(t, "latency_p50<2.9ms", "latency_p50<4ms"))
	if d.Gates[0].Verdict != report.GateInconclusive || d.Gates[1].Verdict != report.Pass {
		t.Errorf("%+v", d.Gates)
	}
}

func TestAccepted(t *testing.T) {
	o := gatesOf(t, "latency_p50<=+5%")
	until := 0.005
	o.Accepted = []report.Acceptance{{Metric: "latency_p50", Reason: "a larger model", Until: &until}}
	slow := func(v float64) []Input { return inputs(with(t, timed("latency_p50", v, v/1000))) }
	if d, x := compared(t, inputs(profiled(t, nil)), slow(0.004), o); d.Verdict != report.OK || !strings.Contains(x.Metrics[0].Reason, "a larger model") {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
	if d, _ := compared(t, inputs(profiled(t, nil)), slow(0.006), o); d.Verdict != report.Regressed {
		t.Errorf("%s beyond what was accepted", d.Verdict)
	}
	// Of a sweep each batch has a value of its own that was accepted.
	sweep := func(one, eight float64) []Input {
		ms := []report.Metric{timed("latency_p50", one, one/1000), timed("latency_p50", eight, eight/1000)}
		ms[0].Labels, ms[1].Labels = map[string]string{"batch": "1"}, map[string]string{"batch": "8"}
		return inputs(with(t, ms...))
	}
	more := 0.02
	o.Accepted[0].Labels = map[string]string{"batch": "1"}
	o.Accepted = append(o.Accepted, report.Acceptance{Metric: "latency_p50", Labels: map[string]string{"batch": "8"}, Reason: "the same", Until: &more})
	for _, c := range []struct {
		one, eight float64
		want       report.Verdict
	}{{0.004, 0.016, report.OK}, {0.008, 0.016, report.Regressed}, {0.004, 0.03, report.Regressed}} {
		if d, x := compared(t, sweep(0.002, 0.008), sweep(c.one, c.eight), o); d.Verdict != c.want {
			t.Errorf("%v and %v: %s, %s", c.one, c.eight, d.Verdict, x.Reason)
		}
	}
}

func TestFilesRefuses(t *testing.T) {
	good := profiled(t, nil)
	broken := profiled(t, func(d *report.Document) { d.Details = json.RawMessage(`{"by_node": 5}`) })
	nothing := profiled(t, func(d *report.Document) { d.Kind = "nonsense" })
	options := DefaultOptions
	options.Alpha = 0
	vary := DefaultOptions
	vary.Vary = []string{"wether"}
	for _, c := range []struct {
		name       string
		base, head []Input
		o          Options
		want       string
	}{
		{"no head", inputs(good), nil, DefaultOptions, "no result for head"},
		{"no base", nil, inputs(good), DefaultOptions, "no result for base"},
		{"nil", inputs(good), []Input{{Path: "x.json"}}, DefaultOptions, "x.json"},
		{"the same twice", inputs(good, good), inputs(good), DefaultOptions, "same result"},
		{"the same file twice", inputs(good), []Input{{Path: "a", SHA256: "s", Doc: good}, {Path: "b", SHA256: "s", Doc: profiled(t, nil)}}, DefaultOptions, "same result"},
		{"details", inputs(good), inputs(broken), DefaultOptions, "details of"},
		{"kind", inputs(good), inputs(nothing), DefaultOptions, "nonsense"},
		{"a comparison", inputs(good), inputs(report.New("compare")), DefaultOptions, "of kind compare"},
		{"alpha", inputs(good), inputs(good), options, "--alpha"},
		{"vary", inputs(good), inputs(good), vary, "wether"},
	} {
		d, err := Files(c.base, c.head, c.o)
		if err == nil || d != nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	d, _ := compared(t, inputs(good), inputs(good), DefaultOptions)
	if !strings.Contains(strings.Join(d.Warnings, "\n"), "on both sides") {
		t.Errorf("%q", d.Warnings)
	}
}

// The shift function has the percentiles that every run supports, with intervals where several runs a side do.
func TestShift(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	doc := func(ratio float64, n int) *report.Document {
		d := profiled(t, nil)
		x := report.ProfileDetails{Latency: stats.NewHistogram()}
		for range n {
			x.Latency.Add(ratio * math.Exp(0.3*r.NormFloat64()))
		}
		if err := d.SetDetails(x); err != nil {
			t.Fatal(err)
		}
		return d
	}
	_, x := compared(t, inputs(doc(0.002, 1000)), inputs(doc(0.003, 1000)), DefaultOptions)
	if len(x.Shift) != len(report.ShiftPercentiles) || x.Shift[6].Lo != nil || math.Abs(x.Shift[6].Ratio-1.5) > 0.1 {
		t.Errorf("%+v", x.Shift)
	}
	_, x = compared(t, inputs(doc(0.002, 1000)), inputs(doc(0.003, 100)), DefaultOptions)
	for _, s := range x.Shift {
		if s.Percentile > 0.96 || s.Percentile < 0.04 {
			t.Errorf("100 runs tell the percentile %v", s.Percentile)
		}
	}
	var base, head []*report.Document
	for range 5 {
		base, head = append(base, doc(0.002, 1000)), append(head, doc(0.003, 1000))
	}
	_, x = compared(t, inputs(base...), inputs(head...), DefaultOptions)
	if s := x.Shift[6]; s.Lo == nil || !(*s.Lo > 1.2 && *s.Lo <= s.Ratio && s.Ratio <= *s.Hi && *s.Hi < 1.8) {
		t.Errorf("%+v", s)
	}
}
