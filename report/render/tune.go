package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/report"
)

// layTune lays out a search: what it found, every setting that was measured, how it went, what was left out.
func layTune(x report.TuneDetails, o Options) layout {
	ss := []section{tuneOutcome(x), tuneTrials(x, o), tuneVariants(x), tuneSpace(x), tunePruned(x, o), tuneSteps(x), tuneCosts(x)}
	summary := sentence(x.Reading)
	if word, _, _ := strings.Cut(x.Reading, " "); !strings.Contains(word, "=") { // else it is a setting
		summary = capital(summary)
	}
	return layout{summary: summary, sections: ss, next: x.Next, metricsLast: true}
}

// tuneOutcome says what was chosen and by how much it is better.
func tuneOutcome(x report.TuneDetails) section {
	s := section{title: "Outcome"}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	if len(x.Trials) == 0 {
		return s
	}
	chosen := settingWords(x, x.Chosen)
	if x.KeepDefault {
		chosen = "the default: " + allWords(x, x.Chosen)
	}
	add("setting", chosen)
	if x.Gain != nil && !x.KeepDefault {
		text := gainText(x.Gain)
		if x.Confirmed {
			text += ", confirmed in fresh sessions"
		}
		add("gain", text+", of "+gainName(x))
	}
	if x.KeepDefault && x.Detectable > 0 {
		add("would have been found", "a gain of "+percent(x.Detectable))
	}
	add("objectives", strings.Join(x.SLOs, ", "))
	add("written", x.Output)
	if x.Elapsed > 0 {
		text := seconds(x.Elapsed)
		if x.Resumed > 0 {
			text += fmt.Sprintf(", %s from %s", plural(x.Resumed, "block"), x.Journal)
		}
		add("measured for", text)
	}
	return s
}

// gainName is what a gain is of: of a latency it is how many times as quick.
func gainName(x report.TuneDetails) string {
	if x.Objective == "latency" {
		return "the speed of a run against the default's"
	}
	return "throughput against the default's"
}

// gainText is a ratio with its interval.
func gainText(i *report.Interval) string {
	text := report.FormatValue(report.Factor, i.Value)
	if i.Lo != nil && i.Hi != nil {
		text += fmt.Sprintf(" [%s, %s]", plainText(*i.Lo), plainText(*i.Hi))
	}
	return text
}

// settingWords is a setting by the knobs that differ from the default, in the order of the space.
func settingWords(x report.TuneDetails, set map[string]string) string {
	var words []string
	for _, k := range x.Space {
		if v, ok := set[k.Name]; ok && len(k.Values) > 0 && v != k.Values[0] {
			words = append(words, k.Name+"="+v)
		}
	}
	if len(words) == 0 {
		return "default"
	}
	return strings.Join(words, " ")
}

// allWords is a setting by all knobs that have more than one value.
func allWords(x report.TuneDetails, set map[string]string) string {
	var words []string
	for _, k := range x.Space {
		if v, ok := set[k.Name]; ok && len(k.Values) > 1 {
			words = append(words, k.Name+"="+v)
		}
	}
	return strings.Join(words, " ")
}

// intervalText is a figure of a metric with its interval; "—" where it was not measured.
func intervalText(name string, i *report.Interval) (value, between string) {
	if i == nil || i.N == 0 {
		return "—", ""
	}
	m := report.NewMetric(name)
	m.Value, m.Lo, m.Hi, m.N = &i.Value, i.Lo, i.Hi, i.N
	if m.Lo != nil {
		m.Confidence = 0.95
	}
	return m.Text()
}

// tuneTrials is the table of the settings that were measured.
func tuneTrials(x report.TuneDetails, o Options) section {
	t := &table{cols: []column{{head: "setting", lead: true}, {head: "outcome"}, {head: "gain", right: true}, {head: "against the default", strip: true}, {head: "p50", right: true, drop: 2},
		{head: "p99", right: true, drop: 1}, {head: "throughput", right: true}, {head: "SLO"}, {head: "why", note: true}}}
	axis, drawn := gainAxis(x.Trials)
	limit := 1.0
	shown := rowsToShow(len(x.Trials), 0, o)
	for _, r := range x.Trials[:shown] {
		row := make([]cell, len(t.cols))
		row[0] = code(settingWords(x, r.Setting))
		row[1] = cell{text: r.Outcome, tone: outcomeTone(r.Outcome)}
		if r.Gain != nil {
			row[2] = str(gainText(r.Gain))
			if r.Gain.Lo != nil && r.Gain.Hi != nil && drawn {
				row[3].strip = &strip{axis: axis, value: r.Gain.Value, lo: *r.Gain.Lo, hi: *r.Gain.Hi, limit: &limit, below: true}
			}
		}
		for i, f := range figuresOf(r) {
			value, between := intervalText(f.name, f.v)
			row[4+i] = cell{text: value, sub: between}
		}
		if r.SLO != "" {
			row[7] = cell{text: r.SLO, tone: gateTone(r.SLO)}
		}
		row[8] = faint(joined(r.Why, disturbedText(r)))
		t.rows = append(t.rows, row)
	}
	if n := len(x.Trials) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	s := section{title: "Settings that were measured", table: t.compact()}
	if len(t.rows) > 0 {
		s.lines = []cell{faint("gain: " + gainName(x) + ", over blocks of the same rounds")}
	}
	return s
}

// tuneFigure is a figure of a trial by the name of its metric.
type tuneFigure struct {
	name string
	v    *report.Interval
}

func figuresOf(r report.TuneTrial) []tuneFigure {
	return []tuneFigure{{"latency_p50", &r.P50}, {"latency_p99", r.P99}, {"throughput", &r.Throughput}}
}

// tuneCosts is what the settings took, and how much of each was measured.
func tuneCosts(x report.TuneDetails) section {
	t := &table{cols: []column{{head: "setting"}, {head: "cores", right: true}, {head: "memory", right: true}, {head: "session init", right: true}, {head: "first run", right: true},
		{head: "accuracy", right: true}, {head: "ended in"}, {head: "rounds", right: true}, {head: "disturbed", right: true}, {head: "runs", right: true}}}
	positive := func(v float64, text func(float64) string) cell {
		if v <= 0 {
			return cell{}
		}
		return str(text(v))
	}
	for _, r := range x.Trials {
		row := []cell{code(settingWords(x, r.Setting)), positive(r.CPU, plainText), positive(r.PeakRSS, bytesText[float64]), positive(r.Init, seconds), positive(r.FirstRun, seconds),
			{}, str(r.Phase), str(fmt.Sprint(r.Rounds)), positive(float64(r.Disturbed), plainText), str(whole(int64(r.Runs)))}
		if r.Accuracy != nil {
			value, between := intervalText("accuracy_top1", r.Accuracy)
			row[5] = cell{text: value, sub: between}
		}
		t.rows = append(t.rows, row)
	}
	s := section{title: "What the settings took", table: t.compact(), fold: true, long: true}
	if len(t.rows) > 0 {
		s.lines = []cell{faint("cores: busy while it ran; memory: what opening its sessions added; rounds: blocks of it, disturbed: those of them in which a check failed")}
	}
	return s
}

func disturbedText(r report.TuneTrial) string {
	if len(r.Validity) == 0 {
		return ""
	}
	return "disturbed: " + strings.Join(r.Validity, ", ")
}

// gainAxis is the axis that the gains share, with 1 on it; false where there is nothing to draw.
func gainAxis(trials []report.TuneTrial) (axis, bool) {
	values := []float64{1}
	for _, r := range trials {
		if r.Gain != nil && r.Gain.Lo != nil && r.Gain.Hi != nil && *r.Gain.Lo > 0 {
			values = append(values, *r.Gain.Lo, *r.Gain.Hi)
		}
	}
	a, ok := logAround(values)
	return a, ok && len(values) > 1
}

func outcomeTone(outcome string) tone {
	switch outcome {
	case "chosen":
		return good
	case "failed":
		return bad
	case "eliminated":
		return dim
	}
	return plain
}

// tuneVariants is what became of the models of other precision.
func tuneVariants(x report.TuneDetails) section {
	t := &table{cols: []column{{head: "variant", shrink: true}, {head: "file", shrink: true, drop: 2}, {head: "size", right: true, drop: 1}, {head: "accuracy", right: true}, {head: "drop", right: true}, {head: "verdict", note: true}}}
	for _, v := range x.Variants {
		row := []cell{code(v.Name), code(v.Model.Path), str(bytesText(v.Model.Bytes)), {}, {}, str(v.Verdict)}
		if v.Accuracy != nil {
			value, between := intervalText("accuracy_top1", v.Accuracy)
			row[3] = str(strings.TrimSpace(value + " " + between))
		}
		if v.Drop != nil {
			row[4] = str(points(report.Level95{Value: v.Drop.Value, Lo: v.Drop.Lo, Hi: v.Drop.Hi, N: v.Drop.N}))
		}
		t.rows = append(t.rows, row)
	}
	return section{title: "Variants", table: t.compact()}
}

// tuneSpace is what was searched.
func tuneSpace(x report.TuneDetails) section {
	t := &table{cols: []column{{head: "knob", shrink: true}, {head: "default", right: true}, {head: "also tried"}}}
	for _, k := range x.Space {
		if len(k.Values) == 0 {
			continue
		}
		others := faint("nothing")
		if len(k.Values) > 1 {
			others = str(strings.Join(k.Values[1:], ", "))
		}
		t.rows = append(t.rows, []cell{code(k.Name), str(k.Values[0]), others})
	}
	s := section{title: "Space", table: t}
	if len(t.rows) > 0 {
		s.lines = []cell{faint(plural(x.Candidates, "setting") + " in all")}
	}
	return s
}

// tunePruned is what was left out before anything was measured.
func tunePruned(x report.TuneDetails, o Options) section {
	t := &table{cols: []column{{head: "left out", shrink: true}, {head: "why"}}}
	shown := rowsToShow(len(x.Pruned), 0, o)
	for _, p := range x.Pruned[:shown] {
		t.rows = append(t.rows, []cell{code(p.Setting), str(p.Why)})
	}
	if n := len(x.Pruned) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	return section{title: "Left out before measuring", table: t}
}

// tuneSteps is how the search went.
func tuneSteps(x report.TuneDetails) section {
	t := &table{cols: []column{{head: "step"}, {head: "entered", right: true}, {head: "left", right: true}, {head: "rounds", right: true}, {head: "time", right: true}}}
	for _, s := range x.Steps {
		t.rows = append(t.rows, []cell{str(s.Phase), str(fmt.Sprint(s.Entered)), str(fmt.Sprint(s.Left)), str(fmt.Sprint(s.Rounds)), str(seconds(s.Seconds))})
	}
	return section{title: "How the search went", table: t}
}

// tuneMetrics returns the trials of a search as metrics of their settings, but those that d has.
func tuneMetrics(d *report.Document) []report.Metric {
	if d.Kind != "tune" {
		return nil
	}
	var ms []report.Metric
	_, _ = decoded(d.Details, func(x report.TuneDetails) layout {
		for _, r := range x.Trials {
			if maps.Equal(r.Setting, chosenChanges(x)) {
				continue // its metrics are those without a label
			}
			labels := map[string]string{"setting": settingWords(x, r.Setting)}
			for _, f := range figuresOf(r) {
				if f.v == nil || f.v.N == 0 || d.Metric(f.name, labels) != nil {
					continue
				}
				m := f.v.Metric(f.name)
				m.Labels = labels
				ms = append(ms, m)
			}
		}
		return layout{}
	})
	return ms
}

// chosenChanges are the knobs of the chosen setting that differ from the default.
func chosenChanges(x report.TuneDetails) map[string]string {
	changes := maps.Clone(x.Chosen)
	maps.DeleteFunc(changes, func(name, v string) bool {
		return slices.ContainsFunc(x.Space, func(k report.TuneKnob) bool { return k.Name == name && len(k.Values) > 0 && k.Values[0] == v })
	})
	return changes
}
