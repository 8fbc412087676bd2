package model

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// ExternalMode says whether Save puts tensor bytes in a file of their own.
type ExternalMode int

// The modes of --external-data.
const (
	ExternalAuto   ExternalMode = iota // where the model has external data already, or would exceed 2 GiB
	ExternalNever                      // one file
	ExternalAlways                     // every initializer and value of a Constant node of at least the threshold
)

// ParseExternal reads auto, never or always.
func ParseExternal(text string) (ExternalMode, error) {
	switch text {
	case "auto":
		return ExternalAuto, nil
	case "never":
		return ExternalNever, nil
	case "always":
		return ExternalAlways, nil
	}
	return 0, fault.New(fault.Usage, "pass auto, never or always", "unknown external-data mode %q", text)
}

// SaveOptions says how Save writes. The zero value is valid.
type SaveOptions struct {
	External  ExternalMode
	DataFile  string // the name of the file for tensor bytes, in the folder of the model; "": the model's with .data behind it
	Threshold int64  // bytes from which a constant is written outside; 0 means 1024
	Overwrite bool   // replace the files that the model was loaded from
}

const (
	defaultThreshold = 1024
	pageAligned      = 1 << 20 // tensors from this size on start at a page, so that a runtime can map them
	page             = 4096
	align            = 64
)

// Save writes the model to path and, where SaveOptions says so, its constants to path+".data", each at a multiple of 64
// bytes, those of 1 MiB and more at a page, so that a runtime can map them. Both files are written beside their places, synced and then renamed; on any error nothing is left behind and what stood there
// before still stands. The model stays open on the file it was loaded from.
// What is written is ONNX, whatever the format of the file that the model was loaded from.
// Errors: fault.Usage where path is a file that the model was loaded from (without Overwrite), where its folder is
// missing, where SaveOptions names a data file that is no plain name, where one file cannot hold the model, and for another folder where EPContext nodes have their caches in files;
// fault.Unsupported for nodes that no ONNX file can hold; otherwise those of the file system.
func (m *Model) Save(path string, o SaveOptions) error {
	data, err := o.DataPath(path)
	if err != nil {
		return err
	}
	if !o.Overwrite {
		for _, p := range []string{path, data} {
			if m.IsSource(p) {
				return fault.New(fault.Usage, "write to another file", "save model: %q is a file that the model is read from", p)
			}
		}
	}
	if err := m.writable(path); err != nil {
		return fault.Wrap(err, "save model %q", path)
	}
	c, outside, err := m.plan(filepath.Base(data), o)
	if err != nil {
		return fault.Wrap(err, "save model %q", path)
	}
	write := func(w io.Writer) error { return onnx.Write(w, c) }
	if len(outside) == 0 {
		return saveError(atomicfile.Write(path, write))
	}
	old, err := keep(data)
	if err != nil {
		return saveError(err)
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		if err := write(w); err != nil {
			return err
		}
		return atomicfile.Write(data, func(w io.Writer) error { return writeTensors(w, outside) })
	})
	if err != nil {
		old.restore()
		return saveError(err)
	}
	old.forget()
	return nil
}

// DataPath returns where the tensor bytes of a model at path go. Errors: fault.Usage where DataFile is no plain name, or
// that of the model.
func (o SaveOptions) DataPath(path string) (string, error) {
	name := o.DataFile
	if name == "" {
		return path + ".data", nil
	}
	if name != filepath.Base(name) || !filepath.IsLocal(name) || strings.ContainsRune(name, '\\') || name == "." {
		return "", fault.New(fault.Usage, "name a file without its folder: it goes beside the model", "save model: the data file cannot be called %q", name)
	}
	if name == filepath.Base(path) {
		return "", fault.New(fault.Usage, "give the data file another name", "save model: %q is the name of the model itself", name)
	}
	return filepath.Join(filepath.Dir(path), name), nil
}

// writable reports what a file at path could not stand for.
func (m *Model) writable(path string) error {
	if m.ort != nil && m.ort.Fused > 0 {
		return fault.New(fault.Unsupported, "use the .onnx model", "%d of its nodes were compiled by %s, and no ONNX file can hold them",
			m.ort.Fused, strings.Join(m.ort.Providers, ", "))
	}
	caches := m.Proto.ContextFiles()
	if len(caches) == 0 {
		return nil
	}
	from, err := os.Stat(filepath.Dir(m.Path))
	if err != nil {
		return err
	}
	if to, err := os.Stat(filepath.Dir(path)); err == nil && !os.SameFile(from, to) {
		return fault.New(fault.Usage, "write it to the folder that it is in", "what its execution provider compiled lies in %q beside the model", caches[0])
	}
	return nil
}

// IsSource reports whether path is a file behind the model, under whatever name.
func (m *Model) IsSource(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, s := range m.sources {
		if os.SameFile(info, s.info) {
			return true
		}
	}
	return false
}

// plan returns a copy of the graph as it will be written, and the tensors that go to the data file, in its order,
// with their places set.
func (m *Model) plan(location string, o SaveOptions) (*onnx.Model, []*onnx.Tensor, error) {
	c := m.Proto.Clone()
	had := false
	err := c.Tensors(func(t *onnx.Tensor) error {
		if t.External == nil {
			return nil
		}
		if _, ok := t.Raw(); !ok {
			return fmt.Errorf("tensor %q: its external data are not loaded", t.Name)
		}
		had, t.External = true, nil
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	big := onnx.Size(c) > math.MaxInt32
	if o.External == ExternalNever && big {
		return nil, nil, fault.New(fault.Usage, "allow external data", "one file holds at most 2 GiB, and the model takes %d bytes", onnx.Size(c))
	}
	if o.External == ExternalNever || o.External == ExternalAuto && !had && !big {
		return c, nil, nil
	}
	least := o.Threshold
	if least <= 0 {
		least = defaultThreshold
	}
	var outside []*onnx.Tensor
	end := int64(0)
	move := func(t *onnx.Tensor) {
		size, e := t.ByteSize()
		if e != nil && err == nil {
			err = e
		}
		if size < least || t.DType == tensor.String || !t.DType.Valid() {
			return
		}
		at := start(end, size)
		t.External = &onnx.External{Location: location, Offset: at, Length: size}
		outside, end = append(outside, t), at+size
	}
	c.Walk(func(g *onnx.Graph) {
		for _, t := range g.Initializers {
			move(t)
		}
		for _, n := range g.Nodes { // the tensors of other operators are small, and runtimes read them from the file alone
			if a := n.Attr("value"); n.OpType == "Constant" && n.Domain == "" && a != nil && a.T != nil {
				move(a.T)
			}
		}
	})
	return c, outside, err
}

// start returns where a tensor of a size begins after the byte at end.
func start(end, size int64) int64 {
	to := int64(align)
	if size >= pageAligned {
		to = page
	}
	return (end + to - 1) / to * to
}

// writeTensors writes the data file.
func writeTensors(to io.Writer, tensors []*onnx.Tensor) error {
	w := bufio.NewWriterSize(to, 1<<16)
	var zeros [page]byte
	end := int64(0)
	for _, t := range tensors {
		x := t.External
		if _, err := w.Write(zeros[:x.Offset-end]); err != nil {
			return err
		}
		inside := *t // the elements still lie where they were
		inside.External = nil
		if err := inside.CopyTo(w); err != nil {
			return err
		}
		end = x.Offset + x.Length
	}
	return w.Flush()
}

// backup keeps what stands at path until the caller knows whether its successor stays. After restore, path is as it
// was; after forget, the old file is gone.
type backup struct{ path, dir string }

func keep(path string) (backup, error) {
	b := backup{path: path}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".infer-*.tmp")
	if err != nil {
		return b, err
	}
	b.dir = dir
	if os.Link(path, b.old()) == nil {
		return b, nil
	}
	if err := os.Rename(path, b.old()); err != nil { // no hard links here, or none to another user's file: it steps aside
		b.forget()
		return b, err
	}
	return b, nil
}

func (b backup) old() string { return filepath.Join(b.dir, "old") }

func (b backup) restore() {
	if b.dir == "" {
		_ = os.RemoveAll(b.path)
		return
	}
	if os.Rename(b.old(), b.path) != nil { // a folder gives way to nothing else
		_ = os.RemoveAll(b.path)
		_ = os.Rename(b.old(), b.path)
	}
	b.forget()
}

func (b backup) forget() {
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// saveError adds a hint to the usual causes. A nil err stays nil.
func saveError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Usage, "make the folder first", "save model: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Usage, "choose a folder that this user may write to", "save model: %w", err)
	case errors.Is(err, syscall.ENOSPC):
		return fault.New(fault.Internal, "free some space, or write to another disk", "save model: %w", err)
	}
	return fault.Wrap(err, "save model")
}
