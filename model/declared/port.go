package declared

import (
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
)

// portNamed returns the port that a key names; without a name, the only one.
func portNamed(key, name string, ports []model.Port) (model.Port, error) {
	all := make([]string, len(ports))
	for i, p := range ports {
		if p.Name == name || name == "" && len(ports) == 1 {
			return p, nil
		}
		all[i] = p.Name
	}
	if name == "" {
		return model.Port{}, fault.New(fault.Usage, "name one of "+strings.Join(all, ", "), "%s is not given and the model has %d", key, len(ports))
	}
	hint := "the model has " + strings.Join(all, ", ")
	if near := fault.Nearest(name, all); near != "" {
		hint = "did you mean " + near + "?"
	}
	return model.Port{}, fault.New(fault.Usage, hint, "%s: the model has no %q", key, name)
}

// checkCovered reports an input that nothing is declared for: it would have no value.
func checkCovered(inputs []model.Port, declared ...string) error {
	for _, p := range inputs {
		covered := false
		for _, name := range declared {
			covered = covered || name == p.Name
		}
		if !covered {
			return fault.New(fault.Usage, "declare it, or give the model's inputs as arrays", "the input %q is not declared", p.Name)
		}
	}
	return nil
}

// typeText returns a type as messages show it.
func typeText(ty *onnx.Type) string {
	if ty.Kind == onnx.KindTensor {
		return ty.DType.String()
	}
	return "no tensor"
}

// dimsText returns a type with its axes, such as "float32 [batch, 3, 224, 224]".
func dimsText(ty *onnx.Type) string {
	if ty.Kind != onnx.KindTensor || !ty.HasShape {
		return typeText(ty)
	}
	axes := make([]string, len(ty.Dims))
	for i, d := range ty.Dims {
		switch {
		case d.Known:
			axes[i] = strconv.FormatInt(d.Size, 10)
		case d.Name != "":
			axes[i] = d.Name
		default:
			axes[i] = "?"
		}
	}
	return ty.DType.String() + " [" + strings.Join(axes, ", ") + "]"
}
