package calibrate

import (
	"strconv"
	"strings"

	"infer/internal/fault"
)

// The names of the methods.
const (
	MinMax        = "minmax"         // all that was seen
	MovingAverage = "moving-average" // the rows' smallest and largest values, averaged exponentially
	MeanMinMax    = "mean-minmax"    // the rows' smallest and largest values, averaged
	Percentile    = "percentile"     // a share of the elements
	Entropy       = "entropy"        // the least Kullback-Leibler divergence
	MSE           = "mse"            // the least squared error
	Auto          = "auto"           // for each value the method that does best on rows kept apart
)

// methods are all names, in the order of messages and help.
var methods = []string{MinMax, MovingAverage, MeanMinMax, Percentile, Entropy, MSE, Auto}

// parameters are the default and the bounds of what stands behind the equals sign; a method that is not here takes none.
var parameters = map[string]struct{ def, lo, hi float64 }{
	MovingAverage: {0.01, 0, 1},     // the weight of a new row
	Percentile:    {99.99, 50, 100}, // percent of the elements that stay inside
}

// Method says how a range is made of what was seen.
type Method struct {
	Name string  // one of the constants
	P    float64 // of moving-average the weight of a new row, in (0, 1]; of percentile the percentage, in (50, 100]
}

// ParseMethod reads a method as --method takes it: "minmax", "moving-average[=0.01]", "mean-minmax",
// "percentile[=99.99]", "entropy", "mse" or "auto". Anything else is a fault.Usage error with what is allowed.
func ParseMethod(text string) (Method, error) {
	name, value, given := strings.Cut(text, "=")
	p, takes := parameters[name]
	m := Method{Name: name, P: p.def}
	if err := m.known(); err != nil {
		return Method{}, err
	}
	if !given {
		return m, nil
	}
	if !takes {
		return Method{}, fault.New(fault.Usage, "pass --method "+name, "method %s takes no value, got %q", name, value)
	}
	var err error
	if m.P, err = strconv.ParseFloat(value, 64); err != nil || !(m.P > p.lo && m.P <= p.hi) {
		return Method{}, fault.New(fault.Usage, "", "method %s takes a number above %g and at most %g, got %q", name, p.lo, p.hi, value)
	}
	return m, nil
}

// known reports a name that is no method, with the nearest that is.
func (m Method) known() error {
	for _, name := range methods {
		if m.Name == name {
			return nil
		}
	}
	hint := "pass one of " + strings.Join(methods, ", ")
	if near := fault.Nearest(m.Name, methods); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return fault.New(fault.Usage, hint, "unknown calibration method %q", m.Name)
}

// check reports a method that ParseMethod would not return.
func (m Method) check() error {
	if err := m.known(); err != nil {
		return err
	}
	if p, takes := parameters[m.Name]; takes && !(m.P > p.lo && m.P <= p.hi) {
		return fault.New(fault.Usage, "", "method %s takes a number above %g and at most %g, got %g", m.Name, p.lo, p.hi, m.P)
	}
	return nil
}

// String returns the form that ParseMethod reads: "percentile=99.99".
func (m Method) String() string {
	if _, takes := parameters[m.Name]; takes {
		return m.Name + "=" + strconv.FormatFloat(m.P, 'g', -1, 64)
	}
	return m.Name
}

// histograms reports whether the method needs more of a value than its smallest and largest elements.
func (m Method) histograms() bool {
	return m.Name != MinMax && m.Name != MovingAverage && m.Name != MeanMinMax
}
