package compare

import (
	"fmt"
	"math"

	"infer/internal/stats"
	"infer/report"
)

// ExplainPhases says which phase of a request moved between two load tests: a late generator, the wait for a connection,
// the queue, the model, or the rest (network, reading and writing). Times are means a request; the reading tells of the
// slowest ones, too. A phase that only one of the servers tells is in the rest of both. Nil where a side has no figures
// or no answer.
func ExplainPhases(base, head *report.LoadDetails) *report.CompareExplain {
	b, h := phasesOf(base), phasesOf(head)
	if b == nil || h == nil {
		return nil
	}
	x := &report.CompareExplain{What: "phases"}
	rest := [2]float64{b.latency.Value, h.latency.Value}
	for i, name := range phaseNames() {
		p, q := b.mean[i], h.mean[i]
		if math.IsNaN(p) || math.IsNaN(q) {
			continue
		}
		rest[0], rest[1] = rest[0]-p, rest[1]-q
		x.Rows = append(x.Rows, rowOf(name, exactly(p), exactly(q)))
	}
	// The server's clock may have it that more time passed than did here.
	x.Rows = append(x.Rows, rowOf("rest", exactly(max(0, rest[0])), exactly(max(0, rest[1]))))
	x.Total = rowOf("latency", &b.latency, &h.latency)
	shares(x)
	x.Reading = readPhases(x, base, head)
	return x
}

// exactly is an estimate without an interval.
func exactly(v float64) *stats.Estimate {
	return &stats.Estimate{Value: v, Lo: v, Hi: v, Confidence: 0.95}
}

// phaseNames are the parts of a request that are told apart, in the order in which it goes through them.
func phaseNames() []string { return []string{"generator", "connection wait", "queue", "compute"} }

// phaseMeans is where the time of a mean request went.
type phaseMeans struct {
	latency stats.Estimate
	mean    []float64 // by phaseNames; NaN: not told
}

func phasesOf(x *report.LoadDetails) *phaseMeans {
	if x == nil || x.Figures == nil {
		return nil
	}
	f := x.Figures
	var sums, counts []float64
	var sum, n float64
	for _, s := range f.Sections {
		sums, counts = append(sums, s.Latency.Sum()), append(counts, float64(s.Latency.Count()))
		sum, n = sum+s.Latency.Sum(), n+float64(s.Latency.Count())
	}
	if n == 0 {
		return nil
	}
	p := &phaseMeans{latency: stats.SectionRatio(sums, counts, 0.95)}
	if !p.latency.OK {
		p.latency = *exactly(sum / n)
	}
	if !sound(p.latency) {
		return nil
	}
	queue, compute := meanOf(f.Queue), meanOf(f.Compute)
	if s := x.Server; s != nil {
		queue, compute = orTold(queue, s.Queue), orTold(compute, s.Compute)
	}
	p.mean = []float64{meanOf(report.LoadMean{N: f.Lag.Count(), Sum: f.Lag.Sum()}), meanOf(report.LoadMean{N: f.ConnWait.Count(), Sum: f.ConnWait.Sum()}), queue, compute}
	for i, v := range p.mean {
		if !sound(*exactly(v)) {
			p.mean[i] = math.NaN()
		}
	}
	return p
}

func meanOf(m report.LoadMean) float64 {
	if m.N <= 0 {
		return math.NaN()
	}
	return m.Sum / float64(m.N)
}

func orTold(v float64, told *float64) float64 {
	if math.IsNaN(v) && told != nil {
		return *told
	}
	return v
}

// readPhases says in words which phase moved the mean most, and which the slowest requests.
func readPhases(x *report.CompareExplain, base, head *report.LoadDetails) string {
	text := totalText(x.Total, "a request takes on average")
	if r := x.Rows[0]; r.Change != 0 {
		text += fmt.Sprintf(". %s moved most: %s, %s of the %s", capital(r.Name), report.FormatDifference(report.Time, r.Change), percent(r.Share), direction(r.Change))
	}
	if tail := readTail(base, head); tail != "" {
		text += ". " + tail
	}
	return text
}

// readTail says which phase of the slowest requests moved most; "" where a side does not tell.
func readTail(base, head *report.LoadDetails) string {
	b, h := tailOf(base), tailOf(head)
	if b == nil || h == nil {
		return ""
	}
	most, name := 0.0, ""
	for _, p := range append(phaseNames(), "rest") {
		x, inBase := b[p]
		y, inHead := h[p]
		if inBase && inHead && math.Abs(y-x) > math.Abs(most) {
			most, name = y-x, p
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf("Of the slowest requests it is the %s: %s, from %s to %s", name, report.FormatDifference(report.Time, most), seconds(b[name]), seconds(h[name]))
}

// tailOf returns the mean time of the phases of the slowest requests.
func tailOf(x *report.LoadDetails) map[string]float64 {
	if x.Tail == nil || len(x.Figures.Slowest) == 0 {
		return nil
	}
	mean := 0.0
	for _, s := range x.Figures.Slowest {
		mean += s.Latency / float64(len(x.Figures.Slowest))
	}
	t := x.Tail
	out := map[string]float64{"generator": t.Generator * mean, "connection wait": t.Wait * mean, "rest": t.Rest * mean}
	if t.Queue != nil && t.Compute != nil {
		out["queue"], out["compute"] = *t.Queue*mean, *t.Compute*mean
	}
	return out
}

// explain fills in what moved between the first run of either side that can tell.
func (f *files) explain() {
	for _, b := range f.base.runs {
		for _, h := range f.head.runs {
			switch {
			case b.profile != nil && h.profile != nil:
				f.x.Explain = ExplainNodes(b.profile.ByNode, h.profile.ByNode)
			case b.load != nil && h.load != nil:
				f.x.Explain = ExplainPhases(b.load, h.load)
			}
			if f.x.Explain != nil {
				if len(f.runs()) > 2 {
					f.d.Warn("the explanation is of %s and %s", b.Path, h.Path)
				}
				return
			}
		}
	}
	f.d.Warn("nothing tells which part moved: --explain reads profiles with their nodes, or load tests with their figures")
}
