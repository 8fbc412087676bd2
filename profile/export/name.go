package export

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain returns a name for a line of text in UTF-8: bytes that are no UTF-8, and characters that end a line or drive a
// terminal, are escaped as in a Go string. Names of nodes come from the model's file and may hold anything.
func plain(name string) string {
	if utf8.ValidString(name) && !strings.ContainsFunc(name, unsafeRune) {
		return name
	}
	return escaped(name, unsafeRune)
}

// escaped writes the runes of name for which bad says so, and what is no UTF-8, as escapes.
func escaped(name string, bad func(rune) bool) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		part := name[i : i+size]
		i += size
		if !bad(r) && !(r == utf8.RuneError && size == 1) {
			b.WriteString(part)
			continue
		}
		switch r {
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			for _, c := range []byte(part) {
				b.WriteString(`\x`)
				b.WriteByte(hex[c>>4])
				b.WriteByte(hex[c&15])
			}
		}
	}
	return b.String()
}

// unsafeRune reports whether a rune is a control, a line separator or one that reorders a line.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
