package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/report"
)

func predictSections(d report.PredictDetails, o Options) []section {
	s := section{title: "Prediction"}
	rows := plural(d.Rows, "row")
	if d.Resumed > 0 {
		rows += fmt.Sprintf(", %d of them from an earlier run", d.Resumed)
	}
	if d.Batch > 0 {
		rows += fmt.Sprintf(", batch %d", d.Batch)
	}
	s.facts = append(s.facts, fact{"rows", rows})
	if d.Correct != nil {
		s.facts = append(s.facts, fact{"correct", fmt.Sprintf("%d by the labels of %s", *d.Correct, d.Labels)})
	}
	out := &table{cols: []column{{head: "output", shrink: true}, {head: "file", shrink: true}, {head: "dtype"}, {head: "shape"}}}
	for _, f := range d.Outputs {
		out.rows = append(out.rows, []cell{code(f.Name), code(f.File), str(f.DType), str(f.Shape)})
	}
	classes := &table{cols: []column{{head: "class", right: true}, {head: "name", shrink: true}, {head: "rows", right: true}, {head: "correct", right: true}, {head: "", bar: true, drop: 1}, {head: "predicted", right: true, drop: 2}}}
	shown := rowsToShow(len(d.Classes), 0, o)
	for _, c := range d.Classes[:shown] {
		part := 0.0
		if c.Rows > 0 {
			part = float64(c.Correct) / float64(c.Rows)
		}
		classes.rows = append(classes.rows, []cell{str(fmt.Sprint(c.Class)), str(c.Name), str(fmt.Sprint(c.Rows)), str(percent(part)), {bar: part}, str(fmt.Sprint(c.Predicted))})
	}
	if n := len(d.Classes) - shown; n > 0 {
		classes.more = fmt.Sprintf("and %d more classes", n)
	}
	return []section{s, {title: "Outputs", table: out}, {title: "Classes", table: classes.compact()}}
}

func deploySections(d report.DeployDetails) []section {
	t := &table{cols: []column{{head: "file", shrink: true}, {head: "size", right: true}, {head: "sha256", drop: 1}}}
	for _, f := range d.Files {
		t.rows = append(t.rows, []cell{code(f.Path), str(bytesText(f.Bytes)), code(f.SHA256[:min(12, len(f.SHA256))])})
	}
	return []section{{title: "Files of " + d.Folder, table: t}}
}

func deploySummary(d report.DeployDetails) string {
	if d.Built {
		return "the image " + d.Image + " was built"
	}
	return "the image was not built: " + d.Reason
}

func runtimeSections(d report.RuntimeDetails) []section {
	t := &table{cols: []column{{head: ""}, {head: "version"}, {head: "source"}, {head: "providers", shrink: true}, {head: "size", right: true}, {head: "path"}}}
	for _, l := range d.Libraries {
		mark := cell{}
		if l.Selected {
			mark = cell{text: "→", tone: good}
		}
		what := str(shortProviders(l.Providers))
		if l.Problem != "" {
			what = cell{text: l.Problem, tone: warn}
		}
		t.rows = append(t.rows, []cell{mark, str(l.Version), str(l.Source), what, str(librarySize(l.Bytes)), code(l.Path)})
	}
	s := section{title: "ONNX Runtime libraries", table: t}
	if len(t.rows) == 0 {
		s.lines = []cell{str("none found: infer runtime install fetches one")}
	}
	return []section{s, findings(d.Findings)}
}

// findings is the table of what a check found.
func findings(list []report.Finding) section {
	t := &table{cols: []column{{head: ""}, {head: "check"}, {head: "detail"}}}
	for _, x := range list {
		detail := x.Detail
		if x.Fix != "" {
			detail += " — " + x.Fix
		}
		t.rows = append(t.rows, []cell{{text: x.Level, tone: levelTone(x.Level)}, str(x.Name), str(detail)})
	}
	return section{title: "Findings", table: t}
}

func librarySize(n int64) string {
	if n == 0 {
		return ""
	}
	return bytesText(n)
}

func levelTone(level string) tone {
	switch level {
	case "ok":
		return good
	case "warning":
		return warn
	case "error":
		return bad
	default:
		return plain
	}
}

// shortProviders leaves out what all names of providers end in.
func shortProviders(list []string) string {
	var out []string
	for _, p := range list {
		out = append(out, strings.TrimSuffix(p, "ExecutionProvider"))
	}
	return strings.Join(out, ", ")
}

func versionSections(d report.VersionDetails) []section {
	s := section{}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	add("infer", strings.TrimSpace(d.Infer+" "+d.Commit))
	add("go", strings.TrimSpace(d.Go+" "+d.Platform))
	runtime := d.Runtime
	if runtime == "" {
		runtime = "no library found"
	}
	if d.Pinned != "" {
		runtime += ", infer installs " + d.Pinned
	}
	add("onnxruntime", runtime)
	add("library", d.Library)
	add("providers", shortProviders(d.Providers))
	for _, k := range slices.Sorted(maps.Keys(d.Modules)) {
		add(k, d.Modules[k])
	}
	return []section{s}
}
