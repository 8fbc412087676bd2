package trtexec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// Range is the sizes that an engine is built for, of one input: the smallest, the one it is tuned for, the largest.
type Range struct {
	Input         string
	Min, Opt, Max []int64
}

// Profile is one set of ranges, one of each dynamic input. An engine may have several.
type Profile []Range

const profileHint = "write it as --profile 'x:1x3x224x224/8x3x224x224/32x3x224x224' (smallest/tuned for/largest), several inputs with commas"

// ParseProfile reads 'x:1x3x224x224/8x3x224x224/32x3x224x224,mask:1x128/8x128/32x128'. The name of an input ends at the
// last colon. One shape alone stands for all three. Errors are of kind fault.Usage.
func ParseProfile(text string) (Profile, error) {
	var p Profile
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseRange(part)
		if err != nil {
			return nil, fault.New(fault.Usage, profileHint, "--profile %q: %w", text, err)
		}
		if slices.ContainsFunc(p, func(o Range) bool { return o.Input == r.Input }) {
			return nil, fault.New(fault.Usage, "give each profile a --profile of its own", "--profile %q names input %q twice", text, r.Input)
		}
		p = append(p, r)
	}
	return p, nil
}

func parseRange(text string) (Range, error) {
	text = strings.TrimSpace(text)
	at := strings.LastIndexByte(text, ':')
	if at <= 0 {
		return Range{}, fmt.Errorf("%q has no name of an input and a colon in front of its shapes", text)
	}
	r := Range{Input: text[:at]}
	shapes := strings.Split(text[at+1:], "/")
	if len(shapes) == 1 {
		shapes = []string{shapes[0], shapes[0], shapes[0]}
	}
	if len(shapes) != 3 {
		return r, fmt.Errorf("input %q has %d shapes, not three", r.Input, len(shapes))
	}
	for i, to := range []*[]int64{&r.Min, &r.Opt, &r.Max} {
		s, err := parseShape(shapes[i])
		if err != nil {
			return r, fmt.Errorf("input %q: %w", r.Input, err)
		}
		*to = s
	}
	if len(r.Min) != len(r.Opt) || len(r.Opt) != len(r.Max) {
		return r, fmt.Errorf("the three shapes of input %q have not the same number of axes", r.Input)
	}
	for i := range r.Min {
		if r.Min[i] > r.Opt[i] || r.Opt[i] > r.Max[i] {
			return r, fmt.Errorf("axis %d of input %q shrinks: %d/%d/%d", i, r.Input, r.Min[i], r.Opt[i], r.Max[i])
		}
	}
	return r, nil
}

func parseShape(text string) ([]int64, error) {
	var s []int64
	for d := range strings.SplitSeq(text, "x") {
		n, err := strconv.ParseInt(strings.TrimSpace(d), 10, 64)
		if err != nil || n < 0 || n > 1<<31-1 {
			return nil, fmt.Errorf("%q is no shape such as 1x3x224x224", text)
		}
		s = append(s, n)
	}
	return s, nil
}

// String writes a profile as ParseProfile reads it.
func (p Profile) String() string {
	parts := make([]string, len(p))
	for i, r := range p {
		parts[i] = r.Input + ":" + shapeText(r.Min) + "/" + shapeText(r.Opt) + "/" + shapeText(r.Max)
	}
	return strings.Join(parts, ",")
}

// Which is one of the three shapes of a Range.
type Which int

// The three shapes.
const (
	Min Which = iota
	Opt
	Max
)

// Of returns one of the three shapes.
func (r Range) Of(w Which) []int64 { return [][]int64{r.Min, r.Opt, r.Max}[w] }

// Shapes lists one of the three shapes of every input: "x:1x3x224x224,mask:1x128", as trtexec and ONNX Runtime's
// TensorRT provider take it.
func (p Profile) Shapes(w Which) string {
	parts := make([]string, len(p))
	for i, r := range p {
		parts[i] = r.Input + ":" + shapeText(r.Of(w))
	}
	return strings.Join(parts, ",")
}

func shapeText(s []int64) string {
	parts := make([]string, len(s))
	for i, n := range s {
		parts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(parts, "x")
}
