package payload

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// perfTensor reads one tensor of an entry. asked is the shape that the user bound, nil for none.
func perfTensor(raw json.RawMessage, p wire.Port, asked tensor.Shape) (tensor.Tensor, error) {
	var object struct {
		Content json.RawMessage `json:"content"`
		Shape   *[]int64        `json:"shape"`
		B64     *string         `json:"b64"`
	}
	content := raw
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &object); err != nil {
			return tensor.Tensor{}, fault.New(fault.Usage, "", "\"shape\" is a list of integers and \"b64\" a string: %w", err)
		}
		content = object.Content
		if object.B64 == nil && len(content) > 0 && content[0] == '{' {
			shape := object.Shape
			if err := json.Unmarshal(content, &object); err != nil || object.B64 == nil {
				return tensor.Tensor{}, fault.New(fault.Usage, "", "\"content\" is neither a list nor {\"b64\": \"…\"}")
			}
			object.Shape = shape
		}
	}
	if object.Shape != nil {
		asked = append(tensor.Shape{}, *object.Shape...)
	}
	var t tensor.Tensor
	var count int64
	var err error
	switch {
	case object.B64 != nil:
		t, count, err = fromBase64(*object.B64, p)
	case len(content) == 0 || content[0] != '[':
		err = fault.New(fault.Usage, `write […], {"content": […]} or {"b64": "…"}`, "it is no list of elements")
	default:
		if t, err = wire.DecodeNested(content, p, answerLimits); err == nil {
			count, err = t.Shape.Elements()
			if asked == nil && len(t.Shape) > 1 {
				asked = t.Shape
			}
		}
	}
	if err != nil {
		return tensor.Tensor{}, err
	}
	t.Name = p.Name
	if t.Shape, err = settleShape(p, asked, count); err != nil {
		return tensor.Tensor{}, err
	}
	return t, t.Check()
}

// fromBase64 reads elements in the binary form of the protocol.
func fromBase64(text string, p wire.Port) (t tensor.Tensor, count int64, err error) {
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return t, 0, fault.New(fault.Usage, "", "\"b64\" is no base64: %w", err)
	}
	t.DType = p.DType
	if p.DType == tensor.String {
		t.Strings = []string{}
		for len(data) > 0 {
			if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
				return t, 0, fault.New(fault.Usage, "a string stands behind its length in 4 bytes, little-endian", "\"b64\" ends within string %d", len(t.Strings))
			}
			n := 4 + int(binary.LittleEndian.Uint32(data))
			t.Strings, data = append(t.Strings, string(data[4:n])), data[n:]
		}
		return t, int64(len(t.Strings)), nil
	}
	size := p.DType.Bits() / 8
	if wire.Datatype(p.DType) == "" || size == 0 {
		return t, 0, fault.New(fault.Unsupported, "", "%s, which the protocol cannot carry", p.DType)
	}
	if len(data)%size != 0 {
		return t, 0, fault.New(fault.Usage, "", "%d bytes in \"b64\" are no whole number of %s elements", len(data), p.DType)
	}
	if p.DType == tensor.Bool && slices.ContainsFunc(data, func(b byte) bool { return b > 1 }) {
		return t, 0, fault.New(fault.Usage, "", "a bool in \"b64\" is neither 0 nor 1")
	}
	t.Data = data
	return t, int64(len(data) / size), nil
}

// settleShape returns the shape of a tensor of count elements for a port: the one asked for, with a batch axis of 1 in
// front where the port has one more, or, asked nil, what count leaves for the open axes.
func settleShape(p wire.Port, asked tensor.Shape, count int64) (tensor.Shape, error) {
	if asked == nil {
		return deduceShape(p, count)
	}
	s := asked
	if len(p.Shape) == len(s)+1 && p.Shape[0] < 0 {
		s = append(tensor.Shape{1}, s...)
	}
	if !fits(s, p) {
		return nil, fault.New(fault.Usage, "", "it is of shape %s, and the model takes %s", wire.ShapeText(asked), portText(p))
	}
	n, err := s.Elements()
	if err != nil {
		return nil, fault.New(fault.Usage, "", "shape %s: %w", wire.ShapeText(asked), err)
	}
	if n != count {
		return nil, fault.New(fault.Usage, "", "%d elements for shape %s, which takes %d", count, wire.ShapeText(asked), n)
	}
	return s, nil
}

// deduceShape returns the shape of count elements. Of two open axes the first is the batch axis and becomes 1.
func deduceShape(p wire.Port, count int64) (tensor.Shape, error) {
	if len(p.Shape) == 0 {
		if count == 1 {
			return tensor.Shape{}, nil
		}
		return tensor.Shape{count}, nil
	}
	s := tensor.Shape(slices.Clone(p.Shape))
	var open []int
	for i, d := range s {
		if d < 0 {
			open = append(open, i)
			s[i] = 1
		}
	}
	if len(open) == 2 && open[0] == 0 {
		open = open[1:]
	}
	each, err := s.Elements()
	if err != nil {
		return nil, fault.New(fault.Usage, "", "the model takes %s: %w", portText(p), err)
	}
	switch {
	case len(open) > 1:
		return nil, fault.New(fault.Usage, `write {"content": […], "shape": […]}, or pass --shape `+p.Name+":…", "the model takes %s, and nothing says what shape %d elements have", portText(p), count)
	case len(open) == 1 && each > 0 && count%each == 0 && count > 0:
		s[open[0]] = count / each
	case each != count:
		return nil, fault.New(fault.Usage, "", "%d elements, and the model takes %s", count, portText(p))
	}
	return s, nil
}
