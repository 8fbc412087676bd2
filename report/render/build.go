package render

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"infer/report"
)

// defaultTop is how many rows of a long table are shown.
const defaultTop = 15

// build lays d out.
func build(d *report.Document, o Options) page {
	p := page{kind: d.Kind, title: title(d)}
	p.verdict, p.tone = verdictText(d.Verdict)
	add := func(ss ...section) {
		for _, s := range ss {
			if !s.empty() {
				p.sections = append(p.sections, s)
			}
		}
	}
	l, err := layDetails(d, o)
	p.summary, p.badge, p.next, p.rows = l.summary, l.badge, l.next, l.rows
	if l.title != "" {
		p.title = l.title
	}
	add(l.lead...)
	s := subject(d)
	s.title = l.about
	s.facts = append(slices.Clip(l.subject), s.facts...)
	add(s)
	if !l.metricsLast {
		add(metrics(d), sweep(d))
	}
	add(mergedRuns(d))
	add(l.sections...)
	if err != nil {
		add(section{title: "Details", lines: []cell{{text: "the details of this report cannot be shown: " + err.Error(), tone: warn}}})
	}
	add(gates(d, l.judged))
	v := validity(d)
	v.fold, v.long = l.foldChecks, l.foldChecks
	add(v)
	add(verification(d)...)
	add(warnings(d))
	if l.metricsLast {
		m := metrics(d)
		m.fold, m.long = true, true
		add(m)
	}
	add(manifest(d))
	add(l.last...)
	return p
}

func verdictText(v report.Verdict) (string, tone) {
	switch v {
	case report.OK:
		return "OK", good
	case report.FailedGate:
		return "GATE MISSED", bad
	case report.Regressed:
		return "REGRESSED", bad
	case report.Invalid:
		return "INVALID", bad
	case report.NotComparable:
		return "NOT COMPARABLE", warn
	default:
		return strings.ToUpper(strings.ReplaceAll(string(v), "_", " ")), warn
	}
}

// title is the one line to read: kind, model and the figures that matter most.
func title(d *report.Document) string {
	t := d.Kind
	if m := d.Manifest.Model; m != nil {
		t += " of " + filepath.Base(m.Path)
	}
	var figures []string
	pick := func(names ...string) {
		for _, name := range names {
			if m := d.Metric(name, nil); m != nil && m.Value != nil && len(figures) < 3 {
				v, _ := m.Text()
				figures = append(figures, strings.TrimPrefix(name, "latency_")+" "+v)
			}
		}
	}
	pick("speedup", "accuracy_top1", "agreement_top1", "size_ratio", "max_rps", "latency_p50", "latency_p99", "throughput")
	if len(figures) == 0 {
		pick("macs", "params", "model_bytes")
	}
	if len(figures) > 0 {
		t += ": " + strings.Join(figures, ", ")
	}
	return t
}

// subject says what was measured, on what.
func subject(d *report.Document) section {
	m, s := d.Manifest, section{}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	if m.Model != nil {
		v := m.Model.Path + ", " + bytesText(m.Model.Bytes)
		if len(m.Model.SHA256) >= 12 {
			v += ", sha256 " + m.Model.SHA256[:12]
		}
		add("model", v)
	}
	if m.Runtime != nil {
		v := strings.TrimSpace(m.Runtime.Name + " " + m.Runtime.Version)
		if len(m.Runtime.Providers) > 0 {
			v += ", " + strings.Join(m.Runtime.Providers, ", ")
		}
		if t, ok := m.Options["threads"]; ok {
			v += fmt.Sprintf(", threads %v", t)
		}
		add("runtime", v)
	}
	add("host", hostText(m))
	if m.Data != nil {
		v := m.Data.Source
		if m.Data.Rows > 0 {
			v += ", " + plural(m.Data.Rows, "row")
		}
		if m.Seed != nil {
			v += ", seed " + strconv.FormatUint(*m.Seed, 10)
		}
		add("data", v)
	}
	var bound []string
	for _, k := range slices.Sorted(maps.Keys(m.Bindings)) {
		bound = append(bound, k+"="+m.Bindings[k])
	}
	add("bound", strings.Join(bound, ", "))
	return s
}

// manifest is what it takes to run this again, in full; subject has the part for a glance.
func manifest(d *report.Document) section {
	m, s := d.Manifest, section{title: "Manifest", fold: true, long: true}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	add("created", d.Created.UTC().Format(time.RFC3339))
	add("command", strings.Join(m.Command, " "))
	add("infer", strings.TrimSpace(m.Tool+" "+m.Go))
	if m.Model != nil {
		add("model sha256", m.Model.SHA256)
	}
	if m.Runtime != nil {
		add("library", m.Runtime.Path)
		add("library sha256", m.Runtime.SHA256)
	}
	if m.Data != nil {
		add("data sha256", m.Data.SHA256)
	}
	for _, part := range []struct {
		name  string
		facts map[string]any
	}{{"option", m.Options}, {"host", m.Host}} {
		for _, k := range slices.Sorted(maps.Keys(part.facts)) {
			if v, err := json.Marshal(part.facts[k]); err == nil {
				add(part.name+" "+k, strings.Trim(string(v), `"`))
			}
		}
	}
	return s
}

// hostText picks the facts that people tell machines apart by.
func hostText(m report.Manifest) string {
	var parts []string
	for _, k := range []string{"cpu_model", "cpu", "os", "arch", "gpu"} {
		if v, ok := m.Host[k].(string); ok && v != "" {
			parts = append(parts, v)
		}
	}
	if m.CPUs > 0 {
		parts = append(parts, report.FormatValue(report.Plain, m.CPUs)+" CPUs usable")
	}
	return strings.Join(parts, ", ")
}

// metrics is the table of all metrics but those of a sweep and of stages.
func metrics(d *report.Document) section {
	labelled := false
	var ms []report.Metric
	for _, m := range d.Metrics {
		if !swept(m) && !staged(m) {
			ms = append(ms, m)
			labelled = labelled || len(m.Labels) > 0
		}
	}
	t := &table{cols: []column{{head: "metric", shrink: true}, {head: "value", right: true}, {head: interval(ms)}, {head: "n", right: true}}}
	if labelled {
		t.cols = slices.Insert(t.cols, 1, column{head: "labels", shrink: true})
	}
	for i := range ms {
		m := &ms[i]
		value, between := m.Text()
		v := str(value)
		if m.Value == nil {
			v.tone = warn
		}
		if m.Lo != nil && m.Confidence == 0 {
			between += " range"
		}
		n := strconv.Itoa(m.N)
		if m.Value != nil && m.Lo == nil && m.N <= 1 {
			n = "" // exact: counted, not sampled
		}
		row := []cell{code(m.Name), v, faint(between), str(n)}
		if labelled {
			row = slices.Insert(row, 1, str(report.LabelText(m.Labels)))
		}
		t.rows = append(t.rows, row)
	}
	return section{title: "Metrics", table: t.compact()}
}

// interval is the head of the interval column: with the confidence where all have the same.
func interval(ms []report.Metric) string {
	level := 0.0
	for _, m := range ms {
		if m.Lo == nil || m.Confidence == 0 {
			continue
		}
		if level != 0 && level != m.Confidence {
			return "interval"
		}
		level = m.Confidence
	}
	if level == 0 {
		return "interval"
	}
	return report.FormatValue(report.Ratio, level) + " interval"
}

// swept reports whether m belongs to a batch sweep: it has its own table, one row a batch size.
func swept(m report.Metric) bool { return len(m.Labels) == 1 && m.Labels["batch"] != "" }

// sweep is the table of a batch sweep.
func sweep(d *report.Document) section {
	byBatch := map[string]map[string]*report.Metric{}
	for i := range d.Metrics {
		if m := &d.Metrics[i]; swept(*m) {
			b := m.Labels["batch"]
			if byBatch[b] == nil {
				byBatch[b] = map[string]*report.Metric{}
			}
			byBatch[b][m.Name] = m
		}
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	batches := slices.SortedFunc(maps.Keys(byBatch), func(a, b string) int {
		return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
	})
	t := &table{cols: []column{{head: "batch", right: true}}}
	var names []string
	for _, n := range []string{"throughput", "latency_p50", "latency_p99", "latency_mean", "peak_rss"} {
		if slices.ContainsFunc(batches, func(b string) bool { return byBatch[b][n] != nil }) {
			names = append(names, n)
			t.cols = append(t.cols, column{head: n, right: true, drop: len(names) - 1})
		}
	}
	top := 0.0
	for _, b := range batches {
		if m := byBatch[b]["throughput"]; m != nil && m.Value != nil {
			top = max(top, *m.Value)
		}
	}
	t.cols = append(t.cols, column{head: "", bar: true, drop: 9})
	for _, b := range batches {
		row := []cell{str(b)}
		for _, n := range names {
			row = append(row, sweepCell(byBatch[b][n]))
		}
		share := 0.0
		if m := byBatch[b]["throughput"]; m != nil && m.Value != nil && top > 0 {
			share = *m.Value / top
		}
		t.rows = append(t.rows, append(row, cell{bar: share}))
	}
	return section{title: "By batch size", table: t}
}

func sweepCell(m *report.Metric) cell {
	if m == nil {
		return faint("—")
	}
	value, between := m.Text()
	if m.Value == nil {
		return faint("—")
	}
	return str(strings.TrimSpace(value + " " + between))
}

// gates is the table of the gates but those whose verdict is shown elsewhere.
func gates(d *report.Document, shown []string) section {
	t := &table{cols: []column{{head: "gate"}, {head: "verdict"}, {head: "reason"}}}
	for _, g := range d.Gates {
		if slices.Contains(shown, g.Expr) {
			continue
		}
		t.rows = append(t.rows, []cell{code(g.Expr), {text: g.Verdict, tone: gateTone(g.Verdict)}, str(g.Reason)})
	}
	return section{title: "Gates", table: t}
}

func gateTone(v string) tone {
	switch v {
	case report.Pass:
		return good
	case report.Fail:
		return bad
	default:
		return warn
	}
}

// validity is one line where all is well, else the checks.
func validity(d *report.Document) section {
	s := section{title: "Validity"}
	if len(d.Validity.Checks) == 0 {
		return section{}
	}
	t := &table{cols: []column{{head: "check"}, {head: "", right: false}, {head: "detail"}}}
	for _, c := range checkGroups(d.Validity.Checks) {
		ok := cell{text: "ok", tone: good}
		if !c.OK {
			ok = cell{text: "not ok", tone: warn}
		}
		t.rows = append(t.rows, []cell{code(c.Name), ok, str(c.Detail)})
	}
	s.table = t
	return s
}

// checkGroups makes one check of those that stand for several points of a sweep, shards or runs, named check@point: it is
// ok where all of them are.
func checkGroups(checks []report.Check) []report.Check {
	var names []string
	points := map[string][]report.Check{}
	for _, c := range checks {
		name, _, _ := strings.Cut(c.Name, "@")
		if points[name] == nil {
			names = append(names, name)
		}
		points[name] = append(points[name], c)
	}
	var out []report.Check
	for _, name := range names {
		out = append(out, oneCheck(name, points[name]))
	}
	return out
}

// oneCheck is the first of a group that is not ok, or the first, with where the others stand.
func oneCheck(name string, group []report.Check) report.Check {
	var failed, all []string
	worst := group[0]
	for _, c := range group {
		_, point, _ := strings.Cut(c.Name, "@")
		if all = append(all, point); !c.OK {
			if failed = append(failed, point); worst.OK {
				worst = c
			}
		}
	}
	_, point, some := strings.Cut(worst.Name, "@")
	detail := strings.TrimPrefix(worst.Detail, point+": ")
	switch {
	case !some:
	case len(all) == 1:
		detail = "at " + point + ": " + detail
	case len(failed) == 0:
		detail = fmt.Sprintf("at each of %s; at the first: %s", strings.Join(all, "; "), detail)
	case len(failed) == 1:
		detail = fmt.Sprintf("at %s of %s: %s", point, strings.Join(all, "; "), detail)
	case len(failed) == len(all):
		detail = fmt.Sprintf("at %d points (%s); at the first of them: %s", len(all), strings.Join(all, "; "), detail)
	default:
		detail = fmt.Sprintf("at %d of %d points (%s); at the first of them: %s", len(failed), len(all), strings.Join(failed, "; "), detail)
	}
	return report.Check{Name: name, OK: worst.OK, Detail: detail}
}

func warnings(d *report.Document) section {
	s := section{title: "Warnings"}
	for _, w := range d.Warnings {
		s.lines = append(s.lines, cell{text: w, tone: warn})
	}
	return s
}

// layout is the details of a document, laid out.
type layout struct {
	title       string    // in place of that of every document, "" for none
	badge       cell      // behind the title
	summary     string    // the outcome in a sentence, "" for none
	lead        []section // before the subject: the answer
	about       string    // title of the subject, "" for none
	subject     []fact    // what was measured, before what every document says of it
	sections    []section
	last        []section // behind everything else
	metricsLast bool      // the sections show the metrics better than their table, which comes folded at the end
	foldChecks  bool      // the checks of validity are no news: they are folded away
	judged      []string  // gates that sections show
	rows        int       // of a table in Markdown, 0 for all
	next        *report.NextStep
}

// layDetails lays out the details of the kinds that have a layout; others have none here, only in JSON.
func layDetails(d *report.Document, o Options) (layout, error) {
	switch d.Kind {
	case "profile":
		return decoded(d.Details, func(p report.ProfileDetails) layout { return layProfile(d, p, o) })
	case "inspect":
		return decoded(d.Details, func(i report.InspectDetails) layout { return layout{sections: inspectSections(i, o), next: i.Next} })
	case "predict":
		return decoded(d.Details, func(p report.PredictDetails) layout { return layout{sections: predictSections(p, o), next: p.Next} })
	case "quantize":
		return decoded(d.Details, func(q report.QuantizeDetails) layout { return layQuantize(q, o) })
	case "optimize":
		return decoded(d.Details, func(x report.OptimizeDetails) layout { return layOptimize(x, o) })
	case "convert":
		return decoded(d.Details, func(x report.ConvertDetails) layout { return layConvert(x, o) })
	case "loadtest":
		return decoded(d.Details, func(l report.LoadDetails) layout { return layLoad(d, l, o) })
	case "compare":
		return decoded(d.Details, func(c report.CompareDetails) layout { return layCompare(d, c, o) })
	case "tune":
		return decoded(d.Details, func(x report.TuneDetails) layout { return layTune(x, o) })
	case "report":
		return decoded(d.Details, func(x report.DecisionDetails) layout { return layDecision(d, x, o) })
	case "deploy":
		return decoded(d.Details, func(x report.DeployDetails) layout {
			return layout{summary: deploySummary(x), sections: deploySections(x), next: x.Next}
		})
	case "runtime":
		return decoded(d.Details, func(r report.RuntimeDetails) layout { return layout{sections: runtimeSections(r), next: r.Next} })
	case "version":
		return decoded(d.Details, func(v report.VersionDetails) layout { return layout{sections: versionSections(v)} })
	}
	return layout{}, nil
}

func decoded[T any](raw json.RawMessage, lay func(T) layout) (layout, error) {
	var v T
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil {
			return layout{}, err
		}
	}
	return lay(v), nil
}
