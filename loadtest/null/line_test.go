package null

import (
	"slices"
	"testing"
	"time"
)

func TestLine(t *testing.T) {
	const ms = time.Millisecond
	at := func(list ...int) []time.Duration {
		d := make([]time.Duration, len(list))
		for i, v := range list {
			d[i] = time.Duration(v) * ms
		}
		return d
	}
	for _, c := range []struct {
		name       string
		o          Options
		come, want []time.Duration
	}{
		{"nothing", Options{}, at(0, 1, 1), at(0, 1, 1)},
		{"a service time, side by side", Options{ServiceTime: 10 * ms}, at(0, 1, 1, 30), at(10, 11, 11, 40)},
		// Lindley: begin = max(come, end of the one before).
		{"one at a time", Options{ServiceTime: 10 * ms, Serial: true}, at(5, 6, 7, 100, 105), at(15, 25, 35, 110, 120)},
		// It stands from 105 to 205. The answer due at 105 is late, what comes meanwhile waits, all at once.
		{"stall", Options{StallAfter: 100 * ms, StallFor: 100 * ms, ServiceTime: 10 * ms},
			at(5, 94, 95, 104, 150, 204, 205, 300), at(15, 104, 205, 214, 215, 215, 215, 310)},
		// A service of 10 that has begun at 100 has 5 to go when the server stops.
		{"stall, one at a time", Options{StallAfter: 100 * ms, StallFor: 100 * ms, ServiceTime: 10 * ms, Serial: true},
			at(5, 100, 101, 150, 300), at(15, 210, 220, 230, 310)},
		{"stall only", Options{StallAfter: 100 * ms, StallFor: 100 * ms}, at(0, 99, 100, 150, 200, 201), at(0, 99, 200, 200, 200, 201)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := line{o: c.o}
			var got []time.Duration
			for _, now := range c.come {
				got = append(got, l.leave(now))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("requests at %v leave at\n%v, want\n%v", c.come, got, c.want)
			}
		})
	}
}
