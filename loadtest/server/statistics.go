package server

import (
	"encoding/json"
	"fmt"
	"time"
)

// Counter is how often something happened and how long it took in all.
type Counter struct {
	Count int64
	Time  time.Duration
}

// Statistics is the counters of a model since it was loaded. A request that is answered in a run with others counts the
// whole time of the run.
type Statistics struct {
	Success, Fail          Counter // requests, from their receipt to their answer
	Queue                  Counter // requests, waiting for a run
	Input, Compute, Output Counter // requests: putting inputs together, the run, taking outputs apart
	Inferences, Executions int64   // rows, and runs
}

func (s *Statistics) counters() [6]*Counter {
	return [...]*Counter{&s.Success, &s.Fail, &s.Queue, &s.Input, &s.Compute, &s.Output}
}

// Change is what happened between two readings of the counters.
type Change struct {
	Requests, Failures int64
	// Queue and Compute are means of a request, in which Compute is the input, the run and the output together; Untold
	// where the server does not tell, and where there was no request.
	Queue, Compute time.Duration
	Batch          float64 // rows of a run, mean; 0: there was none
}

// Untold stands for a time that the server did not tell.
const Untold time.Duration = -1

// Delta returns what happened from a to b. It is false where that cannot be known: a or b is nil, or counters went
// backwards, as when a model is loaded again.
func Delta(a, b *Statistics) (Change, bool) {
	if a == nil || b == nil {
		return Change{}, false
	}
	backwards := b.Inferences < a.Inferences || b.Executions < a.Executions
	before := a.counters()
	for i, c := range b.counters() {
		backwards = backwards || c.Count < before[i].Count || c.Time < before[i].Time
	}
	if backwards {
		return Change{}, false
	}
	c := Change{
		Requests: b.Success.Count - a.Success.Count,
		Failures: b.Fail.Count - a.Fail.Count,
		Queue:    mean(a.Queue, b.Queue),
		Compute:  mean(a.Compute, b.Compute),
	}
	if c.Compute >= 0 {
		c.Compute += max(0, mean(a.Input, b.Input)) + max(0, mean(a.Output, b.Output))
	}
	if runs := b.Executions - a.Executions; runs > 0 {
		c.Batch = float64(b.Inferences-a.Inferences) / float64(runs)
	}
	return c, true
}

// mean is the mean time from a to b, Untold where nothing happened.
func mean(a, b Counter) time.Duration {
	if n := b.Count - a.Count; n > 0 {
		return (b.Time - a.Time) / time.Duration(n)
	}
	return Untold
}

// jsonCounter is a counter of the REST form.
type jsonCounter struct {
	Count int64 `json:"count"`
	NS    int64 `json:"ns"`
}

func (c jsonCounter) counter() Counter { return Counter{c.Count, time.Duration(c.NS)} }

// parseStatistics reads the body of GET /v2/models/NAME/stats, versions added up; nil, nil for JSON without statistics.
func parseStatistics(body []byte) (*Statistics, error) {
	var answer struct {
		Models []struct {
			Inferences int64 `json:"inference_count"`
			Executions int64 `json:"execution_count"`
			Stats      struct {
				Success jsonCounter `json:"success"`
				Fail    jsonCounter `json:"fail"`
				Queue   jsonCounter `json:"queue"`
				Input   jsonCounter `json:"compute_input"`
				Compute jsonCounter `json:"compute_infer"`
				Output  jsonCounter `json:"compute_output"`
			} `json:"inference_stats"`
		} `json:"model_stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	if len(answer.Models) == 0 {
		return nil, nil
	}
	sum := &Statistics{}
	for _, m := range answer.Models {
		sum.add(Statistics{
			Success: m.Stats.Success.counter(), Fail: m.Stats.Fail.counter(), Queue: m.Stats.Queue.counter(),
			Input: m.Stats.Input.counter(), Compute: m.Stats.Compute.counter(), Output: m.Stats.Output.counter(),
			Inferences: m.Inferences, Executions: m.Executions,
		})
	}
	return sum, nil
}

// add adds the counters of another version.
func (s *Statistics) add(o Statistics) {
	more := o.counters()
	for i, c := range s.counters() {
		c.Count, c.Time = c.Count+more[i].Count, c.Time+more[i].Time
	}
	s.Inferences, s.Executions = s.Inferences+o.Inferences, s.Executions+o.Executions
}
