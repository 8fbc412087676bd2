package trace

import (
	"fmt"
	"slices"
)

const (
	mostNodes  = 1 << 17 // a trace with more names has no nodes: the rest is counted together
	mostValues = 1 << 21 // of all nodes together; then a value stands for several runs
	fewestRuns = 8       // values that are kept however many nodes there are
)

// call is one call of a node. Times are nanoseconds.
type call struct {
	node       int32
	parallel   parallelism
	run, wait  int32 // microseconds of the calling thread: computing, waiting; ONNX Runtime tells them of parallel calls
	dispatch   int32 // microseconds handing out work
	thread     int64
	begin, dur int64
}

// parallelism says what a trace tells of how a call was spread over threads.
type parallelism uint8

const (
	untold parallelism = iota
	alone
	spread
)

func (c *call) end() int64 { return c.begin + c.dur }

// fold adds up calls, node by node and run by run.
type fold struct {
	t        *Trace
	index    map[string]int32 // by the node's key
	nodes    []*Node
	key      []byte // scratch
	nesting  []int  // scratch: calls of one thread that are open
	self     []int64
	last     []call // of the run that was added last, ordered by begin
	lastFrom int64  // when that run began
	others   bool   // there were too many names
}

func newFold(t *Trace) fold { return fold{t: t, index: map[string]int32{}} }

// find returns the node of a key, which it makes by fill when it is new.
func (f *fold) find(key []byte, fill func() *Node) int32 {
	if i, ok := f.index[string(key)]; ok {
		return i
	}
	if len(f.nodes) >= mostNodes {
		if !f.others {
			f.others = true
			f.nodes = append(f.nodes, &Node{Name: "(others)", Op: "(others)"})
			f.t.note("it has more than %d different names: what came behind those is counted together", mostNodes)
		}
		return mostNodes
	}
	i := int32(len(f.nodes))
	f.index[string(key)] = i
	f.nodes = append(f.nodes, fill())
	return i
}

// addRun adds a run of seconds whose calls these are, in any order, which is lost. A call within another of the same
// thread is taken off the other's self time.
func (f *fold) addRun(calls []call, from int64, seconds float64) {
	slices.SortFunc(calls, byThread)
	f.nest(calls)
	at := f.t.Whole / f.t.Each
	for i := range calls {
		c := &calls[i]
		n := f.nodes[c.node]
		n.Calls++
		addAt(&n.Seconds, at, float64(max(f.self[i], 0))*1e-9)
		if f.self[i] != c.dur || n.Total != nil || holdsNodes(n.Op) {
			if n.Total == nil {
				n.Total = slices.Clone(n.Seconds)
				n.Total[len(n.Total)-1] -= float64(max(f.self[i], 0)) * 1e-9
			}
			addAt(&n.Total, at, float64(c.dur)*1e-9)
		}
		n.spread(c)
	}
	addAt(&f.t.RunSeconds, at, seconds)
	f.t.Whole++
	f.t.Threads = f.t.Threads || atOnce(calls)
	f.last, f.lastFrom = append(f.last[:0], calls...), from
	for len(f.nodes)*(f.t.Whole/f.t.Each+1) > mostValues && f.t.Whole/f.t.Each >= 2*fewestRuns {
		f.halve()
	}
}

// spread adds what a call tells of its threads.
func (n *Node) spread(c *call) {
	switch c.parallel {
	case spread:
		n.Parallel++
		n.Run += float64(c.run) * 1e-6
		n.Wait += float64(c.wait) * 1e-6
		n.Dispatch += float64(c.dispatch) * 1e-6
		fallthrough
	case alone:
		n.Scheduled++
	}
}

// byThread orders calls by thread and time, a call before those within it.
func byThread(a, b call) int {
	switch {
	case a.thread != b.thread:
		return order(a.thread, b.thread)
	case a.begin != b.begin:
		return order(a.begin, b.begin)
	}
	return order(b.dur, a.dur)
}

func order(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// slack is by how many nanoseconds a call may seem to outlast the one that it is within: both ends are rounded to
// microseconds.
const slack = 1000

// nest fills self: the time of each call without the calls directly within it. The calls are ordered by byThread.
func (f *fold) nest(calls []call) {
	f.self = f.self[:0]
	f.nesting = f.nesting[:0]
	for i := range calls {
		c := &calls[i]
		f.self = append(f.self, c.dur)
		if i > 0 && calls[i-1].thread != c.thread {
			f.nesting = f.nesting[:0]
		}
		for n := len(f.nesting); n > 0 && calls[f.nesting[n-1]].end() <= c.begin; n-- {
			f.nesting = f.nesting[:n-1]
		}
		if p := f.parent(calls, c); p >= 0 {
			f.self[p] -= c.dur
			f.nodes[calls[p].node].Inside++
		}
		f.nesting = append(f.nesting, i)
	}
}

// parent returns the innermost open call that c ends within; one that c outlasts only overlaps it. -1: none.
func (f *fold) parent(calls []call, c *call) int {
	for n := len(f.nesting) - 1; n >= 0; n-- {
		if p := f.nesting[n]; c.end() <= calls[p].end()+slack {
			return p
		}
	}
	return -1
}

// atOnce reports whether calls of different threads overlap. The calls are ordered by byThread.
func atOnce(calls []call) bool {
	if len(calls) == 0 || calls[0].thread == calls[len(calls)-1].thread {
		return false
	}
	byTime := slices.Clone(calls)
	slices.SortFunc(byTime, func(a, b call) int { return order(a.begin, b.begin) })
	reach := byTime[0]
	for _, c := range byTime[1:] {
		if c.thread != reach.thread && c.begin < reach.end() {
			return true
		}
		if c.end() >= reach.end() {
			reach = c
		}
	}
	return false
}

// addAt adds v to a value of a series that grows as needed.
func addAt(s *[]float64, at int, v float64) {
	for len(*s) <= at {
		*s = append(*s, 0)
	}
	(*s)[at] += v
}

// halve makes each value stand for twice as many runs. Values are sums until finish.
func (f *fold) halve() {
	f.t.Each *= 2
	for _, n := range f.nodes {
		n.Seconds, n.Total = halved(n.Seconds), halved(n.Total)
	}
	f.t.RunSeconds = halved(f.t.RunSeconds)
}

func halved(s []float64) []float64 {
	if s == nil {
		return nil
	}
	half := s[:(len(s)+1)/2]
	for i := range half {
		v := s[2*i]
		if 2*i+1 < len(s) {
			v += s[2*i+1]
		}
		half[i] = v
	}
	return half
}

// finish hands the nodes that were called in a whole run to the trace.
func (f *fold) finish() {
	t := f.t
	t.Runs = (t.Whole + t.Each - 1) / t.Each
	for _, n := range f.nodes {
		if n.Calls == 0 {
			continue
		}
		n.Seconds = f.means(n.Seconds)
		if n.Total != nil {
			n.Total = f.means(n.Total)
		}
		t.Nodes = append(t.Nodes, n)
	}
	t.RunSeconds = f.means(t.RunSeconds)
	if t.Each > 1 {
		t.note("it has so many runs that their times were averaged by groups of %d", t.Each)
	}
	slices.SortStableFunc(f.last, func(a, b call) int { return order(a.begin, b.begin) })
	for _, c := range f.last {
		n := f.nodes[c.node]
		t.Last = append(t.Last, Event{n.Name, n.Op, n.Provider, float64(c.begin-f.lastFrom) * 1e-9, float64(c.dur) * 1e-9, c.thread})
	}
}

// means turns sums over Each runs into means, and fills up to Runs values: a node that later runs did not call took
// no time in them. The last value may stand for fewer runs.
func (f *fold) means(s []float64) []float64 {
	t := f.t
	for len(s) < t.Runs {
		s = append(s, 0)
	}
	if t.Each == 1 {
		return s
	}
	for i := range s {
		s[i] /= float64(min(t.Each, t.Whole-i*t.Each))
	}
	return s
}

// note adds something that a reader of the figures should know.
func (t *Trace) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}
