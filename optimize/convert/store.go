package convert

import (
	"context"
	"crypto/sha256"
	"fmt"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/optimize/surgery"
)

// store writes the model with its weights in the file or beside it. The bytes of every tensor stay what they are.
func (c *conversion) store(mode model.ExternalMode) error {
	if err := c.Model.Save(c.draft.Path(), model.SaveOptions{External: mode}); err != nil {
		return err
	}
	written, err := model.Load(c.draft.Path())
	if err != nil {
		return fault.Wrap(err, "read back what was written")
	}
	defer written.Close()
	a, bytes, err := tensorDigests(c.Model.Proto)
	if err != nil {
		return err
	}
	b, _, err := tensorDigests(written.Proto)
	if err != nil {
		return fault.Wrap(err, "read back what was written")
	}
	if len(a) != len(b) {
		return fault.New(fault.Internal, "", "the written file has %d tensors, and the model %d", len(b), len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			return fault.New(fault.Internal, "", "tensor %q of the written file differs from that of the model", a[i].name)
		}
	}
	c.note(fmt.Sprintf("%d tensors of %d bytes are the same, each by its SHA-256", len(a), bytes))
	return nil
}

// tensorDigest identifies a tensor.
type tensorDigest struct {
	name, dtype, shape string
	sum                [sha256.Size]byte
}

// tensorDigests returns the digests of all tensors of a model, in its order, and how many bytes they have. It holds one
// tensor at a time.
func tensorDigests(m *onnx.Model) (list []tensorDigest, bytes int64, err error) {
	err = m.Tensors(func(t *onnx.Tensor) error {
		d := tensorDigest{name: t.Name, dtype: t.DType.String(), shape: t.Dims.String()}
		v, err := t.Value()
		if err != nil {
			return err
		}
		h := sha256.New()
		h.Write(v.Data)
		for _, s := range v.Strings {
			fmt.Fprintf(h, "%d:%s", len(s), s)
		}
		t.Release()
		h.Sum(d.sum[:0])
		size, err := t.ByteSize()
		list, bytes = append(list, d), bytes+size
		return err
	})
	return list, bytes, err
}

// bringTo writes the model at another version of ai.onnx; at its own where none is given and it is no ONNX file yet.
func (c *conversion) bringTo(ctx context.Context, opset int64) error {
	if opset == 0 && c.Model.Format() != model.FormatONNX {
		opset = c.Model.Proto.Opset("")
	}
	if opset == 0 {
		return fault.New(fault.Usage, "say which, as in --to onnx:opset=21", "the model is an ONNX file already, and --to onnx names no opset")
	}
	m := c.Model.Proto.Clone()
	from := m.Opset("")
	done, err := surgery.Opset(ctx, m, opset)
	if err != nil {
		return fault.Wrap(err, "bring the model from opset %d to %d", from, opset)
	}
	if got := m.Opset(""); got != opset {
		return fault.New(fault.Internal, "", "the model should be at opset %d, and is at %d", opset, got)
	}
	if len(done) == 0 {
		done = []string{fmt.Sprintf("the model has opset %d already", opset)}
	}
	c.note(done...)
	if err := m.Check(); err != nil {
		return err
	}
	return c.save(m)
}

// save writes a graph, with its weights where those of the original are: inside or beside.
func (c *conversion) save(m *onnx.Model) error {
	o := model.SaveOptions{}
	if len(c.Model.Proto.ExternalFiles()) > 0 {
		o.External = model.ExternalAlways
	}
	return c.wrap(m).Save(c.draft.Path(), o)
}
