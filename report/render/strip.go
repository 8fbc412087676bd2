package render

import (
	"fmt"
	"strings"
)

// strip is a value with its interval on an axis that it shares with the strips of other rows, and the limit.
type strip struct {
	axis          axis
	value, lo, hi float64 // lo and hi are the value itself where there is no interval
	limit         *float64
	below         bool // what lies below the limit misses it
}

// The size of a strip, in the units of its picture.
const stripWidth, stripHeight = 144.0, 18.0

// svg draws s. Those who do not see it have the numbers beside it.
func (s strip) svg() string {
	at := func(v float64) float64 { return min(max(4+s.axis.part(v)*(stripWidth-8), 0), stripWidth) }
	const middle = stripHeight / 2
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="strip" viewBox="0 0 %g %g" aria-hidden="true">`, stripWidth, stripHeight)
	if s.limit != nil {
		x := at(*s.limit)
		from, to := x, stripWidth
		if s.below {
			from, to = 0, x
		}
		fmt.Fprintf(&b, `<rect class="no" x="%.1f" width="%.1f" height="%g"/><line class="edge" x1="%.1f" y1="0" x2="%.1[4]f" y2="%.0[3]f"/>`, from, to-from, stripHeight, x)
	}
	if s.lo < s.hi {
		fmt.Fprintf(&b, `<line class="error" x1="%.1f" y1="%g" x2="%.1f" y2="%[2]g"/>`, at(s.lo), middle, at(s.hi))
	}
	fmt.Fprintf(&b, `<circle class="pt full" cx="%.1f" cy="%g" r="3.5"/></svg>`, at(s.value), middle)
	return b.String()
}
