package static

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"infer/model/onnx"
)

// dim is an integer that may depend on dynamic axes: c + Σ k·(product of symbols), or nothing known (ok false).
// The same expression has the same form, so equal dims compare equal with same.
type dim struct {
	ok    bool
	c     int64
	terms []term // sorted by key, no zero k
}

type term struct {
	k   int64
	key string // the symbols, sorted and joined by "*"
}

// The limits that keep made-up graphs from growing expressions without end.
const (
	maxTerms  = 16
	maxSymbol = 160 // bytes of a product of symbols
)

var unknown = dim{}

func fixed(n int64) dim { return dim{ok: true, c: n} }

func symbol(name string) dim {
	if name == "" || len(name) > maxSymbol {
		return unknown
	}
	return dim{ok: true, terms: []term{{1, name}}}
}

// fixed returns the value of a dim that depends on no symbol.
func (d dim) fixed() (int64, bool) { return d.c, d.ok && len(d.terms) == 0 }

func (d dim) is(n int64) bool { return d.ok && len(d.terms) == 0 && d.c == n }

// same reports whether a and b are known to be the same number.
func same(a, b dim) bool { return a.ok && b.ok && a.c == b.c && slices.Equal(a.terms, b.terms) }

func addInt(a, b int64) (int64, bool) {
	s := a + b
	return s, (s > a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	if a == math.MinInt64 || b == math.MinInt64 || hi != 0 || lo > math.MaxInt64 {
		return 0, a == 0 || b == 0
	}
	return a * b, true
}

// collect sorts terms and adds up those of the same key.
func collect(c int64, terms []term) dim {
	slices.SortFunc(terms, func(a, b term) int { return strings.Compare(a.key, b.key) })
	out := terms[:0]
	for _, t := range terms {
		if n := len(out); n > 0 && out[n-1].key == t.key {
			k, ok := addInt(out[n-1].k, t.k)
			if !ok {
				return unknown
			}
			out[n-1].k = k
			continue
		}
		out = append(out, t)
	}
	out = slices.DeleteFunc(out, func(t term) bool { return t.k == 0 })
	if len(out) > maxTerms {
		return unknown
	}
	if len(out) == 0 {
		out = nil
	}
	return dim{ok: true, c: c, terms: out}
}

func add(a, b dim) dim {
	c, ok := addInt(a.c, b.c)
	if !a.ok || !b.ok || !ok {
		return unknown
	}
	if len(a.terms)+len(b.terms) == 0 {
		return fixed(c)
	}
	return collect(c, append(slices.Clone(a.terms), b.terms...))
}

func sub(a, b dim) dim { return add(a, mul(b, fixed(-1))) }

func mul(a, b dim) dim {
	if a.is(0) || b.is(0) {
		return fixed(0)
	}
	c, ok := mulInt(a.c, b.c)
	if !a.ok || !b.ok || !ok {
		return unknown
	}
	if len(a.terms)+len(b.terms) == 0 {
		return fixed(c)
	}
	var terms []term
	for _, s := range append(slices.Clone(a.terms), term{k: a.c}) {
		for _, t := range append(slices.Clone(b.terms), term{k: b.c}) {
			k, ok := mulInt(s.k, t.k)
			key := joinKey(s.key, t.key)
			if !ok || len(key) > maxSymbol {
				return unknown
			}
			if key != "" && k != 0 {
				terms = append(terms, term{k, key})
			}
		}
	}
	return collect(c, terms)
}

func joinKey(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	s := append(factors(a), factors(b)...)
	slices.Sort(s)
	return strings.Join(s, "*")
}

func product(ds []dim) dim {
	p := fixed(1)
	for _, d := range ds {
		if d.is(0) {
			return fixed(0)
		}
	}
	for _, d := range ds {
		p = mul(p, d)
	}
	return p
}

// factors splits a product of symbols. A symbol such as floor((a*b)/3) is one factor.
func factors(key string) (list []string) {
	depth, from := 0, 0
	for i := range len(key) {
		switch key[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '*':
			if depth == 0 {
				list, from = append(list, key[from:i]), i+1
			}
		}
	}
	return append(list, key[from:])
}

// exact returns a / b where it is the same for every value of the symbols (none of which is 0).
func exact(a, b dim) (dim, bool) {
	if !a.ok || !b.ok || b.is(0) {
		return unknown, false
	}
	if same(a, b) {
		return fixed(1), true
	}
	t := term{k: b.c}
	switch {
	case len(b.terms) == 1 && b.c == 0:
		t = b.terms[0]
		if a.c != 0 {
			return unknown, false
		}
	case len(b.terms) > 0:
		return unknown, false
	}
	if t.k == 0 || a.c%t.k != 0 {
		return unknown, false
	}
	out := dim{ok: true, c: a.c / t.k}
	var terms []term
	for _, s := range a.terms {
		key, ok := cutKey(s.key, t.key)
		if !ok || s.k%t.k != 0 {
			return unknown, false
		}
		if key == "" {
			out.c += s.k / t.k
			continue
		}
		terms = append(terms, term{s.k / t.k, key})
	}
	return collect(out.c, terms), true
}

// cutKey removes the symbols of b from a.
func cutKey(a, b string) (string, bool) {
	if b == "" {
		return a, true
	}
	left := factors(a)
	for _, s := range factors(b) {
		i := slices.Index(left, s)
		if i < 0 {
			return "", false
		}
		left = slices.Delete(left, i, i+1)
	}
	return strings.Join(left, "*"), true
}

// floorDiv returns floor(a / b) for b > 0; what does not divide becomes a symbol of its own, named after the expression.
func floorDiv(a, b dim) dim {
	if q, ok := exact(a, b); ok {
		return q
	}
	k, ok := b.fixed()
	if !ok {
		if !a.ok || !b.ok {
			return unknown
		}
		return symbol("floor((" + a.String() + ")/(" + b.String() + "))")
	}
	if !a.ok || k <= 0 {
		return unknown
	}
	q := dim{ok: true, c: floorInt(a.c, k)}
	rest := dim{ok: true, c: a.c - q.c*k}
	for _, t := range a.terms {
		if t.k%k == 0 {
			q.terms = append(q.terms, term{t.k / k, t.key})
		} else {
			rest.terms = append(rest.terms, t)
		}
	}
	if len(rest.terms) == 0 {
		return q
	}
	return add(q, symbol(fmt.Sprintf("floor((%s)/%d)", rest, k)))
}

func ceilDiv(a, b dim) dim { return mul(floorDiv(mul(a, fixed(-1)), b), fixed(-1)) }

func floorInt(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// atMost returns min(n, d), as a symbol of its own where d is dynamic.
func atMost(n int64, d dim) dim {
	if k, ok := d.fixed(); ok {
		return fixed(min(n, k))
	}
	if !natural(d) || n < 0 {
		return unknown
	}
	return symbol(fmt.Sprintf("min(%d, %s)", n, d))
}

// capped reports whether m is min(n, d) with n > 1.
func capped(m, d dim) bool {
	if !m.ok || m.c != 0 || len(m.terms) != 1 || m.terms[0].k != 1 {
		return false
	}
	var n int64
	_, err := fmt.Sscanf(m.terms[0].key, "min(%d,", &n)
	return err == nil && n > 1 && same(m, atMost(n, d))
}

// String returns the number or the expression, such as "4*sequence + 1"; "?" for an unknown one.
func (d dim) String() string {
	if !d.ok {
		return "?"
	}
	var b strings.Builder
	for i, t := range d.terms {
		k := t.k
		switch {
		case i > 0 && k < 0:
			b.WriteString(" - ")
			k = -k
		case i > 0:
			b.WriteString(" + ")
		case k == -1:
			b.WriteString("-")
			k = 1
		}
		if k != 1 {
			b.WriteString(strconv.FormatInt(k, 10) + "*")
		}
		b.WriteString(t.key)
	}
	switch {
	case len(d.terms) == 0:
		return strconv.FormatInt(d.c, 10)
	case d.c > 0:
		b.WriteString(" + " + strconv.FormatInt(d.c, 10))
	case d.c < 0:
		b.WriteString(" - " + strconv.FormatUint(uint64(-d.c), 10))
	}
	return b.String()
}

// public returns d as a declared dimension: a negative size is an unknown one.
func (d dim) public() onnx.Dim {
	if n, ok := d.fixed(); ok {
		if n < 0 {
			return onnx.Dim{}
		}
		return onnx.Fixed(n)
	}
	if !d.ok {
		return onnx.Dim{}
	}
	return onnx.Symbol(d.String())
}
