package payload

import (
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
)

// Body is what one plain HTTP request carries.
type Body struct {
	Name string // of the file, without its folder and the ending of templates; it says the Content-Type where none is given
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
// a dot are left out) or a glob pattern, in the order of names. A template (.tmpl) gives a body for each payload of
// s, which may be nil (fillAll). Of more than 1000 files it takes some, chosen evenly, which a note says. What is no
// regular file, and more than 256 MiB in all, is refused. Errors are fault.Usage.
func ReadBodies(pattern string, s *Set, o Options) (bodies []Body, notes []string, err error) {
	paths, err := bodyFiles(pattern)
	if err != nil {
		return nil, nil, err
	}
	if len(paths) == 1 && strings.HasSuffix(paths[0], templateEnding) {
		text, err := readBody(paths[0], o.bytes())
		if err != nil {
			return nil, nil, err
		}
		bodies, err = fillAll(strings.TrimSuffix(filepath.Base(paths[0]), templateEnding), string(text), s, o, templateTime)
		return bodies, nil, err
	}
	n := min(len(paths), o.count(false))
	if n < len(paths) {
		notes = append(notes, fmt.Sprintf("%d of the %d files of %q are sent, chosen evenly", n, len(paths), pattern))
	}
	held := int64(0)
	for i := range n {
		path := paths[i*len(paths)/n]
		if strings.HasSuffix(path, templateEnding) {
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
	data, err := readFile(path, limit)
	if errors.Is(err, errTooLarge) {
		return nil, fault.New(fault.Usage, "give fewer or smaller files", "body %q: the bodies take more memory than they may", path)
	}
	return data, fault.Wrap(err, "body")
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
