package search

import (
	"math"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
)

// Precision is how exactly a quantile of latency is wanted.
type Precision struct {
	Quantile float64 // in (0, 1): 0.99
	Half     float64 // half the width of its interval over its value, in (0, 1): 0.05
}

const precisionHint = "write a percentile and half the width of its interval, such as p99:5%"

// ParsePrecision reads pNN:SHARE, "p99:5%" or "p99.9:0.1". Errors are of kind Usage.
func ParsePrecision(text string) (Precision, error) {
	name, share, ok := strings.Cut(strings.TrimSpace(text), ":")
	digits, isP := strings.CutPrefix(name, "p")
	q, err := strconv.ParseFloat(digits, 64)
	if !ok || !isP || err != nil || !(q > 0 && q < 100) {
		return Precision{}, fault.New(fault.Usage, precisionHint, "precision %q is not pNN:SHARE", text)
	}
	number, percent := strings.CutSuffix(share, "%")
	half, err := strconv.ParseFloat(number, 64)
	if percent {
		half /= 100
	}
	if err != nil || !(half >= 0.001 && half < 1) {
		return Precision{}, fault.New(fault.Usage, precisionHint, "precision %q: %q is not a share from 0.1%% to 99%%", text, share)
	}
	return Precision{Quantile: q / 100, Half: half}, nil
}

// Before returns how long a load at a rate (requests a second, > 0) must be for the quantile to have an interval at
// all: what can be said before anything was measured.
func (p Precision) Before(rate, confidence float64) time.Duration {
	return time.Duration(float64(stats.Need(p.Quantile, confidence)) / rate * float64(time.Second))
}

// halfWidth is half the width of an estimate's interval over its value, +Inf where it has none.
func halfWidth(e stats.Estimate) float64 {
	half := (e.Hi - e.Lo) / 2 / e.Value
	if !e.OK || !(e.Value > 0) || math.IsNaN(half) {
		return math.Inf(1)
	}
	return half
}

// Factor returns how many times as long as a pilot a load must be until the interval is as narrow as p wants, at least
// 1 and exactly 1 where the pilot's is. An interval narrows with the square root of the number of requests, however
// they hang together, as long as it was made in a way that minds that. Where the pilot is too small for an interval
// Factor says how much larger it must be to have one.
func (p Precision) Factor(pilot stats.Estimate) float64 {
	if pilot.N < pilot.Need {
		return float64(pilot.Need) / float64(max(1, pilot.N))
	}
	half := halfWidth(pilot)
	if math.IsInf(half, 1) {
		return 2
	}
	return max(1, (half/p.Half)*(half/p.Half))
}
