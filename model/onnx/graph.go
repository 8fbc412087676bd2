// Package onnx owns the ONNX file format: a codec in which unknown fields survive, a plain graph to edit, shape
// inference and cost. It reads and writes protobuf itself, so that tensor bytes stay in the mapped file.
package onnx

import "infer/model/tensor"

// Model is a decoded ModelProto. Every field may be edited; a saved model holds the edits and every field that this
// package does not know (Unknown).
type Model struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Domain          string
	Version         int64
	Doc             string
	Graph           *Graph
	Opsets          []Opset
	Metadata        []Prop
	Functions       []*Function
	Unknown         []byte // fields not decoded (training_info, configuration, newer ones), kept verbatim
}

// Opset is one imported operator set. The default domain is "" ("ai.onnx" is read as "").
type Opset struct {
	Domain  string
	Version int64
	Unknown []byte
}

// Prop is one key and value of a metadata list.
type Prop struct {
	Key, Value string
	Unknown    []byte
}

// Graph is a GraphProto: nodes in topological order over named values.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []*Node
	Initializers []*Tensor
	Sparse       []*SparseTensor // sparse_initializer
	Inputs       []*ValueInfo    // includes initializers in IR 3 files
	Outputs      []*ValueInfo
	ValueInfo    []*ValueInfo // types of inner values, where the file states them
	Metadata     []Prop
	Unknown      []byte // quantization_annotation and newer fields, kept verbatim
}

// Node is one operator use. An empty name in Inputs or Outputs is an omitted optional one.
type Node struct {
	Name     string
	OpType   string
	Domain   string // "" is ai.onnx
	Overload string
	Inputs   []string
	Outputs  []string
	Attrs    []*Attribute
	Doc      string
	Metadata []Prop
	Unknown  []byte
}

// AttrType is AttributeProto.AttributeType.
type AttrType int32

// The attribute types of ONNX.
const (
	AttrUndefined AttrType = iota
	AttrFloat
	AttrInt
	AttrString
	AttrTensor
	AttrGraph
	AttrFloats
	AttrInts
	AttrStrings
	AttrTensors
	AttrGraphs
	AttrSparseTensor
	AttrSparseTensors
	AttrTypeProto
	AttrTypeProtos
)

// Attribute is an AttributeProto; Type says which field holds the value.
type Attribute struct {
	Name    string
	RefName string // in a function body: the function's attribute it stands for
	Doc     string
	Type    AttrType
	F       float32
	I       int64
	S       []byte
	T       *Tensor
	G       *Graph
	Sparse  *SparseTensor
	TP      *Type
	Floats  []float32
	Ints    []int64
	Strings [][]byte
	Tensors []*Tensor
	Graphs  []*Graph
	Sparses []*SparseTensor
	TPs     []*Type
	Unknown []byte
}

// ValueInfo names a value and gives its type; Type is nil where the file states none.
type ValueInfo struct {
	Name     string
	Type     *Type
	Doc      string
	Metadata []Prop
	Unknown  []byte
}

// TypeKind tells the forms of Type apart.
type TypeKind int

// The forms of a TypeProto.
const (
	KindNone TypeKind = iota
	KindTensor
	KindSparseTensor
	KindSequence
	KindMap
	KindOptional
	KindOpaque
)

// Type is a TypeProto. DType and Dims are for tensors, Elem for sequences, optionals and map values, Key for map keys.
type Type struct {
	Kind       TypeKind
	DType      tensor.DType
	HasShape   bool // false: the rank is unknown
	Dims       []Dim
	Elem       *Type
	Key        tensor.DType
	Denotation string
	Unknown    []byte

	inner []byte // unknown fields of the message inside: all of an opaque type
	shape []byte // unknown fields of the shape inside that
}

// Dim is one axis of a declared or inferred shape: a size, a named dynamic axis, or nothing known.
type Dim struct {
	Size       int64  // the size when Known
	Known      bool   //
	Name       string // the symbol when not Known; "" for an unnamed dynamic axis
	Denotation string
	Unknown    []byte
}

// Fixed returns a dimension of a known size.
func Fixed(n int64) Dim { return Dim{Size: n, Known: true} }

// Symbol returns a named dynamic axis.
func Symbol(name string) Dim { return Dim{Name: name} }

// Function is a FunctionProto: a named body of nodes that a node can call as an operator.
type Function struct {
	Name       string
	Domain     string
	Overload   string
	Inputs     []string
	Outputs    []string
	AttrNames  []string     // attributes without a default
	AttrProtos []*Attribute // attributes with a default
	Nodes      []*Node
	Opsets     []Opset
	Doc        string
	ValueInfo  []*ValueInfo
	Metadata   []Prop
	Unknown    []byte
}

// SparseTensor is a SparseTensorProto: values (rank 1) at indices of a dense shape.
type SparseTensor struct {
	Values  *Tensor
	Indices *Tensor
	Dims    []int64
	Unknown []byte
}

// Attr returns the attribute of a name, or nil.
func (n *Node) Attr(name string) *Attribute {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Int returns an integer attribute, or def where it is absent.
func (n *Node) Int(name string, def int64) int64 {
	if a := n.Attr(name); a != nil && a.Type == AttrInt {
		return a.I
	}
	return def
}

// Float returns a float attribute, or def where it is absent.
func (n *Node) Float(name string, def float32) float32 {
	if a := n.Attr(name); a != nil && a.Type == AttrFloat {
		return a.F
	}
	return def
}

// Str returns a string attribute, or def where it is absent.
func (n *Node) Str(name, def string) string {
	if a := n.Attr(name); a != nil && a.Type == AttrString {
		return string(a.S)
	}
	return def
}

// Ints returns an integer-list attribute, or nil where it is absent.
func (n *Node) Ints(name string) []int64 {
	if a := n.Attr(name); a != nil && a.Type == AttrInts {
		return a.Ints
	}
	return nil
}

// Initializer returns the initializer of a name, or nil. It walks the list: index it yourself for many look-ups.
func (g *Graph) Initializer(name string) *Tensor {
	for _, t := range g.Initializers {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Subgraphs returns the graphs among the node's attributes, in order (If, Loop, Scan bodies).
func (n *Node) Subgraphs() []*Graph {
	var gs []*Graph
	for _, a := range n.Attrs {
		if a.G != nil {
			gs = append(gs, a.G)
		}
		gs = append(gs, a.Graphs...)
	}
	return gs
}

// Opset returns the imported version of a domain, 0 where the model does not import it.
func (m *Model) Opset(domain string) int64 {
	for _, o := range m.Opsets {
		if o.Domain == domain {
			return o.Version
		}
	}
	return 0
}
