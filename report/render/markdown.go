package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// markdownLimit keeps a report below the largest comment that code hosts take, 65536 characters.
const markdownLimit = 60000

func writeMarkdown(w io.Writer, p page, id string) error {
	var b strings.Builder
	b.WriteString("<!-- " + Marker(p.kind, id) + " -->\n")
	b.WriteString("**" + markdownText(p.verdict) + "** — " + markdownText(p.title))
	if p.badge.text != "" {
		b.WriteString(" — " + markdownText(p.badge.text))
	}
	b.WriteString("\n")
	if p.summary != "" {
		b.WriteString("\n" + markdownText(p.summary) + "\n")
	}
	for _, s := range p.asidesLast() {
		if s.onlyChart() {
			continue
		}
		part := markdownSection(s.first(p.rows))
		if b.Len()+len(part) > markdownLimit {
			b.WriteString("\n*The rest is left out: the report is too long for Markdown.*\n")
			break
		}
		b.WriteString(part)
	}
	if p.next != nil && p.next.Command != "" {
		b.WriteString("\n**Next:** " + markdownText(p.next.Why) + "\n\n" + markdownCode(p.next.Command) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// asidesLast returns the sections of p with what is folded away behind what is not, where there are asides.
func (p page) asidesLast() []section {
	if !slices.ContainsFunc(p.sections, func(s section) bool { return s.aside }) {
		return p.sections
	}
	var open, folded []section
	for _, s := range p.sections {
		if s.aside || s.fold {
			folded = append(folded, s)
		} else {
			open = append(open, s)
		}
	}
	return append(open, folded...)
}

// Marker is what the hidden first line of the Markdown of a kind holds, by which a comment is found again to be updated:
// "infer:report:compare", or with an id "infer:report:compare:ID". Letters, digits, dots, dashes and underscores stay.
func Marker(kind, id string) string {
	m := "infer:report:" + kind
	if id != "" {
		m += ":" + id
	}
	return strings.Map(func(r rune) rune {
		if r == ':' || r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '?'
	}, m)
}

// first returns s with at most n rows in its table, 0 for all.
func (s section) first(n int) section {
	if s.table == nil || n <= 0 || len(s.table.rows) <= n {
		return s
	}
	t := *s.table
	t.rows, t.more = t.rows[:n], fmt.Sprintf("and %d more rows", len(t.rows)-n)
	s.table = &t
	return s
}

func markdownSection(s section) string {
	var b strings.Builder
	b.WriteByte('\n')
	switch {
	case s.fold || s.aside:
		b.WriteString("<details><summary>" + markdownText(s.title) + "</summary>\n\n")
	case s.title != "":
		b.WriteString("### " + markdownText(s.title) + "\n\n")
	}
	for _, c := range s.cards {
		b.WriteString("- " + markdownText(c.name) + ": " + joined("**"+markdownText(c.value)+"**", markdownText(c.note)) + "\n")
	}
	for _, f := range s.facts {
		b.WriteString("- " + markdownText(f.name) + ": " + markdownText(f.value) + "\n")
	}
	if !s.table.empty() {
		if len(s.facts)+len(s.cards) > 0 {
			b.WriteByte('\n')
		}
		markdownTable(&b, s.table)
		if len(s.lines) > 0 {
			b.WriteByte('\n')
		}
	}
	for _, l := range s.lines {
		b.WriteString("- " + markdownText(l.text) + "\n")
	}
	if len(s.code) > 0 {
		b.WriteString(markdownBlock(s.code))
	}
	if s.fold || s.aside {
		b.WriteString("\n</details>\n")
	}
	return b.String()
}

func markdownTable(b *strings.Builder, t *table) {
	var rule strings.Builder
	for _, c := range t.cols {
		if c.strip || c.mark {
			continue
		}
		b.WriteString("| " + markdownText(c.head) + " ")
		if c.right {
			rule.WriteString("|---:")
		} else {
			rule.WriteString("|:---")
		}
	}
	b.WriteString("|\n" + rule.String() + "|\n")
	bars := &textWriter{}
	for _, row := range t.rows {
		for i := range t.cols {
			x := cell{}
			if i < len(row) {
				x = row[i]
			}
			if t.cols[i].strip || t.cols[i].mark {
				continue
			}
			text := x.line()
			if !t.cols[i].group {
				text = strings.TrimSpace(text + " " + x.sub)
			}
			text = markdownText(text)
			switch {
			case t.cols[i].bar:
				text = strings.ReplaceAll(bars.bar(x.from, x.bar, 10), " ", "\u00a0") // a cell loses blanks before its text
			case x.code && x.text != "":
				text = markdownCode(x.text)
			case x.tone == bad:
				text = "**" + text + "**"
			}
			b.WriteString("| " + text + " ")
		}
		b.WriteString("|\n")
	}
	if t.more != "" {
		b.WriteString("\n*" + markdownText(t.more) + "*\n")
	}
}

// markdownText escapes what Markdown, and the HTML inside it, would read as markup. It is one line.
func markdownText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "#", `\#`, "~", `\~`,
		"<", "&lt;", ">", "&gt;", "&", "&amp;").Replace(clean(s))
}

// markdownCode sets s as a code span that is safe inside a table.
func markdownCode(s string) string {
	s = clean(s)
	fence, pad := fenceFor(s, 1), ""
	if len(fence) > 1 {
		pad = " "
	}
	return fence + pad + strings.ReplaceAll(s, "|", `\|`) + pad + fence
}

// markdownBlock sets lines as a block of code.
func markdownBlock(lines []string) string {
	var text []string
	for _, l := range lines {
		text = append(text, clean(l))
	}
	fence := fenceFor(strings.Join(text, " "), 3)
	return fence + "\n" + strings.Join(text, "\n") + "\n" + fence + "\n"
}

// fenceFor returns a run of at least n backticks, longer than any in s.
func fenceFor(s string, n int) string {
	longest, run := 0, 0
	for _, r := range s {
		if run++; r != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	return strings.Repeat("`", max(longest+1, n))
}
