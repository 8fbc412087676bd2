// Package model owns an open model file: its signature, its digest, binding its dynamic axes, its external data and
// saving it without ever leaving half a file.
package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/ortformat"
)

// Port is one graph input or output: Name and Type with named dynamic axes (onnx.Dim).
type Port struct {
	Name string
	Type *onnx.Type // never nil; Kind is KindNone where the file states no type
}

// Model is an open model: the graph to read and edit, and the file behind it. It is not safe for concurrent edits.
// Tensor bytes may alias the mapped file: nothing of Proto may be used after Close.
type Model struct {
	Path  string      // "" for a model made in memory
	Proto *onnx.Model // the graph; whoever changes it calls MarkEdited

	ort     *ortformat.Info // nil for a file that is ONNX
	edited  bool
	sources []source // the file, then its external data and cache files in the order of their locations
	closers []io.Closer
}

// source is a file behind an open model, as it was when the model was opened.
type source struct {
	location string // as the model names it; "" for the model file
	path     string
	info     os.FileInfo
}

// File is a file behind a model.
type File struct {
	Path     string // where it lies
	Location string // as the model names it, relative to the model's folder, with slashes; "" for the model file
	Bytes    int64
}

// Files returns the files that the model was loaded from: the model file, then its external data and the caches of its
// EPContext nodes.
func (m *Model) Files() []File {
	list := make([]File, 0, len(m.sources))
	for _, s := range m.sources {
		list = append(list, File{Path: s.path, Location: s.location, Bytes: s.info.Size()})
	}
	return list
}

// Format is how a file holds its graph.
type Format string

// The formats that Load reads, as reports name them.
const (
	FormatONNX Format = "onnx"
	FormatORT  Format = "ort" // ONNX Runtime's own
)

// CutExt returns a path or name of a model file without its ending, .onnx or .ort; false where it has none of them. The
// ending is what people and folders of models go by: Load looks at the content.
func CutExt(path string) (stem string, ok bool) {
	for _, ext := range []string{".onnx", ".ort"} {
		if stem, ok = strings.CutSuffix(path, ext); ok {
			return stem, true
		}
	}
	return path, false
}

// Format returns the format of the file at Path; that of a model made in memory is FormatONNX, as is all that Save writes.
func (m *Model) Format() Format {
	if m.ort != nil {
		return FormatORT
	}
	return FormatONNX
}

// ORT returns what a file in ONNX Runtime's own format tells beside its graph; nil for an ONNX file.
func (m *Model) ORT() *ortformat.Info { return m.ort }

// Load opens and checks a model file, of either format: the content tells which. It reads the structure alone: tensor
// bytes, in the file and in its external data, stay mapped until someone touches them, but external files must be there
// and large enough, and the caches of EPContext nodes must be there.
// The caller closes the model. Errors: those of onnx.MapFile, onnx.Decode or ortformat.Decode, onnx.Model.Check,
// onnx.ResolveExternal and onnx.CheckContexts.
func Load(path string) (*Model, error) {
	m := &Model{Path: path}
	if err := m.load(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) load() error {
	file, err := onnx.MapFile(m.Path)
	if err != nil {
		return err
	}
	m.closers = append(m.closers, file)
	if err := m.decode(file); err != nil {
		return err
	}
	dir, linked := filepath.Dir(m.Path), realDir(m.Path)
	external, err := onnx.ResolveExternal(m.Proto, dir, linked)
	if err != nil {
		return fault.Wrap(err, "open model %q", m.Path)
	}
	m.closers = append(m.closers, external)
	if err := onnx.CheckContexts(m.Proto, dir, linked); err != nil {
		return fault.Wrap(err, "open model %q", m.Path)
	}
	m.sources = append(m.sources, source{path: m.Path})
	for _, l := range append(m.Proto.ExternalFiles(), m.Proto.ContextFiles()...) {
		m.sources = append(m.sources, source{location: l, path: filepath.Join(dir, filepath.FromSlash(l))})
	}
	for i := range m.sources {
		if m.sources[i].info, err = os.Stat(m.sources[i].path); err != nil {
			return fmt.Errorf("open model: %w", err)
		}
	}
	return nil
}

// decode reads the graph of the file and checks it.
func (m *Model) decode(file *onnx.Mapping) (err error) {
	if !ortformat.Is(file.Bytes) {
		if m.Proto, err = file.Decode(); err != nil {
			return err
		}
	} else if m.Proto, m.ort, err = ortformat.Decode(file.Bytes, file.Release); err != nil {
		return fault.Wrap(err, "open model %q", m.Path)
	}
	return fault.Wrap(m.Proto.Check(), "open model %q", m.Path)
}

// realDir is the folder that a model file really lies in. Caches of downloads keep a model and its external data in
// one folder and link to both from another.
func realDir(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		path = p
	}
	return filepath.Dir(path)
}

// New returns a model made in memory; it counts as edited.
func New(proto *onnx.Model) *Model { return &Model{Proto: proto, edited: true} }

// Close unmaps the files. A second Close is a no-op.
func (m *Model) Close() error {
	var errs []error
	for _, c := range m.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// MarkEdited says that Proto is no longer what the file holds.
func (m *Model) MarkEdited() { m.edited = true }

// Edited reports whether Proto differs from the file at Path; a model made in memory is always edited.
func (m *Model) Edited() bool { return m.edited }

// Inputs returns what the model must be given, in graph order: the graph's inputs without those that have an
// initializer. Sizes below 0, which some exporters write for a dynamic axis, are dynamic axes here.
func (m *Model) Inputs() []Port {
	g := m.Proto.Graph
	held := make(map[string]bool, len(g.Initializers))
	for _, t := range g.Initializers {
		held[t.Name] = true
	}
	for _, s := range g.Sparse {
		if s.Values != nil {
			held[s.Values.Name] = true
		}
	}
	var in []Port
	for _, v := range g.Inputs {
		if !held[v.Name] {
			in = append(in, port(v))
		}
	}
	return in
}

// Outputs returns what the model gives, in graph order.
func (m *Model) Outputs() []Port {
	var out []Port
	for _, v := range m.Proto.Graph.Outputs {
		out = append(out, port(v))
	}
	return out
}

func port(v *onnx.ValueInfo) Port {
	if v.Type == nil {
		return Port{Name: v.Name, Type: &onnx.Type{}}
	}
	t := v.Type
	for i, d := range t.Dims {
		if d.Known && dynamic(d) {
			if t == v.Type {
				t = t.Clone()
			}
			t.Dims[i] = onnx.Dim{Denotation: d.Denotation}
		}
	}
	return Port{Name: v.Name, Type: t}
}

// Bytes returns the size of the model in bytes: file, external data and caches; of an edited model, what a file would take.
func (m *Model) Bytes() int64 {
	var n int64
	for _, s := range m.sources {
		if s.location != "" || !m.edited {
			n += s.info.Size()
		}
	}
	if m.edited {
		n += onnx.Size(m.Proto)
	}
	return n
}

// Digest returns the SHA-256 of the model in hex. For a file without external data it is that of the file; external
// data, then caches of EPContext nodes, follow the file in the order of their locations. Of an edited model it is that of what would be saved.
// It fails where a file was changed on disk since it was opened.
func (m *Model) Digest() (string, error) {
	h := sha256.New()
	if m.edited {
		if err := m.hashProto(h); err != nil {
			return "", fault.Wrap(err, "digest of model %q", m.Path)
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	for _, s := range m.sources {
		if err := s.copyTo(h); err != nil {
			return "", fault.Wrap(err, "digest of model %q", m.Path)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashProto writes the graph as it is now, then the bytes of its external tensors and the caches of its nodes.
func (m *Model) hashProto(h hash.Hash) error {
	if err := onnx.Write(h, m.Proto); err != nil {
		return err
	}
	err := m.Proto.Tensors(func(t *onnx.Tensor) error {
		if _, ok := t.Raw(); !ok || t.External == nil {
			return nil
		}
		return t.CopyTo(h)
	})
	caches := m.Proto.ContextFiles()
	for _, s := range m.sources {
		if err == nil && slices.Contains(caches, s.location) {
			err = s.copyTo(h)
		}
	}
	return err
}

// copyTo reads the file instead of its map, whose pages would count as memory of this process.
func (s source) copyTo(w io.Writer) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, s.info) || info.Size() != s.info.Size() || !info.ModTime().Equal(s.info.ModTime()) {
		return fault.New(fault.Internal, "run the command again", "%q was changed since it was opened", s.path)
	}
	_, err = io.Copy(w, f)
	return err
}

// Serialize returns the graph as it is now as a model file in memory. External data stay references, relative to the
// folder of Path. It fails for more than 2 GiB.
func (m *Model) Serialize() ([]byte, error) { return onnx.Encode(m.Proto) }
