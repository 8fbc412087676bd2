package render

import (
	_ "embed"
	"fmt"
	stdhtml "html"
	"io"
	"slices"
	"strings"

	"infer/report"
)

var (
	//go:embed page.css
	pageStyle string
	//go:embed sort.js
	sortScript string
)

// writeHTML writes one page that needs nothing else: style, charts and bars are inline, no script has to run, and the
// document itself is inside as data, from which report.Read takes it back.
func writeHTML(w io.Writer, p page, d *report.Document) error {
	data, err := report.EmbedHTML(d)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n")
	fmt.Fprintf(&b, "<title>infer %s</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", htmlText(p.title), pageStyle)
	badge := htmlTag(p.badge.tone, p.badge.text)
	if badge != "" {
		badge = " " + badge
	}
	fmt.Fprintf(&b, "<h1>%s %s%s</h1>\n", htmlTag(p.tone, p.verdict), htmlText(p.title), badge)
	if p.summary != "" {
		fmt.Fprintf(&b, "<p class=\"lead\">%s</p>\n", htmlText(p.summary))
	}
	fmt.Fprintf(&b, "<p class=\"dim\">%s</p>\n", d.Created.UTC().Format("2006-01-02 15:04:05 UTC"))
	for _, s := range p.sections {
		htmlSection(&b, s)
	}
	if p.next != nil && p.next.Command != "" {
		fmt.Fprintf(&b, "<h2>Next</h2>\n<p>%s</p>\n<pre>%s</pre>\n", htmlText(p.next.Why), htmlText(p.next.Command))
	}
	b.WriteString("</main>\n")
	b.Write(data)
	if slices.ContainsFunc(p.sections, func(s section) bool { return s.table != nil && s.table.sortable }) {
		fmt.Fprintf(&b, "\n<script>\n%s</script>", sortScript)
	}
	b.WriteString("\n</body>\n</html>\n")
	_, err = io.WriteString(w, b.String())
	return err
}

func htmlSection(b *strings.Builder, s section) {
	switch {
	case s.fold:
		fmt.Fprintf(b, "<details><summary><h2>%s</h2></summary>\n", htmlText(s.title))
	case s.title != "":
		fmt.Fprintf(b, "<h2>%s</h2>\n", htmlText(s.title))
	}
	htmlCards(b, s.cards)
	if len(s.facts) > 0 {
		b.WriteString("<dl>\n")
		for _, f := range s.facts {
			fmt.Fprintf(b, "<dt>%s</dt><dd>%s</dd>\n", htmlText(f.name), htmlText(f.value))
		}
		b.WriteString("</dl>\n")
	}
	if s.chart != nil {
		htmlChart(b, s.title, s.chart)
	}
	if !s.table.empty() {
		if s.chart != nil {
			b.WriteString("<details><summary>The numbers</summary>\n")
		}
		htmlTable(b, s.title, s.table)
		if s.chart != nil {
			b.WriteString("</details>\n")
		}
	}
	for _, l := range s.lines {
		if l.tone == dim {
			fmt.Fprintf(b, "<p class=\"note\">%s</p>\n", htmlText(l.text))
			continue
		}
		fmt.Fprintf(b, "<p>%s</p>\n", htmlTone(l.tone, htmlText(l.text)))
	}
	if len(s.code) > 0 {
		fmt.Fprintf(b, "<pre>%s</pre>\n", htmlLines(s.code))
	}
	if s.fold {
		b.WriteString("</details>\n")
	}
}

// htmlChart draws c: as wide as the page and, for a narrow screen, either anew or to be scrolled.
func htmlChart(b *strings.Builder, title string, c chart) {
	if n, ok := c.(narrowChart); ok {
		b.WriteString("<div class=\"narrow\">\n")
		n.narrow(b)
		b.WriteString("</div>\n<div class=\"broad\">\n")
		c.svg(b)
		b.WriteString("</div>\n")
		return
	}
	fmt.Fprintf(b, "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"%s\">\n", htmlText(title))
	c.svg(b)
	b.WriteString("</div>\n")
}

func htmlCards(b *strings.Builder, cards []card) {
	if len(cards) == 0 {
		return
	}
	b.WriteString("<dl class=\"cards\">\n")
	for _, c := range cards {
		fmt.Fprintf(b, "<div><dt>%s</dt><dd class=\"v\">%s</dd>", htmlText(c.name), htmlText(c.value))
		if c.note != "" {
			fmt.Fprintf(b, "<dd>%s</dd>", htmlTone(c.tone, htmlText(c.note)))
		}
		b.WriteString("</div>\n")
	}
	b.WriteString("</dl>\n")
}

func htmlText(s string) string { return stdhtml.EscapeString(clean(s)) }

// htmlLines is htmlText of several lines.
func htmlLines(lines []string) string {
	var out []string
	for _, l := range lines {
		out = append(out, htmlText(l))
	}
	return strings.Join(out, "\n")
}

func toneClass(t tone) string {
	return [...]string{plain: "", good: "good", bad: "bad", warn: "warn", dim: "dim"}[t]
}

func htmlTone(t tone, inner string) string {
	class := toneClass(t)
	if class == "" || inner == "" {
		return inner
	}
	return `<span class="` + class + `">` + inner + "</span>"
}

// htmlTag is a word set apart from the text that it is about.
func htmlTag(t tone, text string) string {
	if text == "" {
		return ""
	}
	return `<span class="` + strings.TrimSpace("tag "+toneClass(t)) + `">` + htmlText(text) + "</span>"
}
