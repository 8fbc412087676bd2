package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"infer/report"
)

// outcomes is the table of what a business measured of the configurations, beside their accuracy.
func (v *decision) outcomes() section {
	t := &table{cols: []column{{head: "outcome", group: true}, {head: "configuration", shrink: true}, {head: v.qualityName(), right: true, drop: 2}, {head: "measured", right: true}, {head: "95 % interval"},
		{head: "n", right: true, drop: 1}, {head: "change", right: true}, {head: "", drop: 3}}}
	var names []string
	for _, x := range v.Outcomes {
		if !slices.Contains(names, x.Metric) {
			names = append(names, x.Metric)
		}
	}
	for _, name := range names {
		head := str(name)
		for _, x := range v.Outcomes {
			if x.Metric != name {
				continue
			}
			c := v.config(x.Variant)
			quality := measured(metricOf(c, v.Quality))
			quality.sub = ""
			value, between := outcomeText(x)
			row := []cell{head, v.name(c), quality, str(value), faint(between), str(whole(x.N)), {}, {}}
			if x.Change != nil {
				row[6], row[7] = outcomeChange(x)
			}
			t.rows, head = append(t.rows, row), cell{}
		}
	}
	s := section{title: "Outcomes beside " + v.qualityName(), table: t.compact()}
	if v.Quality == "" {
		s.title = "Outcomes"
	}
	if len(t.rows) > 0 && v.Base != "" {
		s.lines = []cell{faint("change: against " + v.Base + ", ~ where the interval of the difference contains 0")}
	}
	return s
}

// config returns the configuration of a name; one that nothing else is known of where there is none.
func (v *decision) config(name string) report.DecisionConfig {
	if i := slices.IndexFunc(v.Configs, func(c report.DecisionConfig) bool { return c.Name == name }); i >= 0 {
		return v.Configs[i]
	}
	return report.DecisionConfig{Name: name}
}

// share reports whether an outcome is a share of n.
func share(x report.Outcome) bool { return x.Method == "wilson" }

func outcomeText(x report.Outcome) (value, between string) {
	m := report.Metric{Unit: "1", Value: &x.Value, Lo: x.Lo, Hi: x.Hi}
	if share(x) {
		m.Name = "accuracy_top1" // any metric that people read in percent
	}
	return m.Text()
}

// outcomeChange is the change of an outcome against the base, and its interval.
func outcomeChange(x report.Outcome) (text, between cell) {
	m := report.CompareMetric{Name: x.Metric, Unit: "1", Change: &x.Change.Value, ChangeLo: x.Change.Lo, ChangeHi: x.Change.Hi}
	if share(x) {
		m.Name = "accuracy_top1"
	}
	change, around := changeText(m)
	if x.Change.Lo != nil && x.Change.Hi != nil && *x.Change.Lo <= 0 && *x.Change.Hi >= 0 {
		return faint("~"), faint(around)
	}
	return str(change), faint(around)
}

// validity is the table of whether the figures of each configuration can be believed.
func (v *decision) validity() section {
	t := &table{cols: []column{{head: "configuration", shrink: true}, {head: "valid"}, {head: "checks", right: true}, {head: "what failed"}}}
	for _, c := range v.ranked {
		row := []cell{v.name(c), {text: "yes", tone: good}, {}, {}}
		var failed []string
		for _, x := range c.Checks {
			if !x.OK {
				failed = append(failed, strings.TrimSuffix(x.Name+": "+x.Detail, ": "))
			}
		}
		if n := len(c.Checks); n > 0 {
			row[2] = str(fmt.Sprintf("%d of %d passed", n-len(failed), n))
		}
		if !c.Valid {
			row[1] = cell{text: "no", tone: bad}
			if len(failed) == 0 {
				failed = append(failed, c.Why)
			}
		}
		row[3] = cell{text: strings.Join(failed, "; "), tone: warn}
		t.rows = append(t.rows, row)
	}
	return section{title: "Validity of each configuration", table: t.compact()}
}

// again is the commands that made the documents.
func (v *decision) again() section {
	s := section{title: "Run again", fold: true, long: true}
	for _, c := range v.Configs {
		if len(c.Commands) > 0 {
			s.code = append(append(s.code, "# "+clean(c.Name)), c.Commands...)
		}
	}
	return s
}

// manifests says of what each configuration is made, and where it was measured.
func (v *decision) manifests() section {
	s := section{title: "What each configuration is", fold: true, long: true}
	for _, c := range v.Configs {
		var parts []string
		if m := c.Model; m != nil {
			parts = append(parts, m.Path, bytesText(m.Bytes), prefixed("sha256 ", m.SHA256))
		}
		parts = append(parts, c.What, c.Host, prefixed("machine ", c.Machine))
		for _, m := range c.Manifests {
			parts = append(parts, manifestText(m))
		}
		if text := joined(parts...); text != "" {
			s.facts = append(s.facts, fact{c.Name, text})
		}
	}
	return s
}

// manifestText is the rest of a manifest in a line: what ran, with which options and data.
func manifestText(m report.Manifest) string {
	var parts []string
	if len(m.Command) > 1 {
		parts = append(parts, strings.Join(m.Command[:2], " "))
	}
	parts = append(parts, prefixed("infer ", m.Tool), m.Go)
	if r := m.Runtime; r != nil {
		parts = append(parts, strings.TrimSpace(r.Name+" "+r.Version), strings.Join(r.Providers, " "), prefixed("library sha256 ", r.SHA256))
	}
	if m.CPUs > 0 {
		parts = append(parts, report.FormatValue(report.Plain, m.CPUs)+" CPUs usable")
	}
	if x := m.Data; x != nil {
		parts = append(parts, prefixed("data ", x.Source), prefixed("sha256 ", x.SHA256))
	}
	if m.Seed != nil {
		parts = append(parts, fmt.Sprintf("seed %d", *m.Seed))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Options)) {
		parts = append(parts, fmt.Sprintf("%s=%v", k, m.Options[k]))
	}
	return joined(parts...)
}

// prefixed puts a name before what it names, "" where there is nothing to name. A digest is shortened to what tells it
// from others.
func prefixed(name, s string) string {
	switch {
	case s == "":
		return ""
	case len(s) == 64 && strings.HasSuffix(name, "sha256 "):
		s = s[:12]
	}
	return name + s
}

// sources is the table of the documents that the decision stands on.
func (v *decision) sources() section {
	t := &table{cols: []column{{head: "document", shrink: true}, {head: "kind"}, {head: "created"}, {head: "sha256"}, {head: "valid"}}}
	for _, r := range v.Sources {
		created := r.Created
		if at, err := time.Parse(time.RFC3339, r.Created); err == nil {
			created = at.UTC().Format("2006-01-02 15:04")
		}
		valid := cell{text: "yes", tone: good}
		if !r.Valid {
			valid = cell{text: joined("no", r.Why), tone: bad}
		}
		t.rows = append(t.rows, []cell{code(r.Path), str(r.Kind), str(created), code(r.SHA256[:min(12, len(r.SHA256))]), valid})
	}
	return section{title: "Documents", table: t.compact(), fold: true, long: true}
}
