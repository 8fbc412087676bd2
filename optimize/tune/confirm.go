package tune

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"infer/internal/stats"
	"infer/report"
)

const (
	finalists   = 3   // at most, beside the default
	mostRounds  = 48  // of a confirmation, to tell gains apart
	mostJudging = 240 // and to judge SLOs
	leastThin   = 4   // rounds before a finalist is likely behind another one
	thinWidth   = 1.2 // and by how many standard errors
	mostWaves   = 3   // of finalists, while none holds the SLOs
)

// verdict is what the confirmation says of the gain of a finalist.
type verdict string

const (
	open   verdict = ""       // not known yet
	better verdict = "better" // the whole interval is above 1 + MinGain/2
	same   verdict = "same"   // the interval leaves out a gain of MinGain or more
)

// confirmation is the last phase: finalists against the default in sessions that are opened for it, in rounds that no
// choice was made by.
type confirmation struct {
	*search
	members []*trial
	block   time.Duration
	begin   int // round
	looks   int
	look    int // rounds at the next look
	looked  int // rounds at the one before
	gains   map[*trial]stats.Estimate
	verdict map[*trial]verdict
}

// confirm measures the best settings anew against the default. While none holds the SLOs the next ones get their turn.
func (s *search) confirm(ctx context.Context) (*confirmation, error) {
	var c *confirmation
	for range mostWaves {
		in := s.contenders()
		if len(in) == 0 {
			break
		}
		err := s.step(confirming, in, func() error {
			c = s.newConfirmation(in)
			return c.run(ctx)
		})
		if err != nil {
			return c, err
		}
		if len(s.o.SLOs) == 0 || slices.ContainsFunc(s.order, func(t *trial) bool { return t.final && stand(t, s.o.SLOs).verdict == report.Pass }) {
			break
		}
	}
	return c, nil
}

// contenders are the settings that may be the best by what the race knows: the best one, and those that are not surely
// behind it. Where no SLO is in question, one that surely gains nothing is none.
func (s *search) contenders() []*trial {
	var out []*trial
	sigma, holds := s.levels().noise, stand(s.base, s.o.SLOs).class() == 0
	var lead estimate
	for _, t := range s.ranked(len(s.o.SLOs) > 0) {
		e, st := s.estimate(t), stand(t, s.o.SLOs)
		if t == s.base || t.final || len(out) == finalists || st.verdict == report.Fail {
			continue
		}
		if holds && e.hi < math.Log1p(s.o.MinGain) {
			continue
		}
		if len(out) == 0 {
			lead = e
		}
		near := sigma * (1/math.Sqrt(float64(e.n)) + 1/math.Sqrt(float64(lead.n)))
		if len(out) > 0 && len(s.o.SLOs) == 0 && e.value < lead.value-near {
			continue
		}
		out = append(out, t)
	}
	return out
}

func (s *search) newConfirmation(members []*trial) *confirmation {
	c := &confirmation{search: s, members: members, block: s.block, begin: s.round, gains: map[*trial]stats.Estimate{}, verdict: map[*trial]verdict{}}
	c.look = stats.Need(0.5, c.level())
	need := 0
	for _, g := range s.o.SLOs {
		need = max(need, report.SamplesNeeded(g.Metric))
	}
	// Longer blocks where an SLO needs many runs: else it would take more rounds than the gain does.
	for _, t := range append([]*trial{s.base}, members...) {
		if x := seconds(t.samples); len(x) > 0 && need > 0 {
			per := stats.Median(x) * 1.3 * float64(need) / float64(2*c.look)
			c.block = max(c.block, min(time.Duration(per*float64(time.Second)), s.o.MaxTime/60))
		}
	}
	return c
}

// level is the confidence of the next look. There is a look when an interval is possible first and whenever the rounds
// have grown by half; the levels of all looks, of all finalists, sum to 0.05, so that whenever it ends, and whoever wins,
// a gain that is not there is found one time in forty.
func (c *confirmation) level() float64 {
	k := float64(c.looks + 1)
	return 1 - (1-confidence)/(k*(k+1)*float64(max(1, len(c.members))))
}

func (c *confirmation) run(ctx context.Context) error {
	for _, t := range c.members {
		t.out, t.final = "", true
	}
	c.base.final = true
	var end error
	for rounds := 0; end == nil && c.wanted(rounds); rounds = c.round - c.begin {
		if rounds%c.every() == 0 {
			if err := c.arms.closeAll(); err != nil {
				return err
			}
		}
		end = c.turn(ctx, confirming, c.members, c.block, c.o.MaxTime)
		if end == nil {
			c.thin()
		}
		if n := c.round - c.begin; end == nil && n >= c.look {
			c.judge()
			c.look = (3*n + 1) / 2
		}
	}
	if c.round-c.begin > c.looked {
		c.judge()
	}
	return end
}

// thin gives up finalists that are likely behind another one, by all rounds that both took part in: with that no gain over
// the default is claimed that is not there, and if they are as good, little is lost. Where there are SLOs a finalist that
// is behind may be the one that holds them.
func (c *confirmation) thin() {
	if len(c.o.SLOs) > 0 || left(c.members) < 2 {
		return
	}
	sigma := c.levels().noise
	for _, t := range c.members {
		for _, lead := range c.members {
			d := gains(t, lead, "")
			if t.out != "" || lead.out != "" || lead.failed != "" || len(d) < leastThin {
				continue
			}
			behind := thinWidth * sigma * math.Sqrt(2/float64(len(d)))
			if c.cheaper(t, lead) {
				behind += math.Log1p(c.o.MinGain) // that much is no reason to pay more
			}
			if stats.Median(d) < -behind {
				t.out = fmt.Sprintf("behind %s in the confirmation: %s over %d pairs of blocks", c.name(lead.at), percent(stats.Median(d)), len(d))
			}
		}
	}
}

// every says for how many rounds sessions stay open: two sessions of one setting differ, by where their memory lies, so
// they are opened anew as often as that takes up to half the time of measuring.
func (c *confirmation) every() int {
	return max(1, int(math.Ceil(2*float64(c.opening())/float64(max(c.block, 1)))))
}

// wanted says that another round may tell more.
func (c *confirmation) wanted(rounds int) bool {
	for _, t := range c.members {
		if t.failed != "" || t.out != "" {
			continue
		}
		st := stand(t, c.o.SLOs)
		if c.verdict[t] == open && rounds < mostRounds || st.verdict == report.GateInconclusive && rounds < mostJudging {
			return true
		}
	}
	return false
}

// judge looks at the finalists.
func (c *confirmation) judge() {
	level := c.level()
	c.looks++
	c.looked = c.round - c.begin
	for _, t := range c.members {
		if t.failed != "" || t.out != "" {
			continue
		}
		if st := stand(t, c.o.SLOs); st.verdict == report.Fail {
			t.out = st.reason
		}
		g := stats.SignedRank(gains(t, c.base, confirming), level)
		if !g.OK && c.gains[t].OK {
			continue // a look too early for its level says less than the one before
		}
		c.gains[t] = g
		switch {
		case !g.OK:
		case g.Lo > math.Log1p(c.o.MinGain/2):
			c.verdict[t] = better
		case g.Hi < math.Log1p(c.o.MinGain):
			c.verdict[t] = same
		}
	}
	c.outrun(level)
}

// outrun gives up finalists that are surely behind another one, which holds the SLOs.
func (c *confirmation) outrun(level float64) {
	for _, lead := range c.members {
		if st := stand(lead, c.o.SLOs); lead.out != "" || lead.failed != "" || st.verdict != "" && st.verdict != report.Pass {
			continue
		}
		for _, t := range c.members {
			if t == lead || t.out != "" || t.failed != "" {
				continue
			}
			if d := stats.SignedRank(gains(t, lead, confirming), level); d.OK && d.Hi < 0 {
				t.out = fmt.Sprintf("surely behind %s: %s at most", c.name(lead.at), percent(d.Hi))
			}
		}
	}
}
