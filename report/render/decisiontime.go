package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"infer/report"
)

// partsShown is how many operators have a part of their own in a bar; the others share one.
const partsShown = 5

// shares is where the time of a run goes, by operator, of every configuration that was profiled, on one scale.
func (v *decision) shares(o Options) section {
	total, byOp := map[string]float64{}, map[string]float64{}
	longest := 0.0
	for _, c := range v.ranked {
		for _, s := range c.Shares {
			total[c.Name] += s.Seconds
			byOp[s.Name] = max(byOp[s.Name], s.Seconds)
		}
		longest = max(longest, total[c.Name])
	}
	if !(longest > 0) {
		return section{}
	}
	ops := slices.SortedFunc(maps.Keys(byOp), func(a, b string) int { return cmp.Or(cmp.Compare(byOp[b], byOp[a]), cmp.Compare(a, b)) })
	shown := ops[:min(partsShown, len(ops))]
	chart := stacked{id: "shares", title: "Where the time of a run goes, by operator", names: slices.Clone(shown)}
	if len(ops) > len(shown) {
		chart.names = append(chart.names, "others")
	}
	t := &table{cols: []column{{head: "configuration", group: true}, {head: "operator", shrink: true}, {head: "share", right: true}, {head: "", bar: true}, {head: "time", right: true}, {head: "nodes", right: true}}}
	for _, c := range v.ranked {
		if len(c.Shares) == 0 {
			continue
		}
		bar := stack{name: c.Name, note: seconds(total[c.Name]) + " a run", parts: make([]float64, len(chart.names)), words: make([]string, len(chart.names))}
		for _, s := range c.Shares {
			i := slices.Index(shown, s.Name)
			if i < 0 {
				i = len(shown)
			}
			bar.parts[i] += s.Seconds / longest
		}
		for i, p := range bar.parts {
			bar.words[i] = seconds(p * longest)
		}
		chart.bars = append(chart.bars, bar)
		t.rows = append(t.rows, shareRows(c, o)...)
	}
	return section{title: chart.title, chart: chart, table: t, long: true}
}

// shareRows are the operators of a configuration, those that take most first.
func shareRows(c report.DecisionConfig, o Options) [][]cell {
	var rows [][]cell
	head := str(c.Name)
	for _, s := range c.Shares[:rowsToShow(len(c.Shares), partsShown, o)] {
		rows = append(rows, []cell{head, code(s.Name), str(percent(s.Share)), {bar: s.Share}, str(seconds(s.Seconds)), str(fmt.Sprint(s.Count))})
		head = cell{}
	}
	return rows
}

// tails is where the time of the slowest requests of every configuration goes.
func (v *decision) tails() section {
	chart := stacked{id: "tails", title: "Where the slowest requests spent their time", names: []string{"queue", "compute", "network and the rest", "load generator", "waiting for a connection"}}
	t := &table{cols: []column{{head: "configuration", shrink: true}, {head: "requests", right: true}, {head: "from", right: true}, {head: "queue", right: true}, {head: "compute", right: true},
		{head: "rest", right: true}, {head: "generator", right: true, drop: 1}, {head: "connection", right: true, drop: 2}}}
	for _, c := range v.ranked {
		x := c.Tail
		if x == nil {
			continue
		}
		bar := stack{name: c.Name, note: wholeOf(x.N, "request") + " from " + seconds(x.From) + " on"}
		row := []cell{v.name(c), str(whole(x.N)), str(seconds(x.From))}
		for _, p := range []float64{orZero(x.Queue), orZero(x.Compute), x.Rest, x.Generator, x.Wait} {
			p = min(max(p, 0), 1)
			bar.parts, bar.words = append(bar.parts, p), append(bar.words, shareText(p))
			row = append(row, str(shareText(p)))
		}
		if x.Queue == nil && x.Compute == nil {
			row[3], row[4] = faint("—"), faint("—")
			bar.note += "; the server does not tell queue and compute apart"
		}
		chart.bars, t.rows = append(chart.bars, bar), append(t.rows, row)
	}
	if len(chart.bars) == 0 {
		return section{}
	}
	return section{title: chart.title, chart: chart, table: t}
}

// start is the table of cold starts and memory.
func (v *decision) start() section {
	t := &table{cols: []column{{head: "configuration", shrink: true}, {head: "library load", right: true, drop: 2}, {head: "session init", right: true}, {head: "first run", right: true},
		{head: "starts", right: true, drop: 3}, {head: "peak memory", right: true}, {head: "size of the model", right: true, drop: 1}}}
	any := false
	for _, c := range v.ranked {
		starts := ""
		if n := len(c.Cold); n > 0 {
			starts = fmt.Sprint(n)
		}
		row := []cell{v.name(c), coldCell(c, "library_load", func(s report.ColdStart) float64 { return s.LibraryLoad }),
			coldCell(c, "session_init", func(s report.ColdStart) float64 { return s.SessionInit }),
			coldCell(c, "first_run", func(s report.ColdStart) float64 { return s.FirstRun }), str(starts),
			measured(metricOf(c, "peak_rss")), measured(metricOf(c, "model_bytes"))}
		any = any || slices.ContainsFunc(row[1:], func(x cell) bool { return x.text != "" })
		t.rows = append(t.rows, row)
	}
	if !any {
		return section{}
	}
	return section{title: "Cold start and memory", table: t.compact(), lines: []cell{faint("cold starts: the median over fresh processes, with the range")}}
}

// coldCell is the median of a part of the cold starts, with their range; or the metric where the starts are not told.
func coldCell(c report.DecisionConfig, name string, of func(report.ColdStart) float64) cell {
	if len(c.Cold) == 0 {
		return measured(metricOf(c, name))
	}
	var xs []float64
	for _, s := range c.Cold {
		xs = append(xs, of(s))
	}
	slices.Sort(xs)
	m := report.NewMetric(name)
	median, lo, hi := xs[(len(xs)-1)/2], xs[0], xs[len(xs)-1]
	if m.Value = &median; len(xs) > 1 {
		m.Lo, m.Hi = &lo, &hi
	}
	return measured(&m)
}
