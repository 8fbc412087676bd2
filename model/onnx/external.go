package onnx

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/tensor"
)

// ExternalFiles returns the locations of the model's external data, each once, sorted.
func (m *Model) ExternalFiles() []string {
	seen := map[string]bool{}
	var names []string
	_ = m.Tensors(func(t *Tensor) error {
		if t.External != nil && !seen[t.External.Location] {
			seen[t.External.Location] = true
			names = append(names, t.External.Location)
		}
		return nil
	})
	slices.Sort(names)
	return names
}

// ResolveExternal maps the files in which tensors have their bytes, relative to dir (the model's folder), and makes
// the tensors slices of them; no byte is read. The Closer unmaps the files: after that the tensors must not be used.
//
// It refuses, naming tensor and file: absolute paths, backslashes, paths that leave dir through ".." or a symbolic
// link (unless the link leads into one of the folders in linked), files that are missing or not regular, ranges
// outside the file, and lengths that do not fit the tensor. On an error nothing stays mapped.
func ResolveExternal(m *Model, dir string, linked ...string) (io.Closer, error) {
	r := resolver{files: &maps{}, byName: map[string][]byte{}, dir: dir, allowed: append([]string{dir}, linked...)}
	if err := m.Tensors(r.tensor); err != nil {
		r.files.Close()
		return nil, err
	}
	return r.files, nil
}

type resolver struct {
	files   *maps
	byName  map[string][]byte
	dir     string
	allowed []string
}

// tensor sets the payload of one tensor.
func (r *resolver) tensor(t *Tensor) error {
	x := t.External
	if x == nil {
		return nil
	}
	file, ok := r.byName[x.Location]
	if !ok {
		path, err := r.path(x.Location)
		if err == nil {
			file, err = r.files.open(path)
		}
		if err == nil && bytes.HasPrefix(file, []byte(signatures[0].magic)) {
			err = fault.New(fault.Internal, signatures[0].hint, "the file is %s", signatures[0].what)
		}
		if err != nil {
			return externalError(t, err)
		}
		r.byName[x.Location] = file
	}
	length, err := x.span(t, int64(len(file)))
	if err != nil {
		return externalError(t, err)
	}
	t.payload = payload{raw: file[x.Offset : x.Offset+length : x.Offset+length], mapped: true}
	return nil
}

// span returns how many bytes of a file of the given size the tensor takes.
func (x *External) span(t *Tensor, size int64) (int64, error) {
	for _, p := range x.Extra {
		if p.Key == "offset" || p.Key == "length" {
			return 0, fault.New(fault.Internal, "", "its %s %q is no number of bytes", p.Key, p.Value)
		}
	}
	length := x.Length
	if t.DType == tensor.String {
		return 0, fault.New(fault.Internal, "", "strings cannot be external data")
	}
	if t.DType.Valid() {
		need, err := t.ByteSize()
		if err != nil {
			return 0, err
		}
		if length != 0 && length != need {
			return 0, fault.New(fault.Internal, "", "its length is %d bytes, and %s of shape %s takes %d", length, t.DType, t.Dims, need)
		}
		length = need
	} else if length == 0 {
		length = size - min(x.Offset, size)
	}
	if x.Offset > math.MaxInt64-length || x.Offset+length > size {
		return 0, fault.New(fault.Internal, "the file is cut short or belongs to another export: copy it again together with the model",
			"bytes %d to %d lie outside the file, which has %d", x.Offset, uint64(x.Offset)+uint64(length), size)
	}
	return length, nil
}

// path returns the file of a location, after it made sure that it is in an allowed folder.
func (r *resolver) path(location string) (string, error) {
	const hint = "external data must lie in the folder of the model; do not open models from people you do not trust"
	switch {
	case location == "":
		return "", fault.New(fault.Internal, "", "its location is empty")
	case strings.ContainsAny(location, "\\\x00"):
		return "", fault.New(fault.Internal, hint, "the path holds a backslash or a zero byte")
	case filepath.IsAbs(location) || strings.HasPrefix(location, "/"):
		return "", fault.New(fault.Internal, hint, "the path is absolute")
	case !filepath.IsLocal(filepath.FromSlash(location)):
		return "", fault.New(fault.Internal, hint, "the path leaves the folder of the model")
	}
	path, err := filepath.EvalSymlinks(filepath.Join(r.dir, filepath.FromSlash(location)))
	if err != nil {
		return "", err
	}
	for _, dir := range r.allowed {
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return path, nil
		}
	}
	return "", fault.New(fault.Internal, hint, "the path is a symbolic link that leaves the folder of the model")
}

// externalError names tensor and file.
func externalError(t *Tensor, err error) error {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fault.New(fault.Internal, "put the file beside the model: it was saved or downloaded without it", "no such file")
	case errors.As(err, &pe):
		err = pe.Err
	}
	return fault.Wrap(err, "external data of tensor %q in %q", t.Name, t.External.Location)
}
