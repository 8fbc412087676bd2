package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/atomicfile"
	"infer/internal/fault"
)

// Written is a file that was written.
type Written struct {
	Path   string // relative to the folder, with slashes
	Bytes  int64
	SHA256 string // hex
}

// Write puts files into dir, each whole or not at all, and makes the folders that are missing. What an earlier Write put
// there and this one does not is removed; files of others stay. Nothing is written where a path leaves dir, where a file
// would overwrite what it is a copy of, or where one is there already and force is not set: fault.Usage.
func Write(dir string, files []File, force bool) (written []Written, removed []string, err error) {
	earlier, err := readList(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := check(dir, files, earlier, force); err != nil {
		return nil, nil, err
	}
	now := paths(files)
	if err := writeList(dir, append(slices.Clone(earlier), now...)); err != nil { // whole also where the rest is cut short
		return nil, nil, err
	}
	for _, f := range files {
		w, err := f.write(dir)
		if err != nil {
			return written, nil, fault.Wrap(err, "write %q", f.Path)
		}
		written = append(written, w)
	}
	if removed, err = remove(dir, gone(earlier, now)); err != nil {
		return written, removed, err
	}
	return written, removed, writeList(dir, now)
}

func check(dir string, files []File, earlier []string, force bool) error {
	var there []string
	for _, old := range gone(earlier, paths(files)) {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(old)))
		if err != nil {
			continue // nothing is there to be removed
		}
		there = append(there, old)
		if slices.ContainsFunc(files, func(f File) bool { return f.From != "" && same(f.From, info) }) {
			return fault.New(fault.Usage, "name another folder with -o", "%q is of an earlier run, which would be removed, and to be copied", filepath.Join(dir, old))
		}
	}
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return fault.New(fault.Usage, "", "%q is no path inside the folder", f.Path)
		}
		target := filepath.Join(dir, filepath.FromSlash(f.Path))
		info, err := os.Lstat(target)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fault.New(fault.Usage, "name another folder with -o", "%w", err)
		}
		if !info.Mode().IsRegular() {
			return fault.New(fault.Usage, "name another folder with -o", "%q is in the way: it is no regular file", target)
		}
		if f.From != "" && same(f.From, info) {
			return fault.New(fault.Usage, "name another folder with -o", "%q is the file that would be copied there", target)
		}
		there = append(there, f.Path)
	}
	if len(there) > 0 && !force {
		return fault.New(fault.Usage, "pass --force to replace them, or name another folder with -o", "%q has already %s", dir, strings.Join(there, ", "))
	}
	return nil
}

func same(path string, info fs.FileInfo) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(info, other)
}

func (f File) write(dir string) (Written, error) {
	target := filepath.Join(dir, filepath.FromSlash(f.Path))
	if err := makeFolders(dir, path.Dir(f.Path)); err != nil {
		return Written{}, err
	}
	w, sum := Written{Path: f.Path}, sha256.New()
	err := atomicfile.Write(target, func(out io.Writer) (err error) {
		both := io.MultiWriter(out, sum)
		if f.From == "" {
			var n int
			n, err = both.Write(f.Body)
			w.Bytes = int64(n)
			return err
		}
		in, err := os.Open(f.From)
		if err != nil {
			return err
		}
		defer in.Close()
		w.Bytes, err = io.Copy(both, in)
		return err
	})
	w.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err == nil && f.From == "" {
		err = os.Chmod(target, 0o644) // some are mounted, and read by the users of other images
	}
	return w, err
}

// makeFolders makes what is missing of a path with slashes below dir, for everybody to read whatever the umask: some are
// mounted.
func makeFolders(dir, inner string) error {
	if inner == "." {
		return os.MkdirAll(dir, 0o755)
	}
	if err := makeFolders(dir, path.Dir(inner)); err != nil {
		return err
	}
	whole := filepath.Join(dir, filepath.FromSlash(inner))
	switch err := os.Mkdir(whole, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return os.Chmod(whole, 0o755)
}
