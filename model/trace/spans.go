package trace

import (
	"bytes"
	"slices"
	"strings"
)

// mostTexts bounds how many different names and shapes of a foreign trace are kept.
const mostTexts = 1 << 17

// role is what a span is to the times.
type role uint8

const (
	hostCall    role = iota // work of a thread, within which other spans may lie
	pythonCall              // a Python function, of which PyTorch tells with stacks
	deviceCall              // work of a device: a kernel, a copy
	stepCall                // a step of PyTorch's profiler: a run
	ignoredCall             // not work: the profiler's own doings, ranges that repeat others
)

// span is one event of a foreign trace. Times are nanoseconds.
type span struct {
	name, shape int32 // into texts
	cat         int32
	role        role
	track       int32
	begin, dur  int64
}

// spanFold folds the events of programs other than ONNX Runtime: spans that nest by time on each thread, in any order.
// PyTorch's runs are its ProfilerStep#N; any other trace is one run. Ref: Chrome's Trace Event Format; PyTorch's writer
// of it (libkineto, and the one of builds without that, which tells no categories).
type spanFold struct {
	fold
	skip    int
	torch   bool
	texts   texts
	tracks  map[[2]int64]int32
	spans   []span
	begun   map[int32][]span // B events without their E, by track
	lost    int              // E events without their B
	outside int              // spans outside of every step
}

// texts numbers texts.
type texts struct {
	index map[string]int32
	list  []string
}

// number returns the number of a text; one for all that come when there are too many.
func (x *texts) number(b []byte) int32 {
	if i, ok := x.index[string(b)]; ok {
		return i
	}
	if len(x.list) >= mostTexts {
		b = []byte("(others)")
		if i, ok := x.index[string(b)]; ok {
			return i
		}
	}
	i := int32(len(x.list))
	x.index[string(b)] = i
	x.list = append(x.list, string(b))
	return i
}

func newSpanFold(t *Trace, skip int) *spanFold {
	return &spanFold{
		fold: newFold(t), skip: skip, texts: texts{index: map[string]int32{}}, tracks: map[[2]int64]int32{}, begun: map[int32][]span{},
	}
}

func (f *spanFold) found() bool { return len(f.spans) > 0 || len(f.begun) > 0 }

// add takes one event: X is a whole span, B its begin and E its end, which belong together as brackets do.
func (f *spanFold) add(e *event) {
	if len(e.ph) != 1 {
		return
	}
	switch e.ph[0] {
	case 'X':
		f.spans = append(f.spans, f.span(e))
	case 'B':
		s := f.span(e)
		f.begun[s.track] = append(f.begun[s.track], s)
	case 'E':
		track := f.track(e)
		open := f.begun[track]
		if len(open) == 0 {
			f.lost++
			return
		}
		s := open[len(open)-1]
		f.begun[track] = open[:len(open)-1]
		s.dur = max(e.ts-s.begin, 0)
		f.spans = append(f.spans, s)
	}
}

func (f *spanFold) track(e *event) int32 {
	id := [2]int64{e.pid, e.tid}
	n, ok := f.tracks[id]
	if !ok {
		n = int32(len(f.tracks))
		f.tracks[id] = n
	}
	return n
}

func (f *spanFold) span(e *event) span {
	s := span{name: f.texts.number(e.name), cat: f.texts.number(e.cat), track: f.track(e), begin: e.ts, dur: max(e.dur, 0)}
	if len(e.dims) > 0 {
		f.key = append(append(append(f.key[:0], e.dims...), 0), e.dtypes...)
		s.shape = f.texts.number(f.key)
	}
	s.role = f.role(string(e.cat), e.name)
	return s
}

// role tells by the category; traces without categories tell by the names. A category or a name that only PyTorch has
// shows that it is PyTorch's trace.
func (f *spanFold) role(cat string, name []byte) role {
	step := bytes.HasPrefix(name, []byte("ProfilerStep#"))
	if step || cat == "" && bytes.HasPrefix(name, []byte("aten::")) {
		f.torch = true
	}
	switch cat {
	case "cpu_op", "user_annotation", "cuda_runtime", "cuda_driver":
		f.torch = true
	case "python_function":
		f.torch = true
		return pythonCall
	case "kernel", "Kernel", "gpu_memcpy", "gpu_memset", "Memcpy", "Memset":
		return deviceCall
	case "gpu_user_annotation", "Trace", "overhead", "fwdbwd", "ac2g":
		return ignoredCall
	}
	if step {
		return stepCall
	}
	return hostCall
}

// finish folds what was kept.
func (f *spanFold) finish() {
	t := f.t
	t.Format = Chrome
	if f.torch {
		t.Format = PyTorch
	}
	f.bracketNotes()
	steps := f.steps()
	calls := f.resolve()
	f.runs(steps, calls)
	f.fold.finish()
	if f.outside > 0 {
		t.note("%d events outside of every ProfilerStep are left out", f.outside)
	}
	f.formatNotes(len(steps) > 0)
}

func (f *spanFold) bracketNotes() {
	open := f.lost
	for _, list := range f.begun {
		open += len(list)
	}
	if open > 0 {
		f.t.note("%d begins and ends of events have no other half and are left out", open)
	}
}

func (f *spanFold) formatNotes(steps bool) {
	t := f.t
	if t.Format == Chrome {
		t.note("it is of a program that infer does not know: its events are added up by name, and the whole file is one run")
		return
	}
	if !steps {
		t.note("it has no ProfilerStep: the whole file is one run (call step() of the profiler behind each run)")
	}
	host, device := false, false
	for _, n := range t.Nodes {
		device = device || n.Provider == onDevice
		host = host || n.Provider != onDevice
	}
	if host && device {
		t.note("rows of the cpu and of the gpu run beside each other: shares are of both together, see them apart by provider")
	}
}

// The providers of PyTorch's rows.
const (
	onHost   = "cpu"
	onDevice = "gpu"
)

// steps returns the steps of the profiler in order of time.
func (f *spanFold) steps() []span {
	var list []span
	for _, s := range f.spans {
		if s.role == stepCall {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b span) int { return order(a.begin, b.begin) })
	return list
}

// resolve names the node of each span, for which it has to know the modules around it, and returns the calls.
func (f *spanFold) resolve() []call {
	slices.SortFunc(f.spans, func(a, b span) int {
		return byThread(call{thread: int64(a.track), begin: a.begin, dur: a.dur}, call{thread: int64(b.track), begin: b.begin, dur: b.dur})
	})
	type frame struct {
		end  int64
		path string
	}
	var stack []frame
	calls := make([]call, 0, len(f.spans))
	for i, s := range f.spans {
		if i > 0 && f.spans[i-1].track != s.track {
			stack = stack[:0]
		}
		if s.role == stepCall || s.role == ignoredCall {
			continue
		}
		for len(stack) > 0 && stack[len(stack)-1].end <= s.begin {
			stack = stack[:len(stack)-1]
		}
		path := ""
		if len(stack) > 0 {
			path = stack[len(stack)-1].path
		}
		node, inner := f.nodeOf(&s, path)
		if s.role == pythonCall {
			stack = append(stack, frame{s.begin + s.dur, inner})
		}
		calls = append(calls, call{node: node, thread: int64(s.track), begin: s.begin, dur: s.dur})
	}
	f.spans = nil
	return calls
}

// nodeOf returns the node of a span within the modules of path, and the path for what lies within the span.
func (f *spanFold) nodeOf(s *span, path string) (node int32, inner string) {
	name, op := unescape([]byte(f.texts.list[s.name])), ""
	switch s.role {
	case pythonCall:
		op = "python"
		if module, ok := strings.CutPrefix(name, "nn.Module: "); ok {
			path = joinPath(path, module)
			name, inner = path, path
			break
		}
		inner = path
		name = joinPath(path, name)
	default:
		op = name
		name = joinPath(path, name)
	}
	key := append(append(f.key[:0], name...), 0, byte(s.role))
	f.key = key
	return f.find(key, func() *Node { return f.newNode(s, name, op) }), inner
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

func (f *spanFold) newNode(s *span, name, op string) *Node {
	n := &Node{Name: name, Op: op, Provider: unescape([]byte(f.texts.list[s.cat]))}
	if f.torch {
		n.Provider = onHost
		if s.role == deviceCall {
			n.Provider = onDevice
		}
	}
	if s.shape != 0 {
		dims, dtypes, _ := strings.Cut(f.texts.list[s.shape], "\x00")
		n.Inputs = torchTensors(dims, dtypes)
		n.Shapes = shapesText(n.Inputs)
	}
	return n
}

// runs adds the calls step by step; a trace without steps is one run. A call belongs to the step in which it begins.
func (f *spanFold) runs(steps []span, calls []call) {
	if len(steps) == 0 {
		begin, end := extent(calls)
		f.endRun(calls, begin, end)
		return
	}
	slices.SortStableFunc(calls, func(a, b call) int { return order(a.begin, b.begin) })
	for i, s := range steps {
		from, _ := slices.BinarySearchFunc(calls, s.begin, func(c call, at int64) int { return order(c.begin, at) })
		if i == 0 {
			f.outside += from
		}
		to, _ := slices.BinarySearchFunc(calls, s.begin+s.dur, func(c call, at int64) int { return order(c.begin, at) })
		next := len(calls)
		if i+1 < len(steps) {
			next, _ = slices.BinarySearchFunc(calls, steps[i+1].begin, func(c call, at int64) int { return order(c.begin, at) })
		}
		f.outside += max(next-to, 0)
		f.endRun(slices.Clone(calls[from:max(from, min(to, next))]), s.begin, s.begin+s.dur)
	}
}

// endRun adds one run, or leaves it out.
func (f *spanFold) endRun(calls []call, begin, end int64) {
	if f.skip > 0 {
		f.skip--
		f.t.Skipped++
		return
	}
	f.fold.addRun(calls, begin, float64(end-begin)*1e-9)
}

// extent returns when the first call begins and the last one ends.
func extent(calls []call) (begin, end int64) {
	for i, c := range calls {
		if i == 0 || c.begin < begin {
			begin = c.begin
		}
		if i == 0 || c.end() > end {
			end = c.end()
		}
	}
	return begin, end
}
