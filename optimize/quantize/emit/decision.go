// Package emit owns how a float graph is rewritten to integers: which nodes, in which form, for which target, and what
// the runtime should make of each.
package emit

// Form is the form that a node is given.
type Form string

// The forms.
const (
	Float      Form = "float"       // left as it is
	Static     Form = "static"      // between QuantizeLinear and DequantizeLinear
	Dynamic    Form = "dynamic"     // activations quantized in every run
	WeightOnly Form = "weight-only" // stored in blocks, computed in float or by MatMulNBits
	Stored     Form = "stored"      // integers in the file, float once the session is made
)

// Decision is what was decided about one node, and why.
type Decision struct {
	Node      string   // its name in the prepared float graph
	Op        string   // its operator there
	Output    string   // its first output, which keeps its name in the rewritten graph
	Form      Form     //
	Why       string   // why Float, in words for people; "" otherwise
	Weight    string   // the constant that was quantized; ""
	Predicted string   // the operator that the runtime should make of it, such as "QLinearConv"; "" for Float and Stored
	Absorbed  []string // nodes that became part of it, by name
	Note      string   // what else there is to know, such as a float copy of the weight that stays; ""
}
