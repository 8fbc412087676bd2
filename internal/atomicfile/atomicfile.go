// Package atomicfile owns writing a file as a whole or not at all.
package atomicfile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write calls fill with a temporary file in path's folder, syncs it and renames it to path. When anything fails the
// temporary file is gone and whatever stood at path still stands. The file gets mode 0644 less the process's umask,
// or the mode of the file that it replaces. The target of a symbolic link is replaced, not the link. What is no regular
// file, such as a device or a pipe, is written to and stays what it is.
func Write(path string, fill func(io.Writer) error) (err error) {
	if special(path) {
		return writeInto(path, fill)
	}
	if real, e := filepath.EvalSymlinks(path); e == nil {
		path = real
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".infer-*.tmp")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err = fill(f); err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	if err = f.Chmod(mode(path)); err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	if err = f.Sync(); err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	return nil
}

// Check returns the error that Write would have where path is a folder or its folder cannot be written to. It leaves
// path as it is.
func Check(path string) error {
	if special(path) {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("write %q: it is a folder", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".infer-*.tmp")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// special reports whether path is there and is neither a regular file nor a folder.
func special(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

func writeInto(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		if err = fill(f); err == nil {
			err = f.Close()
		} else {
			_ = f.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", path, cause(err))
	}
	return nil
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
