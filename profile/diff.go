package profile

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"infer/model"
	"infer/model/onnx"
	"infer/report"
)

// Diff compares two models at the same binding: signature, operators, constants, cost. Base is the model that was
// named first. Names that want binds and head lacks are an error of head's.
func Diff(base, head *model.Model, want model.Bindings) (*report.DiffDetails, error) {
	b, err := inspected(base, want)
	if err != nil {
		return nil, err
	}
	h, err := inspected(head, want)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", head.Path, err)
	}
	d := &report.DiffDetails{
		Base: base.Path, Head: head.Path,
		Signature: rows(signature(base, b.details), signature(head, h.details)),
		Ops:       rows(opCounts(b.details), opCounts(h.details)),
		Constants: constants(base.Proto, head.Proto),
		Cost:      rows(costs(b.doc), costs(h.doc)),
	}
	d.Identical = len(d.Signature)+len(d.Ops)+len(d.Constants)+len(d.Cost) == 0
	return d, nil
}

type side struct {
	details *report.InspectDetails
	doc     *report.Document
}

func inspected(m *model.Model, want model.Bindings) (side, error) {
	d := report.New("inspect")
	details, err := Inspect(m, want, d)
	return side{details, d}, err
}

// rows returns what differs between two maps, in order of their keys.
func rows(base, head map[string]string) []report.DiffRow {
	var out []report.DiffRow
	keys := maps.Clone(base)
	maps.Copy(keys, head)
	for _, k := range sortedKeys(keys) {
		if base[k] != head[k] {
			out = append(out, report.DiffRow{What: k, Base: base[k], Head: head[k]})
		}
	}
	return out
}

func signature(m *model.Model, d *report.InspectDetails) map[string]string {
	out := map[string]string{"IR version": fmt.Sprint(d.IRVersion), "producer": d.Producer, "quantization": d.Quantization.State}
	for _, o := range d.Opsets {
		name := o.Domain
		if name == "" {
			name = "ai.onnx"
		}
		out["opset "+name] = fmt.Sprint(o.Version)
	}
	for _, p := range d.Inputs {
		out["input "+p.Name] = p.DType + " " + p.Shape
	}
	for _, p := range d.Outputs {
		out["output "+p.Name] = p.DType + " " + p.Shape
	}
	return out
}

func opCounts(d *report.InspectDetails) map[string]string {
	out := map[string]string{}
	for _, o := range d.Ops {
		name := o.Op
		if o.Domain != "" {
			name = o.Domain + "." + o.Op
		}
		out[name] = fmt.Sprint(o.Count)
	}
	return out
}

func costs(d *report.Document) map[string]string {
	out := map[string]string{}
	for i := range d.Metrics {
		text, _ := d.Metrics[i].Text()
		out[d.Metrics[i].Name] = text
	}
	return out
}

// maxConstants is how many changed constants are named one by one.
const maxConstants = 50

// constants compares the initializers by name: dtype, shape and bytes.
func constants(base, head *onnx.Model) []report.DiffRow {
	b, h := fingerprints(base), fingerprints(head)
	keys := maps.Clone(b)
	maps.Copy(keys, h)
	var out []report.DiffRow
	for _, name := range sortedKeys(keys) {
		x, y := b[name], h[name]
		switch {
		case x == y:
		case x.shape != y.shape:
			out = append(out, report.DiffRow{What: name, Base: x.shape, Head: y.shape})
		default:
			out = append(out, report.DiffRow{What: name, Base: x.shape, Head: y.shape + ", other values"})
		}
	}
	if more := len(out) - maxConstants; more > 0 {
		out = append(slices.Clip(out[:maxConstants]), report.DiffRow{What: fmt.Sprintf("and %d more", more)})
	}
	return out
}

type constant struct {
	shape string
	sum   [sha256.Size]byte
}

func fingerprints(m *onnx.Model) map[string]constant {
	out := map[string]constant{}
	for _, t := range m.Graph.Initializers {
		c := constant{shape: t.DType.String() + " " + t.Dims.String()}
		if v, err := t.Value(); err == nil {
			h := sha256.New()
			h.Write(v.Data)
			for _, s := range v.Strings {
				fmt.Fprintf(h, "%d:%s", len(s), s)
			}
			copy(c.sum[:], h.Sum(nil))
		}
		out[t.Name] = c
	}
	return out
}
