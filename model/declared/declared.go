// Package declared owns MODEL.io.yaml: how an image or a text becomes the tensors of a model, and what its outputs
// mean (labels, top-k). docs/declared-io.md is its manual.
package declared

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/tensor"
)

// Kind is what a body holds that Encode takes.
type Kind int

// The kinds of input.
const (
	None  Kind = iota // no input is declared: the file declares labels alone
	Image             // an image file
	Text              // a text in UTF-8
)

// String returns "none", "image" or "text".
func (k Kind) String() string { return [...]string{"none", "image", "text"}[k] }

// IO is the declared input and output of one model. It is safe for concurrent use.
type IO struct {
	path   string
	image  *imageInput
	text   *textInput
	labels *labelOutput
}

// Find returns the file that declares the input and output of the model at a path: resnet.io.yaml for resnet.onnx, and
// for resnet.int8.onnx and the like, which quantize and optimize made of it, where they have none of their own.
// ok is false where there is none; path is then where one is looked for first.
func Find(modelPath string) (path string, ok bool) {
	const ending = ".io.yaml"
	stem := strings.TrimSuffix(modelPath, filepath.Ext(modelPath))
	path = stem + ending
	if exists(path) {
		return path, true
	}
	switch form := filepath.Ext(stem); form {
	case ".int8", ".int4", ".fp16", ".bf16", ".opt":
		if base := strings.TrimSuffix(stem, form) + ending; exists(base) {
			return base, true
		}
	}
	return path, false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Open reads a declaration and checks it against the model's signature: names, dtypes, ranks and sizes. Files that it
// names are relative to it. Errors are of kind fault.Usage and name the key.
func Open(path string, inputs, outputs []model.Port) (*IO, error) {
	x, err := open(path, inputs, outputs)
	if err != nil {
		return nil, fault.Wrap(err, "declared input and output %q", path)
	}
	return x, nil
}

func open(path string, inputs, outputs []model.Port) (*IO, error) {
	data, err := readFile(path, maxDeclaration)
	if err != nil {
		return nil, err
	}
	spec, err := parse(data)
	if err != nil {
		return nil, err
	}
	x := &IO{path: path}
	dir := filepath.Dir(path)
	switch {
	case spec.Image != nil && spec.Text != nil:
		return nil, fault.New(fault.Usage, "declare one of them", "image and text are both declared")
	case spec.Image != nil:
		x.image, err = newImageInput(*spec.Image, inputs)
	case spec.Text != nil:
		x.text, err = newTextInput(*spec.Text, inputs, dir)
	case spec.Labels == nil:
		return nil, fault.New(fault.Usage, "declare image, text or labels", "it declares nothing")
	}
	if err != nil {
		return nil, err
	}
	if spec.Labels != nil {
		x.labels, err = newLabelOutput(*spec.Labels, outputs, dir)
	}
	return x, err
}

const (
	maxDeclaration = 1 << 20  // bytes of the declaration
	maxCompanion   = 64 << 20 // bytes of a vocabulary or a list of labels
)

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Usage, "check the path; it is relative to the file that names it", "%q does not exist", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Usage, "name a file", "%q is not a regular file", path)
	case info.Size() > limit:
		return nil, fault.New(fault.Usage, "", "%q has %d bytes, over the limit of %d", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

// within makes a path that a declaration names relative to its folder.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Path returns the file that was opened.
func (x *IO) Path() string { return x.path }

// Kind returns what Encode takes.
func (x *IO) Kind() Kind {
	switch {
	case x.image != nil:
		return Image
	case x.text != nil:
		return Text
	}
	return None
}

// HasLabels reports whether Decode has something to tell.
func (x *IO) HasLabels() bool { return x.labels != nil }

// LabelNames returns the names of the classes, by index, and the output that they belong to; "" and nil where none are
// declared. The caller does not change them.
func (x *IO) LabelNames() (output string, names []string) {
	if x.labels == nil {
		return "", nil
	}
	return x.labels.output, x.labels.names
}

// Output returns the name of the output that labels are declared for, "" where none are.
func (x *IO) Output() string {
	if x.labels == nil {
		return ""
	}
	return x.labels.output
}

// HasRowAxis reports whether the inputs have a batch axis. Without one a run takes one row.
func (x *IO) HasRowAxis() bool {
	switch {
	case x.image != nil:
		return len(x.image.shape) == 4
	case x.text != nil:
		return x.text.columns[0].batch
	}
	return false
}

// ClassOf returns the index of a label's name; ok is false where no such label is declared.
func (x *IO) ClassOf(label string) (index int64, ok bool) {
	if x.labels == nil {
		return 0, false
	}
	i := slices.Index(x.labels.names, label)
	return int64(i), i >= 0
}

// Encode makes the inputs of one row, with a batch axis of 1, from an image file or a text. contentType is that of
// HTTP, "" for unknown: multipart/form-data gives its first part, application/json a string or {"text": "…"}, which for
// a text are also found under any other type than text/plain; anything else is the body as it is. Errors: fault.Usage
// and fault.Media for a body that is not what was declared, fault.TooLarge for more pixels or text than allowed.
func (x *IO) Encode(body []byte, contentType string) ([]tensor.Tensor, error) {
	contents, _, err := x.contents(body, contentType)
	if err != nil {
		return nil, err
	}
	if len(contents) > 1 {
		return nil, fault.New(fault.Usage, "send one", "the body has %d texts", len(contents))
	}
	return x.encode(contents[0])
}

// contents takes a body apart.
func (x *IO) contents(body []byte, contentType string) (contents [][]byte, list bool, err error) {
	if x.Kind() == None {
		return nil, false, fault.New(fault.Usage, "add image: or text: to it", "%q declares no input", x.path)
	}
	return contentOf(body, contentType, x.Kind())
}

// encode makes the inputs of one image or text.
func (x *IO) encode(content []byte) ([]tensor.Tensor, error) {
	if x.image != nil {
		return x.image.encode(content)
	}
	return x.text.encode(content)
}

// EncodeFile is Encode for the content of a file.
func (x *IO) EncodeFile(path string) ([]tensor.Tensor, error) {
	data, err := readFile(path, maxBody)
	if err != nil {
		return nil, err
	}
	t, err := x.Encode(data, "text/plain") // a file is what it is
	return t, fault.Wrap(err, "%q", path)
}

// Decode tells what row of a run's outputs means. outputs are matched by Name where set; a single one without a name
// is the declared one. Without declared labels the answer is empty.
func (x *IO) Decode(outputs []tensor.Tensor, row int) (Answer, error) {
	if x.labels == nil {
		return Answer{}, nil
	}
	return x.labels.decode(outputs, row)
}

// Join puts rows that Encode made into one run: along axis 0, shorter texts filled up to the longest.
func (x *IO) Join(rows ...[]tensor.Tensor) ([]tensor.Tensor, error) {
	if len(rows) == 1 {
		return rows[0], nil
	}
	if len(rows) == 0 {
		return nil, fault.New(fault.Usage, "", "no rows to join")
	}
	if x.text != nil {
		var err error
		if rows, err = x.text.widen(rows); err != nil {
			return nil, err
		}
	}
	out := make([]tensor.Tensor, len(rows[0]))
	for i := range out {
		column := make([]tensor.Tensor, len(rows))
		for r := range rows {
			column[r] = rows[r][i]
		}
		t, err := tensor.Concat(column...)
		if err != nil {
			return nil, err
		}
		t.Name = rows[0][i].Name
		out[i] = t
	}
	return out, nil
}
