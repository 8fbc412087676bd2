package token

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitBert cuts at white space and makes every punctuation mark a word.
func splitBert(text string, yield func(string)) {
	begin := 0
	for i, r := range text {
		space, mark := isSpace(r), isPunctuation(r)
		if !space && !mark {
			continue
		}
		yield(text[begin:i])
		begin = i
		if size := utf8.RuneLen(r); space {
			begin += size
		} else {
			yield(text[i : i+size])
			begin += size
		}
	}
	yield(text[begin:])
}

// splitSpace cuts at white space.
func splitSpace(text string, yield func(string)) {
	for word := range strings.FieldsFuncSeq(text, isSpace) {
		yield(word)
	}
}

// splitWords yields runs of word characters and runs of what is neither these nor white space.
func splitWords(text string, yield func(string)) {
	const space, word, other = 0, 1, 2
	begin, kind := 0, space
	for i, r := range text {
		k := other
		if isSpace(r) {
			k = space
		} else if isWord(r) {
			k = word
		}
		if k == kind {
			continue
		}
		if kind != space {
			yield(text[begin:i])
		}
		begin, kind = i, k
	}
	if kind != space {
		yield(text[begin:])
	}
}

// isWord is \w of UTS #18: letters, marks, digits, connectors and joiners.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}

// splitPattern yields what a regular expression matches; the rest of the text is left out.
func splitPattern(re *regexp.Regexp) splitter {
	return func(text string, yield func(string)) {
		for len(text) > 0 {
			m := re.FindStringIndex(text)
			if m == nil {
				return
			}
			yield(text[m[0]:m[1]])
			text = text[max(m[1], 1):] // an empty match moves on, too
		}
	}
}

// inTurn cuts the words of the first splitter with the second.
func inTurn(first, second splitter) splitter {
	return func(text string, yield func(string)) {
		first(text, func(word string) { second(word, yield) })
	}
}

// splitGPT2 cuts as GPT-2 does:
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func splitGPT2(text string, yield func(string)) {
	for len(text) > 0 {
		n := gpt2Word(text)
		yield(text[:n])
		text = text[n:]
	}
}

// gpt2Word returns the length of the first word of a text that is not empty.
func gpt2Word(s string) int {
	if n := contraction(s); n > 0 {
		return n
	}
	blank := 0
	if s[0] == ' ' && len(s) > 1 {
		blank = 1
	}
	if r, _ := utf8.DecodeRuneInString(s[blank:]); !isSpace(r) {
		kind := gpt2Kind(r)
		return blank + span(s[blank:], func(r rune) bool { return gpt2Kind(r) == kind })
	}
	n := span(s, isSpace)
	if n < len(s) {
		_, last := utf8.DecodeLastRuneInString(s[:n])
		if n > last {
			return n - last // the last white space belongs to the word that follows
		}
	}
	return n
}

func contraction(s string) int {
	if s[0] != '\'' {
		return 0
	}
	for _, end := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(s, end) {
			return len(end)
		}
	}
	return 0
}

// gpt2Kind tells letters, numbers, white space and the rest apart.
func gpt2Kind(r rune) int {
	switch {
	case unicode.IsLetter(r):
		return 1
	case unicode.IsNumber(r):
		return 2
	case isSpace(r):
		return 3
	}
	return 4
}

// span returns the length of the characters in front that ok holds for.
func span(s string, ok func(rune) bool) int {
	for i, r := range s {
		if !ok(r) {
			return i
		}
	}
	return len(s)
}
