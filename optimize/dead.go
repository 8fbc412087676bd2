package optimize

import "context"

// eliminateDead removes what no output needs.
func eliminateDead() Pass {
	return Pass{
		Name: "eliminate-dead",
		Doc:  "removes nodes and initializers that no output needs",
		Run: func(_ context.Context, w *Work) (int, error) {
			removed := 0
			_, err := w.edit(func(e *Editor) (int, error) {
				before := len(e.Graph.Nodes) + len(e.Graph.Initializers)
				err := e.Finish()
				removed += before - len(e.Graph.Nodes) - len(e.Graph.Initializers)
				return 0, err
			})
			return removed, err
		},
	}
}
