package payload

import (
	"bytes"
	"errors"
	"strings"
	"text/template"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// templateEnding is that of a body file that is a template; the ending before it says the type of the body, as in
// body.json.tmpl.
const templateEnding = ".tmpl"

// templateTime bounds the making of all bodies of a template.
const templateTime = 30 * time.Second

const templateHint = `it may use {{.Index}}, {{.Input "x"}} and {{.Row "x"}}`

// fillAll executes a text/template for each payload of s; s nil: for as many as are made up. In it
//
//	{{.Index}}      is the number of the payload, from 0
//	{{.Input "x"}}  are the elements of the input x as JSON, nested by its shape; without a name: of the only input
//	{{.Row "x"}}    is the same without the first axis, which must be 1: one row for servers that know no batches
//
// name is that of the bodies. A template that does not parse, or names what is not there, writes more than o.bytes in all
// or takes longer than limit for all bodies is fault.Usage. A loop that writes nothing cannot be ended: after that time
// it is left behind, for the program to end with it.
func fillAll(name, text string, s *Set, o Options, limit time.Duration) ([]Body, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fault.New(fault.Usage, templateHint, "body template: %w", err)
	}
	slow := fault.New(fault.Usage, "is there a loop in it that does not end", "body template: its bodies are not made within %v", limit)
	f := filler{left: o.bytes(), end: time.Now().Add(limit), slow: slow,
		large: fault.New(fault.Usage, "let it write less", "body template: its bodies take more than the %s that they may", bytesText(o.bytes()))}
	n := o.count(true)
	if s != nil {
		n = s.Len()
	}
	type result struct {
		bodies []Body
		err    error
	}
	done := make(chan result, 1)
	go func() {
		bodies, err := f.fill(t, n, s)
		done <- result{bodies, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.bodies, r.err
	case <-timer.C:
		return nil, slow
	}
}

// filler is the writer of a template: it ends one that writes too much, or for too long.
type filler struct {
	body        bytes.Buffer
	left        int64 // bytes that may still be written
	end         time.Time
	large, slow error
}

// Write takes a part of a body.
func (f *filler) Write(b []byte) (int, error) {
	if f.left -= int64(len(b)); f.left < 0 {
		return 0, f.large
	}
	if time.Now().After(f.end) {
		return 0, f.slow
	}
	return f.body.Write(b)
}

// fill executes t for n payloads, those of s where it is not nil.
func (f *filler) fill(t *template.Template, n int, s *Set) ([]Body, error) {
	bodies := make([]Body, n)
	for i := range bodies {
		at := place{Index: i}
		if s != nil {
			at.inputs = s.Payloads[i].Inputs
		}
		f.body.Reset()
		switch err := t.Execute(f, at); {
		case err == nil:
		case errors.Is(err, f.large) || errors.Is(err, f.slow):
			return nil, err
		default:
			return nil, fault.New(fault.Usage, templateHint, "body template: %w", err)
		}
		bodies[i] = Body{Name: t.Name(), Data: bytes.Clone(f.body.Bytes())}
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
		return "", fault.New(fault.Usage, "", "input %q is of shape %s, which is not one row", t.Name, wire.ShapeText(t.Shape))
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
