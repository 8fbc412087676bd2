package onnx

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"infer/internal/fault"
)

// maps is a set of mapped files with one owner.
type maps struct {
	once  sync.Once
	unmap []func() error
	err   error
}

// Close unmaps the files. A second Close is a no-op.
func (m *maps) Close() error {
	m.once.Do(func() {
		var errs []error
		for _, f := range m.unmap {
			errs = append(errs, f())
		}
		m.err = errors.Join(errs...)
	})
	return m.err
}

// open maps a regular file.
func (m *maps) open(path string) ([]byte, error) {
	// Opening a pipe would wait for its writer, so the kind of file is asked for first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	b, unmap, err := mapFile(f, info.Size())
	if err != nil {
		return nil, err
	}
	m.unmap = append(m.unmap, unmap)
	return b, nil
}

// Mapping is a model file that is mapped for reading. While it is open the file must not be cut short by another
// program (replacing it by rename is fine).
type Mapping struct {
	Bytes []byte // all of the file; not to be used after Close
	path  string
	files maps
}

// MapFile maps a model file, whatever its format. The caller closes the mapping.
// Errors: fault.Usage for a path that cannot be opened.
func MapFile(path string) (*Mapping, error) {
	f := &Mapping{path: path}
	b, err := f.files.open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	f.Bytes = b
	return f, nil
}

// Decode decodes the file as ONNX without reading its tensor bytes: nothing of the model may be used after Close.
// External data are not looked at: see ResolveExternal. Errors: those of the function Decode.
func (f *Mapping) Decode() (*Model, error) {
	m, err := decode(f.Bytes, f.Release)
	return m, fault.Wrap(err, "open model %q", f.path)
}

// Release gives back the memory that reading took; whoever reads again, reads the file again.
func (f *Mapping) Release() { release(f.Bytes) }

// Close unmaps the file. A second Close is a no-op.
func (f *Mapping) Close() error { return f.files.Close() }

// OpenFile maps an ONNX file and decodes it; the model lives as long as the Closer is open.
// Errors: those of MapFile and Mapping.Decode.
func OpenFile(path string) (*Model, io.Closer, error) {
	f, err := MapFile(path)
	if err != nil {
		return nil, nil, err
	}
	m, err := f.Decode()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return m, f, nil
}

// openError adds the hint for a path that cannot be opened.
func openError(path string, err error) error {
	hint := "pass the path of a .onnx file"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Usage, hint, "open model %q: no such file", path)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Usage, "make the file readable for this user", "open model %q: permission denied", path)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is in the message already
	}
	return fault.New(fault.Usage, hint, "open model %q: %w", path, err)
}
