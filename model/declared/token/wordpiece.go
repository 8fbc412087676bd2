package token

import (
	"strings"
	"unicode/utf8"
)

// wordPiece cuts a word into the longest pieces of the vocabulary, from the left. Ref: Wu et al., Google's Neural
// Machine Translation System, 4.1; the greedy form is BERT's.
type wordPiece struct {
	first   map[string]int64 // the whole vocabulary
	rest    map[string]int64 // the pieces that go on a word, without their prefix
	longest int              // bytes of the longest piece
	unknown int64
	most    int // characters of a word; a longer one is unknown
}

func newWordPiece(vocab map[string]int64, unknown int64, prefix string, most int) *wordPiece {
	w := &wordPiece{first: vocab, rest: vocab, unknown: unknown, most: most}
	if prefix != "" {
		w.rest = map[string]int64{}
	}
	for piece, id := range vocab {
		w.longest = max(w.longest, len(piece))
		if tail, ok := strings.CutPrefix(piece, prefix); ok && prefix != "" {
			w.rest[tail] = id
		}
	}
	return w
}

func (w *wordPiece) append(ids []int64, word string) []int64 {
	if len(word) > w.most && utf8.RuneCountInString(word) > w.most {
		return append(ids, w.unknown)
	}
	known, pieces := len(ids), w.first
	for word != "" {
		n := min(len(word), w.longest)
		for ; n > 0; n-- {
			if n < len(word) && !utf8.RuneStart(word[n]) {
				continue
			}
			if id, ok := pieces[word[:n]]; ok {
				ids = append(ids, id)
				break
			}
		}
		if n == 0 {
			return append(ids[:known], w.unknown)
		}
		word, pieces = word[n:], w.rest
	}
	return ids
}

// words takes each word whole.
type words struct {
	vocab   map[string]int64
	unknown int64
}

func (w words) append(ids []int64, word string) []int64 {
	if id, ok := w.vocab[word]; ok {
		return append(ids, id)
	}
	return append(ids, w.unknown)
}
