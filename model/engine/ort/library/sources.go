package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"infer/internal/progress"
)

// source is one way to get the pinned release.
type source struct {
	name    string // for people: "pip", "uvx", "npm", "release archive"
	what    string // what it gives: "onnxruntime 1.30.0"
	group   string // sources with the same configuration: one refusal speaks for all of them
	d       download
	missing string                                                        // why it cannot be tried; "" when it can
	get     func(ctx context.Context, work string) (file string, e error) // downloads into the folder work
}

// sources returns the ways to get the release on this platform, in the order in which they are tried.
func (o Options) sources() []source {
	p := o.pins[o.platform()]
	var out []source
	if p.wheel.name != "" {
		out = o.pips("onnxruntime", Pinned, p.tag, p.wheel)
	}
	if p.npm.name != "" {
		out = append(out, o.packaged(source{name: "npm", group: "npm", what: released, d: p.npm}, "npm", []string{
			"pack", "onnxruntime-node@" + Pinned, "--ignore-scripts", "--loglevel=error", "--no-update-notifier", "--fetch-retries=1",
		}, "onnxruntime-node-*.tgz"))
	}
	if p.release.name != "" {
		out = append(out, source{name: "release archive", group: "release", what: released, d: p.release, get: func(ctx context.Context, work string) (string, error) {
			return o.fetch(ctx, work, p.release)
		}})
	}
	return out
}

// released is what people call the pinned release.
const released = "onnxruntime " + Pinned

// pips returns the ways to get a wheel: the clients of the Python package index. One version of Python is named, for
// there is a wheel for each, which differ in nothing but the Python module.
func (o Options) pips(project, version, tag string, d download) []source {
	args := []string{
		"download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--platform", tag,
		"--no-input", "--disable-pip-version-check", "--progress-bar", "off", "-d", ".", project + "==" + version,
	}
	var out []source
	for _, c := range []struct {
		name, group, program string
		args                 []string
	}{
		{"python3 -m pip", "pip", "python3", []string{"-m", "pip"}},
		{"pip3", "pip", "pip3", nil},
		{"pip", "pip", "pip", nil},
		{"uvx", "uv", "uvx", []string{"pip"}},
	} {
		s := source{name: c.name, group: c.group, what: project + " " + version, d: d}
		out = append(out, o.packaged(s, c.program, append(c.args, args...), strings.ReplaceAll(project, "-", "_")+"-*.whl"))
	}
	return out
}

// packaged completes s with a program of a third party: it is run in the working folder of the install and leaves one
// file that matches pattern there.
func (o Options) packaged(s source, program string, args []string, pattern string) source {
	path := o.lookPath(program)
	if path == "" {
		s.missing = program + " is not on the path"
		return s
	}
	s.get = func(ctx context.Context, work string) (string, error) {
		dir, temp := filepath.Join(work, "download"), filepath.Join(work, "temp")
		for _, d := range []string{dir, temp} {
			if err := os.Mkdir(d, 0o755); err != nil {
				return "", fmt.Errorf("%w: %w", errPublish, err)
			}
		}
		// the temporary folder is the install's own so that its growth can be watched and nothing is left elsewhere;
		// nothing is installed into an environment, so pip need not insist on one
		env := append(o.Environ[:len(o.Environ):len(o.Environ)], "TMPDIR="+temp, "TEMP="+temp, "TMP="+temp, "PIP_REQUIRE_VIRTUALENV=0")
		stop := o.watch(work, s)
		output, err := runClient(ctx, path, args, dir, env)
		stop()
		if err != nil {
			return "", &clientError{said: condense(output), err: err}
		}
		match, _ := filepath.Glob(filepath.Join(dir, pattern))
		if len(match) != 1 {
			return "", fmt.Errorf("%s said it had succeeded and left %d files", program, len(match))
		}
		return match[0], nil
	}
	return s
}

// phase is what people read while a source downloads.
func (s source) phase() string {
	return fmt.Sprintf("%s (%s) through %s", s.what, size(uint64(s.d.bytes)), s.name)
}

// watch reports the growth of the files under dir until the returned function is called.
func (o Options) watch(dir string, s source) (stop func()) {
	if o.Progress == nil {
		return func() {}
	}
	o.Progress.Send(progress.Event{Phase: s.phase(), Total: float64(s.d.bytes), Unit: "B"})
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				o.Progress.Send(progress.Event{Phase: s.phase(), Done: float64(min(largest(dir), s.d.bytes)), Total: float64(s.d.bytes), Unit: "B"})
			}
		}
	}()
	return func() { close(quit); <-done }
}

// largest returns the size of the largest file under dir.
func largest(dir string) int64 {
	var most int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // files come and go while the client works
		}
		if info, err := d.Info(); err == nil {
			most = max(most, info.Size())
		}
		return nil
	})
	return most
}

// fetch downloads a release archive, no more than its pinned size. Proxies come from the environment.
func (o Options) fetch(ctx context.Context, work string, d download) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.releases+d.name, nil)
	if err != nil {
		return "", err
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return "", errors.New(condense(err.Error()))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %s", resp.Status)
	}
	file := filepath.Join(work, d.name)
	f, err := os.Create(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errPublish, err)
	}
	defer f.Close()
	stop := o.watch(work, source{name: "release archive", what: released, d: d})
	defer stop()
	if _, err := io.Copy(f, io.LimitReader(resp.Body, d.bytes+1)); err != nil {
		return "", err
	}
	return file, f.Close()
}

// clientError is what a package client said when it failed.
type clientError struct {
	said string
	err  error
}

func (e *clientError) Error() string {
	if e.said == "" {
		return e.err.Error()
	}
	return e.said
}

func (e *clientError) Unwrap() error { return e.err }

// isVerdict reports whether a client worked and was refused, so that the same client under another name, with the same
// configuration, would only repeat it. A missing pip module or a crash is no verdict.
func isVerdict(err error) bool {
	var c *clientError
	return errors.As(err, &c) && (strings.HasPrefix(c.said, "ERROR: ") || isNPMError(c.said))
}

// isNPMError knows the prefixes of npm 10 and newer, and of older ones.
func isNPMError(line string) bool {
	return strings.HasPrefix(line, "npm error") || strings.HasPrefix(line, "npm ERR!")
}

var (
	address  = regexp.MustCompile(`[a-z+]+://[^\s'"),>]+`)
	hostName = regexp.MustCompile(`\b([a-zA-Z0-9-]+\.)+[a-zA-Z]{2,}(:\d+)?\b`)
	fileEnd  = regexp.MustCompile(`\.(whl|so|py|txt|json|tgz|gz|toml|cfg|conf|ini|js|dylib|dll|zip|pem|crt|npmrc|log|lock)$`)
)

// condense returns the one line of a client's output that says why it failed: pip's or npm's last error, else the last
// line. Addresses and host names are left out: they are the user's mirrors, and errors end up in logs and issues.
func condense(output string) string {
	var last, verdict string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.Contains(line, "complete log of this run"):
		case strings.HasPrefix(line, "ERROR: ") || (isNPMError(line) && verdict == ""):
			verdict = line
		default:
			last = line
		}
	}
	if verdict == "" {
		verdict = last
	}
	verdict = address.ReplaceAllString(verdict, "(address)")
	verdict = hostName.ReplaceAllStringFunc(verdict, func(s string) string {
		if fileEnd.MatchString(s) {
			return s
		}
		return "(host)"
	})
	if len(verdict) > 200 {
		verdict = strings.ToValidUTF8(verdict[:200], "") + "…"
	}
	return verdict
}
