package term

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// screen is the terminal that a Live needs: lines, a cursor, and the sequences that move and erase. It breaks lines
// that are longer than it is wide, unless it is told not to.
type screen struct {
	width    int
	lines    []string
	row, col int
	noWrap   bool
	styles   int // sequences that set a style
	writes   int
}

var control = regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)

func (s *screen) Write(p []byte) (int, error) {
	s.writes++
	for text := string(p); text != ""; {
		if m := control.FindStringSubmatch(text); m != nil {
			s.control(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		s.put(r)
	}
	return len(p), nil
}

func (s *screen) line() *string {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, "")
	}
	return &s.lines[s.row]
}

func (s *screen) put(r rune) {
	switch {
	case r == '\r':
		s.col = 0
	case r == '\n':
		s.row, s.col = s.row+1, 0
	case r < 0x20:
		panic(fmt.Sprintf("control character %q", r))
	default:
		if s.col >= s.width {
			if s.noWrap {
				s.col = s.width - 1
			} else {
				s.row, s.col = s.row+1, 0
			}
		}
		l := s.line()
		now := []rune(*l)
		for len(now) <= s.col {
			now = append(now, ' ')
		}
		now[s.col] = r
		*l = string(now)
		s.col++
	}
}

func (s *screen) control(arg, what string) {
	switch {
	case what == "A":
		n, _ := strconv.Atoi(arg)
		if s.row -= n; s.row < 0 {
			panic("the cursor leaves the screen")
		}
	case what == "K":
		l := s.line()
		*l = string([]rune(*l)[:min(s.col, len([]rune(*l)))])
	case what == "J":
		l := s.line()
		*l = string([]rune(*l)[:min(s.col, len([]rune(*l)))])
		s.lines = s.lines[:s.row+1]
	case what == "m":
		s.styles++
	case arg == "?7" && (what == "l" || what == "h"):
		s.noWrap = what == "l"
	default:
		panic("unknown sequence " + arg + what)
	}
}

func (s *screen) String() string { return strings.TrimRight(strings.Join(s.lines, "\n"), "\n") }

func TestLiveFrames(t *testing.T) {
	s := &screen{width: 20}
	l := NewLive(s, false, s.width)
	step := func(name, want string) {
		t.Helper()
		if got := s.String(); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
	l.Around(func() { fmt.Fprintln(s, "log 0") })
	l.Frame([]string{"first line", "second"})
	step("a frame", "log 0\nfirst line\nsecond")
	l.Frame([]string{"1st", "second and longer than the terminal", "third"})
	step("shorter, cut and one more", "log 0\n1st\nsecond and longer t\nthird")
	n := s.writes
	l.Frame([]string{"1st", "second and longer than the terminal", "third"})
	if s.writes != n {
		t.Error("a frame that shows the same is written again")
	}
	l.Frame([]string{"one"})
	step("fewer lines", "log 0\none")
	if s.writes != n+1 {
		t.Errorf("%d writes for a frame: it flickers", s.writes-n)
	}
	l.Frame([]string{"one", "two"})
	l.Around(func() { fmt.Fprintln(s, "log 1") })
	step("a log line", "log 0\nlog 1\none\ntwo")
	l.Frame([]string{"1", "2"})
	step("and on", "log 0\nlog 1\n1\n2")
	l.Close()
	l.Close()
	step("closed", "log 0\nlog 1")
	l.Around(func() { fmt.Fprintln(s, "log 2") })
	step("closed, with a log line", "log 0\nlog 1\nlog 2")
	l.Frame([]string{"again"})
	step("used again", "log 0\nlog 1\nlog 2\nagain")
	if s.noWrap {
		t.Error("the terminal is left without wrapping")
	}
}

// A terminal that is narrower than it was said to be shows no line twice.
func TestLiveNarrower(t *testing.T) {
	s := &screen{width: 8}
	l := NewLive(s, false, 20)
	for i := range 3 {
		l.Frame([]string{fmt.Sprintf("%d a line that is long", i), "b"})
	}
	l.Close()
	if got := s.String(); got != "" {
		t.Errorf("this is left:\n%s", got)
	}
}

func TestLiveStyles(t *testing.T) {
	for _, c := range []struct {
		name  string
		color bool
		width int
		in    string
		want  string
	}{
		{"kept", true, 20, "a \x1b[1;31mred\x1b[0m b", "a \x1b[1;31mred\x1b[0m b"},
		{"cut inside, ended", true, 5, "a \x1b[31mlong red\x1b[0m b", "a \x1b[31mlo\x1b[0m"},
		{"cut behind", true, 6, "a \x1b[31mred\x1b[0m b", "a \x1b[31mred\x1b[0m"},
		{"without colour", false, 20, "a \x1b[1;31mred\x1b[0m b", "a red b"},
		{"no other sequence passes", true, 20, "a\x1b[2Jb\x1b]0;t\x07c\r\n\u009bd\u202e", "a[2Jb]0;tcd"},
		{"not complete", true, 20, "a\x1b[31", "a[31"},
		{"width unknown", true, 0, strings.Repeat("x", 100), strings.Repeat("x", 79)},
		{"no width", true, 1, "abc", ""},
		{"invalid", true, 20, "a\xffb", "a\ufffdb"},
	} {
		if got := NewLive(&bytes.Buffer{}, c.color, c.width).cut(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSparkline(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name  string
		in    []float64
		width int
		ascii bool
		want  string
	}{
		{"all heights", []float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, false, "▁▂▃▄▅▆▇█"},
		{"ASCII", []float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, true, "_.:-=+*#"},
		{"the last ones", []float64{100, 1, 2}, 2, false, "▅█"},
		{"one level", []float64{5, 5}, 8, false, "██"},
		{"zeros", []float64{0, 0}, 8, false, "▁▁"},
		{"gaps", []float64{nan, 1, nan}, 8, false, " █ "},
		{"infinite and negative", []float64{inf, -inf, -1, 1}, 8, false, "█▁▁█"},
		{"nothing", nil, 8, false, ""},
		{"no room", []float64{1}, 0, false, ""},
		{"less than none", []float64{1}, -1, false, ""},
	} {
		if got := Sparkline(c.in, c.width, c.ascii); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
