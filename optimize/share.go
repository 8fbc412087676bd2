package optimize

import (
	"context"
	"crypto/sha256"
	"fmt"

	"infer/model/onnx"
	"infer/model/tensor"
)

// shareInitializers keeps one of the initializers of a graph that are the same bit by bit.
func shareInitializers() Pass {
	return Pass{
		Name: "share-initializers",
		Doc:  "keeps one of several initializers with the same elements",
		Run: func(ctx context.Context, w *Work) (int, error) {
			return w.edit(func(e *Editor) (int, error) {
				alike := map[string][]*onnx.Tensor{} // by dtype and dims: only what may be the same is read
				for _, t := range e.Graph.Initializers {
					if e.constants[t.Name] == t && e.producers[t.Name] == nil {
						k := fmt.Sprint(t.DType, t.Dims)
						alike[k] = append(alike[k], t)
					}
				}
				changed := 0
				first := map[[sha256.Size]byte]*onnx.Tensor{}
				for _, t := range e.Graph.Initializers {
					k := fmt.Sprint(t.DType, t.Dims)
					if len(alike[k]) < 2 || e.constants[t.Name] != t {
						continue
					}
					sum, ok := elementsDigest(k, t)
					switch earlier := first[sum]; {
					case !ok || e.outputs[t.Name]:
					case earlier == nil:
						first[sum] = t
					default:
						e.redirect(t.Name, earlier.Name)
						changed++
					}
					if err := ctx.Err(); err != nil {
						return changed, err
					}
				}
				return changed, nil
			})
		},
	}
}

// elementsDigest returns a digest of a tensor's elements, under a key that tells dtypes and dims apart.
func elementsDigest(key string, t *onnx.Tensor) (sum [sha256.Size]byte, ok bool) {
	h := sha256.New()
	fmt.Fprintf(h, "%s ", key)
	if t.DType == tensor.String {
		v, err := t.Value()
		fmt.Fprintf(h, "%q", v.Strings)
		return [sha256.Size]byte(h.Sum(nil)), err == nil
	}
	err := t.CopyTo(h)
	return [sha256.Size]byte(h.Sum(nil)), err == nil
}
