package wire

import (
	"fmt"
	"strings"

	"infer/internal/fault"
)

// mostNames bounds the names that a hint lists.
const mostNames = 16

// NamesHint is the hint of an unknown name of an input or output: the known one that it is near to, and all of them.
// what is "inputs" or "outputs"; name may be "".
func NamesHint(what, name string, known []string) string {
	hint := ""
	if near := fault.Nearest(name, known); near != "" {
		hint = "did you mean '" + near + "'? "
	}
	if len(known) == 0 {
		return hint
	}
	hint += "the " + what + " of the model are '" + strings.Join(known[:min(len(known), mostNames)], "', '") + "'"
	if len(known) > mostNames {
		hint += " …"
	}
	return hint
}

// PortNames returns the names of ports, in their order.
func PortNames(ports []Port) []string {
	names := make([]string, len(ports))
	for i := range ports {
		names[i] = ports[i].Name
	}
	return names
}

// ShapeText is a shape as the messages of the protocols have it, such as [-1,1,28,28].
func ShapeText(s []int64) string { return strings.ReplaceAll(fmt.Sprint(s), " ", ",") }
