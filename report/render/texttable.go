package render

import (
	"slices"
	"strings"
)

const (
	barWidth  = 16
	niceWidth = 28 // shrinkable columns are shortened to this before columns are left out
	leastName = 8  // and to this after
)

// table writes t, fitted to the width, under the heads of its columns. The last column wraps when it is text.
func (t *textWriter) table(tab *table) {
	cells := t.cells(tab)
	keep, width := t.fit(tab, cells)
	last, margin := keep[len(keep)-1], 0
	if tab.firstColumn() > 0 || slices.ContainsFunc(tab.cols, func(c column) bool { return c.lead }) && !tab.cols[keep[0]].lead {
		margin = gap // below the leading columns, which have lines of their own
	}
	t.tableLine(tab, margin, keep, width, func(c int) (string, tone) { return t.safe(tab.cols[c].head), dim })
	for r, row := range tab.rows {
		wrapped := []string{""}
		wraps := !tab.cols[last].right && !tab.cols[last].bar && !tab.cols[last].shrink
		if wraps {
			wrapped = wrap(cells[r][last], width[last], width[last])
		}
		t.leads(tab, keep, cells[r], row)
		t.tableLine(tab, margin, keep, width, func(c int) (string, tone) {
			switch {
			case c >= len(row):
				return "", plain
			case tab.cols[c].bar:
				return t.bar(row[c].from, row[c].bar, width[c]), plain
			case c == last && wraps:
				return wrapped[0], row[c].tone
			}
			return shorten(cells[r][c], width[c]), row[c].tone
		})
		indent := 2 + margin
		for _, c := range keep[:len(keep)-1] {
			indent += width[c] + gap
		}
		for _, more := range wrapped[1:] {
			t.line(strings.Repeat(" ", indent) + t.toned(row[last].tone, more))
		}
		for c := range row {
			if tab.cols[c].note && cells[r][c] != "" {
				t.hang("    ", 4, row[c].text, func(s string) string { return t.toned(row[c].tone, s) })
			}
		}
	}
	if tab.more != "" {
		t.hang("  ", 2, tab.more, t.o.Styles.Dim)
	}
}

// leads writes the leading columns that keep has no place for above their row.
func (t *textWriter) leads(tab *table, keep []int, cells []string, row []cell) {
	var parts []string
	for c, x := range row {
		if (tab.cols[c].lead || tab.cols[c].group) && !slices.Contains(keep, c) && cells[c] != "" {
			parts = append(parts, t.toned(x.tone, shorten(cells[c], t.o.Width-12)))
		}
	}
	if len(parts) > 0 {
		t.line("  " + strings.Join(parts, "  "))
	}
}

// cells returns the printable text of every cell.
func (t *textWriter) cells(tab *table) [][]string {
	out := make([][]string, len(tab.rows))
	for r, row := range tab.rows {
		out[r] = make([]string, len(tab.cols))
		for c := range min(len(row), len(tab.cols)) {
			out[r][c] = t.safe(row[c].line())
		}
	}
	return out
}

func (t *textWriter) tableLine(tab *table, margin int, keep, width []int, at func(c int) (string, tone)) {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", margin))
	empty := true
	for _, c := range keep {
		text, tn := at(c)
		empty = empty && text == ""
		pad := strings.Repeat(" ", max(0, width[c]-columns(text)))
		if text = t.toned(tn, text); tab.cols[c].bar && tn == plain {
			text = t.style(t.o.Styles.Accent, text)
		}
		b.WriteString("  ")
		if tab.cols[c].right {
			b.WriteString(pad + text)
		} else {
			b.WriteString(text + pad)
		}
	}
	if !empty {
		t.line(b.String())
	}
}

// fit chooses which columns to show and how wide: names are shortened a little, then columns left out, then names
// shortened more. The last column gets what is left when it is text that wraps.
func (t *textWriter) fit(tab *table, cells [][]string) (keep, width []int) {
	width = make([]int, len(tab.cols))
	for c, col := range tab.cols {
		if !col.note && !col.strip && !col.group && !(col.mark && t.o.Width < textChartLeast+gap) {
			keep = append(keep, c)
		}
		width[c] = columns(t.safe(col.head))
		if col.bar {
			width[c] = barWidth
		}
		for _, row := range cells {
			width[c] = max(width[c], columns(row[c]))
		}
	}
	margin := 0
	if tab.firstColumn() > 0 {
		margin = gap
	}
	over := func() int {
		sum := margin
		for _, c := range keep {
			sum += width[c] + gap
		}
		return sum - t.o.Width
	}
	if over() > 0 && slices.ContainsFunc(tab.cols, func(c column) bool { return c.lead }) {
		keep = slices.DeleteFunc(keep, func(c int) bool { return tab.cols[c].lead })
		margin = gap
	}
	wrapLast := func() {
		c := keep[len(keep)-1]
		if col := tab.cols[c]; over() > 0 && !col.right && !col.bar && !col.shrink {
			width[c] = max(width[c]-over(), min(width[c], 16))
		}
	}
	natural := slices.Clone(width)
	for {
		copy(width, natural) // what a column left out gives back goes to the names
		wrapLast()
		shrink(tab, keep, width, over, niceWidth)
		i := droppable(tab, keep)
		if over() <= 0 || i < 0 {
			break
		}
		keep = slices.Delete(keep, i, i+1)
	}
	shrink(tab, keep, width, over, leastName)
	wrapLast()
	return keep, width
}

// shrink takes what the line is over the width from the widest shrinkable columns, down to least.
func shrink(tab *table, keep, width []int, over func() int, least int) {
	for over() > 0 {
		widest := -1
		for _, c := range keep {
			if tab.cols[c].shrink && width[c] > least && (widest < 0 || width[c] > width[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			return
		}
		width[widest]--
	}
}

// droppable returns the place in keep of the column to leave out next, or -1.
func droppable(tab *table, keep []int) int {
	best := -1
	for i, c := range keep {
		if d := tab.cols[c].drop; d > 0 && (best < 0 || d > tab.cols[keep[best]].drop) {
			best = i
		}
	}
	return best
}
