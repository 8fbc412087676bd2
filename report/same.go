package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rounding is the relative difference that two computations of one number may have: machines round differently.
const rounding = 1e-9

func numbersText(n int) string {
	if n == 1 {
		return "1 number"
	}
	return fmt.Sprintf("%d numbers", n)
}

func detailsTree(raw json.RawMessage) (any, error) {
	var t any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&t); err != nil {
		return nil, fmt.Errorf("details: %w", err)
	}
	return t, nil
}

// at returns the field of a dotted path, nil where there is none.
func fieldAt(t any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		m, ok := t.(map[string]any)
		if !ok {
			return nil
		}
		t = m[key]
	}
	return t
}

// sameTree compares two JSON values, counts their leaves, and returns where they first differ and what is there.
func sameTree(a, b any, leaves *int) (where string, x, y any, same bool) {
	switch p := a.(type) {
	case map[string]any:
		q, ok := b.(map[string]any)
		if !ok {
			return "", a, b, false
		}
		for _, key := range keysOf(p, q) {
			if where, x, y, same = sameTree(p[key], q[key], leaves); !same {
				return "." + key + where, x, y, false
			}
		}
		return "", nil, nil, true
	case []any:
		q, ok := b.([]any)
		if !ok && b != nil || len(p) != len(q) {
			return "", a, b, false
		}
		for i := range p {
			if where, x, y, same = sameTree(p[i], q[i], leaves); !same {
				return fmt.Sprintf("[%d]%s", i, where), x, y, false
			}
		}
		return "", nil, nil, true
	}
	*leaves++
	return "", a, b, sameLeaf(a, b)
}

// keysOf returns the keys of both, sorted.
func keysOf(a, b map[string]any) []string {
	var keys []string
	for _, m := range []map[string]any{a, b} {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// sameLeaf compares numbers up to rounding, counts exactly, and prose by its numbers.
func sameLeaf(a, b any) bool {
	switch p := a.(type) {
	case json.Number:
		q, ok := b.(json.Number)
		if !ok {
			return false
		}
		if i, err := p.Int64(); err == nil {
			if j, err := q.Int64(); err == nil {
				return i == j
			}
		}
		x, errX := p.Float64()
		y, errY := q.Float64()
		return errX == nil && errY == nil && nearly(&x, &y, rounding)
	case string:
		q, ok := b.(string)
		return ok && samePhrase(p, q)
	}
	_, object := b.(map[string]any)
	list, isList := b.([]any)
	if object || isList {
		return a == nil && isList && len(list) == 0
	}
	return a == b
}

func leafText(v any) string {
	switch p := v.(type) {
	case nil:
		return "nothing"
	case json.Number:
		return p.String()
	case string:
		return p
	case []any:
		return fmt.Sprintf("a list of %d", len(p))
	case map[string]any:
		return fmt.Sprintf("%d fields", len(p))
	}
	return fmt.Sprint(v)
}

var numbersOf = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// samePhrase compares words exactly, and sentences by the numbers in them: another version may say it in other words.
func samePhrase(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.Contains(a, " ") || !strings.Contains(b, " ") {
		return false
	}
	return slices.Equal(numbersOf.FindAllString(a, -1), numbersOf.FindAllString(b, -1))
}

// near reports whether two numbers are the same within a relative error; nil is only like nil.
func nearly(a, b *float64, within float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b || math.Abs(*a-*b) <= within*max(math.Abs(*a), math.Abs(*b))
}

func allDigits(v *float64) string {
	if v == nil {
		return "no value"
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}
