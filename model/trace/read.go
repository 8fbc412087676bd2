package trace

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"infer/internal/fault"
)

// hint says what --from-trace takes.
const hint = "give a trace of ONNX Runtime (infer profile MODEL --trace FILE writes one), of PyTorch's profiler, or what nsys exports as json or csv"

// reader reads one trace. Events of ONNX Runtime are folded at once, those of other programs are kept until the end.
type reader struct {
	w       *window
	t       *Trace
	ort     *ortFold
	spans   *spanFold
	event   event
	dropped int // elements that are no event and could not be repaired
}

func read(w *window, skip int) (*Trace, error) {
	t := &Trace{Each: 1}
	r := &reader{w: w, t: t, ort: newORTFold(t, skip), spans: newSpanFold(t, skip)}
	err := r.begin()
	if err == nil {
		err = w.failed()
	}
	if err != nil {
		return nil, err
	}
	t.Cut = t.Cut || errors.Is(w.err, io.ErrUnexpectedEOF) // of a packed file
	switch {
	case t.Format == Nsight:
	case r.ort.found:
		r.ort.finish()
	case r.spans.found():
		r.spans.finish()
	default:
		return nil, r.nothing()
	}
	if r.dropped > 0 {
		t.note("%d parts of the file are no events and were passed over", r.dropped)
	}
	return t, nil
}

// nothing says that a file that looked like a trace holds no event.
func (r *reader) nothing() error {
	if r.t.Cut && r.dropped == 0 {
		return fault.New(fault.Usage, hint, "it ends before its first event is whole")
	}
	return fault.New(fault.Usage, hint, "it holds no event of a trace")
}

// begin tells what the file is by how it begins, and reads it.
func (r *reader) begin() error {
	switch c := r.w.token(); {
	case c == '[':
		r.w.pos++
		r.events(']')
		return nil
	case c == '{':
		return r.object()
	}
	return r.other()
}

// object reads a file that begins with an object: one that holds the list of events, or the first of many events or
// tables of Nsight Systems.
func (r *reader) object() error {
	for at, first := 1, true; ; first = false {
		key, value, next, ok := r.member(at, first)
		if !ok {
			return r.nothing()
		}
		switch name := string(key); {
		case name == "traceEvents":
			if value != '[' {
				return fault.New(fault.Usage, hint, "its traceEvents are no list")
			}
			r.w.pos += next + 1
			r.events(']')
			return nil
		case first && eventKeys[name]:
			r.events(0)
			return nil
		case first && nsightKeys[name]:
			return r.nsight()
		case name == "schema" && r.isReport(next):
			return fault.New(fault.Usage, "infer report FILE shows it, infer profile --diff BASE HEAD compares two", "it is a report of infer, no trace")
		case torchKeys[name]:
			r.spans.torch = true
		}
		if at, ok = r.passOver(next); !ok {
			return r.nothing()
		}
	}
}

// The names that the first member of an event and of a line of Nsight Systems may have, and those that PyTorch has
// beside its list of events.
var (
	eventKeys  = set("cat", "name", "ph", "pid", "tid", "ts", "dur", "args", "id")
	nsightKeys = set("data", "files", "Type", "CudaEvent", "NvtxEvent", "TraceProcessEvent")
	torchKeys  = set("schemaVersion", "deviceProperties", "distributedInfo", "with_stack", "record_shapes", "profile_memory", "with_modules")
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// member looks at the member of the file's object that begins at bytes behind what is used. It returns its name, the
// first byte of its value, and where that lies; false where no member is.
func (r *reader) member(at int, first bool) (key []byte, value byte, next int, ok bool) {
	for {
		s := scanner{b: r.w.buf[r.w.pos:], i: at}
		key, ok := s.member(first)
		if value := s.next(); ok && value != 0 {
			return key, value, s.i, true
		}
		if s.out == invalid || s.out == complete && !ok || !r.w.more() {
			r.t.Cut = s.out == short
			return nil, 0, 0, false
		}
	}
}

// passOver returns where the value that begins at bytes behind what is used ends.
func (r *reader) passOver(at int) (end int, ok bool) {
	for {
		s := scanner{b: r.w.buf[r.w.pos:], i: at}
		s.value()
		if s.out == complete {
			return s.i, true
		}
		if s.out == invalid || !r.w.more() {
			r.t.Cut = s.out == short
			return 0, false
		}
	}
}

// isReport reports whether the text that lies at bytes behind what is used is the name of infer's own documents.
func (r *reader) isReport(at int) bool {
	s := scanner{b: r.w.peek(at + 100), i: at}
	return strings.HasPrefix(string(s.raw()), "infer.report/")
}

// events reads events one after the other, up to the byte end or the end of the file where end is 0.
func (r *reader) events(end byte) {
	for {
		switch c := r.w.token(); c {
		case 0:
			r.t.Cut = r.t.Cut || end != 0
			return
		case '{':
			r.element()
		case ']':
			r.w.pos++
			if end != 0 {
				return
			}
		default:
			r.line()
		}
	}
}

// element reads the event that comes next.
func (r *reader) element() {
	for {
		n, out := r.event.scan(r.w.buf[r.w.pos:])
		if out == short && r.w.more() {
			continue
		}
		if out != complete || r.goesOn(n) {
			if r.repair() {
				return
			}
			n, out = r.event.scan(r.w.buf[r.w.pos:]) // the search for a repair has moved what was scanned
		}
		switch out {
		case complete:
			r.w.pos += n
			r.take(false)
		case short:
			r.w.pos = len(r.w.buf)
			r.t.Cut = true
		default:
			r.line()
		}
		return
	}
}

// goesOn reports whether the line of an event that ONNX Runtime wrote does not end where the event, of n bytes, seems
// to: there are braces in its name.
func (r *reader) goesOn(n int) bool {
	rest := bytes.TrimLeft(r.w.buf[r.w.pos+n:], ", \r")
	return r.event.native && len(rest) > 0 && rest[0] != '\n' && rest[0] != ']'
}

// take hands an event on. raw is true where its name has been repaired.
func (r *reader) take(raw bool) {
	e := &r.event
	if !raw && e.native && !bytes.Contains(e.name, []byte(`\"`)) {
		raw = true
		if bytes.IndexByte(e.name, '\\') >= 0 && !validString(e.name) {
			r.t.Repaired++
		}
	}
	switch {
	case e.isORT():
		r.t.Events++
		r.ort.add(e, raw)
	case len(e.ph) > 0:
		r.t.Events++
		r.spans.add(e)
	}
}

// line passes over what is no event, up to the end of the line.
func (r *reader) line() {
	r.dropped++
	for {
		if i := bytes.IndexByte(r.w.buf[r.w.pos:], '\n'); i >= 0 {
			r.w.pos += i + 1
			return
		}
		r.w.pos = len(r.w.buf)
		if !r.w.more() {
			return
		}
	}
}
