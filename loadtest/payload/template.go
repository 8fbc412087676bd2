package payload

import (
	"bytes"
	"strings"
	"text/template"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// TemplateEnding is that of a body file that is a template; the ending before it says the type of the body, as in
// body.json.tmpl.
const TemplateEnding = ".tmpl"

// Template executes a text/template for each payload of s; s nil: for as many as o asks for. In it
//
//	{{.Index}}      is the number of the payload, from 0
//	{{.Input "x"}}  are the elements of the input x as JSON, nested by its shape; without a name: of the only input
//	{{.Row "x"}}    is the same without the first axis, which must be 1: one row for servers that know no batches
//
// name is that of the bodies. A template that does not parse, or names what is not there, is fault.Usage.
func Template(name, text string, s *Set, o Options) ([]Body, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fault.New(fault.Usage, `it may use {{.Index}}, {{.Input "x"}} and {{.Row "x"}}`, "body template: %w", err)
	}
	n := o.count(true)
	if s != nil {
		n = s.Len()
	}
	bodies := make([]Body, n)
	for i := range bodies {
		at := place{Index: i}
		if s != nil {
			at.inputs = s.Payloads[i].Inputs
		}
		var b bytes.Buffer
		if err := t.Execute(&b, at); err != nil {
			return nil, fault.New(fault.Usage, `it may use {{.Index}}, {{.Input "x"}} and {{.Row "x"}}`, "body template: %w", err)
		}
		bodies[i] = Body{Name: name, Data: b.Bytes()}
	}
	return bodies, nil
}

// place is what a template sees.
type place struct {
	Index  int
	inputs []tensor.Tensor
}

// Input returns the elements of an input as JSON.
func (p place) Input(name ...string) (string, error) {
	t, err := p.find(name)
	if err != nil {
		return "", err
	}
	text, err := wire.AppendNested(nil, &t)
	return string(text), err
}

// Row returns the elements of an input as JSON, without its first axis.
func (p place) Row(name ...string) (string, error) {
	t, err := p.find(name)
	if err != nil {
		return "", err
	}
	if len(t.Shape) == 0 || t.Shape[0] != 1 {
		return "", fault.New(fault.Usage, "", "input %q is of shape %s, which is not one row", t.Name, shapeText(t.Shape))
	}
	t.Shape = t.Shape[1:]
	text, err := wire.AppendNested(nil, &t)
	return string(text), err
}

// find returns the input of a name, or the only one.
func (p place) find(name []string) (tensor.Tensor, error) {
	switch {
	case len(p.inputs) == 0:
		return tensor.Tensor{}, fault.New(fault.Usage, "", "there are no inputs: neither the server nor a model nor data say what they are")
	case len(name) == 0 && len(p.inputs) == 1:
		return p.inputs[0], nil
	case len(name) == 1:
		for i := range p.inputs {
			if p.inputs[i].Name == name[0] {
				return p.inputs[i], nil
			}
		}
	}
	names := make([]string, len(p.inputs))
	for i := range p.inputs {
		names[i] = p.inputs[i].Name
	}
	return tensor.Tensor{}, fault.New(fault.Usage, "", "there is no input %q: the inputs are %q", strings.Join(name, " "), names)
}
