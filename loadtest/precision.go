package loadtest

import (
	"time"

	"infer/loadtest/search"
)

// Precision is how exactly a quantile is wanted.
type Precision struct {
	search.Precision
	Text string // as typed
}

// pilot is how long a load must be to say how long the load must be: enough for the quantile to have an interval, 5 s
// at least, and not more than a third of the time there is.
func (p Precision) pilot(o *Options, maxTime time.Duration) time.Duration {
	d := 5 * time.Second
	if o.open() && o.Schedule.Trace == nil {
		d = max(d, p.Before(o.Schedule.Stages[0].From, 0.95)*5/4)
	}
	return min(d, maxTime/3).Round(100 * time.Millisecond)
}
