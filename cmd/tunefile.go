package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"infer/internal/atomicfile"
	"infer/internal/host"
	"infer/internal/term"
	"infer/loadtest"
	"infer/optimize/tune"
	"infer/report"
)

// tunedOn is the key of the file that says on which machine its settings were found.
const tunedOn = "tuned-on"

// entry is a key of the file with its value, or its values where it is a list.
type entry struct {
	key    string
	values []string
	list   bool
	note   string // why it is there, behind it
}

// tunedFile is a file of settings that profile, serve and loadtest take as --config.
type tunedFile struct {
	head     []string // what was measured, on what: comments
	machine  string   // fingerprint
	given    []entry  // what the command line had set: the search held at these
	found    []entry  // what the search found
	keep     bool     // found is what infer does without a file, and written down as comments
	sections []fileSection
}

type fileSection struct {
	name    string
	entries []entry
}

// writeFile writes the setting that was chosen.
func (t *tuner) writeFile(d *report.Document, x *report.TuneDetails) error {
	f, err := t.tunedFile(d, x)
	if err != nil {
		return err
	}
	return atomicfile.Write(t.f.output, func(w io.Writer) error {
		_, err := io.WriteString(w, f.text())
		return err
	})
}

func (t *tuner) tunedFile(d *report.Document, x *report.TuneDetails) (*tunedFile, error) {
	set := t.space.full(x.Chosen)
	f := &tunedFile{head: t.fileHead(d, x), machine: host.Facts().Fingerprint}
	t.addSettings(f, x)
	if v := t.variant(set[knobVariant]); v.name != baseVariant {
		f.found = append(f.found, entry{key: "model", values: []string{t.relative(v.path)}, note: "in place of " + filepath.Base(t.base.path) + ", where no other is named"})
	}
	dims, shapes, err := t.base.data.rowFlags(t.space.rows(set))
	if err != nil {
		return nil, err
	}
	axes := []entry{{key: "dim", values: dims, list: true}, {key: "shape", values: shapes, list: true}}
	instances := entry{key: "instances", values: []string{fmt.Sprint(number(set, knobInstances))}}
	serve := []entry{instances}
	load := []entry{instances}
	if n := number(set, knobBatch); n > 1 {
		serve = append(serve, entry{key: "max-batch", values: []string{fmt.Sprint(n)}})
		load = append(load, entry{key: "batch", values: []string{fmt.Sprint(n)}, note: "rows of a request"})
	}
	if slo := t.servedSLO(); slo > 0 {
		serve = append(serve, entry{key: "slo", values: []string{slo.String()}})
	}
	load = append(load, entry{key: "slo", values: t.f.slos, list: true},
		entry{key: "dim", values: t.f.bind.Dims, list: true}, entry{key: "shape", values: t.f.bind.Shapes, list: true})
	f.sections = []fileSection{{"serve", serve}, {"loadtest", load}, {"profile", axes}}
	return f, nil
}

// addSettings adds what the sessions of the chosen setting are opened with. The default of a search with knobs of its own
// may be another one than infer's. Lists hold what was given and what was found: a key stands once.
func (t *tuner) addSettings(f *tunedFile, x *report.TuneDetails) {
	set := t.space.full(x.Chosen)
	f.keep = x.KeepDefault && len(t.f.knobs) == 0
	f.given, f.found = t.given(), t.found(set)
	config := slices.Clone(t.f.engine.sessionConfig)
	entries := t.space.entries(set)
	for _, k := range sortedKeys(entries) {
		config = append(config, k+"="+entries[k])
	}
	options := append(slices.Clone(t.f.engine.providerOptions), t.space.providerOptions(set)...)
	lists := []entry{{key: "session-config", values: config, list: true}, {key: "provider-option", values: options, list: true}}
	if f.keep { // nothing in them was found
		f.given = append(f.given, lists...)
	} else {
		f.found = append(f.found, lists...)
	}
}

// given are the flags of the command line that a session depends on.
func (t *tuner) given() []entry {
	e := t.f.engine
	list := []entry{
		{key: "provider", values: e.providers, list: true}, {key: "custom-ops", values: e.customOps, list: true},
	}
	if e.threads > 0 {
		list = append(list, entry{key: "threads", values: []string{fmt.Sprint(e.threads)}})
	}
	if e.interThreads > 0 {
		list = append(list, entry{key: "inter-threads", values: []string{fmt.Sprint(e.interThreads)}})
	}
	return list
}

// found are the threads that the flags leave open.
func (t *tuner) found(set tune.Setting) []entry {
	var list []entry
	if t.f.engine.threads == 0 {
		list = append(list, entry{key: "threads", values: []string{set[knobThreads]}})
	}
	if n := number(set, knobInter); n > 1 && t.f.engine.interThreads == 0 {
		list = append(list, entry{key: "inter-threads", values: []string{fmt.Sprint(n)}})
	}
	return list
}

// relative is a path as the file names it: from its own folder, where that can be said.
func (t *tuner) relative(path string) string {
	from, err1 := filepath.Abs(filepath.Dir(t.f.output))
	to, err2 := filepath.Abs(path)
	if err1 != nil || err2 != nil {
		return path
	}
	rel, err := filepath.Rel(from, to)
	if err != nil {
		return to
	}
	return filepath.ToSlash(rel)
}

// servedSLO is the tightest limit of a tail of latency, which serve can keep to; 0: none was asked for.
func (t *tuner) servedSLO() (slo time.Duration) {
	for _, g := range t.f.opts.SLOs {
		switch g.Metric {
		case "latency_p90", "latency_p95", "latency_p99", "latency_max":
			if d := time.Duration(g.Limit * float64(time.Second)); slo == 0 || d < slo {
				slo = d
			}
		}
	}
	return slo
}

// rowFlags are --dim and --shape of a run of so many rows, 0 for those that are bound: what was asked for, and the first
// axes.
func (in *inputs) rowFlags(rows int64) (dims, shapes []string, err error) {
	for _, name := range sortedKeys(in.asked.Shapes) {
		shapes = append(shapes, name+":"+in.asked.Shapes[name].String())
	}
	for _, name := range sortedKeys(in.asked.Dims) {
		dims = append(dims, fmt.Sprintf("%s=%d", name, in.asked.Dims[name]))
	}
	if rows == 0 {
		return dims, shapes, nil
	}
	bound, err := in.atBatch(rows)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range in.m.Inputs() {
		if len(p.Type.Dims) == 0 || p.Type.Dims[0].Known {
			continue
		}
		if axis := p.Type.Dims[0].Name; axis == "" {
			shapes = append(shapes, p.Name+":"+bound.Shapes[p.Name].String())
		} else if dim := fmt.Sprintf("%s=%d", axis, rows); !slices.Contains(dims, dim) {
			dims = append(dims, dim)
		}
	}
	return dims, shapes, nil
}

// fileHead says what was measured, with intervals, on what.
func (t *tuner) fileHead(d *report.Document, x *report.TuneDetails) []string {
	m := host.Facts()
	cpu := m.CPUModel
	if cpu == "" {
		cpu = m.Arch
	}
	var words []string
	for _, arg := range d.Manifest.Command {
		words = append(words, loadtest.Quote(arg))
	}
	list := []string{
		fmt.Sprintf("Settings for %s (sha256 %.12s), found by infer %s on %s:", filepath.Base(t.base.path), d.Manifest.Model.SHA256, d.Manifest.Tool, d.Created.Format("2006-01-02")),
		"  " + strings.Join(words, " "),
		fmt.Sprintf("Machine: %s, %s %s, %d of %d CPUs usable (%s), onnxruntime %s.", cpu, m.OS, m.Arch, m.CPUs.Count, m.Threads, m.CPUs.Source, d.Manifest.Runtime.Version),
		"", x.Reading,
	}
	for _, side := range []struct {
		name   string
		labels map[string]string
	}{{"chosen", nil}, {"default", defaultLabels()}} {
		var parts []string
		for _, name := range []string{"latency_p50", "latency_p99", "throughput"} {
			if r := d.Metric(name, side.labels); r != nil && r.Value != nil {
				value, between := r.Text()
				parts = append(parts, strings.TrimSpace(strings.TrimPrefix(name, "latency_")+" "+value+" "+between))
			}
		}
		if len(parts) > 0 {
			list = append(list, fmt.Sprintf("%-8s %s", side.name+":", strings.Join(parts, ", ")))
		}
	}
	return append(list, "", "They hold for this machine and this version of the runtime: tune again elsewhere, and after an upgrade.")
}

// text is the file. Comments are one line each whatever is in them, and values are quoted: names come from model files
// and command lines.
func (f *tunedFile) text() string {
	var b strings.Builder
	for _, line := range f.head {
		b.WriteString(strings.TrimRight("# "+term.Clean(line), " ") + "\n")
	}
	fmt.Fprintf(&b, "%s: %s\n", tunedOn, scalar(f.machine))
	for _, e := range f.given {
		e.write(&b, "")
	}
	if f.keep {
		b.WriteString("\n# Nothing that was tried is better than the default beyond noise, which is:\n")
		for _, e := range f.found {
			e.write(&b, "# ")
		}
	} else {
		b.WriteString("\n")
		for _, e := range f.found {
			e.write(&b, "")
		}
	}
	for _, s := range f.sections {
		if !slices.ContainsFunc(s.entries, func(e entry) bool { return len(e.values) > 0 }) {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", s.name)
		for _, e := range s.entries {
			e.write(&b, "  ")
		}
	}
	return b.String()
}

// write writes e behind indent; nothing where it has no value.
func (e entry) write(b *strings.Builder, indent string) {
	if len(e.values) == 0 {
		return
	}
	note := ""
	if e.note != "" {
		note = " # " + term.Clean(e.note)
	}
	if !e.list {
		fmt.Fprintf(b, "%s%s: %s%s\n", indent, e.key, scalar(e.values[0]), note)
		return
	}
	fmt.Fprintf(b, "%s%s:%s\n", indent, e.key, note)
	for _, v := range e.values {
		fmt.Fprintf(b, "%s  - %s\n", indent, scalar(v))
	}
}

// scalar is text as YAML: plain where it can be nothing but a number or a time, else in quotes. What JSON quotes, YAML reads.
func scalar(text string) string {
	if plainScalar.MatchString(text) {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(text) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// plainScalar are whole numbers and times.
var plainScalar = regexp.MustCompile(`^[1-9][0-9]{0,8}(ns|µs|ms|s)?$`)

// warnElsewhere says that the settings of the file were found on another machine.
func (c *config) warnElsewhere(log *slog.Logger) {
	if on := c.v.GetString(tunedOn); on != "" && on != host.Facts().Fingerprint {
		log.Warn(fmt.Sprintf("%s was tuned on another machine: run infer tune here", c.path))
	}
}
