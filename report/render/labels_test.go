package render

import (
	"fmt"
	"strings"
	"testing"
)

// Names of points that lie close together overlap neither each other nor a symbol, and stay inside the plot; where there
// is a better place they cross no line. A plot that is full leaves names out.
func TestLabels(t *testing.T) {
	l := labels{bounds: box{0, 900, 0, 400}}
	const points = 12
	at := func(i int) (x, y float64) { return 400 + float64(7*i%40), 200 + float64(11*i%30) }
	for i := range points {
		x, y := at(i)
		l.take(box{x - 6, x + 6, y - 6, y + 6})
	}
	var b strings.Builder
	for i := range points {
		x, y := at(i)
		l.writeFar(&b, fmt.Sprintf("configuration %d", i), "", x, y)
	}
	if n := strings.Count(b.String(), "<text"); n != points {
		t.Errorf("%d names of %d points", n, points)
	}
	for i, p := range l.taken {
		if p.left < 0 || p.right > 900 || p.top < 0 || p.bottom > 400 {
			t.Errorf("box %d is outside: %+v", i, p)
		}
		for j, q := range l.taken[max(i+1, points):] {
			if p.meets(q) {
				t.Errorf("boxes %d and %d overlap: %+v %+v", i, max(i+1, points)+j, p, q)
			}
		}
	}
	lined := labels{bounds: box{0, 900, 0, 400}}
	lined.line(0, 190, 900, 190) // through where a name would stand at first
	var second strings.Builder
	lined.write(&second, "name", "", 400, 200)
	if !strings.Contains(second.String(), `y="218.0"`) {
		t.Errorf("a name crosses a line, and below it is room: %s", second.String())
	}
	full := labels{bounds: box{0, 30, 0, 30}}
	var none strings.Builder
	full.writeFar(&none, "too long for this", "", 15, 15)
	if none.Len() > 0 {
		t.Errorf("a name outside of its plot: %s", none.String())
	}
}

// A strip keeps what lies beyond its ends inside the picture.
func TestStrip(t *testing.T) {
	limit := 5.
	s := strip{axis: axis{lo: 0, hi: 10}, value: 20, lo: 20, hi: 20, limit: &limit}
	// By hand: the axis takes 136 of 144 from 4 on, so the limit is at 4 + 136/2 = 72, and what misses it is the other half.
	for _, want := range []string{`cx="144.0"`, `<rect class="no" x="72.0" width="72.0"`} {
		if got := s.svg(); !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	s.below = true
	if got, want := s.svg(), `<rect class="no" x="0.0" width="72.0"`; !strings.Contains(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
}
