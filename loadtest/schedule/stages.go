package schedule

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
)

// piece is a stage in its place.
type piece struct {
	start  time.Duration
	length float64 // nanoseconds
	from   float64 // rate at its begin, 1/s
	slope  float64 // of the rate, 1/s²
	before float64 // requests that earlier stages ask for
	area   float64 // requests that it asks for itself
}

// lay checks stages and puts them one after the other.
func lay(stages []Stage) (pieces []piece, end time.Duration, err error) {
	before := 0.0
	for _, g := range stages {
		if err := g.check(); err != nil {
			return nil, 0, err
		}
		if g.For > MaxDuration-end {
			return nil, 0, fault.New(fault.Usage, "ask for a shorter load", "stages of more than %.0f h in all: too long", MaxDuration.Hours())
		}
		seconds := float64(g.For) / 1e9
		p := piece{start: end, length: float64(g.For), from: g.From, slope: (g.To - g.From) / seconds, before: before, area: float64(float64(g.From+g.To) / 2 * seconds)}
		before += p.area
		end += g.For
		pieces = append(pieces, p)
	}
	if before == 0 {
		return nil, 0, fault.New(fault.Usage, "give a rate above 0, as in --rps 500 or --stages 100x30s", "%d stages without a request: nothing to send", len(stages))
	}
	return pieces, end, nil
}

// check returns what is wrong with a stage.
func (g Stage) check() error {
	for _, r := range []float64{g.From, g.To} {
		if !(r == 0 || r >= MinRate && r <= MaxRate) { // NaN as well
			return fault.New(fault.Usage, "give requests a second, as in --rps 500", "a rate of %v/s: not within %v and %.0f", r, MinRate, MaxRate)
		}
	}
	if g.For <= 0 || g.For > MaxDuration {
		return fault.New(fault.Usage, "give a duration as in --duration 30s", "a duration of %v: not above 0 and within %.0f h", g.For, MaxDuration.Hours())
	}
	return nil
}

// at returns when the stages have asked for x requests, which must be within this one. With a the rate at its begin
// and s its slope it solves x = a·t + s·t²/2 in the form that loses no digits, whatever the sign of s:
// t = 2x / (a + √(a² + 2·s·x)).
func (p *piece) at(x float64) time.Duration {
	if x -= p.before; x <= 0 {
		return p.start
	}
	rate := p.from
	if p.slope != 0 {
		rate = root(max(0, mul(p.from, p.from)+mul(2*p.slope, x)))
	}
	t := mul(2*x, 1e9) / (p.from + rate)
	return p.start + time.Duration(math.Round(min(t, p.length)))
}

// exact returns i/rate to the nearest nanosecond, in integers. The quotient must be within MaxDuration.
func exact(i int64, rate float64) time.Duration {
	f, e := math.Frexp(rate)
	m := uint64(f * (1 << 53)) // rate is m·2^(e-53), and e < 53 as rates are below 2^53
	shift := uint(53 - e)
	high, low := bits.Mul64(uint64(i), 1e9)
	// i·1e9·2^shift = quotient·m < 2^52·2^53, so nothing is shifted out.
	if shift >= 64 {
		high, low, shift = low, 0, shift-64
	}
	high, low = high<<shift|low>>(64-shift), low<<shift
	quotient, rest := bits.Div64(high, low, m)
	if rest >= m-rest {
		quotient++
	}
	return time.Duration(quotient)
}

// ParseStages reads stages as they are typed: "100x30s" is a rate of 100/s for 30 s, "0..500x30s" a straight ramp
// from 0 to 500/s, and commas stand between several. Errors are of kind fault.Usage.
func ParseStages(s string) ([]Stage, error) {
	const hint = "stages are RATExDURATION or A..BxDURATION, as in --stages 0..500x30s,500x60s"
	var list []Stage
	for text := range strings.SplitSeq(s, ",") {
		text = strings.TrimSpace(text)
		at := strings.LastIndexByte(text, 'x')
		if at < 0 {
			return nil, fault.New(fault.Usage, hint, "stage %q: no x in it", text)
		}
		from, to, ramp := strings.Cut(text[:at], "..")
		if !ramp {
			to = from
		}
		g, err := Stage{}, error(nil)
		if g.From, err = decimal(from); err == nil {
			g.To, err = decimal(to)
		}
		if err != nil {
			return nil, fault.New(fault.Usage, hint, "stage %q: %w", text, err)
		}
		if g.For, err = time.ParseDuration(strings.TrimSpace(text[at+1:])); err != nil {
			return nil, fault.New(fault.Usage, hint, "stage %q: %q is no duration", text, text[at+1:])
		}
		if err := g.check(); err != nil {
			return nil, fault.Wrap(err, "stage %q", text)
		}
		list = append(list, g)
	}
	return list, nil
}

// decimal reads a decimal number; none of the other spellings that strconv knows.
func decimal(s string) (float64, error) {
	s = strings.TrimSpace(s)
	r, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return r, nil
}
