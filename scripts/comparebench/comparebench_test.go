package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"infer/internal/stats"
	"infer/report"
	"infer/report/compare"
)

// The critical values for 8 and 8 are in every table of the test: U = 13 is beyond 5 %, 14 is not.
// Ref: Mann and Whitney, Annals of Mathematical Statistics 18 (1947), 50-60.
func TestRankSumP(t *testing.T) {
	ways, all := rankSumWays(8, 8), 0.0
	for _, w := range ways {
		all += w
	}
	if all != 12870 { // 16 over 8
		t.Errorf("there are %v orders of 8 and 8", all)
	}
	tail := func(u int) (sum float64) {
		for _, w := range ways[:u+1] {
			sum += w
		}
		return 2 * sum / all
	}
	if tail(13) > 0.05 || tail(14) <= 0.05 {
		t.Errorf("p of U = 13 is %v, of 14 %v", tail(13), tail(14))
	}
	if p := rankSumP([]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}); math.Abs(p-2.0/70) > 1e-12 {
		t.Errorf("four below four have p = %v, want 2/70", p)
	}
	if p := rankSumP([]float64{1, 4}, []float64{2, 3}); p != 1 {
		t.Errorf("what says nothing has p = %v", p)
	}
}

// The p99 of a block has the distribution of that order statistic, drawn without its requests.
func TestBlockP99(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := noise{spread: 0.5}
	var quick, slow []float64
	for range 4000 {
		quick = append(quick, math.Log(x.p99(r, 1, 400, 0)))
		requests := make([]float64, 400)
		for i := range requests {
			requests[i] = 0.5 * (r.NormFloat64() - normalQuantile(0.99))
		}
		slow = append(slow, stats.Sorted(requests)[395])
	}
	a, b := stats.Mean(quick, 0.95), stats.Mean(slow, 0.95)
	if math.Abs(a.Value-b.Value) > 0.01 || math.Abs(stats.MAD(quick)-stats.MAD(slow)) > 0.01 {
		t.Errorf("p99 of 400: %v ± %v, of drawn requests %v ± %v", a.Value, stats.MAD(quick), b.Value, stats.MAD(slow))
	}
}

// A service that is longer by scale makes the p99 of a queue longer by the ratio that was asked for, and by more than scale.
func TestQueueScale(t *testing.T) {
	q := &queue{load: 0.5}
	s := q.scale(1.1)
	if !(s > 1 && s < 1.1) {
		t.Fatalf("a p99 10 %% longer needs a service %v times as long", s)
	}
	p99 := func(scale float64) float64 {
		return q.p99(rand.New(rand.NewPCG(3, 3)), nil, scale, 300_000)
	}
	if got := p99(s) / p99(1); math.Abs(got-1.1) > 0.01 {
		t.Errorf("its p99 is %v times as long, want 1.1", got)
	}
}

// In turns, what is shared by a pair or drifts does not look like a difference; from job to job it does.
func TestNoise(t *testing.T) {
	x := noise{job: 0.2, pair: 0.2, drift: 0.5, requests: 0}
	r := rand.New(rand.NewPCG(4, 4))
	var d []float64
	for _, p := range x.live(r, 1.1, 24, 1) {
		d = append(d, math.Log(p.Head.Values["latency_p99"]/p.Base.Values["latency_p99"]))
	}
	if m := stats.Mean(d, 0.95).Value; math.Abs(m-math.Log(1.1)) > 0.01 {
		t.Errorf("pairs differ by %v, want log 1.1", m)
	}
	base, head := x.stored(r, 1, 1)[0], x.stored(r, 1, 1)[0]
	if base == head {
		t.Error("two jobs are alike")
	}
	w := newWeather(r, 4)
	sum := 0.0
	for i := range 2000 {
		share := w.share(float64(i), 1)
		if share < 0 || share > 1 {
			t.Fatalf("%v of a second were disturbed", share)
		}
		sum += share / 2000
	}
	if sum < 0.4 || sum > 0.6 {
		t.Errorf("gusts blow %v of the time, want half", sum)
	}
}

func TestSimulate(t *testing.T) {
	g, err := report.ParseGate(gate)
	if err != nil {
		t.Fatal(err)
	}
	s := study{trials: 20, ratios: []float64{1, 1.2}, rps: 200, block: time.Second, maxTime: 2 * time.Minute, only: "quiet host", options: compare.DefaultOptions}
	s.options.Gates = []report.Gate{g}
	var first, again bytes.Buffer
	if err := simulate(&first, s); err != nil {
		t.Fatal(err)
	}
	if err := simulate(&again, s); err != nil {
		t.Fatal(err)
	}
	if first.String() != again.String() {
		t.Error("the same study gives another table")
	}
	if !strings.Contains(first.String(), "| quiet host (2/1/1 %), 2000/s | 1.20 | 100.0 %") {
		t.Errorf("+20 %% on a quiet host is not found:\n%s", first.String())
	}
}

func TestRecording(t *testing.T) {
	title, logs, err := readRecording([]byte("# a machine\ntrial,at_s,block_s,p99_s\n0,0.00,1.00,0.02\n0,1.25,1.00,0.01\n0,2.50,1.00,0.04\n"))
	if err != nil || title != "a machine" || len(logs) != 3 || math.Abs(logs[2]-math.Log(2)) > 1e-12 {
		t.Errorf("%q %v %v", title, logs, err)
	}
	for _, bad := range []string{"", "# a\n", "# a\ntrial,p99_s\n", "# a\ntrial,p99_s\n0,x\n"} {
		if _, _, err := readRecording([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a recording", bad)
		}
	}
	if _, err := recordedNoise(); err != nil {
		t.Error(err)
	}
}

func TestSummary(t *testing.T) {
	var pairs []report.ComparePair
	for i := range 8 {
		one := func(v float64) report.CompareBlock {
			return report.CompareBlock{Values: map[string]float64{"latency_p99": v + float64(i)/1000}}
		}
		pairs = append(pairs, report.ComparePair{Base: one(1), Head: one(1.2)})
	}
	var b bytes.Buffer
	summary(&b, []outcome{{kind: "equal", verdict: report.Inconclusive, seconds: 10, pairs: pairs}, {kind: "equal", verdict: report.Regressed, seconds: 20, pairs: pairs}})
	if want := "| equal | 2 | 1 | 0 | 1 | 0 | 15 s | 2 | 2 | 2 | 2 |"; !strings.Contains(b.String(), want) {
		t.Errorf("want %s in\n%s", want, b.String())
	}
}
