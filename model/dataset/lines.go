package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

const (
	maxLine  = 256 << 20 // bytes of one JSON line
	maxDepth = 64        // nesting of an array, as the rank of a .npy file
)

func (s *Set) openLines(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Usage, "", "%w", pathCause(err))
	}
	defer f.Close()
	return s.readLines(f)
}

// readLines reads JSON lines, one row each: {"name": value, …}, {"inputs": {…}} or, for a model with one input, a bare
// value. "label" (an integer) is the row's class id. A value of the port's rank less one is a row; one of the port's
// own rank is a row too where its axis 0 is 1, and a whole input otherwise.
func (s *Set) readLines(r io.Reader) error {
	rows := make([][]tensor.Tensor, len(s.ports))
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxLine)
	unlabelled, n := 0, 0
	for number := 1; scan.Scan(); number++ {
		line := bytes.TrimSpace(scan.Bytes())
		if len(line) == 0 {
			continue
		}
		n++
		values, label, err := s.line(line)
		if err != nil {
			return fault.Wrap(err, "line %d", number)
		}
		if label == nil {
			unlabelled++
		} else {
			s.labels = append(s.labels, *label)
		}
		for i, v := range values {
			t, err := parseValue(s.ports[i], v)
			if err != nil {
				return fault.Wrap(err, "line %d: input %q", number, s.ports[i].Name)
			}
			if !rowFits(s.ports[i].Type, t.Shape) {
				return fault.New(fault.Usage, "one line is one row", "line %d: input %q takes %s and the line has %s", number, s.ports[i].Name,
					dimsText(s.ports[i].Type), t.Shape)
			}
			if len(rows[i]) > 0 && (len(t.Shape) != len(rows[i][0].Shape) || t.DType != rows[i][0].DType) {
				return fault.New(fault.Usage, "", "line %d: input %q is %s of shape %s and before it was %s of shape %s", number,
					s.ports[i].Name, t.DType, t.Shape, rows[i][0].DType, rows[i][0].Shape)
			}
			rows[i] = append(rows[i], t)
		}
	}
	if err := scan.Err(); err != nil {
		return fault.New(fault.Usage, "", "%w", err)
	}
	if n == 0 {
		return fault.New(fault.Usage, "", "it has no rows")
	}
	if unlabelled > 0 && s.labels != nil {
		return fault.New(fault.Usage, `give every line a "label", or none`, "%d of %d lines have no label", unlabelled, n)
	}
	for i, p := range s.ports {
		s.columns = append(s.columns, column{port: p, file: fmt.Sprintf("input %q", p.Name), lines: rows[i]})
	}
	return nil
}

// rowFits reports whether the value of a line, as parseValue gives it, agrees with the fixed axes of its input: a row
// has those behind axis 0, a whole input has all.
func rowFits(ty *onnx.Type, s tensor.Shape) bool {
	dims := ty.Dims
	if len(s) == len(dims)-1 {
		dims = dims[1:]
	}
	if !ty.HasShape {
		return true
	}
	ok := len(s) == len(dims)
	for i := 0; ok && i < len(s); i++ {
		ok = !dims[i].Known || dims[i].Size == s[i]
	}
	return ok
}

// line returns the value of each port in one line.
func (s *Set) line(line []byte) (values []json.RawMessage, label *int64, err error) {
	if line[0] != '{' {
		if len(s.ports) != 1 {
			return nil, nil, fault.New(fault.Usage, `write {"name": value, …}`, "a bare value for a model with the inputs %s", s.names())
		}
		return []json.RawMessage{line}, nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return nil, nil, fault.New(fault.Usage, "write one JSON object a line", "%w", err)
	}
	if raw, ok := object["label"]; ok {
		if _, isInput := s.nameOf("label"); !isInput {
			if err := json.Unmarshal(raw, &label); err != nil {
				return nil, nil, fault.New(fault.Usage, "", "label %.40s is no integer", raw)
			}
			delete(object, "label")
		}
	}
	if inner, ok := object["inputs"]; ok && len(object) == 1 {
		var inputs map[string]json.RawMessage
		if json.Unmarshal(inner, &inputs) == nil {
			object = inputs
		}
	}
	values = make([]json.RawMessage, len(s.ports))
	for key, v := range object {
		port, ok := s.nameOf(key)
		if !ok {
			return nil, nil, fault.New(fault.Usage, "the inputs are "+s.names(), "%.40q is no input", key)
		}
		for i := range s.ports {
			if s.ports[i].Name == port.Name {
				values[i] = v
			}
		}
	}
	for i, v := range values {
		if v == nil {
			return nil, nil, fault.New(fault.Usage, "the inputs are "+s.names(), "no value for the input %q", s.ports[i].Name)
		}
	}
	return values, label, nil
}

// parseValue reads a nested array as one row of a port.
func parseValue(port model.Port, raw []byte) (tensor.Tensor, error) {
	d := port.Type.DType
	if port.Type.Kind != onnx.KindTensor {
		return tensor.Tensor{}, fault.New(fault.Unsupported, "", "not a tensor")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	p := nested{dec: dec, dtype: d}
	if err := p.value(0); err != nil {
		return tensor.Tensor{}, err
	}
	t, err := p.tensor()
	if rank := len(port.Type.Dims); err == nil && port.Type.HasShape && rank > 0 && len(t.Shape) == rank && t.Shape[0] == 1 {
		t.Shape = t.Shape[1:]
	}
	return t, err
}

// nested reads a nested JSON array into flat elements.
type nested struct {
	dec     *json.Decoder
	dtype   tensor.DType
	shape   tensor.Shape
	ints    []int64
	floats  []float64
	strings []string
}

func (p *nested) value(depth int) error {
	tok, err := p.dec.Token()
	if err != nil {
		return fault.New(fault.Usage, "", "%w", err)
	}
	if tok != json.Delim('[') {
		if depth != len(p.shape) {
			return fault.New(fault.Usage, "every list of an axis has the same length and depth", "the nested lists are ragged")
		}
		return p.leaf(tok)
	}
	if depth == maxDepth {
		return fault.New(fault.Usage, "", "lists nested more than %d deep", maxDepth)
	}
	known := depth < len(p.shape)
	if !known {
		if len(p.ints)+len(p.floats)+len(p.strings) > 0 {
			return fault.New(fault.Usage, "", "the nested lists are ragged")
		}
		p.shape = append(p.shape, -1)
	}
	n := int64(0)
	for p.dec.More() {
		if err := p.value(depth + 1); err != nil {
			return err
		}
		n++
	}
	if _, err := p.dec.Token(); err != nil {
		return fault.New(fault.Usage, "", "%w", err)
	}
	if p.shape[depth] >= 0 && p.shape[depth] != n {
		return fault.New(fault.Usage, "every list of an axis has the same length and depth", "the nested lists are ragged: %d and %d", p.shape[depth], n)
	}
	p.shape[depth] = n
	return nil
}

func (p *nested) leaf(tok json.Token) error {
	wrong := func() error {
		return fault.New(fault.Usage, "", "%.40v is no %s", tok, p.dtype)
	}
	switch v := tok.(type) {
	case string:
		if p.dtype != tensor.String {
			return wrong()
		}
		p.strings = append(p.strings, v)
	case bool:
		if p.dtype != tensor.Bool {
			return wrong()
		}
		b := int64(0)
		if v {
			b = 1
		}
		p.ints = append(p.ints, b)
	case json.Number:
		if p.dtype.IsInt() {
			i, err := strconv.ParseInt(v.String(), 10, 64)
			if err != nil {
				return wrong()
			}
			p.ints = append(p.ints, i)
			return nil
		}
		f, err := v.Float64()
		if err != nil || !p.dtype.IsFloat() || p.dtype != tensor.Float64 && math.Abs(f) > math.MaxFloat32 {
			return wrong()
		}
		p.floats = append(p.floats, f)
	default:
		return wrong()
	}
	return nil
}

func (p *nested) tensor() (tensor.Tensor, error) {
	switch {
	case p.dtype == tensor.String:
		return tensor.FromStrings("", p.shape, p.strings)
	case p.dtype.IsInt() || p.dtype == tensor.Bool:
		return tensor.FromInts("", p.dtype, p.shape, p.ints)
	case !p.dtype.IsFloat():
		return tensor.Tensor{}, fault.New(fault.Unsupported, "give it as .npy", "JSON cannot hold %s", p.dtype)
	}
	n, err := p.shape.Elements()
	if err != nil || n != int64(len(p.floats)) {
		return tensor.Tensor{}, fault.New(fault.Usage, "", "the nested lists are ragged")
	}
	return fromFloats(p.dtype, p.shape, p.floats)
}
