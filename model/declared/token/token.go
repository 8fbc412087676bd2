// Package token owns the way from a text to the ids of a vocabulary: WordPiece, byte-level BPE and plain words, as
// the Python package tokenizers does it, and the tokenizer.json files that it writes.
package token

import (
	"strings"
	"unicode/utf8"
)

// Tokenizer turns texts into ids. It is safe for concurrent use.
type Tokenizer struct {
	raw        added               // tokens looked for in the text as it is
	normalized added               // tokens looked for in the normalized text
	normalize  func(string) string // nil: nothing
	split      splitter
	model      model
	prefix     []int64 // ids in front of a text, such as [CLS]
	suffix     []int64 // ids behind it, such as [SEP]
	pad        int64
}

// splitter cuts normalized text into words and yields each.
type splitter func(text string, yield func(word string))

// model appends the ids of a word.
type model interface {
	append(ids []int64, word string) []int64
}

// Pad returns the id that fills a row up to a length.
func (t *Tokenizer) Pad() int64 { return t.pad }

// Frame returns how many ids stand around a text, such as 2 for [CLS] and [SEP].
func (t *Tokenizer) Frame() int { return len(t.prefix) + len(t.suffix) }

// Encode returns the ids of a text, with those around it. Where there would be more than most, the text's last ids are
// left out; most = 0 is no limit, and otherwise it is at least Frame. text is UTF-8.
func (t *Tokenizer) Encode(text string, most int) []int64 {
	ids := append(make([]int64, 0, len(text)/4+t.Frame()+1), t.prefix...)
	w := &writer{t: t, ids: ids, room: -1}
	if most > 0 {
		w.room = most - len(t.suffix)
	}
	t.raw.cut(text, w.text, w.token)
	ids = w.ids
	if w.room >= 0 && len(ids) > w.room {
		ids = ids[:w.room]
	}
	return append(ids, t.suffix...)
}

// writer collects ids until there is no room for more.
type writer struct {
	t    *Tokenizer
	ids  []int64
	room int // -1: no limit
}

func (w *writer) full() bool { return w.room >= 0 && len(w.ids) >= w.room }

func (w *writer) token(id int64) { w.ids = append(w.ids, id) }

func (w *writer) text(part string) {
	if w.full() {
		return
	}
	if w.t.normalize != nil {
		part = w.t.normalize(part)
	}
	w.t.normalized.cut(part, w.words, w.token)
}

func (w *writer) words(part string) {
	w.t.split(part, func(word string) {
		if word != "" && !w.full() {
			w.ids = w.t.model.append(w.ids, word)
		}
	})
}

// Added is a token that is found in a text before the text is cut into words.
type Added struct {
	Content      string
	ID           int64
	Left, Right  bool // it takes the white space on this side with it
	AfterNormals bool // it is looked for in the normalized text
}

// added finds tokens by their first byte, the longest first.
type added map[byte][]Added

func (a added) add(t Added) {
	if t.Content == "" {
		return
	}
	list := a[t.Content[0]]
	at := len(list)
	for at > 0 && len(list[at-1].Content) < len(t.Content) {
		at--
	}
	list = append(list, t)
	copy(list[at+1:], list[at:])
	list[at] = t
	a[t.Content[0]] = list
}

// cut calls text for what lies between added tokens, where that is not empty, and token for each of them, in order.
func (a added) cut(s string, text func(string), token func(int64)) {
	if len(a) == 0 {
		if s != "" {
			text(s)
		}
		return
	}
	begin := 0
	for i := 0; i < len(s); {
		t, ok := a.at(s[i:])
		if !ok {
			i++
			continue
		}
		before := s[begin:i]
		if t.Left {
			before = trimRight(before)
		}
		if before != "" {
			text(before)
		}
		token(t.ID)
		i += len(t.Content)
		if t.Right {
			i += len(s[i:]) - len(trimLeft(s[i:]))
		}
		begin = i
	}
	if begin < len(s) {
		text(s[begin:])
	}
}

func (a added) at(s string) (Added, bool) {
	for _, t := range a[s[0]] {
		if strings.HasPrefix(s, t.Content) {
			return t, true
		}
	}
	return Added{}, false
}

func trimLeft(s string) string  { return strings.TrimLeftFunc(s, isSpace) }
func trimRight(s string) string { return strings.TrimRightFunc(s, isSpace) }

// isASCII reports whether s has only characters below U+0080.
func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
