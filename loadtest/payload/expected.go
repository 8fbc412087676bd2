package payload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// maxExpected bounds the memory of what answers should be.
const maxExpected = 512 << 20

// Expected is what the answers to the payloads of a Set should be: outputs, or whole bodies. It is immutable once made.
type Expected struct {
	Source  string            // the model, or the file
	Outputs [][]tensor.Tensor // for each payload, named; an output without a name is the only one
	Bodies  [][]byte          // for each payload, in place of Outputs
	Notes   []string          // what is not compared, and why
}

// Expect runs the payloads of a set through a local session, and takes what it answers for right. Where the model fixes
// its batch axis to less than a request has, rows are run in parts. source names the model in reports. Outputs that are
// no tensors are left out, which a note says; a model with no others is fault.Unsupported. Inputs that do not fit the
// session are fault.Usage; outputs over half a GiB in all too.
func Expect(ctx context.Context, session engine.Session, s *Set, source string) (*Expected, error) {
	e := &Expected{Source: source, Outputs: make([][]tensor.Tensor, s.Len())}
	var wanted []tensor.Tensor
	var left []string
	for _, p := range session.Outputs() {
		if p.Type.Kind != onnx.KindTensor && p.Type.Kind != onnx.KindNone {
			left = append(left, p.Name)
			continue
		}
		wanted = append(wanted, tensor.Tensor{Name: p.Name})
	}
	if len(wanted) == 0 {
		return nil, fault.New(fault.Unsupported, "export the classifier without ZipMap, or give golden files",
			"the outputs of %q are sequences or maps (%s), which no protocol carries", source, strings.Join(left, ", "))
	}
	if len(left) > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("not compared, as no protocol carries sequences and maps: %s", strings.Join(left, ", ")))
	}
	ports := WirePorts(session.Inputs())
	held := int64(0)
	for i := range s.Payloads {
		in := s.Payloads[i].Inputs
		if len(in) == 1 && len(ports) == 1 { // a server may call its only input otherwise
			in = slices.Clone(in)
			in[0].Name = ports[0].Name
		}
		runs, err := split(in, session.Inputs())
		if err != nil {
			return nil, fault.Wrap(err, "expected outputs of payload %d", i)
		}
		if e.Outputs[i], err = runAll(ctx, session, runs, wanted); err != nil {
			return nil, fault.Wrap(err, "expected outputs of payload %d by %q", i, source)
		}
		if held += bytesOf(e.Outputs[i]); held > maxExpected {
			return nil, fault.New(fault.Usage, "give fewer rows", "the expected outputs of %d payloads take more than %d MiB", s.Len(), maxExpected>>20)
		}
	}
	return e, nil
}

// split cuts inputs along axis 0 where the model fixes it to less than they have.
func split(in []tensor.Tensor, ports []engine.Port) ([][]tensor.Tensor, error) {
	parts, fixed := int64(1), make([]int64, len(in))
	for i := range in {
		at := slices.IndexFunc(ports, func(p engine.Port) bool { return p.Name == in[i].Name })
		if at < 0 {
			return nil, fault.New(fault.Usage, "give the model that the server runs", "the local model has no input %q", in[i].Name)
		}
		dims, s := ports[at].Type.Dims, in[i].Shape
		if len(dims) == 0 || len(dims) != len(s) || !dims[0].Known || dims[0].Size == s[0] {
			continue
		}
		k := dims[0].Size
		if k <= 0 || s[0]%k != 0 || parts > 1 && parts != s[0]/k {
			return nil, fault.New(fault.Usage, "give requests of that many rows, or a model with an open batch axis", "input %q has %d rows, and the local model takes %d a run", in[i].Name, s[0], k)
		}
		parts, fixed[i] = s[0]/k, k
	}
	runs := make([][]tensor.Tensor, parts)
	for r := range runs {
		runs[r] = slices.Clone(in)
		for i, k := range fixed {
			if k == 0 {
				continue
			}
			t, err := tensor.Slice(in[i], int64(r)*k, int64(r+1)*k)
			if err != nil {
				return nil, err
			}
			runs[r][i] = t
		}
	}
	return runs, nil
}

// runAll runs parts of a payload and joins their outputs along axis 0.
func runAll(ctx context.Context, session engine.Session, runs [][]tensor.Tensor, wanted []tensor.Tensor) ([]tensor.Tensor, error) {
	parts := make([][]tensor.Tensor, len(wanted))
	for _, in := range runs {
		out := slices.Clone(wanted)
		if err := session.Run(ctx, in, out); err != nil {
			return nil, err
		}
		for i := range out {
			if out[i].DType == tensor.Sequence || out[i].DType == tensor.Map {
				return nil, fault.New(fault.Unsupported, "give golden files", "output %q is a sequence or a map, which no protocol carries", wanted[i].Name)
			}
			parts[i] = append(parts[i], out[i])
		}
	}
	joined := make([]tensor.Tensor, len(wanted))
	for i := range joined {
		joined[i] = parts[i][0]
		if len(runs) > 1 {
			var err error
			if joined[i], err = tensor.Concat(parts[i]...); err != nil {
				return nil, fault.Wrap(err, "output %q", wanted[i].Name)
			}
		}
		joined[i].Name = wanted[i].Name
	}
	return joined, nil
}
