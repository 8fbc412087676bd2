package render

import (
	"fmt"
	"strconv"
	"strings"
)

// htmlTable writes t with a caption for those who do not see it. It is as wide as it must be: a narrow page scrolls it.
func htmlTable(b *strings.Builder, title string, t *table) {
	class := ""
	if t.sortable {
		class = ` class="sortable"`
	}
	label := ""
	if title != "" {
		label = fmt.Sprintf(` aria-label="%s"`, htmlText(title))
	}
	fmt.Fprintf(b, "<div class=\"scroll\" role=\"group\" tabindex=\"0\"%s>\n<table%s>\n", label, class)
	if title != "" {
		fmt.Fprintf(b, "<caption>%s</caption>\n", htmlText(title))
	}
	first := t.firstColumn()
	b.WriteString("<thead><tr>")
	for i, c := range t.cols[first:] {
		tag := `th scope="col"`
		if c.head == "" {
			tag = "td" // a head without a word is none
		}
		fmt.Fprintf(b, "<%s%s>%s</%s>", tag, t.class(first+i), htmlText(c.head), tag[:2])
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for r, row := range t.rows {
		if first > 0 && len(row) > 0 && row[0].text != "" {
			if r > 0 {
				b.WriteString("</tbody>\n<tbody>\n")
			}
			fmt.Fprintf(b, "<tr><th scope=\"rowgroup\" colspan=\"%d\">%s</th></tr>\n", len(t.cols)-first, htmlCell(row[0]))
		}
		b.WriteString("<tr>")
		for i := first; i < len(t.cols); i++ {
			x := cell{}
			if i < len(row) {
				x = row[i]
			}
			t.htmlCell(b, i, i == first, x)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n</div>\n")
	if t.more != "" {
		fmt.Fprintf(b, "<p class=\"dim\">%s</p>\n", htmlText(t.more))
	}
}

// firstColumn is that of the names of the rows: behind the heads of groups of rows, where there are such.
func (t *table) firstColumn() int {
	if len(t.cols) > 1 && t.cols[0].group {
		return 1
	}
	return 0
}

// class is the attribute that says how the i-th column is set.
func (t *table) class(i int) string {
	c := t.cols[i]
	switch {
	case c.right:
		return ` class="r"`
	case c.shrink || c.note || c.lead && c.head != "" || i == len(t.cols)-1 && !c.bar && !c.strip:
		return ` class="w"` // it may break into lines
	}
	return ""
}

// htmlCell writes a cell of the i-th column. What names a row is its head, for those who hear the table.
func (t *table) htmlCell(b *strings.Builder, i int, names bool, x cell) {
	c := t.cols[i]
	inner := htmlCell(x)
	switch {
	case c.bar:
		inner = htmlBar(x.from, x.bar, x.ghost)
	case c.strip && x.strip != nil:
		inner = x.strip.svg()
	}
	tag := "td"
	if names && !c.bar && !c.strip && c.head != "" && inner != "" {
		tag = `th scope="row"`
	}
	key := ""
	if t.sortable && x.key != nil {
		key = fmt.Sprintf(` data-v="%s"`, strconv.FormatFloat(*x.key, 'g', -1, 64))
	}
	fmt.Fprintf(b, "<%s%s%s>%s</%s>", tag, t.class(i), key, inner, tag[:2])
}

// htmlCell returns what c says.
func htmlCell(c cell) string {
	text := htmlText(c.text)
	if c.code && text != "" {
		text = "<code>" + text + "</code>"
	}
	text = htmlTone(c.tone, text)
	if c.tag != "" {
		text += " " + htmlTag(c.tagTone, c.tag)
	}
	if c.sub != "" {
		text += "<small>" + htmlText(c.sub) + "</small>"
	}
	return text
}

// htmlBar draws part, in [0, 1], as an inline picture from from on, before a ghost of what it was before.
func htmlBar(from, part, ghost float64) string {
	part, ghost = min(max(part, 0), 1), min(max(ghost, 0), 1)
	was := ""
	if ghost > 0 {
		was = fmt.Sprintf(`<rect class="ghost" width="%.1f" height="8"/>`, 100*ghost)
		if ghost < part {
			was = fmt.Sprintf(`<line class="was" x1="%.1f" y1="0" x2="%.1[1]f" y2="8"/>`, 100*ghost)
		}
	}
	bar := fmt.Sprintf(`<rect width="%.1f" height="8"/>`, 100*part)
	if from > 0 {
		bar = fmt.Sprintf(`<rect x="%.1f" width="%.1f" height="8"/>`, 100*from, max(100*part, 0.5)) // be it ever so short, its place tells
	}
	if ghost < part {
		bar, was = was, bar // the mark of what it was stands before the bar
	}
	return fmt.Sprintf(`<svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="%s"><title>%[1]s</title>%s%s</svg>`,
		percent(part), was, bar)
}
