package optimize

import (
	"context"
	"slices"

	"infer/model/onnx"
)

// dropInitializerInputs takes initializers off the list of inputs in models older than IR version 4, where every
// initializer had to be listed and none could be replaced by a caller. From version 4 on such an input is a default
// that a caller may replace, and stays.
func dropInitializerInputs() Pass {
	return Pass{
		Name: "drop-initializer-inputs",
		Doc:  "takes initializers off the inputs of models older than IR version 4 and raises that version",
		Run: func(_ context.Context, w *Work) (int, error) {
			if w.Model.IRVersion >= 4 || w.Model.Graph == nil {
				return 0, nil
			}
			g := w.Model.Graph
			stored := map[string]bool{}
			for _, t := range g.Initializers {
				stored[t.Name] = true
			}
			before := len(g.Inputs)
			g.Inputs = slices.DeleteFunc(g.Inputs, func(v *onnx.ValueInfo) bool { return stored[v.Name] })
			if len(g.Inputs) < before {
				w.Model.IRVersion = 4 // older ones want every initializer among the inputs
			}
			return before - len(g.Inputs), nil
		},
	}
}
