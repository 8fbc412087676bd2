package drive

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"infer/loadtest/sample"
)

// FaultLog counts the ways in which requests fail. Texts that differ in numbers only (ports, addresses, ids) are one
// way. It keeps few ways an outcome apart and counts the rest together, so that its memory does not grow. The zero
// value is empty; it is safe for concurrent use.
type FaultLog struct {
	mu    sync.Mutex
	ways  map[way]*Fault
	other [sample.Outcomes]int64
}

// way is what tells faults apart.
type way struct {
	outcome sample.Outcome
	code    uint16
	text    string // without numbers
}

const (
	maxFaultText = 200                         // bytes
	maxWays      = maxFaults - sample.Outcomes // leaves a place for the rest of every outcome
	otherText    = "failures with other texts" // of those
)

// Add counts one failure. It allocates nothing for one that is known.
func (f *FaultLog) Add(outcome sample.Outcome, code uint16, text string) {
	var buf [maxFaultText]byte
	key := withoutNumbers(buf[:0], text)
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.ways[way{outcome, code, string(key)}]; known != nil {
		known.Count++
		return
	}
	if len(f.ways) == maxWays {
		f.other[outcome]++
		return
	}
	if f.ways == nil {
		f.ways = map[way]*Fault{}
	}
	f.ways[way{outcome, code, string(key)}] = &Fault{Outcome: outcome, Code: code, Text: oneLine(text), Count: 1}
}

// List returns what was counted, most frequent first, at most maxFaults.
func (f *FaultLog) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Fault
	for _, known := range f.ways {
		list = append(list, *known)
	}
	for outcome, n := range f.other {
		if n > 0 {
			list = append(list, Fault{Outcome: sample.Outcome(outcome), Text: otherText, Count: n})
		}
	}
	slices.SortFunc(list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Text, b.Text))
	})
	return list
}

// withoutNumbers appends to key what fits of text, each word that has a digit in it as one #.
func withoutNumbers(key []byte, text string) []byte {
	word := 0 // where the present one begins in key
	digit := false
	end := func() {
		if digit {
			key = append(key[:word], '#')
			digit = false
		}
	}
	for i := 0; i < len(text) && len(key) < cap(key); i++ {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			digit = true
			key = append(key, c)
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' && digit:
			key = append(key, c)
		default:
			end()
			if len(key) < cap(key) {
				key = append(key, c)
			}
			word = len(key)
		}
	}
	end()
	return key
}

// oneLine returns text as one line of valid UTF-8 that is not too long.
func oneLine(text string) string {
	if len(text) > maxFaultText {
		cut := maxFaultText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
}
