package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
)

// Draft is a folder beside the place of an output in which its files are made and looked at before they get their
// names: a model and its external data, an engine and its cache. What is not placed is gone with Discard.
// For one goroutine.
type Draft struct {
	dir, target string
	source      *Model
}

// NewDraft makes the folder of a draft of path, in the folder of path; where path is a symbolic link, of the file that
// it names. The files of source, what the output is made of, are never replaced; nil for none. The caller defers Discard.
// Errors: fault.Usage where the folder is missing or may not be written to, and where path is a folder or a device.
func NewDraft(path string, source *Model) (*Draft, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fault.New(fault.Usage, "name a file", "write %q: it is no regular file", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".infer-*.tmp")
	if err != nil {
		return nil, saveError(fmt.Errorf("write %q: %w", path, bare(err)))
	}
	return &Draft{dir: dir, target: path, source: source}, nil
}

// bare drops the temporary names from an error of a path or two.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// Path returns where the output is to be made. It has the name that it will have, so that what refers to files beside
// it by their names holds in both places; those are made in its folder.
func (d *Draft) Path() string { return filepath.Join(d.dir, filepath.Base(d.target)) }

// Beside returns where a file of that name beside the output is to be made.
func (d *Draft) Beside(name string) string { return filepath.Join(d.dir, name) }

// Discard removes the folder and what is in it. After Place there is nothing left to remove.
func (d *Draft) Discard() { _ = os.RemoveAll(d.dir) }

// Place moves everything in the folder to its place beside the output, the output last, and returns the paths in that
// order. Files that stood there are replaced, and keep their modes; the external data of an ONNX model that is replaced
// go with it where the new one has none, unless the source has its weights there. When anything fails all is as it was
// before. Errors: fault.Usage where a file of the source would be replaced.
func (d *Draft) Place() (paths []string, err error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", d.target, bare(err))
	}
	isLast := func(e fs.DirEntry) bool { return e.Name() == filepath.Base(d.target) }
	if i := slices.IndexFunc(entries, isLast); i >= 0 {
		entries = append(slices.Delete(slices.Clone(entries), i, i+1), entries[i])
	}
	for _, e := range entries {
		if to := d.place(e); d.reads(to) {
			return nil, fault.New(fault.Usage, "write under another name", "write %q: the model is read from %q", d.target, to)
		}
	}
	_, err = os.Lstat(d.Path() + ".data")
	stale := errors.Is(err, fs.ErrNotExist) && keepsData(d.target) && !d.reads(d.target+".data")
	var done []backup
	defer func() {
		for i := len(done) - 1; i >= 0 && err != nil; i-- {
			done[i].restore()
		}
	}()
	for _, e := range entries {
		to := d.place(e)
		old, err := d.replace(d.Beside(e.Name()), to)
		if err != nil {
			return nil, saveError(fmt.Errorf("write %q: %w", to, bare(err)))
		}
		done, paths = append(done, old), append(paths, to)
	}
	for _, b := range done {
		b.forget()
	}
	if stale {
		_ = os.Remove(d.target + ".data")
	}
	d.Discard()
	return paths, nil
}

// place returns where something in the folder goes.
func (d *Draft) place(e fs.DirEntry) string {
	return filepath.Join(filepath.Dir(d.target), e.Name())
}

// reads reports whether the source is read from path, or from a file in the folder at path.
func (d *Draft) reads(path string) (found bool) {
	if d.source == nil {
		return false
	}
	_ = filepath.WalkDir(path, func(p string, _ fs.DirEntry, _ error) error {
		found = found || d.source.IsSource(p)
		return nil
	})
	return found
}

// replace moves a file or folder to its place.
func (d *Draft) replace(from, to string) (backup, error) {
	info, err := os.Stat(to)
	switch {
	case err == nil && info.IsDir():
		return moveAside(from, to)
	case err == nil:
		if err := os.Chmod(from, info.Mode().Perm()); err != nil {
			return backup{}, err
		}
	}
	old, err := keep(to)
	if err != nil {
		return old, err
	}
	if err := os.Rename(from, to); err != nil {
		old.restore()
		return old, err
	}
	return old, nil
}

// moveAside puts a folder in the place of another: unlike a file it cannot take the place of one that is there.
func moveAside(from, to string) (backup, error) {
	info, err := os.Stat(from)
	if err == nil && !info.IsDir() {
		return backup{}, errors.New("a folder is in its place")
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), ".infer-*.tmp")
	if err != nil {
		return backup{}, err
	}
	b := backup{path: to, dir: dir}
	if err := os.Rename(to, b.old()); err != nil {
		b.forget()
		return b, err
	}
	if err := os.Rename(from, to); err != nil {
		b.restore()
		return b, err
	}
	return b, nil
}

// keepsData reports whether the model at path, if there is one, has its weights in the file beside it.
func keepsData(path string) bool {
	m, closer, err := onnx.OpenFile(path)
	if err != nil {
		return false
	}
	defer closer.Close()
	return slices.Contains(m.ExternalFiles(), filepath.Base(path)+".data")
}
