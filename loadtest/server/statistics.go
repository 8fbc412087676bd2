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
	Success, Fail          Counter         // requests, from their receipt to their answer
	Queue                  Counter         // requests, waiting for a run
	Input, Compute, Output Counter         // requests: putting inputs together, the run, taking outputs apart
	Inferences, Executions int64           // rows, and runs
	Batches                map[int64]int64 // runs by their rows, where the server tells
}

// Change is what happened between two readings of the counters.
type Change struct {
	Requests, Failures int64
	// Queue and Compute are means of a request, in which Compute is the input, the run and the output together; Untold
	// where the server does not tell, and where there was no request.
	Queue, Compute time.Duration
	Batch          float64         // rows of a run, mean; 0: there was none
	Batches        map[int64]int64 // runs by their rows, where the server tells
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
	for _, p := range [][2]Counter{{a.Success, b.Success}, {a.Fail, b.Fail}, {a.Queue, b.Queue}, {a.Input, b.Input}, {a.Compute, b.Compute}, {a.Output, b.Output}} {
		backwards = backwards || p[1].Count < p[0].Count || p[1].Time < p[0].Time
	}
	if backwards {
		return Change{}, false
	}
	c := Change{
		Requests: b.Success.Count - a.Success.Count,
		Failures: b.Fail.Count - a.Fail.Count,
		Queue:    mean(a.Queue, b.Queue),
		Compute:  mean(a.Compute, b.Compute),
		Batches:  moreRuns(a.Batches, b.Batches),
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

// moreRuns is how many runs of each size came from a to b.
func moreRuns(a, b map[int64]int64) map[int64]int64 {
	more := map[int64]int64{}
	for rows, runs := range b {
		if n := runs - a[rows]; n > 0 {
			more[rows] = n
		}
	}
	return more
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
			Batches []struct {
				Rows    int64       `json:"batch_size"`
				Compute jsonCounter `json:"compute_infer"`
			} `json:"batch_stats"`
		} `json:"model_stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	if len(answer.Models) == 0 {
		return nil, nil
	}
	sum := &Statistics{Batches: map[int64]int64{}}
	for _, m := range answer.Models {
		s := Statistics{
			Success: m.Stats.Success.counter(), Fail: m.Stats.Fail.counter(), Queue: m.Stats.Queue.counter(),
			Input: m.Stats.Input.counter(), Compute: m.Stats.Compute.counter(), Output: m.Stats.Output.counter(),
			Inferences: m.Inferences, Executions: m.Executions, Batches: map[int64]int64{},
		}
		for _, b := range m.Batches {
			s.Batches[b.Rows] += b.Compute.Count
		}
		sum.add(s)
	}
	return sum, nil
}

// add adds the counters of another version.
func (s *Statistics) add(o Statistics) {
	for _, p := range []struct{ to, from *Counter }{{&s.Success, &o.Success}, {&s.Fail, &o.Fail}, {&s.Queue, &o.Queue}, {&s.Input, &o.Input}, {&s.Compute, &o.Compute}, {&s.Output, &o.Output}} {
		p.to.Count, p.to.Time = p.to.Count+p.from.Count, p.to.Time+p.from.Time
	}
	s.Inferences, s.Executions = s.Inferences+o.Inferences, s.Executions+o.Executions
	for rows, runs := range o.Batches {
		s.Batches[rows] += runs
	}
}
