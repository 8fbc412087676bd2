package measure

import (
	"fmt"
	"math"
	"slices"

	"infer/internal/host"
)

// Check is one reason to believe a series, or not to.
type Check struct {
	Name   string // "cpu_throttled", "steal", …
	OK     bool
	Detail string // what was seen and the limit, one line
}

// shortWall is the span below which counters of 10 ms say nothing.
const shortWall = 0.2

// Checks judges a series of a session with the given threads (0: the session's own choice). Every check is returned,
// passed or not, always in the same order.
func Checks(s *Series, threads int) []Check {
	return checks(s, threads, host.EffectiveCPUs())
}

func checks(s *Series, threads int, c host.CPUs) []Check {
	i := s.Interference
	delay, steal := 0.0, 0.0
	if total := i.SelfCPU + i.RunQueueDelay; total > 0 {
		delay = i.RunQueueDelay / total
	}
	if i.Wall > 0 {
		steal = i.Steal / (i.Wall * float64(max(1, c.Affinity)))
	}
	short := i.Wall < shortWall
	faults := int64(len(s.Seconds) / 100)
	n, apart := noise(s.Seconds), levelsApart(s)
	counter := func(name string, value, limit float64, format string) Check {
		if short {
			return Check{name, true, fmt.Sprintf("not judged: the timed runs took only %.3g s", i.Wall)}
		}
		return Check{name, value <= limit, fmt.Sprintf(format+", limit %.0f %%", 100*value, 100*limit)}
	}
	list := []Check{
		{"cpu_throttled", i.ThrottledCount == 0,
			fmt.Sprintf("%d periods, %.3g s throttled by the CPU quota", i.ThrottledCount, i.Throttled)},
		counter("run_queue_delay", delay, 0.05, "threads waited for a CPU %.1f %% of their time"),
		{"noise", n <= 0.10, fmt.Sprintf("robust coefficient of variation %.1f %%, limit 10 %%", 100*n)},
		{"steady_state", s.Class == Flat || apart <= maxApart,
			fmt.Sprintf("%d changes of level, levels up to %.1f %% apart, limit %.0f %%", len(s.Changes), 100*apart, 100*maxApart)},
		counter("other_load", i.OtherCPU, 0.10, "other processes used %.1f %% of the machine"),
		counter("steal", steal, 0.02, "the hypervisor took %.1f %%"),
		{"major_faults", i.MajorFaults <= faults,
			fmt.Sprintf("%d page faults read from disk, limit %d", i.MajorFaults, faults)},
		{"threads", threads <= c.Count, fmt.Sprintf("%d threads on %d usable CPUs (%s)", threads, c.Count, c.Source)},
	}
	if threads == 0 {
		list[len(list)-1].Detail = fmt.Sprintf("the session chose its threads, %d usable CPUs", c.Count)
	}
	return list
}

// maxApart is how far the levels of a series may lie apart before it has no one latency to tell.
const maxApart = 0.10

// levelsApart returns the distance between the fastest and the slowest level over the fastest, for levels that hold a
// twentieth of the runs or more: shorter ones move the percentiles less than their intervals do. A series of two modes
// without a change of level is as far apart as its noise.
func levelsApart(s *Series) float64 {
	if len(s.Changes) == 0 {
		return noise(s.Seconds)
	}
	levels, begin := segments(s.Seconds, s.Changes), 0
	lo, hi := math.Inf(1), 0.0
	for i, end := range append(slices.Clone(s.Changes), len(s.Seconds)) {
		if 20*(end-begin) >= len(s.Seconds) {
			lo, hi = min(lo, levels[i]), max(hi, levels[i])
		}
		begin = end
	}
	if !(hi > lo && lo > 0) {
		return 0
	}
	return (hi - lo) / lo
}

// Disturbed returns the names of the checks that say that others disturbed s: their load, the hypervisor, the quota.
func Disturbed(s *Series) []string {
	var names []string
	for _, c := range Checks(s, 0) {
		switch c.Name {
		case "cpu_throttled", "run_queue_delay", "steal", "other_load", "major_faults":
			if !c.OK {
				names = append(names, c.Name)
			}
		}
	}
	return names
}
