// Package dataset owns the inputs and labels of a model: folders of .npy files, .npz archives, ONNX test data, JSON
// lines, images and texts that a declaration makes inputs of, and seeded inputs made up to suit the graph.
package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/declared"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Options are the choices of Open.
type Options struct {
	Seed   uint64                  // of "random"
	Shapes map[string]tensor.Shape // shapes asked for by input name; made-up inputs take them, data must agree with them
	Graph  *onnx.Graph             // lets "random" and "zeros" suit the graph; nil: by name and dtype alone
	IO     *declared.IO            // makes inputs of images or texts; nil: none is declared
}

// Set is the rows of a data set, read when asked for. Batch is safe for concurrent use.
//
// What a row is follows from the rank of an input's array and the rank that the model declares:
//   - equal ranks: axis 0 is the row axis. For a port [1,1,28,28] and an array (1000,1,28,28) a row is [1,1,28,28].
//     Where the port fixes axis 0 to k, a batch is k rows.
//   - one rank more in the array: axis 0 counts rows and a row is the whole input; a batch is one row.
//   - a rank-0 array, and one of a port's own rank whose first axis the port fixes to k > 1 and which has just k rows
//     while another input has more or takes one row a run (a state, say), is given to every row.
type Set struct {
	ports    []model.Port
	columns  []column
	rows     int64
	batch    int64
	labels   []int64
	expected map[string]func() (tensor.Tensor, error)
	notes    []string
	digest   string
	made     *encoded // nil: the rows are arrays
	closers  []io.Closer
}

// Open opens a data set for the inputs of a model. source is "random", "zeros", a folder (FileName names its files),
// or a file: .npz, .npy (for a model with one input), .pb (a TensorProto) or .jsonl/.json (JSON lines). With a declared
// input it is a folder of images, an image, or a .txt, .csv, .tsv or .jsonl file of texts, too. Close it.
// What does not fit the model is a fault.Usage error that names the file, what was wanted and what was found.
func Open(source string, ports []model.Port, o Options) (*Set, error) {
	s := &Set{ports: ports, expected: map[string]func() (tensor.Tensor, error){}}
	err := s.open(source, o)
	if err == nil {
		err = s.settle(o)
	}
	if err != nil {
		return nil, errors.Join(fault.Wrap(err, "data set %q", source), s.Close())
	}
	return s, nil
}

func (s *Set) open(source string, o Options) error {
	switch source {
	case "random", "zeros":
		in, notes, err := makeUp(o.Graph, s.ports, o.Shapes, o.Seed, source == "zeros")
		s.notes = notes
		for i, t := range in {
			s.columns = append(s.columns, column{port: s.ports[i], file: source, whole: t})
		}
		return err
	}
	st, err := os.Stat(source)
	if err != nil {
		return fault.New(fault.Usage, "name a folder, a .npz, .npy, .pb or .jsonl file, random or zeros", "%w", pathCause(err))
	}
	if s.made, err = s.openDeclared(source, st, o.IO); err != nil || s.made != nil {
		return err
	}
	if st.IsDir() {
		return s.openFolder(source)
	}
	switch strings.ToLower(filepath.Ext(source)) {
	case ".npz":
		return s.openNpz(source)
	case ".npy":
		if len(s.ports) != 1 {
			return fault.New(fault.Usage, "name a folder with one <input name>.npy an input", "one array for a model with %d inputs: %s",
				len(s.ports), s.names())
		}
		return s.addFile(s.ports[0], source)
	case ".pb":
		return s.openProtos([]string{source})
	case ".jsonl", ".json", ".ndjson":
		return s.openLines(source)
	}
	return fault.New(fault.Usage, hintFor(source, o.IO), "the kind of file is not known")
}

// pathCause drops the path from an *os.PathError: the message names it already.
func pathCause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// names lists the inputs as messages name them.
func (s *Set) names() string {
	var q []string
	for _, p := range s.ports {
		q = append(q, p.Name)
	}
	return strings.Join(q, ", ")
}

// settle puts the columns into the order of the ports, checks each and finds rows and batch size.
func (s *Set) settle(o Options) error {
	byName := map[string]column{}
	for _, c := range s.columns {
		byName[c.port.Name] = c
	}
	s.columns = s.columns[:0]
	var missing []string
	for _, p := range s.ports {
		c, ok := byName[p.Name]
		if !ok {
			missing = append(missing, p.Name)
			continue
		}
		s.columns = append(s.columns, c)
	}
	if len(missing) > 0 {
		return fault.New(fault.Usage, "add "+FileName(missing[0])+".npy; the model's inputs are "+s.names(),
			"no data for the input %s", strings.Join(missing, ", "))
	}
	for i := range s.columns {
		c := &s.columns[i]
		if err := c.check(o.Shapes[c.port.Name]); err != nil {
			return fault.Wrap(err, "%s", c.file)
		}
		if c.note != "" {
			s.notes = append(s.notes, c.note)
		}
	}
	if err := s.count(); err != nil {
		return err
	}
	if s.labels != nil && int64(len(s.labels)) != s.rows {
		return fault.New(fault.Usage, "", "%d labels for %d rows", len(s.labels), s.rows)
	}
	return nil
}

// count finds the number of rows and the batch size, and which columns are given to every row.
func (s *Set) count() error {
	most, single := int64(0), false
	for _, c := range s.columns {
		if c.kind != everyRow && !c.maybeWhole() {
			most = max(most, c.n)
		}
		single = single || c.kind == wholeRow || c.kind == axisRow && c.fixed == 1
	}
	s.rows, s.batch = 1, 0
	first := ""
	for i := range s.columns {
		c := &s.columns[i]
		if c.maybeWhole() && (single || most > c.n) {
			c.kind, c.item = everyRow, c.shape()
		}
		if c.kind == everyRow {
			continue
		}
		if first == "" {
			first, s.rows = c.file, c.n
		} else if c.n != s.rows {
			return fault.New(fault.Usage, "every input needs the same number of rows", "%s has %d rows and %s has %d", first, s.rows, c.file, c.n)
		}
		k := c.fixed
		if c.kind == wholeRow {
			k = 1
		}
		if k > 0 && s.batch > 0 && k != s.batch {
			return fault.New(fault.Usage, "give whole inputs: one axis more in front, for the rows",
				"%s has %d rows a run and another input has %d", c.file, k, s.batch)
		}
		s.batch = max(s.batch, k)
	}
	if s.rows == 0 {
		return fault.New(fault.Usage, "", "it has no rows")
	}
	return nil
}

// Rows returns the number of rows; 1 for made-up inputs.
func (s *Set) Rows() int64 { return s.rows }

// BatchSize returns how many rows a run must have, 0 where the model takes any number.
func (s *Set) BatchSize() int64 { return s.batch }

// Batch returns one tensor an input, in the order of the ports and with their names, for rows lo to hi (exclusive).
// The tensors are the caller's, but must not be written to: they may be shared with other batches.
func (s *Set) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	if lo < 0 || hi <= lo || hi > s.rows {
		return nil, fault.New(fault.Usage, "", "rows %d to %d of %d", lo, hi, s.rows)
	}
	if s.batch > 0 && hi-lo != s.batch {
		return nil, fault.New(fault.Usage, "", "a batch of %d rows for a model that takes %d", hi-lo, s.batch)
	}
	if s.made != nil {
		return s.made.batch(lo, hi)
	}
	out := make([]tensor.Tensor, len(s.columns))
	for i := range s.columns {
		t, err := s.columns[i].read(lo, hi)
		if err != nil {
			return nil, fault.Wrap(err, "%s", s.columns[i].file)
		}
		t.Name = s.columns[i].port.Name
		out[i] = t
	}
	return out, nil
}

// Encoded reports whether the rows are made of images or texts, each time that they are asked for.
func (s *Set) Encoded() bool { return s.made != nil }

// Name returns the path of the image that a row is made of; "" where it is made of something else.
func (s *Set) Name(row int64) string {
	if s.made == nil {
		return ""
	}
	return s.made.samples[row].file
}

// Labels returns the class id of each row; ok is false where the set has none.
func (s *Set) Labels() (labels []int64, ok bool) { return s.labels, s.labels != nil }

// Expected reads what the model should answer for the output of a name; ok is false where the set does not say.
func (s *Set) Expected(name string) (t tensor.Tensor, ok bool, err error) {
	read := s.expected[name]
	if read == nil {
		return t, false, nil
	}
	t, err = read()
	t.Name = name
	return t, true, err
}

// Shapes returns the shape that each input has in the smallest batch: what the set binds dynamic axes to.
func (s *Set) Shapes() map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, c := range s.columns {
		shape := c.item.Clone()
		if c.kind == axisRow {
			shape = append(tensor.Shape{max(1, s.batch)}, c.item...)
		}
		out[c.port.Name] = shape
	}
	return out
}

// Notes returns what a user should know: conversions, files that match no input, axes bound to 1.
func (s *Set) Notes() []string { return s.notes }

// Digest returns the SHA-256 of names, dtypes, shapes, elements and labels, in hex: the same rows have the same digest
// whatever the file format. The first call reads everything.
func (s *Set) Digest() (string, error) {
	if s.digest != "" {
		return s.digest, nil
	}
	h := sha256.New()
	for i := range s.columns {
		c := &s.columns[i]
		writeStrings(h, c.port.Name, c.dtype().String(), c.item.String())
		n := c.n
		if c.kind == everyRow {
			n = 1
		}
		for r := int64(0); r < n; {
			next := min(n, r+c.chunk())
			t, err := c.read(r, next)
			if err != nil {
				return "", fault.Wrap(err, "%s", c.file)
			}
			h.Write(t.Data)
			writeStrings(h, t.Strings...)
			r = next
		}
	}
	binary.Write(h, binary.LittleEndian, s.labels) // a hash does not fail
	s.digest = hex.EncodeToString(h.Sum(nil))
	return s.digest, nil
}

func writeStrings(h hash.Hash, list ...string) {
	for _, v := range list {
		binary.Write(h, binary.LittleEndian, int64(len(v)))
		io.WriteString(h, v)
	}
}

// Close closes the files. A second Close is a no-op.
func (s *Set) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}
