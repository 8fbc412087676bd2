package sample

import (
	"sync"
	"time"

	"infer/internal/stats"
	"infer/report"
)

// FoldOptions say what a fold counts. Times are since the start of the load, as those of a Sample.
type FoldOptions struct {
	From    time.Duration `json:"from"`             // the window begins: requests due before it are warm-up
	To      time.Duration `json:"to"`               // and ends, exclusive; 0: not known before End
	Capped  bool          `json:"capped,omitempty"` // To is only the latest end: the window may end long before
	Planned time.Duration `json:"planned"`          // likely length of the window where To is not known, or Capped: it is parted by it; 0: not known either
	Limit   time.Duration `json:"limit"`            // latency up to which a right answer is goodput; 0: any
	Ended   time.Duration `json:"ended"`            // what End said; 0: nothing
}

const (
	// maxSlices is how many slices of the window there are before their width doubles. Planned windows begin with 120,
	// which make 24 equal sections.
	maxSlices     = 128
	plannedSlices = 120
	firstWidth    = time.Millisecond // of a window of unknown length
	maxSections   = 24
	maxSlowest    = 4096
)

// Fold turns samples into the figures of a report, in memory that does not grow with their number: at most 40 MiB, and
// four bytes a request until then. Its methods are safe for concurrent use.
//
// A request belongs to the window by its due time. What is counted as a rate belongs to it by its own moment: sent
// requests by when they were sent, answers by when they came, so that a server which answers late does not seem to
// answer more than it does.
type Fold struct {
	mu       sync.Mutex
	o        FoldOptions
	width    time.Duration
	slices   []slice
	lag      stats.Sketch
	connWait stats.Sketch
	checked  int64
	bytes    int64
	queue    report.LoadMean
	compute  report.LoadMean
	batch    report.LoadBatch
	slowest  slowest
	last     time.Duration // latest due time
	live     live
}

// slice is a part of the window.
type slice struct {
	outcomes         [Outcomes]int64 // by due time
	sent             int64           // by the time of sending
	answered, failed int64           // by the time of the answer
	good             int64           // of answered, right and in time
	latency, service stats.Sketch    // by due time
}

// NewFold returns a fold without samples.
func NewFold(o FoldOptions) *Fold {
	if o.To > o.From && !o.Capped {
		o.Planned = o.To - o.From
	}
	width := firstWidth
	if o.Planned > 0 {
		width = max(1, (o.Planned+plannedSlices-1)/plannedSlices)
	}
	return &Fold{o: o, width: width, last: -1}
}

// Add counts samples, which stay the caller's. Their order does not matter.
func (f *Fold) Add(samples []Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range samples {
		f.add(&samples[i])
	}
}

func (f *Fold) add(s *Sample) {
	f.live.add(s)
	right := s.Outcome == OK
	sent := s.Outcome != Dropped && s.Outcome != Unreachable
	if sent {
		if at := f.at(s.Sent); at != nil {
			at.sent++
		}
	}
	if at := f.at(s.Done); at != nil {
		if right || s.Outcome == Wrong {
			at.answered++
		} else {
			at.failed++
		}
		if right && (f.o.Limit == 0 || s.Latency() <= f.o.Limit) {
			at.good++
		}
	}
	at := f.at(s.Due)
	if at == nil {
		return
	}
	f.last = max(f.last, s.Due)
	at.outcomes[s.Outcome]++
	if sent {
		f.lag.Add(s.Lag().Seconds())
		f.connWait.Add((s.Sent - s.Woke).Seconds())
	}
	if s.Checked {
		f.checked++
	}
	f.bytes += s.Bytes
	if !right {
		return
	}
	at.latency.Add(s.Latency().Seconds())
	at.service.Add(s.ServiceTime().Seconds())
	f.told(s)
	f.slowest.add(s)
}

// told adds up what the server told of a right answer.
func (f *Fold) told(s *Sample) {
	if s.Queue >= 0 {
		f.queue.N++
		f.queue.Sum += s.Queue.Seconds()
	}
	if s.Compute >= 0 {
		f.compute.N++
		f.compute.Sum += s.Compute.Seconds()
	}
	if s.Batch > 0 {
		f.batch.N++
		f.batch.Runs += 1 / float64(s.Batch)
	}
}

// at returns the slice of a moment, nil for one outside of the window.
func (f *Fold) at(t time.Duration) *slice {
	if t < f.o.From || f.o.To > 0 && t >= f.o.To {
		return nil
	}
	i := int((t - f.o.From) / f.width)
	for i >= maxSlices {
		f.double()
		i = int((t - f.o.From) / f.width)
	}
	for i >= len(f.slices) {
		f.slices = append(f.slices, slice{})
	}
	return &f.slices[i]
}

// double merges neighbouring slices.
func (f *Fold) double() {
	f.width *= 2
	for i := range f.slices {
		if i%2 == 0 {
			f.slices[i/2] = f.slices[i]
		} else {
			f.slices[i/2].merge(&f.slices[i])
		}
	}
	half := (len(f.slices) + 1) / 2
	clear(f.slices[half:])
	f.slices = f.slices[:half]
}

func (s *slice) merge(o *slice) {
	for i, n := range o.outcomes {
		s.outcomes[i] += n
	}
	s.sent += o.sent
	s.answered += o.answered
	s.failed += o.failed
	s.good += o.good
	s.latency.Merge(&o.latency)
	s.service.Merge(&o.service)
}

// End says that the window ended at a moment, since the load was cut short or its end was not known before. No sample
// is due later.
func (f *Fold) End(at time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o.Ended = max(at, f.o.From)
}

// Options returns what the fold was made with, and what End said: a fold with these options and the same samples in
// the same order has the same figures, to the last bit.
func (f *Fold) Options() FoldOptions {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.o
}

// end is where the window ends, as far as that is known.
func (f *Fold) end() time.Duration {
	switch {
	case f.o.Ended > 0 && (f.o.To == 0 || f.o.Ended < f.o.To):
		return f.o.Ended
	case f.o.To > 0 && (!f.o.Capped || f.o.Ended > 0):
		return max(f.o.To, f.o.From)
	}
	return max(f.o.From, f.last+1)
}

// Figures returns what was counted so far. It shares nothing with f. Without a known end the window ends at the last
// due time.
func (f *Fold) Figures() *report.LoadFigures {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.end()
	for end-f.o.From > maxSlices*f.width { // the window ends long after the last sample
		f.double()
	}
	n := int((end - f.o.From + f.width - 1) / f.width)
	for len(f.slices) < n {
		f.slices = append(f.slices, slice{})
	}
	r := &report.LoadFigures{
		Seconds: (end - f.o.From).Seconds(), Sections: []report.LoadSection{}, Timeline: []report.LoadSlice{},
		Lag: f.lag.Clone(), ConnWait: f.connWait.Clone(), Limit: f.o.Limit.Seconds(), Checked: f.checked, Bytes: f.bytes,
		Queue: f.queue, Compute: f.compute, Batch: f.batch,
	}
	// seconds is how long the part from slice i to slice j is: the window may end within the last.
	seconds := func(i, j int) float64 {
		return (min(end-f.o.From, time.Duration(j)*f.width) - time.Duration(i)*f.width).Seconds()
	}
	each := (n + maxSections - 1) / maxSections
	for i := 0; i < n; i += each {
		j := min(n, i+each)
		var whole slice
		for k := range f.slices[i:j] {
			whole.merge(&f.slices[i+k])
		}
		r.Sections = append(r.Sections, whole.section(seconds(i, j)))
	}
	var right int64
	for i := range r.Sections {
		r.Good += r.Sections[i].Good
		right += r.Sections[i].Latency.Count()
	}
	for i := range f.slices[:n] {
		at := (time.Duration(i) * f.width).Seconds()
		r.Timeline = append(r.Timeline, f.slices[i].timeline(at, seconds(i, i+1)))
	}
	r.Slowest = f.slowest.list(f.o.From, right)
	return r
}

func (s *slice) section(seconds float64) report.LoadSection {
	r := report.LoadSection{
		Seconds: seconds, Due: total(&s.outcomes), Sent: s.sent, Answered: s.answered, Good: s.good,
		Outcomes: map[string]int64{}, Latency: &s.latency, Service: &s.service,
	}
	for o, n := range s.outcomes {
		if n > 0 {
			r.Outcomes[Outcome(o).String()] = n
		}
	}
	return r
}

// timelineBits gives the sketches of the timeline 64 buckets an octave, an error of 0.8 %: enough for a chart, and a
// small part of the document.
const timelineBits = 6

func (s *slice) timeline(at, seconds float64) report.LoadSlice {
	r := report.LoadSlice{
		At: at, Seconds: seconds, Due: total(&s.outcomes), Answered: s.answered, Failed: s.failed,
		Latency: s.latency.Coarse(timelineBits),
	}
	Percentiles(&r)
	return r
}

// Percentiles fills in what follows from the sketch of a slice.
func Percentiles(s *report.LoadSlice) {
	s.P50, s.P99, s.Max = nil, nil, nil
	if s.Latency.Count() == 0 {
		return
	}
	p50, p99, most := s.Latency.Quantile(0.5), s.Latency.Quantile(0.99), s.Latency.Max()
	s.P50, s.P99, s.Max = &p50, &p99, &most
}
