package surgery

import (
	"strconv"
	"strings"

	"infer/internal/fault"
)

// Axis is an axis of an input that is to become dynamic under a name.
type Axis struct {
	Input string // "": the first axis of every input where it has the size that the first input has there
	Index int    // counted from 0, the outermost; below 0 from the innermost
	Name  string // of the dynamic axis: "batch"
}

// ParseAxis reads what --free-dim takes: "x:0=batch", axis 0 of input x under the name batch, or "batch", the first
// axis of all inputs. The name of the axis begins after the last equals sign, its index after the last colon before
// that: inputs such as "serving_default_x:0" hold a colon themselves.
func ParseAxis(text string) (Axis, error) {
	const hint = "write it as x:0=batch, or as batch for the first axis of all inputs"
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		if text == "" || strings.ContainsRune(text, ':') {
			return Axis{}, fault.New(fault.Usage, hint, "--free-dim %q names no axis", text)
		}
		return Axis{Name: text}, checkAxisName(text)
	}
	place, name := text[:at], text[at+1:]
	colon := strings.LastIndexByte(place, ':')
	if colon < 1 {
		return Axis{}, fault.New(fault.Usage, hint, "--free-dim %q has no input and axis", text)
	}
	index, err := strconv.Atoi(place[colon+1:])
	if err != nil {
		return Axis{}, fault.New(fault.Usage, hint, "--free-dim %q: %q is no axis", text, place[colon+1:])
	}
	return Axis{Input: place[:colon], Index: index, Name: name}, checkAxisName(name)
}

// checkAxisName refuses names that a size or an expression could be taken for.
func checkAxisName(name string) error {
	letter := func(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	for i, r := range name {
		if !letter(r) && (i == 0 || r < '0' || r > '9') {
			return fault.New(fault.Usage, "use letters, digits and underscores", "an axis cannot be called %q", name)
		}
	}
	if name == "" || len(name) > 64 {
		return fault.New(fault.Usage, "call it batch", "an axis needs a name of 1 to 64 letters")
	}
	return nil
}

// String returns the axis as ParseAxis reads it.
func (a Axis) String() string {
	if a.Input == "" {
		return a.Name
	}
	return a.Input + ":" + strconv.Itoa(a.Index) + "=" + a.Name
}
