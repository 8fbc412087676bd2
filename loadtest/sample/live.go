package sample

import (
	"time"

	"infer/internal/stats"
)

// liveSeconds is how many seconds back Live looks for percentiles.
const liveSeconds = 4

// Live is how a load goes on, for a view that is refreshed.
type Live struct {
	Counts     [Outcomes]int64 // requests whose fate is known, by Outcome, warm-up included
	Throughput float64         // answers a second, right or wrong, in the last whole second, or in the first until now
	P50, P99   time.Duration   // latency of the right answers of the last four seconds; 0: there were none
}

// Due returns how many requests have a known fate.
func (l *Live) Due() int64 { return total(&l.Counts) }

func total(counts *[Outcomes]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// live is a ring of the last seconds, by when requests were done.
type live struct {
	counts  [Outcomes]int64
	seconds [liveSeconds + 1]second
}

type second struct {
	at       int64 // which second since the start of the load, from 1 on; 0: none
	answered int64
	latency  *stats.Histogram
}

func (l *live) add(s *Sample) {
	l.counts[s.Outcome]++
	at := int64(s.Done/time.Second) + 1
	b := &l.seconds[int(uint64(at)%uint64(len(l.seconds)))]
	if at < b.at || at < 1 {
		return // an old one: what came since has taken its place
	}
	if at > b.at {
		*b = second{at: at, latency: stats.NewHistogram()}
	}
	switch s.Outcome {
	case OK:
		b.answered++
		b.latency.Add(s.Latency().Seconds())
	case Wrong:
		b.answered++
	}
}

// Live returns how the load goes on at a moment since its start. It costs a fraction of a millisecond: call it a few
// times a second.
func (f *Fold) Live(now time.Duration) Live {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := Live{Counts: f.live.counts}
	latency := stats.NewHistogram()
	current := int64(now/time.Second) + 1
	for i := range f.live.seconds {
		b := &f.live.seconds[i]
		if b.at == 0 || b.at < current-liveSeconds {
			continue
		}
		latency.Merge(b.latency)
		switch {
		case b.at == current-1:
			out.Throughput = float64(b.answered)
		case b.at == 1 && current == 1 && now > 0:
			out.Throughput = float64(b.answered) / now.Seconds()
		}
	}
	if latency.Count() > 0 {
		out.P50, out.P99 = span(latency.Quantile(0.5)), span(latency.Quantile(0.99))
	}
	return out
}

func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
