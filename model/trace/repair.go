package trace

import (
	"bytes"
	"encoding/json"
	"slices"
)

// longestLine bounds the search for the end of an event whose name has line ends in it.
const longestLine = 1 << 20

// repair reads the next event by what ONNX Runtime writes around its name, which it does not escape: quotes and line
// ends make the event invalid, or make it seem to go on or to end early. It returns false, and uses nothing, where that
// does not help.
func (r *reader) repair() bool {
	line := r.record()
	name, begin, end, ok := rawName(line)
	if !ok {
		return false
	}
	fixed := slices.Concat(line[:begin], line[end:])
	if n, out := r.event.scan(fixed); out != complete || len(bytes.Trim(fixed[n:], " \t\r\n,]")) > 0 {
		return false
	}
	r.w.pos += len(line)
	r.event.name = name
	r.t.Repaired++
	r.take(true)
	return true
}

// record returns the text of the next event: up to the first line end that stands behind its closing braces, or all that
// is left of the file.
func (r *reader) record() []byte {
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
				return b[:from]
			}
		}
		if len(b) > longestLine {
			return b[:bytes.IndexByte(b, '\n')+1]
		}
		if !r.w.more() {
			return r.w.buf[r.w.pos:]
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
