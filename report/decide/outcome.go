package decide

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

// Limits on a file of outcomes: it is a table for people.
const (
	maxOutcomeBytes = 1 << 20
	maxOutcomes     = 1000
	maxOutcomeName  = 200
)

const outcomeHint = "write a CSV with the columns variant,metric,value,n and, where you have them, lo,hi or sd"

// ParseOutcomes reads a CSV of what a business measured of each variant: columns variant, metric, value and n, in any
// order, and optionally lo and hi (a 95 % interval) or sd (the standard deviation of the n values). A value in [0, 1]
// without them is taken as a share of n, with Wilson's interval; another one has none. What is malformed is a fault.Usage
// error that names the line.
func ParseOutcomes(r io.Reader) ([]report.Outcome, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxOutcomeBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxOutcomeBytes:
		return nil, fault.New(fault.Usage, outcomeHint, "it is larger than %d MiB, no table of outcomes", maxOutcomeBytes>>20)
	case !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0:
		return nil, fault.New(fault.Usage, outcomeHint, "it is not text in UTF-8")
	}
	c := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	c.TrimLeadingSpace = true
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Usage, outcomeHint, "it is empty")
	}
	if err != nil {
		return nil, csvFault(err)
	}
	columns, err := outcomeColumns(head)
	if err != nil {
		return nil, err
	}
	return readOutcomes(c, columns)
}

// readOutcomes reads the rows below the head.
func readOutcomes(c *csv.Reader, columns map[string]int) ([]report.Outcome, error) {
	var list []report.Outcome
	lines := map[[2]string]int{}
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, csvFault(err)
		}
		line, _ := c.FieldPos(0)
		o, err := parseOutcome(row, columns)
		if err != nil {
			return nil, fault.New(fault.Usage, outcomeHint, "line %d: %w", line, err)
		}
		id := [2]string{o.Variant, o.Metric}
		if was := lines[id]; was > 0 {
			return nil, fault.New(fault.Usage, "leave one of them out", "line %d: %s of %q is there already, in line %d", line, o.Metric, o.Variant, was)
		}
		if len(list) == maxOutcomes {
			return nil, fault.New(fault.Usage, outcomeHint, "line %d: more than %d outcomes", line, maxOutcomes)
		}
		lines[id] = line
		list = append(list, o)
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Usage, outcomeHint, "it has no row below the names of the columns")
	}
	return list, nil
}

// csvFault is the error of a malformed row; encoding/csv names the line.
func csvFault(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fault.New(fault.Usage, outcomeHint, "line %d: %w", p.Line, p.Err)
	}
	return fault.New(fault.Usage, outcomeHint, "%w", err)
}

// outcomeColumns finds the columns by their names.
func outcomeColumns(head []string) (map[string]int, error) {
	known := []string{"variant", "metric", "value", "n", "lo", "hi", "sd"}
	at := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.Usage, outcomeHint, "line 1: there is no column %q", name)
		}
		if _, twice := at[name]; twice {
			return nil, fault.New(fault.Usage, outcomeHint, "line 1: the column %s is there twice", name)
		}
		at[name] = i
	}
	for _, name := range known[:4] {
		if _, ok := at[name]; !ok {
			return nil, fault.New(fault.Usage, outcomeHint, "line 1: the column %s is missing", name)
		}
	}
	if _, lo := at["lo"]; lo != has(at, "hi") {
		return nil, fault.New(fault.Usage, outcomeHint, "line 1: lo and hi go together")
	}
	return at, nil
}

func has(m map[string]int, name string) bool { _, ok := m[name]; return ok }

// parseOutcome reads one row.
func parseOutcome(row []string, columns map[string]int) (report.Outcome, error) {
	var o report.Outcome
	cell := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	number := func(name string) (*float64, error) {
		text := cell(name)
		if text == "" {
			return nil, nil
		}
		v, err := strconv.ParseFloat(text, 64)
		// Go's own ways of writing numbers, 0x1p3 and 1_000, are slips in a table.
		if err != nil || math.IsNaN(v) || math.Abs(v) > 1e15 || strings.ContainsAny(text, "xX_") {
			return nil, fmt.Errorf("%s %q is no number", name, text)
		}
		return &v, nil
	}
	o.Variant, o.Metric = cell("variant"), cell("metric")
	for name, text := range map[string]string{"variant": o.Variant, "metric": o.Metric} {
		if text == "" || len(text) > maxOutcomeName {
			return o, fmt.Errorf("the %s is empty, or longer than %d bytes", name, maxOutcomeName)
		}
	}
	value, err := number("value")
	if err != nil {
		return o, err
	}
	if value == nil {
		return o, errors.New("the value is empty")
	}
	o.Value = *value
	if o.N, err = strconv.ParseInt(cell("n"), 10, 64); err != nil || o.N < 1 || o.N > 1<<40 {
		return o, fmt.Errorf("n %q is no whole number from 1", cell("n"))
	}
	for name, to := range map[string]**float64{"lo": &o.Lo, "hi": &o.Hi, "sd": &o.SD} {
		if *to, err = number(name); err != nil {
			return o, err
		}
	}
	return o, withInterval(&o)
}

// withInterval checks what a row says of its uncertainty, and gives it the interval that follows.
func withInterval(o *report.Outcome) error {
	switch {
	case (o.Lo == nil) != (o.Hi == nil):
		return errors.New("lo and hi go together")
	case o.SD != nil && o.Lo != nil:
		return errors.New("give lo and hi, or sd, not both")
	case o.Lo != nil:
		if !(*o.Lo <= o.Value && o.Value <= *o.Hi) {
			return fmt.Errorf("the value %v is not between lo and hi", o.Value)
		}
		o.Method = "given"
	case o.SD != nil:
		if *o.SD < 0 {
			return fmt.Errorf("sd %v is negative", *o.SD)
		}
		if e := stats.MeanOf(o.Value, *o.SD, int(o.N), 0.95); e.OK {
			o.Lo, o.Hi, o.Method = &e.Lo, &e.Hi, "t"
		}
	case o.Value >= 0 && o.Value <= 1:
		if e := stats.Wilson(int(math.Round(o.Value*float64(o.N))), int(o.N), 0.95); e.OK {
			lo, hi := min(e.Lo, o.Value), max(e.Hi, o.Value) // a rounded value may lie off the whole count
			o.Lo, o.Hi, o.Method = &lo, &hi, "wilson"
		}
	}
	return nil
}

// compareOutcomes checks that every outcome is of a configuration, and compares it with that of the base.
func compareOutcomes(list []report.Outcome, x *report.DecisionDetails) ([]report.Outcome, error) {
	out := slices.Clone(list)
	for i := range out {
		o := &out[i]
		if !slices.ContainsFunc(x.Configs, func(c report.DecisionConfig) bool { return c.Name == o.Variant }) {
			return nil, unknownName("outcomes", o.Variant, x.Configs)
		}
		o.Change = nil
		b := slices.IndexFunc(list, func(b report.Outcome) bool { return b.Variant == x.Base && b.Metric == o.Metric })
		if o.Variant == x.Base || b < 0 {
			continue
		}
		d := stats.Difference(outcomeEstimate(*o), outcomeEstimate(list[b]))
		o.Change = &report.Level95{Value: d.Value, N: d.N}
		if d.OK {
			o.Change.Lo, o.Change.Hi = &d.Lo, &d.Hi
		}
	}
	return out, nil
}

func outcomeEstimate(o report.Outcome) stats.Estimate {
	e := stats.Estimate{Value: o.Value, N: int(o.N), Confidence: 0.95}
	if o.Lo != nil && o.Hi != nil {
		e.Lo, e.Hi, e.OK = *o.Lo, *o.Hi, true
	}
	return e
}

// unknownName is the error of a name that no configuration has.
func unknownName(what, name string, configs []report.DecisionConfig) error {
	var names []string
	for _, c := range configs {
		names = append(names, c.Name)
	}
	hint := "the configurations are " + strings.Join(names, ", ")
	if near := fault.Nearest(name, names); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return fault.New(fault.Usage, hint, "%s: there is no configuration %q", what, name)
}
