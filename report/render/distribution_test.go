package render

import (
	"math"
	"strings"
	"testing"

	"infer/internal/stats"
	"infer/report"
)

// The plot of a sample ends at its maximum, as rare as one in all.
func TestTailPlot(t *testing.T) {
	var s stats.Sketch
	for i := range 1000 {
		s.Add(float64(i+1) / 1000)
	}
	c := tailPlot{}
	c.add("latency", "l1", &s)
	l := c.lines[0]
	last := l.at[len(l.at)-1]
	if l.at[0].rarity != 0 || math.Abs(last.rarity-3) > 0.3 || last.value != 1 {
		t.Errorf("from %+v to %+v", l.at[0], last)
	}
	if x := l.value(2); math.Abs(x-0.99) > 0.002 {
		t.Errorf("p99 is %g", x)
	}
}

// The name of an objective at the right end of the picture is to the left of its line.
func TestTailPlotLimit(t *testing.T) {
	for limit, anchor := range map[string]string{"latency_p99<1ms": `text-anchor="start">latency_p99`, "latency_p99<9s": `text-anchor="end">latency_p99`} {
		d := loadDoc(t, run{rate: 500, seconds: 2, stall: 1}, func(d *report.Document, l *report.LoadDetails) {
			judgeSLO(d, l, report.LoadSLO{Expr: limit, Verdict: report.Pass})
		})
		if page := render(t, d, "html", Options{}); !strings.Contains(page, strings.ReplaceAll(anchor, "<", "&lt;")) {
			t.Errorf("%s: no %s", limit, anchor)
		}
	}
}
