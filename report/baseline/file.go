package baseline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/report"
)

// placeOf returns the place that spec names.
func placeOf(spec string) (kind string, p place, err error) {
	if rest, ok := strings.CutPrefix(spec, "git:"); ok {
		g, err := parseGit(rest)
		return "git", g, fault.Wrap(err, "baseline %q", spec)
	}
	if spec == "" || strings.ContainsRune(spec, 0) {
		return "", nil, fault.New(fault.Usage, hintSpec, "baseline %q is the name of nothing", spec)
	}
	info, err := os.Stat(spec)
	switch ext := filepath.Ext(spec); {
	case err == nil && info.IsDir():
		return "folder", folder{spec}, nil
	case err == nil && !info.Mode().IsRegular():
		return "", nil, fault.New(fault.Usage, hintSpec, "baseline %q is neither a file nor a folder", spec)
	case err == nil:
		return "file", file{spec}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", nil, fault.New(fault.Usage, hintOpen, "baseline %q cannot be read: %w", spec, cause(err))
	case ext == ".json" || ext == ".jsonl":
		return "file", file{spec}, nil
	case ext == "" || os.IsPathSeparator(spec[len(spec)-1]):
		return "folder", folder{spec}, nil
	}
	return "", nil, fault.New(fault.Usage, hintSpec, "baseline %q is not there, and its ending says neither file nor folder", spec)
}

const (
	hintSpec = "give FILE.json, FILE.jsonl, a folder, or git:REF:PATH such as git:refs/infer/baseline"
	hintOpen = "make it readable for this user, or name another baseline"
	hintKeep = "make it writable for this user, or name another baseline"
)

// file is a file of one document or of JSON lines.
type file struct{ path string }

func (f file) read() ([]Run, error) {
	b, err := readFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, hintFirst, "%w", absent{"there is no such file"})
	}
	if err != nil {
		return nil, err
	}
	return decode(f.path, b)
}

// add rewrites the file as a whole, from what it holds at that moment.
func (f file) add(r Run, keep int) error {
	if ext := filepath.Ext(f.path); ext != ".json" && ext != ".jsonl" {
		return fault.New(fault.Usage, "give FILE.jsonl", "runs are not added to a file that ends in %q", ext)
	}
	old, err := f.read()
	if err != nil && !errors.As(err, &absent{}) {
		return err
	}
	b, err := encode(f.path, old, r, keep)
	if err != nil {
		return err
	}
	return write(f.path, b)
}

func write(path string, b []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
	}
	if err != nil {
		return fault.New(fault.Internal, hintKeep, "the run cannot be added: %w", err)
	}
	return nil
}

// readFile reads a file that is no larger than a document may be, and a byte more of one that is.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, report.MaxBytes+1))
	if err != nil {
		return nil, openError(path, err)
	}
	return b, nil
}

func openError(path string, err error) error {
	return fault.New(fault.Usage, hintOpen, "%s cannot be read: %w", path, cause(err))
}

// cause drops the operation and the path, which the caller says.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return fmt.Errorf("%w", err)
}
