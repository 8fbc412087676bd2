package term

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// NewLogger returns the logger of the process. text: lines such as "infer: warning: …" with key=value behind;
// json: one object a line. around, which may be nil, is called around each write (a progress bar steps aside).
func NewLogger(w io.Writer, level slog.Level, format string, around func(func())) *slog.Logger {
	if around == nil {
		around = func(f func()) { f() }
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(aside{w, around}, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(&lines{w: aside{w, around}, level: level, mu: &sync.Mutex{}})
}

type aside struct {
	w      io.Writer
	around func(func())
}

func (a aside) Write(p []byte) (n int, err error) {
	a.around(func() { n, err = a.w.Write(p) })
	return n, err
}

// lines is a slog.Handler that writes what a person reads.
type lines struct {
	w     io.Writer
	level slog.Level
	attrs []slog.Attr
	mu    *sync.Mutex
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString("infer: ")
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	case r.Level < slog.LevelInfo:
		b.WriteString("debug: ")
	}
	b.WriteString(Clean(r.Message))
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%s", a.Key, Clean(fmt.Sprint(a.Value)))
		return true
	}
	for _, a := range l.attrs {
		add(a)
	}
	r.Attrs(add)
	b.WriteByte('\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.w, b.String())
	return err
}

func (l *lines) WithAttrs(as []slog.Attr) slog.Handler {
	c := *l
	c.attrs = append(append([]slog.Attr(nil), l.attrs...), as...)
	return &c
}

func (l *lines) WithGroup(string) slog.Handler { return l }

// Clean makes text from a file or a library safe for one terminal line: line breaks and tabs become spaces, other
// control characters (escape sequences among them) are dropped.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return -1
		}
		return r
	}, s)
}
