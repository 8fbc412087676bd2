package report

import (
	"errors"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"infer/internal/fault"
)

// Gate is a threshold on one metric, as typed after --gate or --slo.
type Gate struct {
	Expr     string            // as typed, without the blanks around it
	Metric   string            // a name of Known
	Labels   map[string]string // the metric must have these; nil: any
	Op       string            // "<", "<=", ">" or ">="
	Limit    float64           // base unit of the metric; for a relative gate the allowed change, signed
	Relative bool              // Limit is a change against a base: only a comparison can judge it
	Percent  bool              // Limit is a fraction of the base (0.05 is +5 %), not a difference in the metric's unit
}

const gateHint = "write METRIC OP VALUE, for example latency_p99<20ms, throughput>=300/s or, against a base, latency_p99<=+5%"

var (
	gateShape   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.]*)\s*(?:\{([^{}]*)\})?\s*(<=|>=|<|>)\s*([^<>=\s].*)$`)
	nameShape   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*`)
	numberShape = regexp.MustCompile(`^([0-9]{0,40}\.?[0-9]{1,40}(?:[eE][+-]?[0-9]{1,3})?)\s*(\S*)$`)
)

// ParseGate parses `METRIC OP VALUE` with optional labels: `latency_p99{batch=8}<20ms`.
// VALUE has the unit it is typed with (20ms, 1.5GB, 300/s, 1%, 0.02, 0.5pt); with a sign it is a change
// against a base (<=+5%, >=-0.5pt, <=+2ms). Anything else, a metric that is not in Known and a unit that does
// not measure the metric included, is a fault.Usage error that names what is allowed.
func ParseGate(expr string) (Gate, error) { return parseGate(expr, "") }

// parseGate is ParseGate whose errors name the metrics of a document of a kind; "" for all.
func parseGate(expr, kind string) (Gate, error) {
	g := Gate{Expr: strings.TrimSpace(expr)}
	m := gateShape.FindStringSubmatch(g.Expr)
	if m == nil {
		return Gate{}, fault.New(fault.Usage, gateHint, "gate %q is not METRIC OP VALUE with one of < <= > >=: it breaks off at character %d", expr, character(expr, breaks(g.Expr)))
	}
	known, ok := KnownByName(m[1])
	if !ok {
		return Gate{}, unknownMetric(expr, m[1], kind)
	}
	g.Metric, g.Op = m[1], m[3]
	var err error
	if g.Labels, err = parseLabels(m[2]); err != nil {
		return Gate{}, fault.Wrap(err, "gate %q", expr)
	}
	if at, err := g.parseValue(m[4], known.Quantity); err != nil {
		return Gate{}, fault.Wrap(err, "gate %q, at character %d", expr, character(expr, len(g.Expr)-len(m[4])+at))
	}
	return g, nil
}

// breaks returns the offset in expr, without blanks around it, at which it stops being METRIC OP VALUE.
func breaks(expr string) int {
	name := nameShape.FindString(expr)
	at := len(name)
	if name == "" {
		return 0
	}
	skip := func() { at += len(expr[at:]) - len(strings.TrimLeft(expr[at:], " \t")) }
	skip()
	if strings.HasPrefix(expr[at:], "{") {
		end := strings.IndexByte(expr[at:], '}')
		if end < 0 {
			return at
		}
		at += end + 1
		skip()
	}
	if rest := expr[at:]; rest != "" && strings.ContainsRune("<>", rune(rest[0])) {
		at++
		at += len(expr[at:]) - len(strings.TrimPrefix(expr[at:], "="))
		skip()
	}
	return at
}

// character returns the number of the character of expr, from 1, that stands at an offset of it without the blanks before it.
func character(expr string, offset int) int {
	lead := len(expr) - len(strings.TrimLeftFunc(expr, unicode.IsSpace))
	return utf8.RuneCountInString(expr[:min(len(expr), lead+offset)]) + 1
}

// ParseSLO is ParseGate for --slo: mean, p50, p90, p95, p99 and max stand for latency_mean … latency_max,
// and a relative limit is refused.
func ParseSLO(expr string) (Gate, error) {
	g, err := ParseCompareGate(expr)
	if err != nil {
		return Gate{}, err
	}
	return g, g.mustBeAbsolute()
}

// ParseCompareGate is ParseGate for the gates of a comparison: mean, p50 … stand for latencies as in ParseSLO.
func ParseCompareGate(expr string) (Gate, error) {
	g, err := ParseGate(unabridged(expr))
	g.Expr = strings.TrimSpace(expr)
	return g, err
}

// unabridged returns a gate with the whole name of a latency that is written without latency_.
func unabridged(expr string) string {
	full := strings.TrimSpace(expr)
	for _, short := range []string{"mean", "p50", "p90", "p95", "p99", "max"} {
		rest, ok := strings.CutPrefix(full, short)
		if ok && rest != "" && strings.ContainsRune("<>{ =", rune(rest[0])) {
			return "latency_" + full
		}
	}
	return full
}

// Improves reports whether a gate wants a change for the better: <=-20%, or >=+5% of what is better when higher.
func (g Gate) Improves() bool {
	return g.Relative && (g.Op[0] == '<' && g.Limit < 0 || g.Op[0] == '>' && g.Limit > 0)
}

// ParseGates parses the gates for a document of a kind. Besides what ParseGate refuses it refuses metrics that such
// a document never has and, except in "compare", relative gates; there the short names of ParseSLO are known. The error lists every fault.
func ParseGates(kind string, exprs []string) ([]Gate, error) {
	var gates []Gate
	var errs []error
	for _, e := range exprs {
		full := e
		if kind == "compare" {
			full = unabridged(e)
		}
		g, err := parseGate(full, kind)
		g.Expr = strings.TrimSpace(e)
		if err == nil && kind != "compare" {
			err = g.mustBeAbsolute()
		}
		if err == nil {
			err = g.fits(kind)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		gates = append(gates, g)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.New(fault.Usage, fault.HintOf(errs[0]), "%w", err)
	}
	return gates, nil
}

func (g Gate) mustBeAbsolute() error {
	if !g.Relative {
		return nil
	}
	return fault.New(fault.Usage, "leave the sign out, or use it with infer compare",
		"gate %q is a change against a base, and there is no base here", g.Expr)
}

func (g Gate) fits(kind string) error {
	if k, ok := KnownByName(g.Metric); ok && k.In(kind) {
		return nil
	}
	var names []string
	for _, k := range Known() {
		if k.In(kind) {
			names = append(names, k.Name)
		}
	}
	return fault.New(fault.Usage, "use one of "+strings.Join(names, " "), "gate %q: infer %s does not measure %s", g.Expr, kind, g.Metric)
}

func unknownMetric(expr, name, kind string) error {
	var names []string
	for _, k := range Known() {
		if kind == "" || k.In(kind) {
			names = append(names, k.Name)
		}
	}
	near := fault.Nearest(name, names)
	if slices.Contains(names, "latency_"+name) {
		near = "latency_" + name
	}
	hint := "use one of " + strings.Join(names, " ")
	if near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return fault.New(fault.Usage, hint, "gate %q: there is no metric %q", expr, name)
}

// parseLabels parses "batch=8,threads=2".
func parseLabels(s string) (map[string]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	labels := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(part, "=")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if _, twice := labels[k]; !ok || k == "" || v == "" || twice {
			return nil, fault.New(fault.Usage, "write labels like {batch=8}", "label %q is not name=value, or is there twice", part)
		}
		labels[k] = v
	}
	return labels, nil
}

// parseValue parses the right-hand side: a number with the sign of a relative gate and a unit of q. at is the offset in
// text of what is wrong.
func (g *Gate) parseValue(text string, q Quantity) (at int, err error) {
	value, sign := strings.TrimSpace(text), 1.0
	if value != "" && (value[0] == '+' || value[0] == '-') {
		g.Relative = true
		if value[0] == '-' {
			sign = -1
		}
		value = strings.TrimSpace(value[1:])
	}
	at = strings.LastIndex(text, value)
	m := numberShape.FindStringSubmatch(value)
	if m == nil {
		return at, fault.New(fault.Usage, gateHint, "%q is no number with a unit", text)
	}
	by, ok := unitsOf(q)[m[2]]
	if g.Percent = m[2] == "%" && g.Relative; g.Percent {
		by, ok = 0.01, true
	}
	if !ok {
		return at + len(value) - len(m[2]), wrongUnit(g, q, text, m[2])
	}
	x, err := times(m[1], by)
	if err != nil {
		return at, fault.New(fault.Usage, gateHint, "%q is out of range", text)
	}
	if q == Ratio && !g.Relative && x > 1 {
		return at, fault.New(fault.Usage, "write a percentage like 76% or a ratio like 0.76", "%s is a ratio from 0 to 1, and %q is more", g.Metric, text)
	}
	if g.Percent && sign < 0 && x > 1 {
		return at, fault.New(fault.Usage, "", "%q is a fall by more than everything", text)
	}
	g.Limit = sign * x
	return at, nil
}

// times returns number × by, rounded once: 9 × 1e-3 in float64 is not 0.009, and a gate of 9ms must be.
func times(number string, by float64) (float64, error) {
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, strconv.ErrSyntax
	}
	if by < 1 {
		r.Quo(r, new(big.Rat).SetFloat64(math.Round(1/by)))
	} else {
		r.Mul(r, new(big.Rat).SetFloat64(by))
	}
	x, _ := r.Float64()
	if math.IsInf(x, 0) {
		return 0, strconv.ErrRange
	}
	return x, nil
}

func wrongUnit(g *Gate, q Quantity, text, unit string) error {
	units := unitsOf(q)
	allowed := slices.Sorted(maps.Keys(units))
	if len(allowed) > 0 && allowed[0] == "" {
		allowed[0] = "(none)"
	}
	hint := "units of " + g.Metric + ": " + strings.Join(allowed, " ")
	if unit == "" {
		return fault.New(fault.Usage, hint, "%q has no unit", text)
	}
	if unit == "%" {
		return fault.New(fault.Usage, "for a change against a base write "+g.Op+"+"+text+"; "+hint, "%s is not a ratio, so %q needs a base", g.Metric, text)
	}
	return fault.New(fault.Usage, hint, "%q is no unit of %s", unit, g.Metric)
}

// unitsOf returns the units that a gate may use for q, each with its size in base units.
func unitsOf(q Quantity) map[string]float64 {
	switch q {
	case Time:
		return map[string]float64{"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600}
	case Bytes:
		return map[string]float64{"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	case Rate:
		return map[string]float64{"": 1, "/s": 1, "/min": 1. / 60}
	case Count:
		return map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
	case Ratio:
		return map[string]float64{"": 1, "%": 0.01, "pt": 0.01}
	case Factor:
		return map[string]float64{"": 1, "x": 1, "×": 1, "%": 0.01}
	case Level:
		return map[string]float64{"": 1, "dB": 1}
	default:
		return map[string]float64{"": 1}
	}
}
