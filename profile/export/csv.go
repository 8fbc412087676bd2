package export

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"infer/report"
)

// column is a column of the CSV file.
type column struct {
	head string
	text func(n *report.Share) string
}

// columns are all that is known of a node: names are those of the fields in the JSON document, with their units.
func columns() []column {
	number := func(of func(n *report.Share) float64) func(*report.Share) string {
		return func(n *report.Share) string { return inFull(of(n)) }
	}
	maybe := func(of func(n *report.Share) *float64) func(*report.Share) string {
		return func(n *report.Share) string {
			if v := of(n); v != nil {
				return inFull(*v)
			}
			return ""
		}
	}
	known := func(of func(n *report.Share) float64) func(*report.Share) string {
		return func(n *report.Share) string {
			if v := of(n); v != 0 {
				return inFull(v)
			}
			return ""
		}
	}
	text := func(of func(n *report.Share) string) func(*report.Share) string {
		return func(n *report.Share) string { return plain(of(n)) }
	}
	return []column{
		{"name", text(func(n *report.Share) string { return n.Name })},
		{"op", text(func(n *report.Share) string { return n.Op })},
		{"provider", text(func(n *report.Share) string { return n.Provider })},
		{"count", func(n *report.Share) string { return strconv.Itoa(n.Count) }},
		{"seconds", number(func(n *report.Share) float64 { return n.Seconds })},
		{"share", number(func(n *report.Share) float64 { return n.Share })},
		{"lo_seconds", maybe(func(n *report.Share) *float64 { return n.Lo })},
		{"hi_seconds", maybe(func(n *report.Share) *float64 { return n.Hi })},
		{"macs", maybe(func(n *report.Share) *float64 { return n.MACs })},
		{"shapes", text(func(n *report.Share) string { return n.Shapes })},
		{"traced_seconds", known(func(n *report.Share) float64 { return n.Traced })},
		{"total_seconds", known(func(n *report.Share) float64 { return n.Total })},
		{"calls", known(func(n *report.Share) float64 { return n.Calls })},
		{"below_resolution", func(n *report.Share) string { return strconv.FormatBool(n.Below) }},
		{"dtype", text(func(n *report.Share) string { return n.DType })},
		{"inputs", text(func(n *report.Share) string { return n.Inputs })},
		{"origins", origins},
		{"flops", maybe(func(n *report.Share) *float64 { return n.FLOPs })},
		{"bytes", maybe(func(n *report.Share) *float64 { return n.Bytes })},
		{"weight_bytes", maybe(func(n *report.Share) *float64 { return n.WeightBytes })},
		{"class", text(func(n *report.Share) string { return n.Class })},
		{"efficiency", maybe(func(n *report.Share) *float64 { return n.Efficiency })},
		{"parallel", maybe(func(n *report.Share) *float64 { return n.Parallel })},
		{"wait", maybe(func(n *report.Share) *float64 { return n.Wait })},
	}
}

// origins is a JSON list: names may hold any separator.
func origins(n *report.Share) string {
	if len(n.Origins) == 0 {
		return ""
	}
	names := make([]string, len(n.Origins))
	for i, o := range n.Origins {
		names[i] = plain(o)
	}
	b, err := json.Marshal(names)
	if err != nil {
		return "" // strings always have a JSON form
	}
	return string(b)
}

func inFull(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// writeCSV writes one node a row (RFC 4180), longest first; what is not known is empty.
func writeCSV(w io.Writer, s Source) error {
	if err := s.needNodes(); err != nil {
		return err
	}
	cols := columns()
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.head
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(row); err != nil {
		return err
	}
	for i := range s.Details.ByNode {
		for k, c := range cols {
			row[k] = c.text(&s.Details.ByNode[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
