package baseline

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// folder is a folder with one document a file.
type folder struct{ path string }

func (f folder) read() ([]Run, error) {
	entries, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, hintFirst, "%w", absent{"there is no such folder"})
	}
	if err != nil {
		return nil, openError(f.path, err)
	}
	var runs []Run
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != ".json" {
			continue
		}
		path := filepath.Join(f.path, e.Name())
		b, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another program dropped it just now
		}
		if err != nil {
			return nil, err
		}
		r, err := parseRun(path, b)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, fault.New(fault.Usage, hintFirst, "%w", absent{"the folder has no documents: no file in it ends in .json"})
	}
	return runs, nil
}

// add writes a file of its own, so that two that add at once keep both runs, and removes old files. Files that people
// put there are never removed.
func (f folder) add(r Run, keep int) error {
	old, err := f.read()
	if err != nil && !errors.As(err, &absent{}) {
		return err
	}
	var b bytes.Buffer
	if err := report.Write(&b, r.Document); err != nil {
		return err
	}
	r.SHA256 = digest(b.Bytes())
	runs, err := kept(old, r, keep)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(f.path, nameOf(r)), b.Bytes()); err != nil {
		return err
	}
	for _, o := range old {
		gone := !slices.ContainsFunc(runs, func(k Run) bool { return k.SHA256 == o.SHA256 })
		if gone && filepath.Base(o.Path) == nameOf(o) {
			if err := os.Remove(o.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fault.New(fault.Internal, hintKeep, "the old run %s cannot be removed: %w", o.Path, cause(err))
			}
		}
	}
	return nil
}

// nameOf is the name of the file of a run: when it was made and a hash of what is in it, so that a file that somebody
// edited or named is known not to be the store's own.
func nameOf(r Run) string {
	return r.Document.Created.UTC().Format("20060102T150405.000Z") + "-" + r.SHA256[:8] + ".json"
}
