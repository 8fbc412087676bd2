package trace

import (
	"bytes"
	"encoding/json"
	"slices"
)

// longestLine bounds the search for the end of an event whose name has line ends in it.
const longestLine = 1 << 20

// repair reads the next event by what ONNX Runtime writes around its name, which it does not escape: quotes and line
// ends make the event invalid, or make it seem to go on. What cannot be repaired is passed over up to the line's end;
// at the end of the file it is a line that was cut.
func (r *reader) repair() {
	line, last := r.record()
	name, begin, end, ok := rawName(line)
	if ok {
		fixed := slices.Concat(line[:begin], line[end:])
		if n, out := r.event.scan(fixed); out == complete && len(bytes.Trim(fixed[n:], " \t\r\n,]")) == 0 {
			r.w.pos += len(line)
			r.event.name = name
			r.t.Repaired++
			r.take(true)
			return
		}
	}
	if last {
		r.w.pos = len(r.w.buf)
		r.t.Cut = true
		return
	}
	r.line()
}

// record returns the text of the next event: up to the first line end that stands behind its closing brace. last is
// true where the file ends first; what comes then is all that is left.
func (r *reader) record() (text []byte, last bool) {
	from := 0
	for {
		b := r.w.buf[r.w.pos:]
		for {
			i := bytes.IndexByte(b[from:], '\n')
			if i < 0 {
				break
			}
			from += i + 1
			if line := bytes.TrimRight(b[:from], " \t\r\n,"); bytes.HasSuffix(line, []byte("}}")) {
				return b[:from], false
			}
		}
		if len(b) > longestLine {
			return b[:bytes.IndexByte(b, '\n')+1], false
		}
		if !r.w.more() {
			return r.w.buf[r.w.pos:], true
		}
	}
}

// rawName finds the event's name, which lies between `"name" :"` and the last `","args"`.
func rawName(line []byte) (name []byte, begin, end int, ok bool) {
	open := []byte(nativeName)
	begin = bytes.Index(line, open)
	if begin < 0 {
		return nil, 0, 0, false
	}
	begin += len(open)
	end = bytes.LastIndex(line, []byte(`","args"`))
	if end < begin {
		return nil, 0, 0, false
	}
	return line[begin:end], begin, end, true
}

// validString reports whether raw is what JSON allows between quotes.
func validString(raw []byte) bool { return json.Valid(quoted(raw)) }
