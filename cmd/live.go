package cmd

import (
	"strings"
	"time"

	"infer/internal/term"
	"infer/loadtest"
)

// plainEvery is how often a line is written where there is no terminal to draw on.
const plainEvery = 5 * time.Second

// live returns what shows a running load: a block of lines on a terminal, else a plain line now and then; nil where the
// user wants neither.
func (a *app) live() func(loadtest.LiveView) {
	switch {
	case a.out.quiet || a.out.noProgress:
		return nil
	case a.bar == nil:
		return a.plainLive()
	}
	color := a.std.UseColor(a.out.color, a.std.ErrTTY)
	p := term.NewPalette(a.std.Err, color)
	ascii := !strings.Contains(strings.ToUpper(a.std.Env("LC_ALL")+a.std.Env("LC_CTYPE")+a.std.Env("LANG")), "UTF")
	style := loadtest.LiveStyle{
		Bold: p.Bold, Dim: p.Dim, Good: p.Good, Bad: p.Bad, Accent: p.Accent, ASCII: ascii,
		Sparkline: func(values []float64, width int) string { return term.Sparkline(values, width, ascii) },
	}
	width := a.std.Width
	if width == 0 {
		width = 80
	}
	view := term.NewLive(a.std.Err, color, width)
	a.bar.Close()
	a.view = view
	return func(v loadtest.LiveView) { view.Frame(loadtest.LiveLines(v, width, style)) }
}

func (a *app) plainLive() func(loadtest.LiveView) {
	var last time.Time
	phase := ""
	return func(v loadtest.LiveView) {
		now := time.Now()
		if v.Phase != phase {
			phase, last = v.Phase, now
			return
		}
		if now.Sub(last) < plainEvery {
			return
		}
		last = now
		a.log.Info(loadtest.LiveLine(v))
	}
}
