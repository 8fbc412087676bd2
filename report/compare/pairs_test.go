package compare

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"infer/report"
)

func seeded(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 5)) }

// block is a pair with one metric.
func block(name string, base, head float64) report.ComparePair {
	one := func(v float64) report.CompareBlock {
		return report.CompareBlock{Seconds: 1, N: 200, Values: map[string]float64{name: v}}
	}
	return report.ComparePair{First: "base", Base: one(base), Head: one(head)}
}

// drawn are n pairs whose p99 of 10 ms differs by a ratio, with noise of a deviation on either side.
func drawn(r *rand.Rand, n int, ratio, deviation float64) []report.ComparePair {
	var out []report.ComparePair
	for range n {
		noise := func() float64 { return math.Exp(deviation * r.NormFloat64()) }
		out = append(out, block("latency_p99", 0.01*noise(), 0.01*ratio*noise()))
	}
	return out
}

// lived compares as the command does, pair by pair until the gates are decided.
func lived(t testing.TB, pairs []report.ComparePair, o Options) (*report.Document, *report.CompareDetails) {
	t.Helper()
	x := &report.CompareDetails{}
	for _, p := range pairs {
		x.Pairs = append(x.Pairs, p)
		if Look(x, len(pairs), o) {
			break
		}
	}
	return settled(t, x, o)
}

// settled judges, and checks what holds for every live comparison.
func settled(t testing.TB, x *report.CompareDetails, o Options) (*report.Document, *report.CompareDetails) {
	t.Helper()
	d := report.New("compare")
	if err := Pairs(d, x, o); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	read := &report.CompareDetails{}
	if err := json.Unmarshal(d.Details, read); err != nil {
		t.Fatal(err)
	}
	if read.Mode != "live" || read.Reason == "" || read.Method == "" || len(d.Gates) != len(o.Gates) {
		t.Errorf("details lack something: %+v", read)
	}
	return d, read
}

// atMost is how many of n trials may show what has a probability of p: above it they do once in thousands of such tests.
func atMost(n int, p float64) int {
	return int(math.Ceil(float64(n)*p + 3.3*math.Sqrt(float64(n)*p*(1-p))))
}

// verdicts counts those of trials.
func verdicts(t *testing.T, trials int, o Options, draw func(r *rand.Rand) []report.ComparePair) map[report.Verdict]int {
	t.Helper()
	count := map[report.Verdict]int{}
	for trial := range trials {
		d, _ := lived(t, draw(seeded(trial)), o)
		count[d.Verdict]++
	}
	return count
}

// Equal sides are called worse no more often than Alpha says, whatever the noise: here so much that nothing but the test
// keeps the gate.
func TestPairsFalseAlarms(t *testing.T) {
	const trials = 400
	shapes := map[string]func(r *rand.Rand) float64{
		"normal": func(r *rand.Rand) float64 { return 0.3 * r.NormFloat64() },
		"spikes": func(r *rand.Rand) float64 {
			if r.IntN(10) > 0 {
				return 0.05 * r.NormFloat64()
			}
			return r.ExpFloat64()
		},
	}
	for name, noise := range shapes {
		for _, gate := range []string{"latency_p99<=+5%", "latency_p99>=-0.1ms"} {
			o := gatesOf(t, gate)
			o.MinEffect = 0
			got := verdicts(t, trials, o, func(r *rand.Rand) []report.ComparePair {
				var pairs []report.ComparePair
				for range 24 {
					pairs = append(pairs, block("latency_p99", 0.01*math.Exp(noise(r)), 0.01*math.Exp(noise(r))))
				}
				return pairs
			})
			if most := atMost(trials, o.Alpha); got[report.Regressed] > most {
				t.Errorf("%s, %s: %d of %d regressed, want at most %d", name, gate, got[report.Regressed], trials, most)
			}
		}
	}
}

func TestPairsFinds(t *testing.T) {
	o := gatesOf(t, "latency_p99<=+5%")
	for _, c := range []struct {
		ratio, deviation float64
		want             report.Verdict
		least            int // of 200
	}{
		{1.2, 0.05, report.Regressed, 200},
		{1.1, 0.05, report.Regressed, 190},
		{1, 0.02, report.OK, 190},
		{0.8, 0.05, report.OK, 200},
	} {
		got := verdicts(t, 200, o, func(r *rand.Rand) []report.ComparePair { return drawn(r, 24, c.ratio, c.deviation) })
		if got[c.want] < c.least {
			t.Errorf("ratio %v, noise %v: %v, want at least %d %s", c.ratio, c.deviation, got, c.least, c.want)
		}
	}
	// In noise that hides it, a change is called open, and not fine.
	got := verdicts(t, 400, o, func(r *rand.Rand) []report.ComparePair { return drawn(r, 24, 1.2, 0.3) })
	if got[report.OK] > atMost(400, o.Alpha)/4 || got[report.Inconclusive] == 0 {
		t.Errorf("a change of +20 %% in noise of 30 %%: %v", got)
	}
}

// The change that a passed gate says it would have caught is caught four times in five; more often where the limit alone
// decides, since there is more than one look.
func TestPairsDetectable(t *testing.T) {
	o := gatesOf(t, "latency_p99<=+5%")
	for _, deviation := range []float64{0.01, 0.05, 0.15} {
		var sum float64
		const trials = 200
		for trial := range trials {
			_, x := lived(t, drawn(seeded(trial), 12, 1, deviation), o)
			sum += *x.Metrics[0].MDE
		}
		got := verdicts(t, trials, o, func(r *rand.Rand) []report.ComparePair { return drawn(r, 12, 1+sum/trials, deviation) })
		if k := got[report.Regressed]; k < 136 || k > 190 {
			t.Errorf("noise %v: a change of %v is caught %d times in %d, want 160 or a little more", deviation, sum/trials, k, trials)
		}
	}
}

// Base and head are alike: exchanged, what was worse is better.
func TestPairsMirror(t *testing.T) {
	for trial := range 50 {
		r := seeded(trial)
		pairs := drawn(r, 24, 1+0.2*r.Float64(), 0.05)
		var turned []report.ComparePair
		for _, p := range pairs {
			p.Base, p.Head = p.Head, p.Base
			turned = append(turned, p)
		}
		o, back := gatesOf(t, "latency_p99<=+5%"), gatesOf(t, "latency_p99>=-4.761904761904762%") // 1/1.05
		o.MinEffect, back.MinEffect = 0, 0
		d, x := lived(t, pairs, o)
		e, y := lived(t, turned, back)
		a, b := x.Metrics[0], y.Metrics[0]
		if d.Verdict != e.Verdict || len(x.Pairs) != len(y.Pairs) {
			t.Fatalf("trial %d: %s after %d pairs, turned %s after %d", trial, d.Verdict, len(x.Pairs), e.Verdict, len(y.Pairs))
		}
		for _, p := range [][2]float64{{*a.Ratio, *b.Ratio}, {*a.RatioLo, *b.RatioHi}, {*a.RatioHi, *b.RatioLo}} {
			if math.Abs(p[0]*p[1]-1) > 1e-9 {
				t.Errorf("trial %d: %v is not one over %v", trial, p[0], p[1])
			}
		}
		if math.Abs(*a.PValue-*b.PValue) > 1e-12 {
			t.Errorf("trial %d: p %v and %v", trial, *a.PValue, *b.PValue)
		}
	}
}

func TestPairsGates(t *testing.T) {
	facts := func(base, head float64) func(x *report.CompareDetails) {
		return func(x *report.CompareDetails) {
			x.Base.Facts, x.Head.Facts = map[string]float64{"model_bytes": base}, map[string]float64{"model_bytes": head}
		}
	}
	accuracy := func(gained, lost int) func(x *report.CompareDetails) {
		return func(x *report.CompareDetails) {
			x.Accuracy = &report.CompareAccuracy{Rows: 2000, Both: 1800 - lost, Gained: gained, Lost: lost}
		}
	}
	for _, c := range []struct {
		name, gate string
		ratio      float64
		change     func(x *report.CompareDetails)
		want       report.Verdict
		says       string // in the reason
	}{
		{"no byte more", "model_bytes<=+0%", 1, facts(1000, 1000), report.OK, "exactly"},
		{"a byte more", "model_bytes<=+0%", 1, facts(1000, 1001), report.Regressed, "exactly"},
		{"a byte less", "model_bytes<=+0%", 1, facts(1000, 999), report.OK, "exactly"},
		{"at a strict limit", "model_bytes<+10%", 1, facts(1000, 1100), report.Regressed, "exactly"},
		{"a tenth is a tenth", "model_bytes<=+10%", 1, facts(1000, 1100), report.OK, "exactly"},
		{"half the size", "model_bytes<=-50%", 1, facts(1000, 500), report.OK, "exactly"},
		{"as accurate", "accuracy_top1>=-0.5pt", 1, accuracy(3, 3), report.OK, "pt"},
		{"far less accurate", "accuracy_top1>=-0.5pt", 1, accuracy(0, 60), report.Regressed, "pt"},
		{"a little less accurate", "accuracy_top1>=-0.5pt", 1, accuracy(6, 14), report.Inconclusive, "pt"},
		{"faster as wanted", "latency_p99<=-20%", 0.7, nil, report.OK, "within"},
		{"faster, not as much as wanted", "latency_p99<=-20%", 0.9, nil, report.Regressed, "not -20.0 %"},
		{"an improvement at its limit", "latency_p99<=-20%", 0.8, nil, report.Inconclusive, "neither"},
		{"a difference", "latency_p99<=+1ms", 1.05, nil, report.OK, "ms"},
		{"a large difference", "latency_p99<=+1ms", 1.3, nil, report.Regressed, "ms"},
		{"at least", "latency_p99>=-5%", 0.8, nil, report.Regressed, "%"},
		{"at least, kept", "latency_p99>=-5%", 1.2, nil, report.OK, "%"},
		{"absolute, kept", "latency_p99<20ms", 1, nil, report.OK, "ms"},
		{"absolute, missed", "latency_p99<5ms", 1, nil, report.FailedGate, "ms"},
		{"not measured", "latency_p95<=+5%", 1, nil, report.Inconclusive, "latency_p95 needs longer blocks"},
		{"not measured at all", "throughput>=-5%", 1, nil, report.Inconclusive, "throughput was not measured"},
		{"on one side only", "service_p99<=+5%", 1, func(x *report.CompareDetails) {
			for i := range x.Pairs {
				x.Pairs[i].Head.Values["service_p99"] = 1
			}
		}, report.Inconclusive, "service_p99 was not measured on the base"},
		{"no ratio", "error_rate<=+10%", 1, func(x *report.CompareDetails) {
			for i := range x.Pairs {
				x.Pairs[i].Base.Values["error_rate"], x.Pairs[i].Head.Values["error_rate"] = 0, 0
			}
		}, report.Inconclusive, "zero"},
		{"errors by difference", "error_rate<=+1pt", 1, func(x *report.CompareDetails) {
			for i := range x.Pairs {
				x.Pairs[i].Base.Values["error_rate"], x.Pairs[i].Head.Values["error_rate"] = 0, 0
			}
		}, report.OK, "within"},
	} {
		o := gatesOf(t, c.gate)
		x := &report.CompareDetails{Pairs: drawn(seeded(11), 16, c.ratio, 0.02)}
		if c.change != nil {
			c.change(x)
		}
		Look(x, len(x.Pairs), o)
		d, x := settled(t, x, o)
		if d.Verdict != c.want || !strings.Contains(x.Reason, c.says) {
			t.Errorf("%s: %s (%s), want %s (… %s …)", c.name, d.Verdict, x.Reason, c.want, c.says)
		}
	}
}

// Figures that cannot be believed neither pass nor fail a gate; a few of them are left out.
func TestPairsInvalid(t *testing.T) {
	for _, c := range []struct {
		invalid int // of 24
		ratio   float64
		want    report.Verdict
		code    int
	}{
		{0, 1.5, report.Regressed, 3}, {11, 1.5, report.Regressed, 3}, {11, 1, report.OK, 0},
		{13, 1.5, report.Invalid, 4}, {13, 1, report.Invalid, 4}, {24, 1.5, report.Invalid, 4},
	} {
		pairs := drawn(seeded(2), 24, c.ratio, 0.01)
		for i := range c.invalid {
			pairs[i].Head.Invalid = "cpu_quota: the load generator was throttled"
			pairs[i].Head.Values["latency_p99"] *= 10
		}
		o := gatesOf(t, "latency_p99<=+5%", "latency_p99<1s", "latency_p99<1us")
		if c.want == report.OK {
			o.Gates = o.Gates[:2]
		}
		x := &report.CompareDetails{Pairs: pairs}
		Look(x, len(pairs), o)
		d, x := settled(t, x, o)
		if d.Verdict != c.want || report.ExitCode(d, false) != c.code {
			t.Errorf("%d of 24 invalid, ratio %v: %s, exit %d, want %s, %d", c.invalid, c.ratio, d.Verdict, report.ExitCode(d, false), c.want, c.code)
		}
		if c.want != report.Invalid {
			continue
		}
		if !strings.Contains(x.Reason, "throttled") {
			t.Errorf("the reason does not say what was wrong: %s", x.Reason)
		}
		for _, g := range d.Gates {
			if g.Verdict != report.GateInconclusive {
				t.Errorf("%d of 24 invalid: %s is judged: %s", c.invalid, g.Expr, g.Verdict)
			}
		}
		for _, m := range x.Metrics {
			if m.Gate != "" && m.Verdict != report.GateInconclusive {
				t.Errorf("%d of 24 invalid: %s is judged: %s", c.invalid, m.Gate, m.Verdict)
			}
		}
	}
}

func TestPairsNone(t *testing.T) {
	d, x := settled(t, &report.CompareDetails{}, gatesOf(t, "latency_p99<=+5%", "latency_p99<1s"))
	if d.Verdict != report.Invalid || report.ExitCode(d, false) != 4 || !strings.Contains(x.Reason, "0 of 0 pairs") {
		t.Errorf("no pair at all: %s (%s)", d.Verdict, x.Reason)
	}
}

func TestPairsInterrupted(t *testing.T) {
	for _, n := range []int{0, 3, 12} {
		x := &report.CompareDetails{Pairs: drawn(seeded(4), n, 1.5, 0.01)}
		d := report.New("compare")
		d.Verdict = report.Interrupted
		if err := Pairs(d, x, gatesOf(t, "latency_p99<=+5%")); err != nil {
			t.Fatal(err)
		}
		if d.Verdict != report.Interrupted || report.ExitCode(d, false) != 130 || d.Validate() != nil {
			t.Errorf("%d pairs: %s, exit %d", n, d.Verdict, report.ExitCode(d, false))
		}
		if n > 0 && (d.Metric("latency_p99", map[string]string{"side": "head"}) == nil || x.Metrics[0].Ratio == nil) {
			t.Errorf("%d pairs: what was measured is not there", n)
		}
	}
}

// What a document says follows from the pairs in it.
func TestPairsAgain(t *testing.T) {
	o := gatesOf(t, "latency_p99<=+5%")
	_, x := lived(t, drawn(seeded(8), 24, 1.1, 0.1), o)
	_, again := settled(t, &report.CompareDetails{Pairs: x.Pairs, Looks: x.Looks}, o)
	if a, b := asJSON(t, x), asJSON(t, again); a != b {
		t.Errorf("computed again it is\n%s\nnot\n%s", b, a)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPairsSchema(t *testing.T) {
	raw, err := jsonschema.UnmarshalJSON(strings.NewReader(report.SchemaJSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 24} {
		d, _ := lived(t, drawn(seeded(n), n, 1.1, 0.1), gatesOf(t, "latency_p99<=+5%", "latency_p50<=+5%", "latency_p99<1s"))
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(asJSON(t, d)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%d pairs: %v", n, err)
		}
	}
}

// FuzzPairs judges whatever pairs a file may hold.
func FuzzPairs(f *testing.F) {
	for _, n := range []int{0, 1, 12} {
		f.Add(asJSON(f, report.CompareDetails{Pairs: drawn(seeded(n), n, 1.1, 0.1)}))
	}
	f.Add(`{"pairs":[{"base":{"values":{"latency_p99":0}},"head":{"values":{"latency_p99":-1}}}],"looks":[{"tail":0}]}`)
	f.Add(`{"accuracy":{"rows":-1,"gained":5},"base":{"facts":{"model_bytes":-1}},"head":{"facts":{"model_bytes":0}},"looks":[{"tail":1e308}]}`)
	f.Add(`{"pairs":[{"base":{"quantiles":[1,2]},"head":{"quantiles":[1e308,-2],"invalid":"x"}}],"cold":[{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		x := &report.CompareDetails{}
		if json.Unmarshal([]byte(text), x) != nil || len(x.Pairs) > 50 || len(x.Cold) > 50 {
			return
		}
		o := gatesOf(t, "latency_p99<=+5%", "accuracy_top1>=-0.5pt", "model_bytes<=+0%", "latency_p50<1s", "throughput>=-5/s")
		Look(x, 10, o)
		d := report.New("compare")
		if err := Pairs(d, x, o); err != nil {
			return // numbers that JSON cannot hold
		}
		if d.Verdict == report.Regressed && len(valid(x.Pairs))+len(x.Cold) == 0 && x.Accuracy == nil && len(x.Base.Facts) == 0 {
			t.Errorf("regressed by nothing: %s", x.Reason)
		}
	})
}
