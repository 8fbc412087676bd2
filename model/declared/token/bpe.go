package token

// bytePair joins the bytes of a word by the merges of byte-level BPE, the merge of lowest rank first and of equal ones
// the leftmost. Ref: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units; the bytes as
// characters are GPT-2's.
type bytePair struct {
	bytes   [256]int64 // the id of each byte; -1: the vocabulary lacks it
	merges  map[[2]int64]merge
	whole   map[string]int64 // words that are taken whole, in GPT-2's characters; nil: none
	unknown int64            // -1: what the vocabulary lacks is left out
}

type merge struct {
	rank int
	id   int64
}

func (b *bytePair) append(ids []int64, word string) []int64 {
	if b.whole != nil {
		if id, ok := b.whole[characters(word)]; ok {
			return append(ids, id)
		}
	}
	var few [32]symbol
	symbols := few[:0]
	for i := 0; i < len(word); i++ {
		id := b.bytes[word[i]]
		if id < 0 {
			id = b.unknown
		}
		if id >= 0 {
			n := len(symbols)
			symbols = append(symbols, symbol{id: id, before: n - 1, after: n + 1})
		}
	}
	if len(symbols) == 0 {
		return ids
	}
	symbols[len(symbols)-1].after = -1
	b.join(symbols)
	for i := 0; i >= 0; i = symbols[i].after {
		ids = append(ids, symbols[i].id)
	}
	return ids
}

// symbol is a part of a word in a linked list; the first never goes away.
type symbol struct {
	id            int64
	before, after int // -1: none
}

// candidate is a pair that could be joined: the symbol at and the one after it, as they were when it was found.
type candidate struct {
	rank, at    int
	left, right int64
	id          int64
}

func (c candidate) less(o candidate) bool { return c.rank < o.rank || c.rank == o.rank && c.at < o.at }

// join applies merges until none is left, in O(n log n): words are as long as whoever sends them likes.
func (b *bytePair) join(symbols []symbol) {
	var few [32]candidate
	q := queue(few[:0])
	for i := range symbols {
		b.offer(&q, symbols, i)
	}
	for len(q) > 0 {
		c := q.pop()
		s := &symbols[c.at]
		if s.id != c.left || s.after < 0 || symbols[s.after].id != c.right {
			continue // one of the two has been joined to something else since
		}
		gone := s.after
		s.id, s.after = c.id, symbols[gone].after
		symbols[gone].id = -1
		if s.after >= 0 {
			symbols[s.after].before = c.at
			b.offer(&q, symbols, c.at)
		}
		if s.before >= 0 {
			b.offer(&q, symbols, s.before)
		}
	}
}

func (b *bytePair) offer(q *queue, symbols []symbol, at int) {
	s := symbols[at]
	if s.after < 0 {
		return
	}
	right := symbols[s.after].id
	if m, ok := b.merges[[2]int64{s.id, right}]; ok {
		q.push(candidate{rank: m.rank, at: at, left: s.id, right: right, id: m.id})
	}
}

// queue is a binary heap, the least candidate first; container/heap would allocate each one.
type queue []candidate

func (q *queue) push(c candidate) {
	*q = append(*q, c)
	h := *q
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].less(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (q *queue) pop() candidate {
	h := *q
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < len(h) && h[down].less(h[least]) {
				least = down
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*q = h
	return top
}

// byteRunes are GPT-2's characters for the bytes: a printable byte stands for itself, the others follow from U+0100.
var byteRunes = func() (runes [256]rune) {
	next := rune(0x100)
	for b := range runes {
		r := rune(b)
		if r >= '!' && r <= '~' || r >= '¡' && r <= '¬' || r >= '®' {
			runes[b] = r
			continue
		}
		runes[b] = next
		next++
	}
	return runes
}()

// characters writes a word in GPT-2's characters.
func characters(word string) string {
	runes := make([]rune, len(word))
	for i := range len(word) {
		runes[i] = byteRunes[word[i]]
	}
	return string(runes)
}

// prefixSpace puts a blank in front of a text that has none there.
func prefixSpace(split splitter) splitter {
	return func(text string, yield func(string)) {
		if text != "" && text[0] != ' ' {
			text = " " + text
		}
		split(text, yield)
	}
}
