package token

import (
	"fmt"
	"regexp"
	"strings"

	"infer/internal/fault"
)

// Special are the tokens with a meaning of their own; "" for none.
type Special struct {
	Unknown, Start, End, Pad string
}

// NewWordPiece returns BERT's tokenizer over a vocabulary whose pieces inside a word begin with ##. others are tokens
// besides the special ones that are found in a text as they are, where the vocabulary has them, such as [MASK].
func NewWordPiece(vocab map[string]int64, b Bert, s Special, others ...string) (*Tokenizer, error) {
	const longestWord = 100 // characters, as in BERT
	t, err := newFramed(vocab, s)
	if err != nil {
		return nil, err
	}
	unknown, err := lookUp(vocab, "unknown", s.Unknown)
	if err != nil {
		return nil, err
	}
	for _, token := range others {
		if id, ok := vocab[token]; ok {
			t.raw.add(Added{Content: token, ID: id})
		}
	}
	t.normalize, t.split, t.model = b.normalize, splitBert, newWordPiece(vocab, unknown, "##", longestWord)
	return t, nil
}

// NewWords returns a tokenizer of whole words: what pattern matches in a text, one after the other.
func NewWords(vocab map[string]int64, pattern *regexp.Regexp, toLower bool, s Special) (*Tokenizer, error) {
	t, err := newFramed(vocab, s)
	if err != nil {
		return nil, err
	}
	unknown, err := lookUp(vocab, "unknown", s.Unknown)
	if err != nil {
		return nil, err
	}
	if toLower {
		t.normalize = lower
	}
	t.raw = nil // a word is what the pattern says, even where it reads like a special token
	t.split, t.model = splitPattern(pattern), words{vocab, unknown}
	return t, nil
}

// NewBytePair returns GPT-2's tokenizer: byte-level BPE over a vocabulary and its merges, best first.
func NewBytePair(vocab map[string]int64, merges [][2]string, blank bool, s Special) (*Tokenizer, error) {
	t, err := newFramed(vocab, s)
	if err != nil {
		return nil, err
	}
	m, err := newBytePair(vocab, merges, s.Unknown)
	if err != nil {
		return nil, err
	}
	t.split, t.model = splitGPT2, m
	if blank {
		t.split = prefixSpace(splitGPT2)
	}
	return t, nil
}

// newFramed returns a tokenizer that knows the special tokens and nothing else.
func newFramed(vocab map[string]int64, s Special) (*Tokenizer, error) {
	t := &Tokenizer{raw: added{}}
	for _, one := range []struct {
		role, token string
		set         func(id int64)
	}{
		{"unknown", s.Unknown, func(int64) {}},
		{"start", s.Start, func(id int64) { t.prefix = []int64{id} }},
		{"end", s.End, func(id int64) { t.suffix = []int64{id} }},
		{"pad", s.Pad, func(id int64) { t.pad = id }},
	} {
		if one.token == "" {
			continue
		}
		id, err := lookUp(vocab, one.role, one.token)
		if err != nil {
			return nil, err
		}
		one.set(id)
		t.raw.add(Added{Content: one.token, ID: id})
	}
	return t, nil
}

func lookUp(vocab map[string]int64, role, token string) (int64, error) {
	id, ok := vocab[token]
	if !ok {
		return 0, fault.New(fault.Usage, "name a token of the vocabulary", "the vocabulary has no %s token %q", role, token)
	}
	return id, nil
}

func newBytePair(vocab map[string]int64, merges [][2]string, unknown string) (*bytePair, error) {
	b := &bytePair{merges: make(map[[2]int64]merge, len(merges)), unknown: -1}
	if unknown != "" {
		id, err := lookUp(vocab, "unknown", unknown)
		if err != nil {
			return nil, err
		}
		b.unknown = id
	}
	for i, r := range byteRunes {
		id, ok := vocab[string(r)]
		if !ok {
			id = -1
		}
		b.bytes[i] = id
	}
	for rank, pair := range merges {
		left, okLeft := vocab[pair[0]]
		right, okRight := vocab[pair[1]]
		id, ok := vocab[pair[0]+pair[1]]
		if !okLeft || !okRight || !ok {
			return nil, fault.New(fault.Usage, "give the merges that belong to the vocabulary",
				"merge %d joins %.40q and %.40q, and the vocabulary lacks one of them or what they make", rank, pair[0], pair[1])
		}
		if _, ok := b.merges[[2]int64{left, right}]; !ok {
			b.merges[[2]int64{left, right}] = merge{rank, id}
		}
	}
	return b, nil
}

// ParseVocab reads a vocabulary of one token a line, whose ids are the lines' numbers from 0.
func ParseVocab(data []byte) (map[string]int64, error) {
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	vocab := make(map[string]int64, len(lines))
	for i, line := range lines {
		token := strings.TrimSuffix(line, "\r")
		if old, ok := vocab[token]; ok && token != "" {
			return nil, fault.New(fault.Usage, "", "lines %d and %d are both %.40q", old+1, i+1, token)
		}
		if token != "" {
			vocab[token] = int64(i)
		}
	}
	if len(vocab) == 0 {
		return nil, fault.New(fault.Usage, "", "it has no tokens")
	}
	return vocab, nil
}

// ParseMerges reads the merges of a GPT-2 merges.txt: two parts a line, a first line that begins with "#version" left
// out.
func ParseMerges(data []byte) ([][2]string, error) {
	var merges [][2]string
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		pair, err := parsePair(line)
		if err != nil {
			return nil, fault.New(fault.Usage, "", "line %d: %w", i+1, err)
		}
		merges = append(merges, pair)
	}
	return merges, nil
}

func parsePair(line string) (pair [2]string, err error) {
	left, right, ok := strings.Cut(line, " ")
	if !ok || left == "" || right == "" || strings.Contains(right, " ") {
		return pair, fmt.Errorf("%.40q is no pair of tokens with a blank between them", line)
	}
	return [2]string{left, right}, nil
}
