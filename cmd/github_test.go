package cmd

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/term"
	"infer/report"
)

// onGitHub is an app in a step of GitHub Actions, its stderr, and the files that the runner reads.
func onGitHub(t *testing.T) (a *app, stderr *bytes.Buffer, summary, outputs string) {
	t.Helper()
	dir := t.TempDir()
	summary, outputs = filepath.Join(dir, "summary"), filepath.Join(dir, "outputs")
	env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary, "GITHUB_OUTPUT": outputs}
	stderr = &bytes.Buffer{}
	a = &app{gh: githubFlags{mode: githubAuto}, log: slog.New(slog.NewTextHandler(stderr, nil))}
	a.std = term.Streams{Out: io.Discard, Err: stderr, Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
	return a, stderr, summary, outputs
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// shownDoc is a comparison with gates of every outcome.
func shownDoc(t *testing.T) *report.Document {
	t.Helper()
	d := report.New("compare")
	d.Verdict = report.Regressed
	d.Gates = []report.GateResult{{Expr: "throughput>=-3%", Verdict: report.Pass, Reason: "throughput +1.2 %, within -3 %"},
		{Expr: "latency_p99<=+5%", Verdict: report.Fail, Reason: "latency_p99 +12.3 % [+9.8 %, +15.1 %], more than +5 %"},
		{Expr: "accuracy_top1>=-0.5pt", Verdict: report.GateInconclusive, Reason: "label more rows"}}
	if err := d.SetDetails(report.CompareDetails{Mode: "live", Reason: d.Gates[1].Reason}); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestGitHub tells everything in all three places, and joins what is there.
func TestGitHub(t *testing.T) {
	a, stderr, summary, outputs := onGitHub(t)
	a.gh.id = "bert"
	for _, path := range []string{summary, outputs} {
		if err := os.WriteFile(path, []byte("there=1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.github(shownDoc(t))
	golden(t, "github.err", stderr.String())
	if got := content(t, outputs); got != "there=1\nverdict=regressed\ngate_failed=true\n" {
		t.Errorf("outputs %q", got)
	}
	if got := content(t, summary); !strings.HasPrefix(got, "there=1\n\n<!-- infer:report:compare:bert -->\n**REGRESSED** — ") {
		t.Errorf("summary %q", got)
	}
}

// TestGitHubMode: automatic only where GitHub says that it is there.
func TestGitHubMode(t *testing.T) {
	for _, c := range []struct {
		mode, actions string
		told          bool
	}{{githubAuto, "true", true}, {githubAuto, "", false}, {githubAuto, "false", false}, {githubAlways, "", true}, {githubNever, "true", false}, {"", "true", true}} {
		a, stderr, _, outputs := onGitHub(t)
		env := a.std.Getenv
		a.gh.mode, a.std.Getenv = c.mode, func(k string) (string, bool) {
			if k == "GITHUB_ACTIONS" {
				return c.actions, true
			}
			return env(k)
		}
		a.github(shownDoc(t))
		if told := stderr.Len() > 0 && content(t, outputs) != ""; told != c.told || !told && stderr.Len() > 0 {
			t.Errorf("mode %q where GITHUB_ACTIONS is %q: told %v, want %v", c.mode, c.actions, told, c.told)
		}
	}
}

// TestGitHubFlags through the program: a wrong value is refused before the work, the right one tells, and stdout stays a
// document.
func TestGitHubFlags(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": filepath.Join(dir, "out"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary")}
	doc := filepath.Join(dir, "run.json")
	var b bytes.Buffer
	if err := report.Write(&b, shownDoc(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(doc, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"--github=maybe", "--report-id=a b", "--report-id=" + strings.Repeat("x", 65)} {
		if r := infer(t, env, "report", doc, bad); r.code != fault.ExitCode(fault.New(fault.Usage, "", "x")) || r.out != "" {
			t.Errorf("%s: exit %d\n%s", bad, r.code, r.err)
		}
	}
	r := infer(t, env, "report", doc, "--format", "json", "--report-id", "a.b", "--report", filepath.Join(dir, "comment.md"))
	r.document(t)
	if r.code != 0 || strings.Count(r.err, "::") != 6 || content(t, env["GITHUB_OUTPUT"]) == "" {
		t.Errorf("exit %d\n%s", r.code, r.err)
	}
	for _, path := range []string{"comment.md", "summary"} {
		if got := content(t, filepath.Join(dir, path)); !strings.Contains(got, "<!-- infer:report:compare:a.b -->") {
			t.Errorf("%s has no marker: %q", path, got)
		}
	}
	before := content(t, env["GITHUB_OUTPUT"])
	if r := infer(t, env, "report", doc, "--github=never"); r.err != "" || content(t, env["GITHUB_OUTPUT"]) != before {
		t.Errorf("never: %q", r.err)
	}
}

// What cannot be written is said and changes nothing else.
func TestGitHubUnwritable(t *testing.T) {
	a, stderr, summary, outputs := onGitHub(t)
	for _, path := range []string{summary, outputs} {
		if err := os.Mkdir(path, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	a.github(shownDoc(t))
	for _, want := range []string{"the summary of the step cannot be written", "the outputs of the step cannot be written", "::error "} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
}

// The runner drops a summary that is too large as a whole, so it never becomes that.
func TestFitSummary(t *testing.T) {
	head, gates, more := "\n<!-- m -->\n**OK** — t\n", "\n### Gates\n\n| a |\n", "\n<details><summary>More</summary>\n\n- x\n\n</details>\n"
	text := head + gates + more + "\n### Last\n\n" + strings.Repeat("- y\n", 40)
	for _, c := range []struct {
		room int
		want string
	}{
		{len(text), text},
		{len(text) - 1, head + gates + more + cutNote},
		{len(head+gates+cutNote) + len(more)/2, head + gates + cutNote},
		{len(head+cutNote) + 6, head + cutNote},
		{len(head+cutNote) - 1, ""},
		{5, ""}, {0, ""},
	} {
		if got := fitSummary(text, c.room); got != c.want || len(got) > c.room {
			t.Errorf("%d bytes of room: %q, want %q", c.room, got, c.want)
		}
	}
	for _, room := range []int{300, 10} {
		a, stderr, summary, _ := onGitHub(t)
		if err := os.WriteFile(summary, bytes.Repeat([]byte("x"), summaryLimit-room), 0o600); err != nil {
			t.Fatal(err)
		}
		a.github(shownDoc(t))
		got := content(t, summary)
		if len(got) > summaryLimit || strings.HasSuffix(got, cutNote) != (room == 300) || strings.Contains(stderr.String(), "and GitHub takes 1048576") != (room == 10) {
			t.Errorf("%d bytes of room: the summary has %d bytes and ends in %q\n%s", room, len(got), got[len(got)-80:], stderr)
		}
	}
}

// TestAnnotations says what is not to be trusted in place of gates that were judged by it, and keeps to the limits.
func TestAnnotations(t *testing.T) {
	doc := func(kind string, v report.Verdict, gates ...string) *report.Document {
		d := report.New(kind)
		d.Verdict = v
		for i, g := range gates {
			d.Gates = append(d.Gates, report.GateResult{Expr: fmt.Sprintf("latency_p99<%dms", i+1), Verdict: g, Reason: "r"})
		}
		return d
	}
	invalid := doc("compare", report.Invalid, report.GateInconclusive)
	invalid.AddCheck("head_answers", false, "connection refused")
	noisy := doc("profile", report.Invalid, report.Pass)
	noisy.AddCheck("steal", false, "12 %%")
	many := doc("report", report.FailedGate)
	for range 12 {
		many.Gates = append(many.Gates, report.GateResult{Expr: "error_rate<1%", Verdict: report.Fail, Reason: "r"})
	}
	differs := doc("compare", report.NotComparable, report.GateInconclusive)
	if err := differs.SetDetails(report.CompareDetails{Differs: []report.CompareDiffers{{What: "threads", Base: "2", Head: "4"}}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		d      *report.Document
		strict bool
		want   []string
	}{
		{"gravest first", doc("profile", report.FailedGate, report.Pass, report.GateInconclusive, report.Fail), false, []string{
			"::error title=infer profile%3A latency_p99<3ms::fail: r", "::warning title=infer profile%3A latency_p99<2ms::inconclusive: r", "::notice title=infer profile%3A latency_p99<1ms::pass: r"}},
		{"strict", doc("profile", report.Inconclusive, report.GateInconclusive), true, []string{"::error title=infer profile%3A latency_p99<1ms::inconclusive: r"}},
		{"not comparable", differs, false, []string{"::error title=infer compare%3A not comparable::threads 2 against 4"}},
		{"invalid", invalid, false, []string{"::error title=infer compare%3A invalid::head_answers: connection refused; latency_p99<1ms (r)"}},
		{"a noisy profile is a warning", noisy, false, []string{"::warning title=infer profile%3A invalid::steal: 12 %25", "::notice title=infer profile%3A latency_p99<1ms::pass: r"}},
		{"nothing to say", doc("loadtest", report.OK), false, nil},
	} {
		if got := annotations(c.d, c.strict); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
	got := annotations(many, false)
	if len(got) != annotationLimit || !strings.HasSuffix(got[9], "(and 2 more, in the summary)") {
		t.Errorf("%d annotations, the last %q", len(got), got[len(got)-1])
	}
}

// What the runner would read as the end of a value or of the line is escaped as it reads it back.
func TestEscape(t *testing.T) {
	for _, c := range []struct{ in, data, property string }{
		{"plain", "plain", "plain"},
		{"50 %", "50 %25", "50 %25"},
		{"%25", "%2525", "%2525"},
		{"a\r\nb", "a%0D%0Ab", "a%0D%0Ab"},
		{"a: b, c", "a: b, c", "a%3A b%2C c"},
		{"::error::x", "::error::x", "%3A%3Aerror%3A%3Ax"},
	} {
		if got := escapeData(c.in); got != c.data {
			t.Errorf("data %q: %q, want %q", c.in, got, c.data)
		}
		if got := escapeProperty(c.in); got != c.property {
			t.Errorf("property %q: %q, want %q", c.in, got, c.property)
		}
	}
	long := annotation{levelError, "a\x1b[31m\nb", strings.Repeat("é", 5000)}.command()
	if strings.ContainsAny(long, "\x1b\n") || len([]rune(long)) > 4096 || !strings.HasPrefix(long, "::error title=a[31m b::é") {
		t.Errorf("%d characters: %.60q", len([]rune(long)), long)
	}
}
