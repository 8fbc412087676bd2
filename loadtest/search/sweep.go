package search

import (
	"math"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// The axes of a sweep.
const (
	AxisRate        = "rps"         // arrival rate, requests a second
	AxisConcurrency = "concurrency" // requests under way at a time
	AxisBatch       = "batch"       // rows of a request
)

// maxPoints bounds a sweep: each point is a load of its own.
const maxPoints = 1000

// maxWhole bounds a concurrency and a batch.
const maxWhole = 1 << 20

// rateDigits is how many significant digits of a rate count: those that the label of a point has in a report.
const rateDigits = 9

const (
	sweepHint = "write --sweep rps=100..1000:100, rps=100,200,400, concurrency=1,2,4,8 or batch=1,4,8"
	rangeHint = "write two rates, lowest first, such as 50:5000"
)

// Sweep is one quantity and the values it takes, ascending, each once.
type Sweep struct {
	Axis   string // AxisRate, AxisConcurrency or AxisBatch
	Values []float64
}

// ParseSweep reads AXIS=FROM..TO:STEP or AXIS=V,V,…. Errors are of kind Usage.
func ParseSweep(text string) (Sweep, error) {
	axis, list, ok := strings.Cut(strings.TrimSpace(text), "=")
	if !ok || list == "" {
		return Sweep{}, fault.New(fault.Usage, sweepHint, "sweep %q is not AXIS=VALUES", text)
	}
	if axis != AxisRate && axis != AxisConcurrency && axis != AxisBatch {
		return Sweep{}, fault.New(fault.Usage, sweepHint, "sweep %q: %q is none of rps, concurrency, batch", text, axis)
	}
	s := Sweep{Axis: axis}
	err := s.parse(list)
	if err != nil {
		return Sweep{}, fault.Wrap(err, "sweep %q", text)
	}
	return s, nil
}

func (s *Sweep) parse(list string) error {
	if strings.Contains(list, "..") {
		return s.parseSpan(list)
	}
	words := strings.Split(list, ",")
	if len(words) > maxPoints {
		return fault.New(fault.Usage, sweepHint, "%d values are more than %d", len(words), maxPoints)
	}
	for _, w := range words {
		v, err := s.value(w)
		if err != nil {
			return err
		}
		if n := len(s.Values); n > 0 && v <= s.Values[n-1] {
			return fault.New(fault.Usage, "give them in ascending order, each once", "%s does not come after %s", w, words[n-1])
		}
		s.Values = append(s.Values, v)
	}
	return nil
}

// parseSpan reads FROM..TO:STEP.
func (s *Sweep) parseSpan(list string) error {
	span, step, ok := strings.Cut(list, ":")
	if !ok {
		return fault.New(fault.Usage, "add the step: "+list+":100", "%q has no step", list)
	}
	from, to, _ := strings.Cut(span, "..")
	var v [3]float64
	for i, w := range []string{from, to, step} {
		var err error
		if v[i], err = s.value(w); err != nil {
			return err
		}
	}
	if v[1] < v[0] {
		return fault.New(fault.Usage, sweepHint, "%s is above %s", from, to)
	}
	n := math.Floor((v[1]-v[0])/v[2]+1e-9) + 1
	if n > maxPoints {
		return fault.New(fault.Usage, "take a larger step", "%.0f values are more than %d", n, maxPoints)
	}
	for i := range int(n) {
		s.Values = append(s.Values, rounded(v[0]+float64(i)*v[2])) // a step, at least MinRate, shows in it
	}
	return nil
}

// value reads one value of the axis.
func (s *Sweep) value(word string) (float64, error) {
	word = strings.TrimSpace(word)
	if s.Axis == AxisRate {
		v, err := parseRate(word)
		return rounded(v), err
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > maxWhole {
		return 0, fault.New(fault.Usage, sweepHint, "%s %q is not a whole number from 1 to %d", s.Axis, word, maxWhole)
	}
	return float64(n), nil
}

// rounded is v with the digits that count.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', rateDigits, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// ParseRange reads LO:HI, two rates in requests a second. Errors are of kind Usage.
func ParseRange(text string) (lo, hi float64, err error) {
	a, b, ok := strings.Cut(strings.TrimSpace(text), ":")
	if !ok {
		return 0, 0, fault.New(fault.Usage, rangeHint, "range %q is not LO:HI", text)
	}
	if lo, err = parseRate(a); err == nil {
		hi, err = parseRate(b)
	}
	if err == nil && lo > hi {
		err = fault.New(fault.Usage, rangeHint, "%s is above %s", a, b)
	}
	if err != nil {
		return 0, 0, fault.Wrap(err, "range %q", text)
	}
	return lo, hi, nil
}

func parseRate(word string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
	if err != nil || !(v >= MinRate && v <= MaxRate) {
		return 0, fault.New(fault.Usage, "give requests a second", "rate %q is not a number from %v to %.0f", word, MinRate, float64(MaxRate))
	}
	return v, nil
}
