// Package atomicfile owns writing a file as a whole or not at all.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// File is a file being written: it stands at its path once Commit has returned nil, and nowhere before. For one
// goroutine.
type File struct {
	f       *os.File
	path    string
	special bool
	err     error // sticky: the first failure
	done    bool
}

// Create makes a temporary file in path's folder, for Commit to put in path's place. The file gets mode 0644 less the
// process's umask, or the mode of the file that it replaces. The target of a symbolic link is replaced, not the link.
// What is no regular file, such as a device or a pipe, is written to and stays what it is.
func Create(path string) (*File, error) {
	f := &File{path: path, special: special(path)}
	var err error
	if f.special {
		f.f, err = os.OpenFile(path, os.O_WRONLY, 0)
	} else {
		if real, e := filepath.EvalSymlinks(path); e == nil {
			f.path = real
		}
		f.f, err = os.CreateTemp(filepath.Dir(f.path), ".infer-*.tmp")
	}
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", f.path, cause(err))
	}
	return f, nil
}

// Write appends p. After a failure the temporary file is gone, and Write and Commit return that failure.
func (f *File) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.f.Write(p)
	return n, f.fail(err)
}

// Commit syncs the file and renames it to its path. When that fails the temporary file is gone and whatever stood at
// the path still stands. A second Commit returns what the first did; after Abort it is an error.
func (f *File) Commit() error {
	if f.done || f.err != nil {
		return f.err
	}
	if !f.special {
		if f.fail(f.f.Chmod(mode(f.path))) != nil || f.fail(f.f.Sync()) != nil {
			return f.err
		}
	}
	if f.fail(f.f.Close()) != nil {
		return f.err
	}
	if !f.special && f.fail(os.Rename(f.f.Name(), f.path)) != nil {
		return f.err
	}
	f.done = true
	return nil
}

// Abort removes the temporary file. After Commit or a failure it does nothing.
func (f *File) Abort() {
	if !f.done && f.err == nil {
		_ = f.fail(errors.New("it was given up"))
	}
}

// fail is end for an error of the file itself: it gets the file's own name and not the temporary one.
func (f *File) fail(err error) error {
	if err == nil {
		return nil
	}
	return f.end(cause(err))
}

// end keeps err as the first error and removes what was written.
func (f *File) end(err error) error {
	f.err = fmt.Errorf("write %q: %w", f.path, err)
	_ = f.f.Close()
	if !f.special {
		_ = os.Remove(f.f.Name())
	}
	return f.err
}

// Write calls fill with a file of Create, which it commits. When anything fails the temporary file is gone and
// whatever stood at path still stands.
func Write(path string, fill func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	if err := fill(f); err != nil {
		if f.err == nil {
			_ = f.end(err) // of what fill read
		}
		return f.err
	}
	return f.Commit()
}

// Check returns the error that Write would have where path is a folder or its folder cannot be written to. It leaves
// path as it is.
func Check(path string) error {
	if special(path) {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("write %q: it is a folder", path)
	}
	f, err := Create(path)
	if err == nil {
		f.Abort()
	}
	return err
}

// special reports whether path is there and is neither a regular file nor a folder.
func special(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// cause drops the temporary name from an error: the reader knows only the final one.
func cause(err error) error {
	switch e := err.(type) {
	case *os.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}

func mode(path string) os.FileMode {
	if info, err := os.Stat(path); err == nil {
		return info.Mode().Perm()
	}
	return 0o644 &^ umask()
}
