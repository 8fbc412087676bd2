package render

import (
	"io"
	"strings"
)

// gap is the columns between two columns of a table.
const gap = 2

// eighths are the blocks of a bar's last cell.
var eighths = [...]string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// textWriter lays a page out as text.
type textWriter struct {
	b strings.Builder
	o Options
}

func writeText(w io.Writer, p page, o Options) error {
	t := &textWriter{o: o}
	t.headline(p)
	if p.summary != "" {
		t.line("")
		t.hang("  ", 2, p.summary, nil)
	}
	for _, s := range p.sections {
		if !s.long && !s.onlyChart() {
			t.section(s)
		}
	}
	if p.next != nil && p.next.Command != "" {
		t.line("")
		t.hang("next  ", 6, p.next.Why, t.o.Styles.Dim)
		t.line("      " + t.style(t.o.Styles.Accent, t.safe(p.next.Command)))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

func (t *textWriter) line(s string) {
	t.b.WriteString(strings.TrimRight(s, " "))
	t.b.WriteByte('\n')
}

// safe makes a text printable: no control characters, ASCII where asked.
func (t *textWriter) safe(s string) string {
	s = clean(s)
	if t.o.ASCII {
		s = ascii(s)
	}
	return s
}

// ascii writes the few special characters of this program in ASCII, and any other as "?".
func ascii(s string) string {
	s = strings.NewReplacer("µ", "u", "—", "-", "…", "~", "×", "x", "→", "->", "≥", ">=", "≤", "<=", "±", "+-", noBreak, " ").Replace(s)
	return strings.Map(func(r rune) rune {
		if r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

func (t *textWriter) style(f func(string) string, s string) string {
	if f == nil || s == "" {
		return s
	}
	return f(s)
}

func (t *textWriter) toned(x tone, s string) string {
	switch x {
	case good:
		return t.style(t.o.Styles.Good, s)
	case bad:
		return t.style(t.o.Styles.Bad, s)
	case warn:
		return t.style(t.o.Styles.Warn, s)
	case dim:
		return t.style(t.o.Styles.Dim, s)
	}
	return s
}

func (t *textWriter) headline(p page) {
	lines := wrap(t.safe(p.title), t.o.Width-len(p.verdict)-gap, t.o.Width-gap)
	for i, l := range lines {
		head, used := "  ", gap+columns(l)
		if i == 0 {
			head, used = t.toned(p.tone, p.verdict)+"  ", len(p.verdict)+gap+columns(l)
		}
		head += t.style(t.o.Styles.Bold, l)
		if free := t.o.Width - used - len(p.badge.text); i == len(lines)-1 && free >= gap {
			head += strings.Repeat(" ", free) + t.toned(p.badge.tone, p.badge.text)
		} else if i == len(lines)-1 && p.badge.text != "" {
			head += "\n  " + t.toned(p.badge.tone, p.badge.text)
		}
		t.line(head)
	}
}

func (t *textWriter) section(s section) {
	t.line("")
	if s.title != "" {
		t.line(t.style(t.o.Styles.Bold, t.safe(s.title)))
	}
	facts := cardFacts(s.cards)
	facts = append(facts, s.facts...)
	width := 0
	for _, f := range facts {
		width = max(width, columns(t.safe(f.name)))
	}
	width = min(width, t.o.Width/3)
	for _, f := range facts {
		name := shorten(t.safe(f.name), width)
		t.hang("  "+name+strings.Repeat(" ", width-columns(name)+gap), width+2+gap, f.value, nil)
	}
	if c, ok := s.chart.(textChart); ok {
		for _, parts := range c.text(t.o.Width-gap, t.o.ASCII) {
			t.parts(parts)
		}
	}
	if !s.table.empty() {
		t.table(s.table)
	}
	for _, l := range s.lines {
		t.hang("  ", 2, l.text, func(x string) string { return t.toned(l.tone, x) })
	}
	for _, c := range s.code {
		t.line("  " + t.style(t.o.Styles.Accent, t.safe(c)))
	}
}

// parts writes a line that is set already, of parts with tones.
func (t *textWriter) parts(parts []cell) {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(t.toned(p.tone, p.text))
	}
	t.line("  " + b.String())
}

// cardFacts are cards in text.
func cardFacts(cards []card) (facts []fact) {
	for _, c := range cards {
		facts = append(facts, fact{c.name, joined(c.value, c.note)})
	}
	return facts
}

// hang writes a text behind a head of n columns and wraps it to hang below its start.
func (t *textWriter) hang(head string, n int, s string, style func(string) string) {
	for i, l := range wrap(t.safe(s), t.o.Width-n, t.o.Width-n) {
		if i > 0 {
			head = strings.Repeat(" ", n)
		}
		t.line(head + t.style(style, l))
	}
}

// wrap breaks s at blanks into lines of at most first, then rest, columns, but not at the no-break blanks of a number.
// A word that is longer than a line is shortened in the middle, but a path stays whole: people copy it.
func wrap(s string, first, rest int) []string {
	var lines []string
	line, width := "", max(first, 10)
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' }) {
		if line != "" && columns(line)+1+columns(word) > width {
			lines = append(lines, line)
			line, width = "", max(rest, 10)
		}
		if !strings.Contains(word, "/") {
			word = shorten(word, width)
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// bar draws part, in [0, 1], in n columns, from from on.
func (t *textWriter) bar(from, part float64, n int) string {
	if !(part > 0) {
		return ""
	}
	part = min(part, 1)
	before := strings.Repeat(" ", min(max(int(from*float64(n)+0.5), 0), n-1))
	left := n - len(before)
	if t.o.ASCII {
		return before + strings.Repeat("#", min(left, max(1, int(part*float64(n)+0.5))))
	}
	units := min(8*left, max(1, int(part*float64(n)*8+0.5)))
	return before + strings.Repeat("█", units/8) + eighths[units%8]
}
