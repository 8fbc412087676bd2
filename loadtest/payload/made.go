package payload

import (
	"fmt"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/dataset"
	"infer/model/tensor"
)

// FromPorts makes up payloads of what a server tells of its model alone: names, dtypes and shapes. Integers are 0 to 9,
// masks 1, floats normal. Open axes have the sizes of o.Bindings, an input of the same open shape as one that was given a
// shape that shape too, else 1; the notes say so. Errors are fault.Usage: no inputs, bindings that do not fit, shapes
// over 256 MiB.
func FromPorts(ports []wire.Port, o Options) (*Set, error) {
	if len(ports) == 0 {
		return nil, fault.New(fault.Usage, "give the data, or the model file", "the server does not tell what inputs its model has: nothing can be made up")
	}
	shapes, notes, err := bindPorts(ports, o.Bindings)
	if err != nil {
		return nil, err
	}
	if err := checkSizes(ports, shapes, o); err != nil {
		return nil, err
	}
	inputs := ModelPorts(ports)
	s, err := makeUp(o, func(seed uint64) ([]tensor.Tensor, error) {
		d, err := dataset.Open(source(o), inputs, dataset.Options{Seed: seed, Shapes: shapes})
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.Batch(0, 1)
	})
	if err != nil {
		return nil, err
	}
	s.Rows = rowsOf(s.Payloads[0].Inputs, ports)
	s.Notes = append(notes, madeNote(o, s.Len(), "by name and dtype (integers 0 to 9, masks 1, floats normal)"))
	return s, nil
}

// checkSizes refuses inputs that would take more memory than payloads may, all of one payload together.
func checkSizes(ports []wire.Port, shapes map[string]tensor.Shape, o Options) error {
	left := o.bytes()
	for _, p := range ports {
		size, err := madeSize(p.DType, shapes[p.Name])
		if err != nil || size > left {
			return fault.New(fault.Usage, "give a smaller one by --shape", "input %q of %s %s takes more than the %d bytes that payloads may", p.Name, p.DType, wire.ShapeText(shapes[p.Name]), o.bytes())
		}
		left -= size
	}
	return nil
}

// madeWord is the length of the longest string that is made up.
const madeWord = 8

// madeSize is how many bytes a made-up tensor takes at most, counted as bytesOf does.
func madeSize(d tensor.DType, s tensor.Shape) (int64, error) {
	if d != tensor.String {
		return tensor.ByteSize(d, s)
	}
	n, err := s.Elements()
	if err == nil && n > math.MaxInt64/(stringBytes+madeWord) {
		err = tensor.ErrTooLarge
	}
	return n * (stringBytes + madeWord), err
}

// FromModel makes up payloads that suit the graph of a model: ids stay in the range of what they index, masks are
// consistent. b gives every input its shape (model.Model.Bind). Errors are fault.Usage: open axes, strings over 256 MiB.
func FromModel(m *model.Model, b model.Bound, o Options) (*Set, error) {
	if err := b.Complete(); err != nil {
		return nil, err
	}
	texts := slices.DeleteFunc(WirePorts(m.Inputs()), func(p wire.Port) bool { return p.DType != tensor.String })
	if err := checkSizes(texts, b.Shapes, o); err != nil {
		return nil, err
	}
	notes := slices.Clone(b.Notes)
	s, err := makeUp(o, func(seed uint64) ([]tensor.Tensor, error) {
		var in []tensor.Tensor
		var err error
		if o.Zeros {
			in, _, err = dataset.Zeros(m, b.Shapes)
		} else {
			in, _, err = dataset.Random(m, b.Shapes, seed)
		}
		return in, err
	})
	if err != nil {
		return nil, err
	}
	s.Rows = rowsOf(s.Payloads[0].Inputs, WirePorts(m.Inputs()))
	s.Notes = append(notes, madeNote(o, s.Len(), "to suit the graph of the model"))
	return s, nil
}

// source is the name of a way of making up.
func source(o Options) string {
	if o.Zeros {
		return "zeros"
	}
	return "random"
}

func madeNote(o Options, n int, how string) string {
	switch {
	case o.Zeros:
		return "values are zeros where zero suits, made up " + how
	case n == 1:
		return fmt.Sprintf("values were made up %s, seed %d", how, o.Seed)
	}
	return fmt.Sprintf("values were made up %s, seeds %d to %d", how, o.Seed, o.Seed+uint64(n)-1)
}

// makeUp makes payloads of one seed each, as many as o.bytes holds.
func makeUp(o Options, of func(seed uint64) ([]tensor.Tensor, error)) (*Set, error) {
	s := &Set{Source: source(o)}
	n := o.count(true)
	if o.Zeros {
		n = 1
	}
	for i, held := 0, int64(0); i < n; i++ {
		in, err := of(o.Seed + uint64(i))
		if err != nil {
			return nil, err
		}
		if held += bytesOf(in); held > o.bytes() && i > 0 {
			break
		}
		s.Payloads = append(s.Payloads, Payload{Inputs: in})
	}
	return s, nil
}
