package token

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Bert says what BERT's normalizer does, in the order of the fields.
type Bert struct {
	Clean   bool // control characters are dropped, white space becomes a blank
	Chinese bool // CJK ideographs become words of their own
	Strip   bool // accents are dropped
	Lower   bool
}

func (b Bert) normalize(s string) string {
	if isASCII(s) && !b.Clean {
		if b.Lower {
			return strings.ToLower(s)
		}
		return s
	}
	if b.Clean || b.Chinese {
		s = b.clean(s)
	}
	if b.Strip {
		s = stripAccents(norm.NFD.String(s))
	}
	if b.Lower {
		s = lower(s)
	}
	return s
}

// clean drops and replaces characters, and puts blanks around ideographs.
func (b Bert) clean(s string) string {
	var w strings.Builder
	w.Grow(len(s))
	for _, r := range s {
		switch {
		case b.Clean && isDropped(r):
		case b.Clean && isSpace(r):
			w.WriteByte(' ')
		case b.Chinese && isIdeograph(r):
			w.WriteByte(' ')
			w.WriteRune(r)
			w.WriteByte(' ')
		default:
			w.WriteRune(r)
		}
	}
	return w.String()
}

// isDropped reports what BERT drops: U+0000, U+FFFD and control, format and private characters; tab, line feed and
// carriage return are white space.
func isDropped(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < 0x7f:
		return r < ' '
	}
	return r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// isSpace is Unicode's White_Space.
func isSpace(r rune) bool { return unicode.IsSpace(r) }

// isIdeograph reports whether r is in one of the blocks that BERT calls Chinese.
func isIdeograph(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, r >= 0xf900 && r <= 0xfaff:
		return true
	case r >= 0x20000 && r <= 0x2a6df, r >= 0x2a700 && r <= 0x2ceaf, r >= 0x2f800 && r <= 0x2fa1f:
		return true
	}
	return false
}

// isPunctuation reports what BERT takes for punctuation: Unicode's, and every printable ASCII character that is
// neither letter, digit nor blank.
func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}
	return unicode.In(r, unicode.P)
}

// stripAccents drops nonspacing marks.
func stripAccents(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, s)
}

// lower maps each character alone, so a final sigma stays σ; the one character whose lower case is two keeps its dot.
func lower(s string) string {
	if strings.Contains(s, "İ") {
		s = strings.ReplaceAll(s, "İ", "i\u0307")
	}
	return strings.ToLower(s)
}
