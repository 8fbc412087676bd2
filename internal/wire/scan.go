package wire

import (
	"unicode/utf16"
	"unicode/utf8"

	"infer/internal/fault"
)

// scanner reads JSON (RFC 8259, and the tokens NaN, Inf and Infinity) from front to back. What it returns are views of
// data. Nesting is a stack of bytes and no recursion, so that brackets cost a byte each up to the limit and nothing
// beyond it. Errors are fault.Usage and say at which byte.
type scanner struct {
	data  []byte
	i     int
	open  []byte // the brackets and braces that i is inside of
	depth int    // how many there may be
	value bool   // element: the last thing was a value
	buf   []byte // scratch: the last string with escapes
}

// start sets s to the front of data and keeps its scratch.
func (s *scanner) start(data []byte, depth int) {
	*s = scanner{data: data, depth: depth, open: s.open[:0], buf: s.buf[:0]}
}

// fail returns the error for what stands at i.
func (s *scanner) fail(what string) error {
	if s.i >= len(s.data) {
		return fault.New(fault.Usage, "", "failed to parse the JSON buffer: it ends at %d, %s", len(s.data), what)
	}
	return fault.New(fault.Usage, "", "failed to parse the JSON buffer: %s at %d", what, s.i)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.data); s.i++ {
		if c := s.data[s.i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
	}
	return 0
}

// enter reads a bracket or brace.
func (s *scanner) enter(bracket byte) error {
	if s.peek() != bracket {
		if bracket == '{' {
			return s.fail("expected an object")
		}
		return s.fail("expected an array")
	}
	if len(s.open) >= s.depth {
		return fault.New(fault.Usage, "", "JSON nesting depth exceeds maximum allowed limit (%d)", s.depth)
	}
	s.open = append(s.open, bracket)
	s.i++
	return nil
}

// more reports whether another member follows in the object or array that i is in, and reads the comma before it or the
// end. first is true before the first member.
func (s *scanner) more(first bool) (bool, error) {
	end := byte(']')
	if s.open[len(s.open)-1] == '{' {
		end = '}'
	}
	switch c := s.peek(); {
	case c == end:
		s.open = s.open[:len(s.open)-1]
		s.i++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.i++
		return true, nil
	case end == '}':
		return false, s.fail("expected ',' or '}'")
	}
	return false, s.fail("expected ',' or ']'")
}

// key reads a key and its colon. The result is valid until the next string with escapes is read.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("expected a key")
	}
	k, err := s.str()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.fail("expected ':'")
	}
	s.i++
	return k, nil
}

// finish makes sure that nothing but white space is left.
func (s *scanner) finish() error {
	if s.peek(); s.i < len(s.data) {
		return s.fail("unexpected text after the end")
	}
	return nil
}

// token reads the string between quotes as it stands, escapes and all. escaped is true where there are any.
func (s *scanner) token() (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.fail("expected a string")
	}
	start := s.i + 1
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.i = i + 1
			return s.data[start:i], escaped, nil
		case c == '\\':
			_, n := escape(s.data[i:])
			if n == 0 {
				s.i = i
				return nil, false, s.fail("invalid escape in a string")
			}
			escaped = true
			i += n - 1
		case c < ' ':
			s.i = i
			return nil, false, s.fail("control character in a string")
		}
	}
	s.i = len(s.data)
	return nil, false, s.fail("expected the end of a string")
}

// str reads a string. The result is valid until the next string with escapes is read.
func (s *scanner) str() ([]byte, error) {
	raw, escaped, err := s.token()
	if !escaped || err != nil {
		return raw, err
	}
	s.buf = unescape(s.buf[:0], raw)
	return s.buf, nil
}

// unescape appends a token without its escapes, which are known to be valid; it is never longer than the token.
func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		r, n := escape(raw[i:])
		dst = utf8.AppendRune(dst, r)
		i += n - 1
	}
	return dst
}

// escape decodes the escape at the front of b and returns how long it is, 0 where it is none: half of a surrogate pair
// is none either.
func escape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(b)
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		low, ok := hex4(b[6:])
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return 0, 0
		}
		return r, 12
	}
	return 0, 0
}

// hex4 reads "\uXXXX" at the front of b.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skip reads a value of any kind and makes sure that it is valid JSON.
func (s *scanner) skip() error {
	outside := len(s.open)
	for {
		c := s.peek()
		if c == '{' || c == '[' {
			if err := s.enter(c); err != nil {
				return err
			}
		} else if err := s.scalar(c); err != nil {
			return err
		}
		first := c == '{' || c == '['
		for { // the ends of what the value closes
			if len(s.open) == outside {
				return nil
			}
			in := s.open[len(s.open)-1]
			ok, err := s.more(first)
			if err != nil {
				return err
			}
			if first = false; !ok {
				continue
			}
			if in == '{' {
				if _, err := s.key(); err != nil {
					return err
				}
			}
			break
		}
	}
}

// scalar reads a string, number or literal that starts with c and drops it.
func (s *scanner) scalar(c byte) error {
	switch c {
	case '"':
		_, _, err := s.token()
		return err
	case 't', 'f':
		_, err := s.boolean()
		return err
	case 'n':
		if s.literal("null") {
			return nil
		}
		return s.fail("invalid value")
	}
	_, err := s.number()
	return err
}

// boolean reads true or false.
func (s *scanner) boolean() (bool, error) {
	s.peek()
	if s.literal("true") {
		return true, nil
	}
	if s.literal("false") {
		return false, nil
	}
	return false, s.fail("expected true or false")
}

// null reads null if it is what follows.
func (s *scanner) null() bool {
	s.peek()
	return s.literal("null")
}

// literal reads word if it is what follows.
func (s *scanner) literal(word string) bool {
	if len(s.data)-s.i < len(word) || string(s.data[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// element goes to the next scalar of an array whose nesting does not matter, past brackets and commas; false at the end
// of the array, which was entered when len(s.open) was outside. The caller reads the scalar.
func (s *scanner) element(outside int) (bool, error) {
	if s.value && s.i+1 < len(s.data) && s.data[s.i] == ',' && s.data[s.i+1] >= '-' && s.data[s.i+1] <= '9' {
		s.i++
		return true, nil
	}
	first := !s.value
	for {
		if ok, err := s.more(first); err != nil {
			return false, err
		} else if !ok {
			if len(s.open) == outside {
				return false, nil
			}
			first = false
			continue
		}
		if s.peek() != '[' {
			s.value = true
			return true, nil
		}
		if err := s.enter('['); err != nil {
			return false, err
		}
		first = true
	}
}
