package render

import (
	"fmt"
	stdhtml "html"
	"io"
	"strings"

	"infer/report"
)

const htmlStyle = `
:root{--fg:#1a1a1a;--bg:#fff;--dim:#595959;--line:#d9d9d9;--good:#0a6b2d;--bad:#b3151d;--warn:#8a5300;--bar:#3b6fb6}
@media(prefers-color-scheme:dark){:root{--fg:#e8e8e8;--bg:#161616;--dim:#a8a8a8;--line:#3a3a3a;--good:#5fd38a;--bad:#ff8a8a;--warn:#f0b35a;--bar:#7fa8e0}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}
table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}.w{white-space:normal;overflow-wrap:break-word;min-width:8rem}
th{font-weight:600;color:var(--dim)}.r{text-align:right;font-variant-numeric:tabular-nums}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.4rem 0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
code,pre{font:.92em ui-monospace,monospace}pre{overflow-x:auto;border:1px solid var(--line);padding:.6rem}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.dim{color:var(--dim)}
svg{display:block;width:10rem;height:.8rem;margin-top:.4rem}rect{fill:var(--bar)}
svg.chart{width:100%;height:auto;margin:.6rem 0}.chart text{fill:var(--fg);font-size:12px;stroke:var(--bg);stroke-width:3px;paint-order:stroke}
.chart .axis{fill:var(--dim);stroke:none}.chart line,.chart polyline{stroke:var(--line);fill:none}.chart .mark{stroke:var(--dim);stroke-dasharray:4 4}
.chart .front{stroke:var(--bar);stroke-width:1.5}.chart .error{stroke:var(--dim)}.pt{fill:var(--bg);stroke:var(--bar);stroke-width:1.5}.pt.full{fill:var(--bar)}.pt.pick{fill:var(--good);stroke:var(--good)}.pt.base{fill:var(--dim);stroke:var(--dim)}.out{fill:var(--warn)}
.chart .l1,.chart .l2,.chart .l3{stroke:var(--bar);stroke-width:1.7}.chart .l2{stroke-dasharray:6 3}.chart .l3{stroke-width:1.2;stroke-dasharray:2 3}.chart .band{fill:var(--bar);opacity:.15}.chart .hit{fill:transparent}.chart .fail{stroke:var(--bad);stroke-width:1.7;fill:none}.chart .cut{stroke:var(--bg);stroke-width:1.5}.chart .weak{opacity:.35}.chart .dot{fill:var(--bar)}
.lead{font-size:1.05rem}
@media print{body{margin:0;max-width:none}}
`

// writeHTML writes one page that needs nothing else: style and bars are inline, there is no script to run, and the
// document itself is inside as data, from which report.Read takes it back.
func writeHTML(w io.Writer, p page, d *report.Document) error {
	data, err := report.EmbedHTML(d)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n")
	fmt.Fprintf(&b, "<title>infer %s</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n", htmlText(p.title), htmlStyle)
	badge := htmlTone(p.badge.tone, htmlText(p.badge.text))
	if badge != "" {
		badge = " " + badge
	}
	fmt.Fprintf(&b, "<h1>%s %s%s</h1>\n", htmlTone(p.tone, htmlText(p.verdict)), htmlText(p.title), badge)
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
	b.WriteString("\n</body>\n</html>\n")
	_, err = io.WriteString(w, b.String())
	return err
}

func htmlSection(b *strings.Builder, s section) {
	switch {
	case s.fold:
		fmt.Fprintf(b, "<details><summary>%s</summary>\n", htmlText(s.title))
	case s.title != "":
		fmt.Fprintf(b, "<h2>%s</h2>\n", htmlText(s.title))
	}
	if len(s.facts) > 0 {
		b.WriteString("<dl>\n")
		for _, f := range s.facts {
			fmt.Fprintf(b, "<dt>%s</dt><dd>%s</dd>\n", htmlText(f.name), htmlText(f.value))
		}
		b.WriteString("</dl>\n")
	}
	if s.chart != nil {
		s.chart.svg(b)
	}
	if s.table != nil && len(s.table.rows) > 0 {
		if s.chart != nil {
			b.WriteString("<details><summary>The numbers</summary>\n")
		}
		htmlTable(b, s.table)
		if s.chart != nil {
			b.WriteString("</details>\n")
		}
	}
	for _, l := range s.lines {
		fmt.Fprintf(b, "<p>%s</p>\n", htmlTone(l.tone, htmlText(l.text)))
	}
	if s.fold {
		b.WriteString("</details>\n")
	}
}

func htmlTable(b *strings.Builder, t *table) {
	class := func(i int) string {
		c := t.cols[i]
		switch {
		case c.right:
			return ` class="r"`
		case c.shrink || c.note || c.lead && c.head != "" || i == len(t.cols)-1 && !c.bar:
			return ` class="w"` // it may break into lines
		}
		return ""
	}
	b.WriteString("<table>\n<thead><tr>")
	for i, c := range t.cols {
		fmt.Fprintf(b, "<th scope=\"col\"%s>%s</th>", class(i), htmlText(c.head))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range t.rows {
		b.WriteString("<tr>")
		for i, c := range t.cols {
			x := cell{}
			if i < len(row) {
				x = row[i]
			}
			text := htmlText(x.text)
			switch {
			case c.bar:
				text = htmlBar(x.bar)
			case x.code && text != "":
				text = "<code>" + text + "</code>"
			}
			fmt.Fprintf(b, "<td%s>%s</td>", class(i), htmlTone(x.tone, text))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n")
	if t.more != "" {
		fmt.Fprintf(b, "<p class=\"dim\">%s</p>\n", htmlText(t.more))
	}
}

// htmlBar draws part, in [0, 1], as an inline picture.
func htmlBar(part float64) string {
	part = min(max(part, 0), 1)
	return fmt.Sprintf(`<svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="%s"><title>%[1]s</title><rect width="%.1f" height="8"/></svg>`,
		percent(part), 100*part)
}

func htmlText(s string) string { return stdhtml.EscapeString(clean(s)) }

func htmlTone(t tone, inner string) string {
	class := [...]string{plain: "", good: "good", bad: "bad", warn: "warn", dim: "dim"}[t]
	if class == "" || inner == "" {
		return inner
	}
	return `<span class="` + class + `">` + inner + "</span>"
}
