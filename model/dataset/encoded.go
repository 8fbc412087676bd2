package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"infer/internal/fault"
	"infer/model/declared"
	"infer/model/tensor"
)

// sample is one row before it is made into inputs: an image file or a text.
type sample struct {
	file string // "" for a text
	text string
}

// encoded is rows that a declaration makes of images or texts, each time that they are asked for.
type encoded struct {
	io      *declared.IO
	samples []sample
	first   []tensor.Tensor // the inputs of the first row
}

// openDeclared opens images or texts as io declares them; nil where the source holds something else.
func (s *Set) openDeclared(source string, st os.FileInfo, io *declared.IO) (*encoded, error) {
	if io == nil {
		return nil, nil
	}
	var samples []sample
	var err error
	switch io.Kind() {
	case declared.Image:
		samples, err = s.openImages(source, st, io)
	case declared.Text:
		samples, err = s.openTexts(source, st, io)
	}
	if err != nil || len(samples) == 0 {
		return nil, err
	}
	e := &encoded{io: io, samples: samples}
	if e.first, err = e.row(0); err != nil {
		return nil, err
	}
	for i, t := range e.first {
		port, ok := s.nameOf(t.Name)
		if !ok {
			return nil, fault.New(fault.Internal, "", "the declaration makes %q, which is no input", t.Name)
		}
		s.columns = append(s.columns, column{port: port, file: filepath.Base(source), made: e, part: i})
	}
	return e, nil
}

// row returns the inputs of one row.
func (e *encoded) row(i int64) ([]tensor.Tensor, error) {
	one := e.samples[i]
	if one.file != "" {
		return e.io.EncodeFile(one.file)
	}
	t, err := e.io.Encode([]byte(one.text), "text/plain")
	return t, fault.Wrap(err, "row %d", i)
}

// item is the shape of an input in one row, without the row axis.
func (e *encoded) item(part int) tensor.Shape {
	if s := e.first[part].Shape; e.io.HasRowAxis() {
		return s[1:]
	} else {
		return s
	}
}

// batch returns the inputs of rows lo to hi, made side by side.
func (e *encoded) batch(lo, hi int64) ([]tensor.Tensor, error) {
	rows, errs := make([][]tensor.Tensor, hi-lo), make([]error, hi-lo)
	var wg sync.WaitGroup
	for i := range rows {
		wg.Go(func() { rows[i], errs[i] = e.row(lo + int64(i)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return e.io.Join(rows...)
}

// column returns one input of rows lo to hi, along axis 0.
func (e *encoded) column(lo, hi int64, part int) (tensor.Tensor, error) {
	all, err := e.batch(lo, hi)
	if err != nil {
		return tensor.Tensor{}, err
	}
	t := all[part]
	if !e.io.HasRowAxis() {
		t.Shape = append(tensor.Shape{1}, t.Shape...)
	}
	return t, nil
}

// classOf reads a label: a class id, or the name of a declared label.
func classOf(label string, io *declared.IO) (int64, error) {
	if id, ok := io.ClassOf(label); ok {
		return id, nil
	}
	id, err := strconv.ParseInt(label, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Usage, "give class ids, or names that labels: of the declaration lists", "%.80q is neither a class id nor a declared label", label)
	}
	return id, nil
}

// hintFor says what to do about a source of an unknown kind.
func hintFor(source string, io *declared.IO) string {
	if io != nil && io.Kind() == declared.Image {
		return "the model takes images: name one, or a folder of them"
	}
	if io != nil && io.Kind() == declared.Text {
		return "the model takes texts: name a .txt, .csv, .tsv or .jsonl file"
	}
	switch strings.ToLower(filepath.Ext(source)) {
	case ".txt", ".csv", ".tsv", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp":
		return fmt.Sprintf("declare in MODEL.io.yaml how %s becomes inputs (docs/declared-io.md)", filepath.Base(source))
	}
	return "name a folder, a .npz, .npy, .pb or .jsonl file, random or zeros"
}
