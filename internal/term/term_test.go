package term

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"infer/internal/progress"
)

func streams(env map[string]string) Streams {
	return Streams{Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
}

func TestUseColor(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		mode string
		tty  bool
		want bool
	}{
		{"auto on a terminal", nil, ColorAuto, true, true},
		{"auto in a pipe", nil, ColorAuto, false, false},
		{"NO_COLOR", map[string]string{"NO_COLOR": "1"}, ColorAuto, true, false},
		{"an empty NO_COLOR is not set", map[string]string{"NO_COLOR": ""}, ColorAuto, true, true},
		{"a dumb terminal", map[string]string{"TERM": "dumb"}, ColorAuto, true, false},
		{"always beats NO_COLOR", map[string]string{"NO_COLOR": "1"}, ColorAlways, false, true},
		{"never", nil, ColorNever, true, false},
	} {
		if got := streams(c.env).UseColor(c.mode, c.tty); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPalette(t *testing.T) {
	if got := NewPalette(&bytes.Buffer{}, false).Bad("x"); got != "x" {
		t.Errorf("without colour: %q", got)
	}
	if got := NewPalette(&bytes.Buffer{}, true).Bad("x"); !strings.Contains(got, "\x1b[") || !strings.Contains(got, "x") {
		t.Errorf("with colour: %q", got)
	}
}

func TestBarShowsLongPhasesOnly(t *testing.T) {
	var out bytes.Buffer
	b := NewBar(&out, false)
	b.Event(progress.Event{Phase: "short", Done: 1, Total: 2, Unit: "runs"})
	if out.Len() != 0 {
		t.Errorf("a phase that has just begun is drawn: %q", out.String())
	}
	b.delay = 0
	b.Event(progress.Event{Phase: "long", Done: 1, Total: 2, Unit: "runs"})
	time.Sleep(100 * time.Millisecond) // progressbar draws at most every 80 ms
	b.Event(progress.Event{Phase: "long", Done: 2, Total: 2, Unit: "runs", Note: "p50 3 ms"})
	b.Close()
	if s := out.String(); !strings.Contains(s, "long  2 / 2 runs  p50 3 ms") {
		t.Errorf("the bar shows %q", s)
	}
}

func TestLogLines(t *testing.T) {
	for _, c := range []struct {
		name, format string
		want         string
	}{
		{"text", "text", "infer: warning: a\\b file=x y\n"},
		{"json", "json", `"level":"WARN"`},
	} {
		var out bytes.Buffer
		aside := 0
		l := NewLogger(&out, slog.LevelInfo, c.format, func(f func()) { aside++; f() })
		l.Debug("not seen")
		l.Warn("a\\b\x1b", "file", "x\ny")
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "not seen") || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		}
		if aside != 1 {
			t.Errorf("%s: the bar stepped aside %d times, want once", c.name, aside)
		}
	}
}

func TestClean(t *testing.T) {
	if got := Clean("a\nb\tc\x1b[31m\u009bé"); got != "a b c[31mé" {
		t.Errorf("Clean = %q", got)
	}
}
