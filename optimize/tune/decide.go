package tune

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// decision is what the search ends with.
type decision struct {
	chosen    *trial
	keep      bool
	confirmed bool // the chosen one was measured anew against the default
	reading   string
	gain      *report.Interval
	power     float64
}

// decide chooses by the confirmation: what holds the SLOs, before what is not known to, and the default unless another
// one is surely better.
func (s *search) decide(c *confirmation) decision {
	base := stand(s.base, s.o.SLOs)
	d := decision{chosen: s.base, power: s.detectable(c)}
	if pick := s.pick(c, base); pick != nil {
		d.chosen, d.gain = pick, c.interval(pick)
	} else if all := s.ranked(true); base.verdict == report.Fail && len(all) > 0 {
		d.chosen = all[0]
	}
	d.keep = d.chosen == s.base
	d.confirmed = !d.keep && d.chosen.confirmed()
	d.reading = s.reading(d, c, base)
	return d
}

// pick returns the finalist to choose, nil where the default stays or nothing is known.
func (s *search) pick(c *confirmation, base standing) *trial {
	if c == nil {
		return nil
	}
	var able []*trial
	for _, t := range s.order {
		st := stand(t, s.o.SLOs)
		if t == s.base || !t.final || t.failed != "" || st.verdict != "" && st.verdict != report.Pass {
			continue
		}
		// Where the default is not known to hold the SLOs, what holds them is chosen even if it is slower.
		if c.verdict[t] == better || base.verdict == report.Fail || base.verdict == report.GateInconclusive {
			able = append(able, t)
		}
	}
	if len(able) == 0 {
		return nil
	}
	value := func(t *trial) float64 { return stats.SignedRank(gains(t, s.base, confirming), confidence).Value }
	best := slices.MaxFunc(able, func(a, b *trial) int { return cmp.Compare(value(a), value(b)) })
	for _, t := range able {
		tie := stats.SignedRank(gains(t, best, confirming), confidence)
		equal := value(t) >= value(best)-math.Log1p(s.o.MinGain) && (!tie.OK || tie.Hi >= 0)
		if equal && s.cheaper(t, best) {
			best = t
		}
	}
	return best
}

// cheaper says that a costs less than b, where costs are known.
func (s *search) cheaper(a, b *trial) bool {
	return s.Cost != nil && s.Cost(s.setting(a.at)) < s.Cost(s.setting(b.at))
}

// interval is the confirmed gain of t as a ratio.
func (c *confirmation) interval(t *trial) *report.Interval {
	g, ok := c.gains[t]
	if !ok {
		return nil
	}
	return ratio(g)
}

// ratio turns an estimate of logarithms into an interval of ratios.
func ratio(e stats.Estimate) *report.Interval {
	if e.N == 0 {
		return nil
	}
	e.Value, e.Lo, e.Hi = math.Exp(e.Value), math.Exp(e.Lo), math.Exp(e.Hi)
	return new(report.IntervalOf(e))
}

// detectable is the smallest gain that the confirmation would have found four times in five, 0 where there was none.
func (s *search) detectable(c *confirmation) float64 {
	if c == nil {
		return 0
	}
	least := math.Inf(1)
	for _, t := range c.members {
		d := gains(t, s.base, confirming)
		if len(d) >= stats.Need(0.5, confidence) {
			least = min(least, stats.Detectable(d, (1-confidence)/2/float64(len(c.members)), 0.8))
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return math.Exp(least)*(1+s.o.MinGain/2) - 1
}

// reading says the decision in a sentence.
func (s *search) reading(d decision, c *confirmation, base standing) string {
	slos := make([]string, len(s.o.SLOs))
	for i, g := range s.o.SLOs {
		slos[i] = g.Expr
	}
	held, name := strings.Join(slos, ", "), s.name(d.chosen.at)
	st := stand(d.chosen, s.o.SLOs)
	var text string
	switch {
	case st.verdict == report.Fail:
		text = fmt.Sprintf("no setting holds %s: %s comes nearest, %s", held, name, st.reason)
	case d.keep && base.verdict == report.GateInconclusive:
		text = fmt.Sprintf("no setting is known to hold %s: %s", held, base.reason)
	case d.keep:
		text = "keep the default: " + s.nothing(c, d.power)
	case base.verdict == report.Fail:
		text = fmt.Sprintf("%s holds %s, which the default misses", name, held)
	case base.verdict == report.GateInconclusive:
		text = fmt.Sprintf("%s holds %s, which the default is not known to", name, held)
	default:
		text = name
	}
	if st.verdict == report.GateInconclusive && !d.keep {
		text = fmt.Sprintf("no setting is known to hold %s: %s may, %s", held, name, st.reason)
	}
	if d.gain != nil && d.gain.Lo != nil {
		text += fmt.Sprintf(": %.2f × the default's %s [%.2f, %.2f] over %d pairs of blocks", d.gain.Value, s.objective(), *d.gain.Lo, *d.gain.Hi, d.gain.N)
	}
	if len(s.short) > 0 {
		text += "; the time was too short to finish: " + strings.Join(s.short, ", ")
	}
	return text
}

// objective is what a gain is of: a latency is better when it is lower, so its inverse is compared.
func (s *search) objective() string {
	if s.o.Objective == "latency" {
		return "speed (1 / latency_p50)"
	}
	return s.o.Objective
}

// nothing says why the default stays.
func (s *search) nothing(c *confirmation, power float64) string {
	ended := c == nil && !s.interrupted
	if ended && len(s.order) <= 1 {
		return "there is nothing else to try"
	}
	if ended && len(s.short) == 0 {
		return "every other setting was clearly behind it, or gains less than it takes, before the confirmation"
	}
	if c == nil || power == 0 {
		if all := s.ranked(false); len(all) > 0 && all[0] != s.base {
			return fmt.Sprintf("nothing was confirmed; %s was the most promising", s.name(all[0].at))
		}
		return "nothing was confirmed"
	}
	return fmt.Sprintf("nothing was surely better; a gain of %.1f %% would have been found", 100*power)
}
