package term

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Palette turns text into styled text. Without colour every function returns its argument.
type Palette struct {
	Bold, Dim, Good, Bad, Warn, Accent func(string) string
}

// NewPalette returns the palette for text that goes to w. The colours are the terminal's own sixteen, so that they
// fit dark and light backgrounds alike.
func NewPalette(w io.Writer, color bool) Palette {
	if !color {
		same := func(s string) string { return s }
		return Palette{same, same, same, same, same, same}
	}
	r := lipgloss.NewRenderer(w)
	r.SetColorProfile(termenv.ANSI) // a writer that is no terminal would get none, even with --color always
	fg := func(c string) func(string) string {
		s := r.NewStyle().Foreground(lipgloss.Color(c))
		return func(t string) string { return s.Render(t) }
	}
	bold, dim := r.NewStyle().Bold(true), r.NewStyle().Faint(true)
	return Palette{
		Bold:   func(t string) string { return bold.Render(t) },
		Dim:    func(t string) string { return dim.Render(t) },
		Good:   fg("2"),
		Bad:    fg("1"),
		Warn:   fg("3"),
		Accent: fg("6"),
	}
}
