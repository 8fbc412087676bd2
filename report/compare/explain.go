package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// maxExplained bounds the rows of an explanation; the rest is summed up in one.
const maxExplained = 100

// ExplainNodes says which nodes moved between two profiles, from their shares by node. Nodes are matched by name, then
// those that are left by operator and shapes in order; the rest was added or removed. Times are means a profiled run,
// intervals tell of the noise within the two profiles and not of that between runs of the program. Nil where a side has
// no nodes, or figures that no node can have.
func ExplainNodes(base, head []report.Share) *report.CompareExplain {
	x := ExplainAll(base, head)
	if x != nil {
		fold(x)
	}
	return x
}

// ExplainAll is ExplainNodes with a row for every node, however many there are. It takes rows by operator, too.
func ExplainAll(base, head []report.Share) *report.CompareExplain {
	b, h := nodesTogether(base), nodesTogether(head)
	if len(base) == 0 || len(head) == 0 || !sound(b) || !sound(h) {
		return nil
	}
	x := &report.CompareExplain{What: "nodes"}
	for _, p := range matchNodes(base, head) {
		x.Rows = append(x.Rows, nodeRow(p[0], p[1]))
	}
	x.Total = rowOf("all nodes", &b, &h)
	shares(x)
	x.Reading = readNodes(x)
	return x
}

// matchNodes pairs the nodes of two profiles; nil stands for one that is not there.
func matchNodes(base, head []report.Share) [][2]*report.Share {
	var out [][2]*report.Share
	used := make([]bool, len(head))
	pair := func(b *report.Share, same func(h *report.Share) bool) bool {
		for i := range head {
			if !used[i] && same(&head[i]) {
				used[i] = true
				out = append(out, [2]*report.Share{b, &head[i]})
				return true
			}
		}
		return false
	}
	var left []*report.Share
	for i := range base {
		b := &base[i]
		if !pair(b, func(h *report.Share) bool { return h.Name == b.Name }) {
			left = append(left, b)
		}
	}
	for _, b := range left {
		if !pair(b, func(h *report.Share) bool { return h.Op == b.Op && h.Shapes == b.Shapes && b.Op != "" }) {
			out = append(out, [2]*report.Share{b, nil})
		}
	}
	for i := range head {
		if !used[i] {
			out = append(out, [2]*report.Share{nil, &head[i]})
		}
	}
	return out
}

func nodeRow(b, h *report.Share) report.ExplainRow {
	var x, y *stats.Estimate
	if b != nil {
		e := shareEstimate(b)
		x = &e
	}
	if h != nil {
		e := shareEstimate(h)
		y = &e
	}
	switch {
	case b == nil:
		r := rowOf(h.Name, nil, y)
		r.Op, r.State = h.Op, added
		return r
	case h == nil:
		r := rowOf(b.Name, x, nil)
		r.Op, r.State = b.Op, removed
		return r
	}
	r := rowOf(b.Name, x, y)
	r.Op = h.Op
	if h.Name != b.Name {
		r.Name += " → " + h.Name
	}
	if h.Op != b.Op {
		r.Op, r.State = b.Op+" → "+h.Op, "changed operator"
	}
	r.Differs, r.Below = nodeDiffers(b, h), b.Below || h.Below
	return r
}

// nodeDiffers returns in what a node is another one in head, as far as both sides tell.
func nodeDiffers(b, h *report.Share) []report.DiffRow {
	var out []report.DiffRow
	add := func(what, x, y string) {
		if x != y && x != "" && y != "" {
			out = append(out, report.DiffRow{What: what, Base: x, Head: y})
		}
	}
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	add("nodes", strconv.Itoa(b.Count), strconv.Itoa(h.Count))
	add("shapes", b.Shapes, h.Shapes)
	add("inputs", b.Inputs, h.Inputs)
	add("dtype", b.DType, h.DType)
	add("provider", b.Provider, h.Provider)
	add("calls", number(calls(b)), number(calls(h)))
	add("MACs", number(b.MACs), number(h.MACs))
	return out
}

// calls of a node a run, of which the usual one is not written.
func calls(s *report.Share) *float64 {
	n := max(s.Calls, 1)
	return &n
}

// The states of a row that only one side has.
const (
	added   = "added"
	removed = "removed"
)

// shareEstimate is the time of a node a run; not OK without an interval.
func shareEstimate(s *report.Share) stats.Estimate {
	e := stats.Estimate{Value: s.Seconds, Lo: s.Seconds, Hi: s.Seconds, Confidence: 0.95}
	if s.Lo != nil && s.Hi != nil {
		e.Lo, e.Hi, e.OK = *s.Lo, *s.Hi, true
	}
	return e
}

// nodesTogether is the time of all nodes a run. What disturbs a run disturbs its nodes alike, so the ends add up.
func nodesTogether(shares []report.Share) stats.Estimate {
	sum := stats.Estimate{Confidence: 0.95, OK: true}
	for i := range shares {
		e := shareEstimate(&shares[i])
		if !sound(e) || e.Lo > e.Value || e.Hi < e.Value {
			e.Value = math.NaN()
		}
		sum.Value, sum.Lo, sum.Hi, sum.OK = sum.Value+e.Value, sum.Lo+e.Lo, sum.Hi+e.Hi, sum.OK && e.OK
	}
	return sum
}

// sound reports whether a time is one that nodes or requests can take.
func sound(e stats.Estimate) bool {
	return math.Abs(e.Value)+math.Abs(e.Lo)+math.Abs(e.Hi) < 1/leastFigure
}

// rowOf is the change between two independent estimates; nil is one that is not there, of which nothing is left to vary.
func rowOf(name string, base, head *stats.Estimate) report.ExplainRow {
	r := report.ExplainRow{Name: name}
	var x, y stats.Estimate
	x.Confidence, x.OK, y.Confidence, y.OK = 0.95, true, 0.95, true
	if base != nil {
		x = *base
		r.Base = &x.Value
	}
	if head != nil {
		y = *head
		r.Head = &y.Value
	}
	s := stats.Independent(x, y)
	r.Change = s.Value
	if lo, hi := s.Interval(0.95); x.OK && y.OK && !math.IsNaN(lo+hi) && !math.IsInf(lo+hi, 0) {
		r.Lo, r.Hi = &lo, &hi
	}
	return r
}

// fold sums up all but the first rows in one.
func fold(x *report.CompareExplain) {
	if len(x.Rows) <= maxExplained {
		return
	}
	var base, head, share float64
	rest := x.Rows[maxExplained-1:]
	for _, r := range rest {
		share += r.Share
		if r.Base != nil {
			base += *r.Base
		}
		if r.Head != nil {
			head += *r.Head
		}
	}
	row := report.ExplainRow{Name: fmt.Sprintf("%d other nodes", len(rest)), Base: &base, Head: &head, Change: head - base, Share: min(1, share)}
	x.Rows = append(slices.Clone(x.Rows[:maxExplained-1]), row)
}

// noise reports whether the interval of a change holds none; without one it is not known, and not said.
func noise(r report.ExplainRow) bool { return r.Lo != nil && r.Hi != nil && *r.Lo <= 0 && *r.Hi >= 0 }

// listed is how many rows a sentence names.
const listed = 3

// readNodes says in words what moved most.
func readNodes(x *report.CompareExplain) string {
	var moved []report.ExplainRow
	for _, r := range x.Rows {
		if r.State != added && r.State != removed && r.Change != 0 && !noise(r) {
			moved = append(moved, r)
		}
	}
	text := totalText(x.Total, "the nodes of a run take")
	for _, group := range []string{
		readGroup(pick(x.Rows, added), "was added and takes", "were added and take", "the increase"),
		readGroup(pick(x.Rows, removed), "was removed that took", "were removed that took", "the decrease"),
	} {
		if group != "" {
			text += ". " + group
		}
	}
	if len(moved) == 0 {
		return text + ". Of the nodes on both sides none moved beyond the noise of the two profiles"
	}
	var names []string
	for _, r := range moved[:min(listed, len(moved))] {
		names = append(names, nodeName(r)+" "+report.FormatDifference(report.Time, r.Change)+", "+percent(r.Share)+" of the "+direction(r.Change))
	}
	return fmt.Sprintf("%s. Of the nodes on both sides %d moved beyond the noise of the two profiles: %s", text, len(moved), strings.Join(names, "; "))
}

// totalText says how a whole moved.
func totalText(t report.ExplainRow, what string) string {
	text := fmt.Sprintf("%s %s in head and %s in base", capital(what), seconds(*t.Head), seconds(*t.Base))
	if *t.Base > 0 {
		text += " (" + report.FormatChange(*t.Head / *t.Base) + ")"
	}
	if noise(t) {
		text += ", within noise"
	}
	return text
}

// capital makes the first letter of a sentence one.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func pick(rows []report.ExplainRow, state string) []report.ExplainRow {
	return slices.DeleteFunc(slices.Clone(rows), func(r report.ExplainRow) bool { return r.State != state })
}

// readGroup says what nodes that only one side has take together, "" for none.
func readGroup(rows []report.ExplainRow, one, many, of string) string {
	if len(rows) == 0 {
		return ""
	}
	var sum, share float64
	var names []string
	for i, r := range rows {
		sum, share = sum+math.Abs(r.Change), share+r.Share
		if i < listed {
			names = append(names, nodeName(r)+" ("+seconds(math.Abs(r.Change))+")")
		}
	}
	if n := len(rows) - listed; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	count, verb := "1 node", one
	if len(rows) > 1 {
		count, verb = fmt.Sprintf("%d nodes", len(rows)), many
	}
	return fmt.Sprintf("%s %s %s a run, %s of %s: %s", count, verb, seconds(sum), percent(min(1, share)), of, strings.Join(names, ", "))
}

func nodeName(r report.ExplainRow) string {
	return strings.TrimSpace(r.Op + " " + r.Name)
}

func direction(change float64) string {
	if change < 0 {
		return "decrease"
	}
	return "increase"
}

func seconds(v float64) string { return report.FormatValue(report.Time, v) }

func percent(share float64) string { return report.FormatValue(report.Ratio, share) }
