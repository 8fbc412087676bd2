package payload

import (
	"bytes"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// TemplateEnding is that of a body file that is a template, before or behind which the name says the type of the body:
// body.json.tmpl.
const TemplateEnding = ".tmpl"

// Body is what one plain HTTP request carries.
type Body struct {
	Name string // of the file, without its folder and TemplateEnding; it says the Content-Type where none is given
	Data []byte
}

// Raw returns a request for each body, one without a body where there are none. path starts with /; contentType "" is
// that of the ending of the body's name.
func Raw(method, path, contentType string, bodies []Body) []Request {
	if len(bodies) == 0 {
		return []Request{{Method: method, Path: path}}
	}
	out := make([]Request, len(bodies))
	for i, b := range bodies {
		kind := contentType
		if kind == "" {
			kind = typeOf(b.Name)
		}
		out[i] = Request{Method: method, Path: path, Header: []Header{{"Content-Type", kind}}, Body: b.Data}
	}
	return out
}

// typeOf is the Content-Type of a file name. Go's own table is small, and that of the machine differs.
func typeOf(name string) string {
	switch ending := strings.ToLower(filepath.Ext(name)); ending {
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		if kind := mime.TypeByExtension(ending); kind != "" {
			return kind
		}
	}
	return "application/octet-stream"
}

// ReadBodies reads body files: pattern is a file, a folder (its files, not those of folders in it; names that begin with
// a dot are left out) or a glob pattern, in the order of names. A template (TemplateEnding) gives a body for each payload
// of s, which may be nil, as Template says. Of more files than o allows it takes some, chosen evenly, which a note says.
// Errors are fault.Usage, and those of reading.
func ReadBodies(pattern string, s *Set, o Options) (bodies []Body, notes []string, err error) {
	paths, err := bodyFiles(pattern)
	if err != nil {
		return nil, nil, err
	}
	if len(paths) == 1 && strings.HasSuffix(paths[0], TemplateEnding) {
		text, err := os.ReadFile(paths[0])
		if err != nil {
			return nil, nil, fault.New(fault.Usage, "", "body %w", err)
		}
		bodies, err = Template(strings.TrimSuffix(filepath.Base(paths[0]), TemplateEnding), string(text), s, o)
		return bodies, nil, err
	}
	n := min(len(paths), o.count(false))
	if n < len(paths) {
		notes = append(notes, fmt.Sprintf("%d of the %d files of %q are sent, chosen evenly", n, len(paths), pattern))
	}
	held := int64(0)
	for i := range n {
		path := paths[i*len(paths)/n]
		if strings.HasSuffix(path, TemplateEnding) {
			return nil, nil, fault.New(fault.Usage, "name the template alone", "%q is a template among other bodies", path)
		}
		data, err := readBody(path, o.bytes()-held)
		if err != nil {
			return nil, nil, err
		}
		held += int64(len(data))
		bodies = append(bodies, Body{Name: filepath.Base(path), Data: data})
	}
	return bodies, notes, nil
}

// readBody reads a file of at most limit bytes.
func readBody(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "body %w", err)
	}
	if st.Size() > limit {
		return nil, fault.New(fault.Usage, "give fewer or smaller files", "body %q: the bodies take more memory than they may", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "body %w", err)
	}
	return data, nil
}

// bodyFiles lists the files that a pattern names. A file of just that name comes before a pattern.
func bodyFiles(pattern string) ([]string, error) {
	st, err := os.Stat(pattern)
	if err == nil && !st.IsDir() {
		return []string{pattern}, nil
	}
	var paths []string
	if err == nil {
		entries, err := os.ReadDir(pattern)
		if err != nil {
			return nil, fault.New(fault.Usage, "", "bodies %w", err)
		}
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				paths = append(paths, filepath.Join(pattern, e.Name()))
			}
		}
	} else {
		if paths, err = filepath.Glob(pattern); err != nil {
			return nil, fault.New(fault.Usage, "", "bodies %q: %w", pattern, err)
		}
		paths = slices.DeleteFunc(paths, func(p string) bool {
			st, err := os.Stat(p)
			return err == nil && st.IsDir()
		})
	}
	if len(paths) == 0 {
		return nil, fault.New(fault.Usage, "name a file, a folder of files or a pattern", "bodies %q: %w", pattern, fs.ErrNotExist)
	}
	slices.Sort(paths)
	return paths, nil
}

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
