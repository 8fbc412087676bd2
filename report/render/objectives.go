package render

import (
	"fmt"
	"strings"
)

// objectives is the table of the SLOs and what became of them.
func (v *load) objectives() section {
	t := &table{cols: []column{{head: "objective", shrink: true}, {head: "verdict"}, {head: "missed by", right: true}, {head: "headroom", right: true, drop: 1}, {head: "reason", note: true}}}
	for _, s := range v.SLO {
		missed := ""
		if s.N > 0 {
			missed = fmt.Sprintf("%s of %s (%s)", whole(s.Missed), whole(s.N), percent(float64(s.Missed)/float64(s.N)))
		}
		expr := s.Expr
		if s.At != "" {
			expr += " at " + s.At
		}
		t.rows = append(t.rows, []cell{code(expr), {text: strings.ToUpper(s.Verdict), tone: gateTone(s.Verdict)}, str(missed),
			str(optional("", s.Headroom, percent)), faint(s.Reason)})
		if row := t.rows[len(t.rows)-1]; v.untrusted(s) {
			row[1].tone = warn
			row[4].text = joined(s.Reason, "not to be trusted")
		}
	}
	return section{title: "Objectives", table: t.compact()}
}

// faults is the table of how requests failed.
func (v *load) faults(o Options) section {
	t := &table{cols: []column{{head: "failed"}, {head: "code", right: true}, {head: "requests", right: true}, {head: "with"}}}
	shown := rowsToShow(len(v.Faults), 0, o)
	for _, f := range v.Faults[:shown] {
		number := ""
		if f.Code != 0 {
			number = fmt.Sprint(f.Code)
		}
		t.rows = append(t.rows, []cell{{text: strings.ReplaceAll(f.Outcome, "_", " "), tone: bad}, str(number), str(whole(f.Count)), str(f.Text)})
	}
	if n := len(v.Faults) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	return section{title: "Faults over the whole load, warm-up included", table: t.compact()}
}

// wrongAnswers says what was wrong with the first of them.
func (v *load) wrongAnswers(o Options) section {
	c := v.Correctness
	if c == nil {
		return section{}
	}
	s := section{title: "Wrong answers"}
	for _, x := range c.First[:rowsToShow(len(c.First), 5, o)] {
		s.lines = append(s.lines, cell{text: x, tone: bad})
	}
	if len(s.lines) > 0 && c.Wrong != int64(len(s.lines)) {
		s.lines = append(s.lines, faint(whole(c.Wrong)+" wrong in the window; these are the first of the whole load, warm-up included"))
	}
	return s
}

// slowest is the table of the slowest requests, to look into.
func (v *load) slowest(o Options) section {
	if v.Figures == nil {
		return section{}
	}
	t := &table{cols: []column{{head: "due at", right: true}, {head: "latency", right: true}, {head: "late", right: true}, {head: "waited", right: true},
		{head: "queue", right: true}, {head: "compute", right: true}, {head: "batch", right: true}, {head: "payload", right: true}}}
	for _, s := range v.Figures.Slowest[:rowsToShow(len(v.Figures.Slowest), 10, o)] {
		batch := ""
		if s.Batch > 0 {
			batch = fmt.Sprint(s.Batch)
		}
		t.rows = append(t.rows, []cell{str(seconds(s.At)), str(seconds(s.Latency)), str(seconds(s.Lag)), str(seconds(s.Wait)),
			str(optional("", s.Queue, seconds)), str(optional("", s.Compute, seconds)), str(batch), str(fmt.Sprint(s.Payload))})
	}
	return section{title: "The slowest requests", table: t.compact(), fold: true, long: true}
}
