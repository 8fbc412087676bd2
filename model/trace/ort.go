package trace

import (
	"bytes"
	"strings"
)

// eventLimit is how many events a session of ONNX Runtime writes at most; it drops what comes then.
const eventLimit = 1_000_000

const kernelSuffix = "_kernel_time"

// ortFold folds the events of ONNX Runtime. A run is an event of its own, model_run, which recent runtimes write when
// the run ends, behind its nodes, and older ones, which sort by begin, before them. Ref: the trace as ONNX Runtime 1.30
// writes it.
type ortFold struct {
	fold
	skip    int // runs to leave out
	found   bool
	calls   []call         // of runs that did not end yet
	open    []runEvent     // runs whose nodes come behind them
	callers map[int64]bool // threads that called a run: their calls belong to no run of another thread
	scratch []call
	device  deviceRows
}

// runEvent is a run and its calls. Times are nanoseconds.
type runEvent struct {
	thread     int64
	begin, end int64
	calls      []call
}

// deviceRows are kernels of a device, which run beside the nodes.
type deviceRows struct {
	count int
	ns    int64
}

func newORTFold(t *Trace, skip int) *ortFold {
	return &ortFold{fold: newFold(t), skip: skip, callers: map[int64]bool{}}
}

// isORT reports whether ONNX Runtime wrote the event.
func (e *event) isORT() bool {
	switch string(e.cat) {
	case "Node":
		return len(e.op) > 0 || bytes.HasSuffix(e.name, []byte(kernelSuffix)) || e.isFence()
	case "Session":
		name := string(e.name)
		return name == "model_run" || name == "session_initialization" || strings.HasPrefix(name, "model_loading") || strings.HasSuffix(name, "Executor::Execute")
	case "Kernel", "Api":
		return e.pid == -1 || len(e.op) > 0
	}
	return false
}

// isFence reports whether the event is one of the waits for a device around a node, which the runtime wrote until
// October 2024.
func (e *event) isFence() bool {
	return bytes.HasSuffix(e.name, []byte("_fence_before")) || bytes.HasSuffix(e.name, []byte("_fence_after"))
}

// add folds one event; its name is taken as it is where raw is true.
func (o *ortFold) add(e *event, raw bool) {
	switch string(e.cat) {
	case "Session":
		o.found = true
		o.session(e)
	case "Node":
		o.found = true
		switch {
		case e.isFence():
			o.t.Fences = true
		case bytes.HasSuffix(e.name, []byte(kernelSuffix)):
			o.node(e, raw)
		}
	default:
		o.device.count++
		o.device.ns += e.dur
	}
}

func (o *ortFold) session(e *event) {
	switch name := string(e.name); {
	case name == "model_run":
		o.run(runEvent{thread: e.tid, begin: e.ts, end: e.ts + e.dur})
	case name == "session_initialization":
		o.t.Init += float64(e.dur) * 1e-9
	case strings.HasPrefix(name, "model_loading"):
		o.t.Load += float64(e.dur) * 1e-9
	}
}

// node adds a call to the run that it belongs to, or keeps it until that comes.
func (o *ortFold) node(e *event, raw bool) {
	o.t.PeakInUse = max(o.t.PeakInUse, e.peak)
	o.t.ArenaHeld = max(o.t.ArenaHeld, e.held)
	c := call{node: o.lookUp(e, raw), thread: e.tid, begin: e.ts, dur: max(e.dur, 0)}
	c.schedule(e.schedule)
	for i := range o.open {
		if o.holds(&o.open[i], &c) {
			o.open[i].calls = append(o.open[i].calls, c)
			return
		}
	}
	o.calls = append(o.calls, c)
}

// lookUp returns the node of an event: nodes of one name that differ in the operator are two.
func (o *ortFold) lookUp(e *event, raw bool) int32 {
	name := e.name[:len(e.name)-len(kernelSuffix)]
	o.key = append(append(append(o.key[:0], name...), 0), e.op...)
	return o.find(o.key, func() *Node {
		n := &Node{Name: string(name), Op: string(e.op), Provider: string(e.provider), Inputs: tensors(e.inputs), Outputs: tensors(e.outputs)}
		if !raw {
			n.Name = unescape(name)
		}
		if n.Op == "" { // a part of the graph that a provider compiled
			n.Op = n.Name
		}
		n.Shapes = shapesText(n.Outputs)
		return n
	})
}

// holds reports whether c belongs to the run r: by time, and by thread where the thread calls runs itself. Other
// threads are those of a session that runs nodes beside each other.
func (o *ortFold) holds(r *runEvent, c *call) bool {
	if c.begin < r.begin || c.begin > r.end {
		return false
	}
	return c.thread == r.thread || !o.callers[c.thread]
}

// run takes a run: with the calls that wait for it, or, where there are none, to wait for calls.
func (o *ortFold) run(r runEvent) {
	o.callers[r.thread] = true
	o.close(func(other *runEvent) bool { return other.thread == r.thread })
	keep, mine := o.calls[:0], o.scratch[:0]
	for _, c := range o.calls {
		switch {
		case o.holds(&r, &c):
			mine = append(mine, c)
		case c.thread == r.thread && c.begin < r.begin: // of a run that failed
		default:
			keep = append(keep, c)
		}
	}
	o.calls, o.scratch = keep, mine[:0]
	if len(mine) == 0 {
		o.open = append(o.open, r)
		return
	}
	r.calls = mine
	o.end(&r)
}

// close ends the open runs that which names.
func (o *ortFold) close(which func(*runEvent) bool) {
	keep := o.open[:0]
	for i := range o.open {
		if r := &o.open[i]; which(r) {
			o.end(r)
		} else {
			keep = append(keep, *r)
		}
	}
	o.open = keep
}

func (o *ortFold) end(r *runEvent) {
	if o.skip > 0 {
		o.skip--
		o.t.Skipped++
		return
	}
	o.fold.addRun(r.calls, r.begin, float64(r.end-r.begin)*1e-9)
}

// finish ends the trace with what the file holds of its last run.
func (o *ortFold) finish() {
	t := o.t
	t.Format = ONNXRuntime
	t.Capped = t.Events >= eventLimit
	if len(o.calls) > 0 {
		t.Skipped++
		t.Cut = true
	}
	o.close(func(r *runEvent) bool {
		if (t.Cut || t.Capped) && len(r.calls) < len(o.last) { // its nodes come behind it, and are not all there
			t.Skipped++
			t.Cut = true
			return false
		}
		return true
	})
	o.fold.finish()
	if d := o.device; d.count > 0 {
		t.note("%d rows of device kernels, %.6g s together, are left out: they run beside the nodes that started them", d.count, float64(d.ns)*1e-9)
	}
}

// schedule reads thread_scheduling_stats: how the calling thread spent its time. A session with one thread has none.
func (c *call) schedule(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	s := scanner{b: raw, i: 1}
	for first := true; ; first = false {
		key, ok := s.member(first)
		if !ok {
			return
		}
		if string(key) != "main_thread" || s.next() != '{' {
			s.value()
			continue
		}
		s.i++
		c.mainThread(&s)
	}
}

func (c *call) mainThread(s *scanner) {
	for first := true; ; first = false {
		key, ok := s.member(first)
		if !ok {
			return
		}
		switch string(key) {
		case "block_size": // what each part of the work was; empty where it was not split
			c.parallel = alone
			if list := s.value(); bytes.ContainsAny(list, "0123456789") {
				c.parallel = spread
			}
		case "Distribution", "DistributionEnqueue":
			c.dispatch += int32(s.integer())
		case "Run":
			c.run = int32(s.integer())
		case "Wait", "WaitRevoke":
			c.wait += int32(s.integer())
		default:
			s.value()
		}
	}
}
