package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// parseJSON reads a whole JSON text; ok is false where it is none.
func parseJSON(b []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, err == io.EOF
}

// compareBody returns what is wrong with a body: it must be the expected one byte for byte or, where both are JSON, the
// same but for white space, the order of keys, and floats within the tolerance. golden is want parsed, nil where it is
// no JSON (or null, of which there is one spelling).
func (t Tolerance) compareBody(got, want []byte, golden any) string {
	if bytes.Equal(got, want) {
		return ""
	}
	if golden != nil {
		v, ok := parseJSON(got)
		if !ok {
			return "the answer is no JSON, as is expected"
		}
		if at, what := t.compareJSON(v, golden); what != "" {
			return "answer" + at + what
		}
		return ""
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("the answer of %d bytes differs from the expected one of %d at byte %d", len(got), len(want), at)
}

// compareJSON compares values. at is the place below them of what is wrong, what comes behind it: "[3].x", ": 1, …".
// It is put together on the way back: most values are as expected.
func (t Tolerance) compareJSON(got, want any) (at, what string) {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return t.compareObjects(g, w)
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			break
		}
		if len(g) != len(w) {
			return "", fmt.Sprintf(" has %d elements, expected %d", len(g), len(w))
		}
		for i := range w {
			if at, what := t.compareJSON(g[i], w[i]); what != "" {
				return fmt.Sprintf("[%d]%s", i, at), what
			}
		}
		return "", ""
	case json.Number:
		if g, ok := got.(json.Number); ok {
			return "", t.compareNumbers(string(g), string(w))
		}
	}
	if got == want {
		return "", ""
	}
	return "", fmt.Sprintf(": %s, expected %s", valueText(got), valueText(want))
}

// compareObjects compares objects, whose keys must be the same.
func (t Tolerance) compareObjects(got, want map[string]any) (at, what string) {
	for key, w := range want {
		v, ok := got[key]
		if !ok {
			return "", fmt.Sprintf(" has no %q", key)
		}
		if at, what := t.compareJSON(v, w); what != "" {
			return "." + key + at, what
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			return "", fmt.Sprintf(" has %q, which is not expected", key)
		}
	}
	return "", ""
}

// compareNumbers compares JSON numbers: two that are written as integers exactly.
func (t Tolerance) compareNumbers(got, want string) string {
	if got == want {
		return ""
	}
	if strings.ContainsAny(got, ".eE") || strings.ContainsAny(want, ".eE") {
		a, errA := json.Number(got).Float64()
		b, errB := json.Number(want).Float64()
		if errA == nil && errB == nil {
			if t.close(a, b) {
				return ""
			}
			return t.floatText(nil, 0, a, b)
		}
	}
	return fmt.Sprintf(": %s, expected %s", got, want)
}

// valueText shows a JSON value in a message.
func valueText(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return quote(v)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}
