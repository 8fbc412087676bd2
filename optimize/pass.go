// Package optimize owns graph passes: what rewrites a float model without changing what it computes, one named pass
// after the other, and the editing that they share.
package optimize

import (
	"context"
	"errors"
	"slices"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// Pass is one named rewrite of a model. A pass is data: the list is All.
type Pass struct {
	Name  string // kebab-case, as typed after --passes
	Doc   string // one line for --list-passes
	Level Level  // from which on it runs
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

	shapes, declared *static.Shapes // with Bound and without; nil: to be inferred
}

// Shapes returns what shape inference knows about the model as it is now, at the sizes in Bound.
func (w *Work) Shapes() *static.Shapes {
	if w.shapes == nil {
		w.shapes = static.Infer(w.Model, w.Bound)
	}
	return w.shapes
}

// Declared returns what shape inference knows about the model as it is now for all inputs that it may be given: a
// rewrite by the sizes in Bound would make a model of those sizes alone.
func (w *Work) Declared() *static.Shapes {
	if w.declared == nil {
		w.declared = static.Infer(w.Model, nil)
	}
	return w.declared
}

// Touch says that the model has changed since Shapes and Declared were called.
func (w *Work) Touch() { w.shapes, w.declared = nil, nil }

// edit calls f with an editor of every graph of the model, inner ones first, clears up behind each f that changed
// something, and returns the sum of the changes.
func (w *Work) edit(f func(e *Editor) (int, error)) (int, error) {
	var graphs []*onnx.Graph
	w.Model.Walk(func(g *onnx.Graph) { graphs = append(graphs, g) })
	total := 0
	for _, g := range slices.Backward(graphs) {
		e := NewEditor(w.Model, g)
		n, err := f(e)
		total += n
		if n > 0 || err != nil {
			err = errors.Join(err, e.Finish())
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// local is a pass that rewrites nodes of one graph at a time and cannot fail: rewrite is called for each node that is
// still in its graph, in graph order, and says whether it applied.
func local(name, doc string, rewrite func(w *Work, e *Editor, n *onnx.Node) bool) Pass {
	return Pass{Name: name, Doc: doc, Run: func(ctx context.Context, w *Work) (int, error) {
		return w.edit(func(e *Editor) (int, error) {
			changed := 0
			for _, n := range e.Graph.Nodes {
				if e.has(n) && rewrite(w, e, n) {
					changed++
				}
			}
			return changed, ctx.Err()
		})
	}}
}

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
