// Package optimize owns graph passes: what rewrites a float model without changing what it computes, one named pass
// after the other, and the editing that they share.
package optimize

import (
	"context"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// Pass is one named rewrite of a model. A pass is data: the list is Passes.
type Pass struct {
	Name string // kebab-case, as typed after --passes
	Doc  string // one line for --list-passes
	// Run rewrites w.Model and returns how many times it applied. It leaves a valid graph, also when it fails.
	Run func(ctx context.Context, w *Work) (changed int, err error)
}

// Work is the model that passes rewrite, and what they may use for it.
type Work struct {
	Model    *onnx.Model           // rewritten in place; the elements of its tensors are shared and never written to
	Bound    map[string][]onnx.Dim // sizes of the inputs, for shape inference; nil: as the model declares them
	Provider engine.Provider       // runs constant subgraphs; nil: passes that need one do nothing
	MaxFold  int64                 // bytes up to which a folded constant may grow beyond what it was made of; 0: 1 MiB
	Opset    int64                 // the version of ai.onnx that upgrade-opset brings the model to; 0: leaves it
	Progress progress.Func

	shapes *static.Shapes
}

// Shapes returns what shape inference knows about the model as it is now.
func (w *Work) Shapes() *static.Shapes {
	if w.shapes == nil {
		w.shapes = static.Infer(w.Model, w.Bound)
	}
	return w.shapes
}

// Touch says that the model has changed since Shapes was called.
func (w *Work) Touch() { w.shapes = nil }

// Result is what one pass did.
type Result struct {
	Pass    string
	Changed int
}

// Run runs passes in order and returns what each did; those that changed nothing are in it.
func Run(ctx context.Context, w *Work, passes []Pass) ([]Result, error) {
	var results []Result
	for i, p := range passes {
		if err := ctx.Err(); err != nil {
			return results, err
		}
		w.Progress.Send(progress.Event{Phase: "prepare the graph", Done: float64(i), Total: float64(len(passes)), Unit: "passes", Note: p.Name})
		n, err := p.Run(ctx, w)
		if err != nil {
			return results, fault.Wrap(err, "pass %s", p.Name)
		}
		if n > 0 {
			w.Touch()
		}
		results = append(results, Result{p.Name, n})
	}
	return results, nil
}
