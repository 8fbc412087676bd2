package declared

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Answer is what a row of outputs means.
type Answer struct {
	Labels []Label `json:"labels"` // the highest scores, best first
}

// Label is one class of an answer.
type Label struct {
	Label string  `json:"label"` // its name; the index in digits where no names are declared
	Index int     `json:"index"`
	Score float64 `json:"score"` // the output's value, or its softmax where that is declared
}

// labelOutput makes answers of one output.
type labelOutput struct {
	output  string
	names   []string // nil: none declared
	top     int
	softmax bool
}

const defaultTop = 5

func newLabelOutput(s labelsSpec, outputs []model.Port, dir string) (*labelOutput, error) {
	port, err := portNamed("labels.output", s.Output, outputs)
	if err != nil {
		return nil, err
	}
	if ty := port.Type; ty.Kind != onnx.KindNone && (ty.Kind != onnx.KindTensor || !ty.DType.IsFloat()) {
		return nil, fault.New(fault.Usage, "name the output with the scores", "labels.output: output %q is %s, and scores are floats", port.Name, typeText(ty))
	}
	l := &labelOutput{output: port.Name, top: s.Top, softmax: s.Softmax}
	switch {
	case s.Top < 0:
		return nil, fault.New(fault.Usage, "", "labels.top is %d", s.Top)
	case s.Top == 0:
		l.top = defaultTop
	}
	if s.Names != nil {
		if l.names, err = s.Names.read(dir); err != nil {
			return nil, fault.Wrap(err, "labels.names")
		}
		if classes := classesOf(port.Type); classes > 0 && classes != int64(len(l.names)) {
			return nil, l.mismatch(classes)
		}
	}
	return l, nil
}

func (l *labelOutput) mismatch(classes int64) error {
	return fault.New(fault.Usage, "give one name for each class", "labels.names has %d names and output %q has %d classes", len(l.names), l.output, classes)
}

// classesOf returns the product of the axes behind the first, 0 where one is dynamic.
func classesOf(ty *onnx.Type) int64 {
	if !ty.HasShape || len(ty.Dims) < 2 {
		return 0
	}
	n := int64(1)
	for _, d := range ty.Dims[1:] {
		if !d.Known {
			return 0
		}
		n *= d.Size
	}
	return n
}

// read returns the names: those of the declaration, or of a file with one a line, a JSON list, or a JSON object from
// index to name (or to a list whose last item is the name) or from name to index.
func (n *names) read(dir string) ([]string, error) {
	if n.file == "" {
		return n.list, nil
	}
	path := within(dir, n.file)
	data, err := readFile(path, maxCompanion)
	if err != nil {
		return nil, err
	}
	list, err := parseNames(data)
	if err != nil {
		return nil, fault.Wrap(err, "%q", path)
	}
	return list, nil
}

func parseNames(data []byte) ([]string, error) {
	switch trimmed := bytes.TrimSpace(data); {
	case len(trimmed) == 0:
		return nil, fault.New(fault.Usage, "", "it has no names")
	case trimmed[0] == '[':
		var list []string
		if err := json.Unmarshal(trimmed, &list); err != nil {
			return nil, fault.New(fault.Usage, "", "%w", err)
		}
		return list, nil
	case trimmed[0] == '{':
		return parseNameObject(trimmed)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines, nil
}

func parseNameObject(data []byte) ([]string, error) {
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	list := make([]string, len(object))
	seen := make([]bool, len(object))
	for key, value := range object {
		index, name := key, fmt.Sprint(value)
		switch v := value.(type) {
		case float64:
			index, name = strconv.FormatFloat(v, 'f', -1, 64), key
		case []any:
			if len(v) > 0 {
				name = fmt.Sprint(v[len(v)-1])
			}
		}
		i, err := strconv.Atoi(index)
		if err != nil || i < 0 || i >= len(list) || seen[i] {
			return nil, fault.New(fault.Usage, "give each of the indices 0 to "+fmt.Sprint(len(list)-1)+" one name", "%.40q is no index of its own", index)
		}
		list[i], seen[i] = name, true
	}
	return list, nil
}

// decode returns the highest scores of a row.
func (l *labelOutput) decode(outputs []tensor.Tensor, row int) (Answer, error) {
	t, err := l.find(outputs)
	if err != nil {
		return Answer{}, err
	}
	if rows := tensor.Rows(t); len(t.Shape) > 1 {
		if row < 0 || int64(row) >= rows {
			return Answer{}, fault.New(fault.Usage, "", "row %d of output %q, which has %d", row, l.output, rows)
		}
		if t, err = tensor.Slice(t, int64(row), int64(row)+1); err != nil {
			return Answer{}, err
		}
	} else if row != 0 {
		return Answer{}, fault.New(fault.Usage, "", "row %d of output %q, which has no axis of rows", row, l.output)
	}
	scores, err := tensor.Floats(t)
	if err != nil {
		return Answer{}, fault.Wrap(err, "output %q", l.output)
	}
	if l.names != nil && len(l.names) != len(scores) {
		return Answer{}, l.mismatch(int64(len(scores)))
	}
	return l.answer(scores)
}

func (l *labelOutput) find(outputs []tensor.Tensor) (tensor.Tensor, error) {
	for _, t := range outputs {
		if t.Name == l.output || t.Name == "" && len(outputs) == 1 {
			return t, nil
		}
	}
	return tensor.Tensor{}, fault.New(fault.Internal, "", "the outputs lack %q, which the labels belong to", l.output)
}

// answer picks the highest scores; of equal ones, the lower index comes first.
func (l *labelOutput) answer(scores []float32) (Answer, error) {
	best := make([]Label, 0, min(l.top, len(scores))+1)
	for i, s := range scores {
		score := float64(s)
		if math.IsNaN(score) || math.IsInf(score, 0) {
			return Answer{}, fault.New(fault.Internal, "", "output %q has %v at class %d, which is no score", l.output, score, i)
		}
		at := len(best)
		for at > 0 && best[at-1].Score < score {
			at--
		}
		if at < l.top {
			best = slices.Insert(best, at, Label{Index: i, Score: score})
			best = best[:min(len(best), l.top)]
		}
	}
	if l.softmax && len(best) > 0 {
		softmax(best, scores)
	}
	for k := range best {
		best[k].Label = l.name(best[k].Index)
	}
	return Answer{Labels: best}, nil
}

// softmax replaces the scores of the best by exp(score) / Σ exp(scores).
func softmax(best []Label, scores []float32) {
	most, sum := best[0].Score, 0.0
	for _, s := range scores {
		sum += math.Exp(float64(s) - most)
	}
	for k := range best {
		best[k].Score = math.Exp(best[k].Score-most) / sum
	}
}

func (l *labelOutput) name(i int) string {
	if l.names == nil {
		return strconv.Itoa(i)
	}
	return l.names[i]
}
