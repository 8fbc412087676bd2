// Package render owns how a result document looks: as text for people, Markdown, a self-contained HTML page, JSON,
// CSV and JUnit. It reads documents and changes nothing in them; what it prints of names is escaped for its format.
package render

import (
	"io"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// Formats returns the names of the formats, the default first.
func Formats() []string { return []string{"text", "json", "markdown", "html", "csv", "junit"} }

// Styles turns text into styled text for a terminal. A nil function is identity, so the zero value is plain.
// The text that it gets has no control characters. Only the format "text" uses it.
type Styles struct {
	Bold, Dim, Good, Bad, Warn, Accent func(string) string
}

// Options is how a document is rendered. The zero value is plain text of 80 columns.
type Options struct {
	Width  int    // columns of the text; 0: 80
	Styles Styles // zero: no colour
	ASCII  bool   // text of ASCII characters only, for terminals without UTF-8
	Top    int    // rows of long tables; 0: what the document asks for, else 15
	Strict bool   // as the run: what is a failure in JUnit
	ID     string // Markdown: ends the hidden marker, by which a comment is found again; "" for a workflow with one report of a kind
}

// Render writes d to w in a format of Formats; another one is a fault.Usage error.
// JSON, CSV and JUnit depend on d alone, apart from Strict.
func Render(w io.Writer, d *report.Document, format string, o Options) error {
	if o.Width <= 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	switch format {
	case "", "text":
		return writeText(w, build(d, o), o)
	case "json":
		return report.Write(w, d)
	case "markdown":
		return writeMarkdown(w, build(d, o), o.ID)
	case "html":
		return writeHTML(w, build(d, o), d)
	case "csv":
		return writeCSV(w, d)
	case "junit":
		return writeJUnit(w, d, o)
	}
	return fault.New(fault.Usage, "use one of "+strings.Join(Formats(), " "), "there is no format %q", format)
}

// Headline is the one line to read of d, without its verdict; "" where there is none.
func Headline(d *report.Document) string { return clean(build(d, Options{}).title) }
