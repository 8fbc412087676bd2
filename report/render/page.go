package render

import (
	"fmt"
	"strings"
	"unicode"

	"infer/report"
)

// page is a document laid out, before it has a format.
type page struct {
	kind     string
	verdict  string
	tone     tone
	title    string // what the verdict is about
	badge    cell   // behind the title, "" for none
	summary  string // the outcome in a sentence, "" for none
	sections []section
	rows     int // of a table in Markdown, 0 for all
	next     *report.NextStep
}

// section is a titled part of a page: key figures, facts, a table and lines, each optional.
type section struct {
	title string
	cards []card
	facts []fact
	chart chart // HTML draws it and folds the table away; other formats have the table, text above it a chart that can be drawn there
	table *table
	lines []cell
	code  []string // commands to copy
	fold  bool     // a detail that HTML and Markdown fold away
	aside bool     // Markdown, which is read in a comment, folds it away as well
	long  bool     // too long for text, which leaves it out
}

// onlyChart says that s is nothing but a picture, which HTML alone can show.
func (s section) onlyChart() bool {
	return s.chart != nil && s.table.empty() && len(s.facts)+len(s.lines)+len(s.cards)+len(s.code) == 0
}

// empty says that there is nothing to show in s.
func (s section) empty() bool {
	return s.chart == nil && s.table.empty() && len(s.facts)+len(s.lines)+len(s.cards)+len(s.code) == 0
}

// fact is a named value on a line of its own.
type fact struct{ name, value string }

// card is a key figure, large in HTML: what it is, the figure, and what to set it against.
type card struct {
	name, value, note string
	tone              tone
}

// table is rows of cells under columns. Rows may be shorter than the columns.
type table struct {
	cols     []column
	rows     [][]cell
	more     string // what was left out, "" for nothing
	sortable bool   // the reader of HTML may sort the rows by a column
}

// empty says that t has no rows, or is none at all.
func (t *table) empty() bool { return t == nil || len(t.rows) == 0 }

// column says how a column is set.
type column struct {
	head   string
	right  bool // numbers
	shrink bool // long names, shortened in the middle when the width is short
	drop   int  // > 0: left out of narrow text, the largest first
	bar    bool // its cells are bars
	lead   bool // in narrow text a line of its own above the row
	note   bool // in text a line of its own below the row
	group  bool // what its cells say heads the rows from there on; the first column, if any
	strip  bool // its cells are strips, which only HTML draws
	mark   bool // its cells are marks in the chart: left out where there is none, in Markdown and narrow text
}

// cell is a text with a tone; in a bar column bar, in [0, 1], counts.
type cell struct {
	text    string
	tone    tone
	code    bool   // a name that can be typed: Markdown and HTML set it as code
	tag     string // a word about it, in parentheses behind it or, in HTML, as a label
	tagTone tone
	sub     string   // what HTML sets small below it, and text has elsewhere
	key     *float64 // what HTML sorts it by, nil: its text
	bar     float64
	from    float64 // of a bar: where it begins, in [0, 1]
	ghost   float64 // of a bar: what it was before, in [0, 1]; 0: not known
	strip   *strip
}

// line returns what c says in one line of text.
func (c cell) line() string {
	if c.tag == "" {
		return c.text
	}
	return c.text + " (" + c.tag + ")"
}

// tone is what a text means, for colour.
type tone int

const (
	plain tone = iota
	good
	bad
	warn
	dim
)

func str(s string) cell   { return cell{text: s} }
func code(s string) cell  { return cell{text: s, code: true} }
func faint(s string) cell { return cell{text: s, tone: dim} }

// clean makes s safe for one line of any format: control characters, which could drive a terminal, and invisible
// formatting characters, which could reorder a line, become visible escapes; invalid UTF-8 becomes U+FFFD.
func clean(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// columns returns how many columns of a terminal s takes: two for East Asian wide characters and emoji,
// none for combining marks.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// shorten cuts the middle out of s so that it takes at most n columns.
func shorten(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	r := []rune(s)
	head, tail := 0, len(r)
	left := n - 1 // for the ellipsis
	for left > 0 && head < tail {
		if w := runeColumns(r[head]); w <= left {
			left -= w
			head++
		} else {
			break
		}
		if w := runeColumns(r[tail-1]); head < tail && w <= left {
			left -= w
			tail--
		}
	}
	return string(r[:head]) + "…" + string(r[tail:])
}

// plural returns "1 run", "2 runs".
func plural[T int | int64](n T, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func bytesText[T int64 | float64](n T) string { return report.FormatValue(report.Bytes, float64(n)) }
func seconds(s float64) string                { return report.FormatValue(report.Time, s) }
func countText[T int | int64 | float64](n T) string {
	return report.FormatValue(report.Count, float64(n))
}
func percent(x float64) string { return report.FormatValue(report.Ratio, x) }
