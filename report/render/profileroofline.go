package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"infer/report"
)

// rooflineSections lays out the ceilings and the nodes below them.
func rooflineSections(p report.ProfileDetails, o Options) []section {
	if p.Ceilings == nil {
		return nil
	}
	shown := rowsToShow(len(p.ByNode), p.Top, o)
	r := newRoofline(p.Ceilings, p.ByNode, shown)
	s := section{title: "What limits the nodes: the roofline", facts: ceilingFacts(p.Ceilings)}
	if slices.ContainsFunc(p.ByNode, func(n report.Share) bool { return n.FLOPs != nil || n.Bytes != nil }) {
		s.table = r.table(p.ByNode, shown)
	}
	if text := timeByClass(p.ByNode); text != "" {
		s.facts = append(s.facts, fact{"time by class", text})
	}
	if _, _, ok := r.axes(); ok {
		s.chart = r
		if text := r.missing(); text != "" {
			s.lines = append(s.lines, faint(text))
		}
	}
	if slices.ContainsFunc(p.ByNode[:shown], func(n report.Share) bool { return n.Efficiency != nil && *n.Efficiency > 1 }) {
		s.lines = append(s.lines, faint("a node above 100 % beat every probe: a roof is only the best that was seen"))
	}
	if d := p.Ceilings.Disturbed; len(d) > 0 {
		s.lines = append(s.lines, cell{text: "the ceilings may be too low, they were disturbed: " + strings.Join(d, "; "), tone: warn})
	}
	for _, n := range p.Ceilings.Notes {
		s.lines = append(s.lines, faint(n))
	}
	return []section{s}
}

// ceilingFacts says how high the roofs are, and where they come from.
func ceilingFacts(c *report.Ceilings) []fact {
	var list []fact
	add := func(name string, i *report.Interval, write func(float64) string, more string) {
		if i == nil {
			return
		}
		text := write(i.Value)
		if at := slices.IndexFunc(c.Probes, func(p report.Probe) bool { return p.Roof == name && p.Rate.Value == i.Value }); at >= 0 {
			text += " by " + c.Probes[at].Name
		}
		text += ", the best of " + plural(i.N, "block")
		if i.Lo != nil && i.Hi != nil {
			text += ", whose median is in " + betweenText(write(*i.Lo), write(*i.Hi))
		}
		list = append(list, fact{name, text + more})
	}
	add("float32", c.Float32, flopsText, "")
	add("int8", c.Int8, opsText, "")
	ridge := ""
	if c.Float32 != nil && c.Memory != nil {
		ridge = "; the ridge is at " + intensityText(c.Float32.Value/c.Memory.Value)
	}
	add("memory", c.Memory, bandwidthText, ridge)
	cache := ""
	if c.CacheBytes > 0 {
		cache = ", for nodes of up to " + bytesText(c.CacheBytes)
	}
	add("cache", c.Cache, bandwidthText, cache)
	when := "by this profile"
	if c.Cached {
		when = ageText(c.Age) + " ago, read from the cache (--roofline measure does it anew)"
	}
	return append(list, fact{"measured", fmt.Sprintf("on %s with %s, %s", c.Provider, plural(c.Threads, "thread"), when)})
}

func flopsText(v float64) string     { return joinUnit(countText(v), "FLOP/s") }
func opsText(v float64) string       { return joinUnit(countText(v), "OP/s") }
func bandwidthText(v float64) string { return bytesText(v) + "/s" }
func intensityText(v float64) string { return report.FormatValue(report.Plain, v) + " FLOP/B" }

// joinUnit puts a unit behind a number with or without a prefix: "88.9 GFLOP/s", "120 FLOP/s".
func joinUnit(number, unit string) string {
	if strings.Contains(number, " ") {
		return number + unit
	}
	return number + " " + unit
}

// betweenText writes an interval, with one unit where both ends have the same.
func betweenText(lo, hi string) string {
	number, unit, _ := strings.Cut(lo, " ")
	if _, other, _ := strings.Cut(hi, " "); unit == other {
		lo = number
	}
	return "[" + lo + ", " + hi + "]"
}

// ageText writes seconds as people count days.
func ageText(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < 2*time.Minute:
		return plural(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return plural(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour")
	}
	return plural(int(d.Hours()/24), "day")
}

// timeByClass says what share of the nodes' time each class has, "" where none has a class.
func timeByClass(rows []report.Share) string {
	shares := map[string]float64{}
	for _, r := range rows {
		shares[r.Class] += r.Share
	}
	var parts []string
	for _, class := range []string{"compute", "memory", "other", "overhead"} {
		if x := shares[class]; x > 0 {
			parts = append(parts, class+" "+percent(x))
		}
	}
	if x := shares[""]; x > 0 && len(parts) > 0 {
		parts = append(parts, "unknown "+percent(x))
	}
	return strings.Join(parts, ", ")
}

// table lists the nodes that take the most time.
func (r roofline) table(rows []report.Share, shown int) *table {
	t := &table{cols: []column{{head: "node", shrink: true}, {head: "mark", mark: true}, {head: "operator", shrink: true, drop: 6}, {head: "limited by"}, {head: "time", right: true, drop: 1},
		{head: "share", right: true, drop: 5}, {head: "FLOP/s", right: true}, {head: "bytes/s", right: true, drop: 3}, {head: "FLOP/B", right: true, drop: 2},
		{head: "of the roof", right: true}}}
	for i, n := range rows[:shown] {
		row := []cell{code(n.Name), str(r.marks[i]), str(n.Op), limitCell(n.Class), str(seconds(n.Seconds)), str(percent(n.Share)), {}, {}, {}, {}}
		timed := n.Seconds > 0 && n.Class != "overhead" // a rate of what cannot be timed says nothing
		if n.FLOPs != nil && timed {
			row[6] = str(countText(*n.FLOPs / n.Seconds))
		}
		if n.Bytes != nil && timed {
			row[7] = str(bytesText(*n.Bytes / n.Seconds))
		}
		if n.FLOPs != nil && n.Bytes != nil && *n.Bytes > 0 {
			row[8] = str(report.FormatValue(report.Plain, *n.FLOPs / *n.Bytes))
		}
		if n.Efficiency != nil {
			row[9] = str(percent(*n.Efficiency))
		}
		t.rows = append(t.rows, row)
	}
	if n := len(rows) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	return t.compact()
}

func limitCell(class string) cell {
	switch class {
	case "":
		return faint("unknown")
	case "other":
		return cell{text: "other", tone: warn}
	case "overhead":
		return faint("overhead")
	}
	return str(class)
}
