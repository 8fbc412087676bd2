package tune

import (
	"math"
	"slices"
	"time"

	"infer/internal/stats"
	"infer/report"
)

// sample is a block of a trial in a round.
type sample struct {
	round int
	phase string
	block Block
	score float64 // logarithm of the objective; more is better
}

// trial is a setting that was measured, or was to be.
type trial struct {
	at      point
	key     string
	facts   []report.Metric
	samples []sample
	opened  []float64 // seconds that each opening took
	failed  string    // why it could not be measured
	phase   string    // the newest one that it took part in
	out     string    // why it was given up; "": it is in the race
	final   bool      // its turn to be confirmed has come
}

// scoreOf is the logarithm of the objective of a block: throughput, or 1/p50.
func scoreOf(objective string, b Block) float64 {
	if objective == "latency" {
		return -math.Log(stats.Median(b.Seconds))
	}
	return math.Log(b.Throughput)
}

// gains returns the logarithms of t's objective over base's, of the rounds that both took part in.
func gains(t, base *trial, phase string) []float64 {
	var out []float64
	i := 0
	for _, s := range t.samples {
		for i < len(base.samples) && base.samples[i].round < s.round {
			i++
		}
		if i < len(base.samples) && base.samples[i].round == s.round && (phase == "" || s.phase == phase) {
			out = append(out, s.score-base.samples[i].score)
		}
	}
	return out
}

// of returns the samples of a phase; "" for all.
func (t *trial) of(phase string) []sample {
	var out []sample
	for _, s := range t.samples {
		if phase == "" || s.phase == phase {
			out = append(out, s)
		}
	}
	return out
}

// weighed are the samples that the verdict on t is by: those of the confirmation where it took part, which no choice was
// made by, else all.
func (t *trial) weighed() []sample {
	if own := t.of(confirming); len(own) > 0 {
		return own
	}
	return t.samples
}

// confirmed says that t was measured in the confirmation.
func (t *trial) confirmed() bool { return len(t.of(confirming)) > 0 }

// inTime returns the latencies of the runs of samples in the order of time.
func inTime(samples []sample) []float64 {
	var all []float64
	for _, s := range samples {
		all = append(all, s.block.Seconds...)
	}
	return all
}

// seconds returns the latencies of the runs of samples, ascending.
func seconds(samples []sample) []float64 {
	all := inTime(samples)
	slices.Sort(all)
	return all
}

// cost is what the newest block of t took, or what one of the length d will.
func (t *trial) cost(d time.Duration) time.Duration {
	if n := len(t.samples); n > 0 {
		return max(d, t.samples[n-1].block.Elapsed)
	}
	return d
}
