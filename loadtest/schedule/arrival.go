package schedule

import (
	"strconv"
	"strings"

	"infer/internal/fault"
)

// The names of arrival processes.
const (
	poisson  = "poisson"
	constant = "constant"
	gamma    = "gamma"
	burst    = "burst"
)

// Arrival is a kind of arrival process. The zero value is poisson.
type Arrival struct {
	name  string
	value float64 // of gamma the shape, of burst the size
}

// String returns a as it is typed.
func (a Arrival) String() string {
	switch a.name {
	case "":
		return poisson
	case gamma, burst:
		return a.name + ":" + strconv.FormatFloat(a.value, 'g', -1, 64)
	}
	return a.name
}

// ParseArrival reads an arrival process: "poisson" (also ""), gaps as independent users make them; "constant", equal
// gaps; "gamma:SHAPE", independent gaps with a coefficient of variation of 1/√SHAPE (1 is poisson, below it burstier),
// SHAPE from 0.01 to 1e6; "burst:N", N requests at once at poisson moments, N from 1 to 1e6. Errors are of kind
// fault.Usage.
func ParseArrival(s string) (Arrival, error) {
	const hint = "use --arrival poisson, constant, gamma:0.5 or burst:8"
	name, value, has := strings.Cut(s, ":")
	switch {
	case !has && (name == "" || name == poisson):
		return Arrival{name: poisson}, nil
	case !has && name == constant:
		return Arrival{name: constant}, nil
	case has && name == gamma:
		shape, err := decimal(value)
		if err != nil || !(shape >= 0.01 && shape <= 1e6) {
			return Arrival{}, fault.New(fault.Usage, hint, "arrival %q: a shape is within 0.01 and 1e6", s)
		}
		return Arrival{name: gamma, value: shape}, nil
	case has && name == burst:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 || n > 1e6 {
			return Arrival{}, fault.New(fault.Usage, hint, "arrival %q: a burst is of 1 to 1000000 requests", s)
		}
		return Arrival{name: burst, value: float64(n)}, nil
	}
	return Arrival{}, fault.New(fault.Usage, hint, "arrival %q: not known", s)
}
