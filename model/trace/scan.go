package trace

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"strconv"
)

// event is what is used of an event of Chrome's trace format. The slices lie in the text that was scanned and hold for
// as long as that. Times are nanoseconds.
type event struct {
	cat, name, ph []byte // as written, escapes included
	native        bool   // the name is written as ONNX Runtime does, which escapes nothing: what looks like an escape is none
	pid, tid      int64  // a hash where the trace has a text
	ts, dur       int64
	hasArgs       bool

	op, provider, inputs, outputs, schedule []byte // ONNX Runtime; the last three are JSON
	peak, held                              int64  // bytes, ONNX Runtime
	dims, dtypes                            []byte // PyTorch; JSON
}

// nativeName stands before a name in a trace of ONNX Runtime. JSON writers put no blank before the colon.
const nativeName = `"name" :"`

// What became of scanning an event.
type outcome int

const (
	complete outcome = iota
	short            // the text ends within the event
	invalid          // it is no JSON
)

// scanner walks over JSON text. It checks as much of the grammar as it needs to find its way; what it passes over may
// be wrong inside.
type scanner struct {
	b   []byte
	i   int
	out outcome
}

// stop notes why the scan cannot go on: the text ended, or this byte is wrong.
func (s *scanner) stop() {
	if s.out == complete {
		s.out = invalid
		if s.i >= len(s.b) {
			s.out = short
		}
	}
}

// next passes over blanks and returns the byte there without using it, 0 at the end.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		if c := s.b[s.i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// take uses one byte that must be c.
func (s *scanner) take(c byte) bool {
	if s.out != complete || s.next() != c {
		s.stop()
		return false
	}
	s.i++
	return true
}

// text uses a string and returns what is between its quotes, escapes included.
func (s *scanner) text() []byte {
	if !s.take('"') {
		return nil
	}
	begin := s.i
	for {
		n := bytes.IndexByte(s.b[s.i:], '"')
		if n < 0 {
			s.i = len(s.b)
			s.stop()
			return nil
		}
		s.i += n + 1
		slashes := 0
		for j := s.i - 2; j >= begin && s.b[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return s.b[begin : s.i-1]
		}
	}
}

// member uses the name of the next member of an object and its colon. It returns false behind the last one; first is
// true for the first one, which no comma stands before.
func (s *scanner) member(first bool) ([]byte, bool) {
	if s.out != complete {
		return nil, false
	}
	if s.next() == '}' {
		s.i++
		return nil, false
	}
	if !first && !s.take(',') {
		return nil, false
	}
	key := s.text()
	return key, s.take(':')
}

// value uses one value of any kind and returns its text.
func (s *scanner) value() []byte {
	c := s.next()
	begin := s.i
	switch c {
	case '"':
		s.text()
	case '{', '[':
		s.nested()
	case 0:
		s.stop()
	default:
		s.scalar()
	}
	if s.out != complete {
		return nil
	}
	return s.b[begin:s.i]
}

// nested uses an object or a list.
func (s *scanner) nested() {
	depth := 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if s.text(); s.out != complete {
				return
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.i++
				return
			}
		}
		s.i++
	}
	s.stop()
}

// scalar uses a number, true, false or null.
func (s *scanner) scalar() []byte {
	begin := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '+', c == '.':
		default:
			if s.i == begin {
				s.stop()
			}
			return s.b[begin:s.i]
		}
	}
	s.stop() // a number may go on behind the end of the text
	return nil
}

// raw uses a string or a scalar and returns its text without quotes; of anything else nothing.
func (s *scanner) raw() []byte {
	switch c := s.next(); c {
	case '"':
		return s.text()
	case '{', '[':
		s.nested()
		return nil
	case 0:
		s.stop()
		return nil
	}
	return s.scalar()
}

// id uses a process or thread: a number, or a text that stands for one by its hash.
func (s *scanner) id() int64 {
	b := s.raw()
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		return n
	}
	h := fnv.New64a()
	h.Write(b)
	return int64(h.Sum64() >> 1)
}

// integer uses a whole number that may stand in quotes; what is none is 0.
func (s *scanner) integer() int64 {
	b := s.raw()
	if len(b) == 0 || len(b) > 18 {
		return 0
	}
	var n int64
	for i, c := range b {
		if i == 0 && c == '-' {
			continue
		}
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	if b[0] == '-' {
		return -n
	}
	return n
}

// nanoseconds uses a number of microseconds, with or without a fraction.
func (s *scanner) nanoseconds() int64 {
	b := s.raw()
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || n > 1<<52 || n < -1<<52 || len(fraction) > 18 {
		return inexact(b)
	}
	n *= 1000
	unit := int64(100)
	if len(b) > 0 && b[0] == '-' {
		unit = -100
	}
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return inexact(b)
		}
		n += int64(c-'0') * unit
		unit /= 10
	}
	return n
}

// inexact is nanoseconds of what is no plain decimal number, such as 1.5e3. What is no number, or none of a time, is 0.
func inexact(b []byte) int64 {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(f > -1<<52 && f < 1<<52) {
		return 0
	}
	return int64(f * 1000)
}

// scan reads the event that b begins with and returns how many bytes it takes. What the event does not have is left
// at its zero.
func (e *event) scan(b []byte) (int, outcome) {
	*e = event{}
	s := scanner{b: b}
	s.take('{')
	for first := true; ; first = false {
		key, ok := s.member(first)
		if !ok {
			break
		}
		switch string(key) {
		case "cat":
			e.cat = s.raw()
		case "name":
			e.name = s.raw()
			e.native = bytes.HasSuffix(b[:max(0, s.i-1-len(e.name))], []byte(nativeName))
		case "ph":
			e.ph = s.raw()
		case "pid":
			e.pid = s.id()
		case "tid":
			e.tid = s.id()
		case "ts":
			e.ts = s.nanoseconds()
		case "dur":
			e.dur = s.nanoseconds()
		case "args":
			e.scanArgs(&s)
		default:
			s.value()
		}
	}
	if s.out == complete && bytes.IndexByte(e.name, '\n') >= 0 {
		s.out = invalid // JSON has no line ends in a string: its quotes may be those of other lines
	}
	return s.i, s.out
}

func (e *event) scanArgs(s *scanner) {
	if s.next() != '{' {
		s.value()
		return
	}
	e.hasArgs = true
	s.i++
	for first := true; ; first = false {
		key, ok := s.member(first)
		if !ok {
			return
		}
		switch string(key) {
		case "op_name":
			e.op = s.raw()
		case "provider":
			e.provider = s.raw()
		case "input_type_shape":
			e.inputs = s.value()
		case "output_type_shape":
			e.outputs = s.value()
		case "thread_scheduling_stats":
			e.schedule = s.value()
		case "mem_in_use_peak":
			e.peak = s.integer()
		case "mem_arena_held":
			e.held = s.integer()
		case "Input Dims", "Input dims":
			e.dims = s.value()
		case "Input type":
			e.dtypes = s.value()
		default:
			s.value()
		}
	}
}

// unescape returns the string that stands in JSON as raw; raw itself where its escapes are wrong.
func unescape(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var s string
	if json.Unmarshal(quoted(raw), &s) != nil {
		return string(raw)
	}
	return s
}

func quoted(raw []byte) []byte {
	q := make([]byte, 0, len(raw)+2)
	return append(append(append(q, '"'), raw...), '"')
}
