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

// OpenFile decodes a model file without reading its tensor bytes: they stay in the file, which is mapped until the
// Closer is closed. After that nothing of the model may be used, and while it is open the file must not be cut short
// by another program (replacing it by rename is fine). External data are not looked at: see ResolveExternal.
// Errors: fault.Usage for a path that cannot be opened, otherwise those of Decode.
func OpenFile(path string) (*Model, io.Closer, error) {
	files := &maps{}
	b, err := files.open(path)
	if err != nil {
		return nil, nil, openError(path, err)
	}
	m, err := decode(b, func() { release(b) })
	if err != nil {
		files.Close()
		return nil, nil, fault.Wrap(err, "open model %q", path)
	}
	return m, files, nil
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
