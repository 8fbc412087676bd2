package emit

import (
	"infer/model/onnx"
	"infer/model/tensor"
)

// microsoft is the domain of ONNX Runtime's own operators.
const microsoft = "com.microsoft"

// operator returns a node that is named like the values that it makes.
func operator(op string, inputs, outputs []string, attrs ...*onnx.Attribute) *onnx.Node {
	return &onnx.Node{Name: outputs[0], OpType: op, Inputs: inputs, Outputs: outputs, Attrs: attrs}
}

// microsoftOperator is operator for the domain com.microsoft, which it imports.
func (s *scope) microsoftOperator(op string, inputs, outputs []string, attrs ...*onnx.Attribute) *onnx.Node {
	if s.Model.Opset(microsoft) == 0 {
		s.Model.Opsets = append(s.Model.Opsets, onnx.Opset{Domain: microsoft, Version: 1})
	}
	n := operator(op, inputs, outputs, attrs...)
	n.Domain = microsoft
	return n
}

func integer(name string, v int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInt, I: v}
}

// toFloat is the attribute of a Cast to float32.
func toFloat() *onnx.Attribute { return integer("to", int64(tensor.Float32)) }

// input returns the i-th input of a node, "" where it is omitted.
func input(n *onnx.Node, i int) string {
	if i < len(n.Inputs) {
		return n.Inputs[i]
	}
	return ""
}

// is reports whether n is an operator of ai.onnx.
func is(n *onnx.Node, op string) bool { return n != nil && n.Domain == "" && n.OpType == op }
