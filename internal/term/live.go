package term

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Live draws a block of a few lines on a terminal and draws it again in place. It is safe for concurrent use.
type Live struct {
	w     io.Writer
	color bool
	width int

	mu    sync.Mutex
	shown []string // what is on the terminal, above the cursor
}

// NewLive returns a view that draws on w, a terminal of width columns; 0 is 80. Without colour it takes the styles
// out of the lines that it is given.
func NewLive(w io.Writer, color bool, width int) *Live {
	if width <= 0 {
		width = 80
	}
	return &Live{w: w, color: color, width: width}
}

// The sequences of ECMA-48 and DEC that a frame needs.
const (
	eraseLine  = "\x1b[K" // from the cursor on
	eraseBelow = "\x1b[J"
	wrapOff    = "\x1b[?7l" // a terminal that has become narrower must not break lines: the next frame would miss its start
	wrapOn     = "\x1b[?7h"
	styleOff   = "\x1b[0m"
)

// Frame shows lines in place of those of the frame before. Lines may be styled; each is cut to the width, and what is
// neither text nor style is dropped. There should be fewer lines than the terminal has.
func (l *Live) Frame(lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := make([]string, len(lines))
	for i, s := range lines {
		next[i] = l.cut(s)
	}
	if !slices.Equal(next, l.shown) {
		l.draw(next)
	}
}

// draw writes a frame in one call, over the one before and without clearing it first, so that nothing flickers.
func (l *Live) draw(next []string) {
	var b strings.Builder
	b.WriteString(home(len(l.shown)) + wrapOff)
	for _, s := range next {
		b.WriteString(s + eraseLine + "\n")
	}
	if len(next) < len(l.shown) {
		b.WriteString(eraseBelow)
	}
	b.WriteString(wrapOn)
	_, _ = io.WriteString(l.w, b.String()) // a view that cannot be drawn must not end a measurement
	l.shown = next
}

// home moves the cursor to the begin of the line n above.
func home(n int) string {
	if n == 0 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", n)
}

func (l *Live) clear() {
	if len(l.shown) > 0 {
		_, _ = io.WriteString(l.w, home(len(l.shown))+eraseBelow)
		l.shown = nil
	}
}

// Close takes the block away. The view may be used again afterwards.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// Around calls f while nothing is drawn, so that f may write lines to the same terminal, and draws the block again
// below them.
func (l *Live) Around(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.shown
	l.clear()
	f()
	if len(was) > 0 {
		l.draw(was)
	}
}

// cut returns s in at most the width less one column: a cursor behind the last column is in a different place from
// terminal to terminal.
func (l *Live) cut(s string) string {
	var b strings.Builder
	left, styled := l.width-1, false
	for len(s) > 0 {
		if seq := style(s); seq != "" {
			if l.color {
				b.WriteString(seq)
				styled = seq != styleOff && seq != "\x1b[m"
			}
			s = s[len(seq):]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		if left--; left < 0 {
			break
		}
		b.WriteRune(r)
	}
	if styled {
		b.WriteString(styleOff)
	}
	return b.String()
}

// style returns the sequence that sets a style (SGR) at the begin of s, "" for none.
func style(s string) string {
	rest, ok := strings.CutPrefix(s, "\x1b[")
	if !ok {
		return ""
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != ';' })
	if end < 0 || rest[end] != 'm' {
		return ""
	}
	return s[:2+end+1]
}

// blocks are the heights of a sparkline, with and without UTF-8.
const (
	blocks      = "▁▂▃▄▅▆▇█"
	blocksASCII = "_.:-=+*#"
)

// Sparkline draws the last values, at most width of them, a character each. The highest is a full block and 0 the
// lowest; NaN is a blank. ascii is for terminals without UTF-8.
func Sparkline(values []float64, width int, ascii bool) string {
	values = values[max(0, len(values)-max(width, 0)):]
	top := 0.0
	for _, v := range values {
		if v > top && !math.IsInf(v, 0) {
			top = v
		}
	}
	levels := []rune(blocks)
	if ascii {
		levels = []rune(blocksASCII)
	}
	last := len(levels) - 1
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case v <= 0 || top == 0:
			b.WriteRune(levels[0])
		default:
			b.WriteRune(levels[int(math.Round(min(v/top, 1)*float64(last)))])
		}
	}
	return b.String()
}
