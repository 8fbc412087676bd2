package repository

import (
	"infer/internal/fault"
	"infer/internal/wire"
)

// unexpected is the error of an input or output that the model does not have, in the words of other servers of the
// protocol; what there is stands in the hint.
func unexpected(what, name, model string, ports []wire.Port) error {
	return fault.New(fault.Usage, wire.NamesHint(what+"s", name, wire.PortNames(ports)), "unexpected inference %s '%s' for model '%s'", what, name, model)
}
