package cmd

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/internal/term"
	"infer/report"
	"infer/report/render"
)

// When GitHub Actions shows a result, as --github takes it.
const (
	githubAuto   = "auto" // where GITHUB_ACTIONS is true
	githubAlways = "always"
	githubNever  = "never"
)

// What GitHub takes of one step: a larger summary is dropped as a whole, and more annotations of a level are not shown.
const (
	summaryLimit    = 1 << 20 // bytes
	annotationLimit = 10
	messageLimit    = 4000 // characters; the runner cuts at 4096
)

// githubFlags are the flags of commands whose result GitHub Actions shows: compare, report, loadtest and profile. They
// live in the app, since emit needs the id.
type githubFlags struct {
	mode string
	id   string // of the pull-request comment, for a workflow with several
}

func (g *githubFlags) add(f *pflag.FlagSet) {
	f.StringVar(&g.mode, "github", githubAuto, "tell GitHub Actions, too (step summary, outputs, annotations): auto|always|never; auto: where GITHUB_ACTIONS is true")
	f.Lookup("github").NoOptDefVal = githubAlways
	f.StringVar(&g.id, "report-id", "", "`NAME` in the hidden marker of the Markdown, by which a workflow finds the comment to update, where it has several")
}

var reportID = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

// validate returns what is wrong with the flags, of kind fault.Usage; the zero value, of commands without them, is right.
func (g *githubFlags) validate() error {
	switch g.mode {
	case "", githubAuto, githubAlways, githubNever:
	default:
		return fault.New(fault.Usage, "use one of: auto, always, never", "--github %q is not known", g.mode)
	}
	if !reportID.MatchString(g.id) {
		return fault.New(fault.Usage, "use up to 64 letters, digits, dots, dashes and underscores", "--report-id %q is no name", g.id)
	}
	return nil
}

// github shows d in GitHub Actions where --github says so: its Markdown joins the summary of the step, verdict and
// gate_failed its outputs, and each gate becomes an annotation. Annotations go to stderr, so that stdout stays the
// result alone: the runner reads commands from both. Call it after emit and before outcome. What cannot be written is a
// warning, for it changes nothing about the result.
func (a *app) github(d *report.Document) {
	if a.gh.mode == githubNever || a.gh.mode != githubAlways && a.std.Env("GITHUB_ACTIONS") != "true" {
		return
	}
	failed := func(what string, err error) {
		if err != nil {
			a.log.Warn(what+" of the step cannot be written", "error", err)
		}
	}
	if path := a.std.Env("GITHUB_STEP_SUMMARY"); path != "" {
		failed("the summary", a.addSummary(path, d))
	}
	if path := a.std.Env("GITHUB_OUTPUT"); path != "" {
		missed := d.Verdict == report.Regressed || d.Verdict == report.FailedGate
		failed("the outputs", appendFile(path, fmt.Sprintf("verdict=%s\ngate_failed=%t\n", d.Verdict, missed)))
	}
	for _, line := range annotations(d, a.strict) {
		fmt.Fprintln(a.std.Err, line)
	}
}

// addSummary appends the Markdown of d to the summary of the step, as much of it as there is room for.
func (a *app) addSummary(path string, d *report.Document) error {
	var b bytes.Buffer
	if err := render.Render(&b, d, "markdown", render.Options{Top: a.top, Strict: a.strict, ID: a.gh.id}); err != nil {
		return err
	}
	there := int64(0)
	if info, err := os.Stat(path); err == nil {
		there = info.Size()
	}
	text := fitSummary("\n"+b.String(), int(max(0, summaryLimit-there)))
	if text == "" {
		return fmt.Errorf("it has %d bytes already, and GitHub takes %d", there, summaryLimit)
	}
	return appendFile(path, text)
}

// cutNote is what stands in place of what was cut from a summary.
const cutNote = "\n*The rest is left out: GitHub takes 1 MiB of summary from a step.*\n"

// fitSummary returns a Markdown report in at most room bytes: whole, or without its last sections, or its first lines
// alone; "" where not even they fit.
func fitSummary(text string, room int) string {
	if len(text) <= room {
		return text
	}
	if room -= len(cutNote); room <= 0 {
		return ""
	}
	cut := max(strings.LastIndex(text[:room], "\n### "), strings.LastIndex(text[:room], "\n<details>"))
	if cut <= 0 {
		return ""
	}
	return text[:cut] + cutNote
}

// appendFile appends text to a file of the runner.
func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// The levels of annotations, the gravest first.
const (
	levelError   = "error"
	levelWarning = "warning"
	levelNotice  = "notice"
)

// annotation is a message that GitHub shows beside a run.
type annotation struct{ level, title, message string }

// annotations are the commands of the runner for d: what makes it untrustworthy, else each gate, the gravest first.
func annotations(d *report.Document, strict bool) (lines []string) {
	var all []annotation
	if x, untrusted := distrust(d, strict); untrusted {
		all = append(all, x)
	}
	if d.Verdict != report.NotComparable && (d.Verdict != report.Invalid || d.Kind == "profile") {
		for _, g := range d.Gates {
			all = append(all, annotation{gateLevel(g.Verdict, strict), "infer " + d.Kind + ": " + g.Expr, g.Verdict + ": " + g.Reason})
		}
	}
	for _, level := range []string{levelError, levelWarning, levelNotice} {
		var of []annotation
		for _, x := range all {
			if x.level == level {
				of = append(of, x)
			}
		}
		if n := len(of); n > annotationLimit {
			of = of[:annotationLimit]
			of[annotationLimit-1].message += fmt.Sprintf(" (and %d more, in the summary)", n-annotationLimit)
		}
		for _, x := range of {
			lines = append(lines, x.command())
		}
	}
	return lines
}

// distrust is the annotation of a document that is not to be trusted as a whole.
func distrust(d *report.Document, strict bool) (annotation, bool) {
	x := annotation{level: levelWarning, title: "infer " + d.Kind + ": " + strings.ReplaceAll(string(d.Verdict), "_", " ")}
	switch {
	case d.Verdict == report.NotComparable, d.Verdict == report.Invalid, d.Verdict == report.Interrupted:
	case d.Validity.Verdict == report.NotValid:
		x.title = "infer " + d.Kind + ": not to be trusted"
	default:
		return annotation{}, false
	}
	if report.ExitCode(d, strict) == 4 {
		x.level = levelError
	}
	if x.message = render.Headline(d); x.message == d.Kind {
		x.message = "" // it says nothing of itself
	}
	if checks := failedChecks(d); d.Validity.Verdict == report.NotValid && checks != "" {
		x.message = strings.TrimPrefix(x.message+"; "+checks, "; ")
	}
	return x, true
}

func gateLevel(verdict string, strict bool) string {
	switch {
	case verdict == report.Pass:
		return levelNotice
	case verdict == report.Fail || strict:
		return levelError
	}
	return levelWarning
}

// command writes x as the runner reads it: one line, escaped.
func (x annotation) command() string {
	message := []rune(term.Clean(x.message))
	if len(message) > messageLimit {
		message = append(message[:messageLimit], '…')
	}
	return "::" + x.level + " title=" + escapeProperty(term.Clean(x.title)) + "::" + escapeData(string(message))
}

// escapeData escapes the text of a command.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// escapeProperty escapes the value of a property, which a comma or a colon would end.
func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
