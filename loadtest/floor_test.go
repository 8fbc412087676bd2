package loadtest

import (
	"testing"
	"time"

	"infer/loadtest/schedule"
)

// TestFloorSchedule: the floor is as short as it was asked to be, whatever the load is.
func TestFloorSchedule(t *testing.T) {
	long := make([]time.Duration, 1000)
	for i := range long {
		long[i] = time.Duration(i) * 100 * time.Millisecond
	}
	for name, so := range map[string]schedule.Options{
		"a trace of 100 s":     {Trace: long},
		"a ramp":               {Arrival: "constant", Stages: []schedule.Stage{{From: 0, To: 50, For: time.Minute}}},
		"a trace that is late": {Trace: []time.Duration{time.Hour, 2 * time.Hour}},
	} {
		o := Options{Schedule: so}
		s, err := o.floorSchedule(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		n, late := 0, time.Duration(0)
		for c := s.Cursor(0, 1); ; n++ {
			_, due, ok := c.Next()
			if !ok {
				break
			}
			late = due
		}
		if n == 0 || late > time.Second && name != "a trace that is late" {
			t.Errorf("%s: %d requests, the last at %v", name, n, late)
		}
	}
}
