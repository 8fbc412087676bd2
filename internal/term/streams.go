// Package term owns what a person sees of the process: the standard streams and what they are attached to, colour,
// progress and log lines. It is the only home of lipgloss and progressbar.
package term

import (
	"io"
	"os"

	xterm "golang.org/x/term"
)

// Streams are the process's streams and the facts about them. The zero value of a fact means "no terminal".
type Streams struct {
	In     io.Reader
	Out    io.Writer // the result, nothing else
	Err    io.Writer // progress, warnings, log
	OutTTY bool
	ErrTTY bool
	Width  int                         // columns of the terminal; 0: unknown
	Getenv func(string) (string, bool) // os.LookupEnv, or a test's

	Environ func() []string // os.Environ, or a test's: NAME=VALUE; may be nil
}

// Standard returns the streams of this process.
func Standard() Streams {
	s := Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv, Environ: os.Environ}
	s.OutTTY = xterm.IsTerminal(int(os.Stdout.Fd()))
	s.ErrTTY = xterm.IsTerminal(int(os.Stderr.Fd()))
	if s.OutTTY {
		if w, _, err := xterm.GetSize(int(os.Stdout.Fd())); err == nil {
			s.Width = w
		}
	}
	return s
}

// Env returns an environment variable, "" where it is not set.
func (s Streams) Env(name string) string {
	if s.Getenv == nil {
		return ""
	}
	v, _ := s.Getenv(name)
	return v
}

// Colour modes, as --color takes them.
const (
	ColorAuto   = "auto"
	ColorAlways = "always"
	ColorNever  = "never"
)

// UseColor decides whether a stream gets colour: mode first, then NO_COLOR (non-empty) and TERM=dumb, then whether
// it is a terminal. Ref: no-color.org.
func (s Streams) UseColor(mode string, tty bool) bool {
	switch mode {
	case ColorAlways:
		return true
	case ColorNever:
		return false
	}
	return tty && s.Env("NO_COLOR") == "" && s.Env("TERM") != "dumb"
}

// UseProgress decides whether live progress is drawn on Err: only on a terminal that can move its cursor.
func (s Streams) UseProgress() bool {
	return s.ErrTTY && s.Env("TERM") != "dumb"
}
