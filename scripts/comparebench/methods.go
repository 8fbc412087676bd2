package main

import (
	"strconv"

	"infer/internal/stats"
	"infer/report"
	"infer/report/compare"
)

// shares are the verdicts of a method over trials.
type shares struct {
	trials, regressed, ok int
	pairs                 int // that were measured, of all trials
}

// infer lets the decision of the command judge pairs one by one as they come: those of infer compare, with its defaults.
// most is how many fit into the time.
func (s *shares) infer(pairs []report.ComparePair, o compare.Options) error {
	x := &report.CompareDetails{}
	for _, p := range pairs {
		x.Pairs = append(x.Pairs, p)
		if compare.Look(x, len(pairs), o) {
			break
		}
	}
	d := report.New("compare")
	if err := compare.Pairs(d, x, o); err != nil {
		return err
	}
	s.count(d.Verdict, len(x.Pairs))
	return nil
}

// count adds a verdict.
func (s *shares) count(v report.Verdict, pairs int) {
	s.trials, s.pairs = s.trials+1, s.pairs+pairs
	switch v {
	case report.Regressed:
		s.regressed++
	case report.OK:
		s.ok++
	}
}

// String is how many trials are called regressed; "" where there are none.
func (s shares) String() string {
	if s.trials == 0 {
		return ""
	}
	return strconv.Itoa(s.regressed)
}

// single calls a run of the head regressed where it is more than a tenth above one of the base.
func (s *shares) single(base, head float64) {
	s.trials++
	if head > 1.1*base {
		s.regressed++
	}
}

// mannWhitney calls the head regressed as benchstat calls a change one: the medians differ for the worse, and Mann and
// Whitney's exact two-sided test has a p of at most 5 %.
func (s *shares) mannWhitney(base, head []float64) {
	s.trials++
	if stats.Median(head) > stats.Median(base) && rankSumP(base, head) <= 0.05 {
		s.regressed++
	}
}

// rankSumP is the exact two-sided p-value of Mann and Whitney's test, for samples without ties.
func rankSumP(a, b []float64) float64 {
	u := 0
	for _, x := range a {
		for _, y := range b {
			if y > x {
				u++
			}
		}
	}
	u = min(u, len(a)*len(b)-u)
	ways := rankSumWays(len(a), len(b))
	tail, all := 0.0, 0.0
	for i, w := range ways {
		all += w
		if i <= u {
			tail += w
		}
	}
	return min(1, 2*tail/all)
}

// rankSumWays counts in how many orders of n and m values U is 0, 1, 2 …: the coefficients of a Gaussian binomial.
func rankSumWays(n, m int) []float64 {
	ways := make([]float64, n*m+1)
	ways[0] = 1
	for i := 1; i <= n; i++ {
		for u := n * m; u >= m+i; u-- {
			ways[u] -= ways[u-m-i]
		}
		for u := i; u <= n*m; u++ {
			ways[u] += ways[u-i]
		}
	}
	return ways
}
