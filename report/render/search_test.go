package render

import (
	"testing"

	"infer/report"
)

// The headline of a sweep says how many of its points there are.
func TestSweepHeadline(t *testing.T) {
	closed := report.LoadPoint{Concurrency: 4, Batch: 8, Throughput: 100, Valid: true}
	for _, c := range []struct {
		points  []report.LoadPoint
		planned int
		want    string
	}{
		{nil, 5, "sweep, none of its points measured"},
		{curvePoints(100), 5, "1 of 5 rates from 100 /s"},
		{curvePoints(100, 200), 2, "2 rates from 100 /s to 200 /s"},
		{curvePoints(100, 200, 300), 0, "3 rates from 100 /s to 300 /s"},
		{[]report.LoadPoint{closed}, 3, "1 of 3 batch sizes from 8"},
	} {
		d := report.New("loadtest")
		v := newLoad(d, report.LoadDetails{Schedule: report.LoadSchedule{Loop: "open"}, Points: c.points, PointsPlanned: c.planned})
		if got := v.headline(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
