package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/term"
	"infer/report"
	"infer/report/render"
)

// newDocument returns a document whose manifest says who made it, where and by which command.
func (a *app) newDocument(kind string) *report.Document {
	d := report.New(kind)
	d.Manifest.Tool = toolVersion()
	d.Manifest.Go = runtime.Version()
	facts := host.Facts()
	d.Manifest.Host = asMap(facts)
	d.Manifest.CPUs = float64(facts.CPUs.Affinity)
	if q := facts.CPUs.Quota; q > 0 {
		d.Manifest.CPUs = min(d.Manifest.CPUs, q)
	}
	d.Manifest.Command = append([]string{"infer"}, redacted(a.args)...)
	return d
}

// asMap returns the JSON form of v, an object, as a map.
func asMap(v any) map[string]any {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(b, &m) != nil {
		return nil
	}
	return m
}

// endings are the file endings of --report and the format that each stands for.
var endings = map[string]string{".json": "json", ".md": "markdown", ".html": "html", ".csv": "csv", ".xml": "junit", ".txt": "text"}

func formatOf(path string) (string, error) {
	if f, ok := endings[strings.ToLower(filepath.Ext(path))]; ok {
		return f, nil
	}
	return "", fault.New(fault.Usage, "end it in "+strings.Join(sortedKeys(endings), ", "), "--report %q has an ending that is no format", path)
}

// emit writes d as --format says to file, or to stdout where file is "", and to every --report.
func (a *app) emit(d *report.Document, file string) error {
	a.close()
	if err := d.Validate(); err != nil {
		return fault.Wrap(err, "the result is not well-formed")
	}
	var unwritten error // what was measured is told all the same
	for _, r := range a.out.reports {
		format, err := formatOf(r)
		if err == nil {
			err = a.writeReport(r, d, format)
		}
		unwritten = cmp.Or(unwritten, err)
	}
	if file != "" {
		return cmp.Or(a.writeReport(file, d, a.out.format), unwritten)
	}
	color := a.std.UseColor(a.out.color, a.std.OutTTY)
	err := render.Render(a.std.Out, d, a.out.format, render.Options{
		Width: a.std.Width, Styles: styles(term.NewPalette(a.std.Out, color)), Top: a.top, Strict: a.strict, ID: a.gh.id,
	})
	return cmp.Or(err, unwritten)
}

func (a *app) writeReport(path string, d *report.Document, format string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		return render.Render(w, d, format, render.Options{Top: a.top, Strict: a.strict, ID: a.gh.id})
	})
}

func styles(p term.Palette) render.Styles {
	return render.Styles{Bold: p.Bold, Dim: p.Dim, Good: p.Good, Bad: p.Bad, Warn: p.Warn, Accent: p.Accent}
}

// outcome turns a finished document into the error that carries its exit code; nil for 0. The document itself has
// been printed by then.
func outcome(d *report.Document, strict bool) error {
	switch code := report.ExitCode(d, strict); code {
	case 0:
		return nil
	case 130:
		return context.Canceled
	case 3:
		return fault.New(fault.Gate, "the document's gates say by how much", "a gate was missed: %s", failedGates(d))
	default:
		if d.Verdict == report.NotComparable {
			hint := "compare like with like, or pass --force"
			if x, err := detailsOf[report.CompareDetails](d); err == nil && x.Next != nil { // else --vary cannot allow all of it
				hint = "compare like with like; name with --vary what is meant to differ, or pass --force"
			}
			return fault.New(fault.Untrusted, hint, "%s", whyNot(d))
		}
		hint := untrustedHint(d)
		if strict {
			hint += ", or leave out --strict"
		}
		return fault.New(fault.Untrusted, hint, "measured but not trustworthy: %s", failedChecks(d))
	}
}

// untrustedHint says what may make a measurement trustworthy, by the first check that is not ok.
func untrustedHint(d *report.Document) string {
	for _, c := range d.Validity.Checks {
		switch name, _, _ := strings.Cut(c.Name, "@"); {
		case c.OK:
		case name == "server_errors":
			return "see in the report how the requests failed"
		case strings.HasPrefix(name, "connection"):
			return "pass a larger --connections, or a lower rate"
		case name == "generator_cpu":
			return "offer less, or use several machines with --shard"
		default:
			return "repeat it on a quieter machine"
		}
	}
	return "measure longer"
}

// whyNot says why two things were not compared.
func whyNot(d *report.Document) string {
	x, err := detailsOf[report.CompareDetails](d)
	if err != nil {
		return "not comparable"
	}
	return x.Reason
}

func failedGates(d *report.Document) string {
	var list []string
	for _, g := range d.Gates {
		if g.Verdict == "fail" {
			list = append(list, g.Expr+" ("+g.Reason+")")
		}
	}
	return strings.Join(list, "; ")
}

// failedChecks says what speaks against a measurement; of a load test, whose report begins with that, the names alone.
func failedChecks(d *report.Document) string {
	var list []string
	for _, c := range d.Validity.Checks {
		name, _, _ := strings.Cut(c.Name, "@")
		switch {
		case c.OK:
		case d.Kind != "loadtest":
			list = append(list, c.Name+": "+c.Detail)
		case !slices.Contains(list, name):
			list = append(list, name)
		}
	}
	for _, g := range d.Gates {
		if g.Verdict == "inconclusive" {
			list = append(list, g.Expr+" ("+g.Reason+")")
		}
	}
	return strings.Join(list, "; ")
}
