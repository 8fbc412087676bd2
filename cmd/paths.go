package cmd

import (
	"os"
	"path/filepath"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/model"
)

// outputFile is a file that a command is asked to write, and the flag that asks for it.
type outputFile struct{ flag, path string }

// checkOutputs refuses, before the work and not after it, output files that cannot be written, that are named twice or
// that the command reads: the files of m and reads. An empty path is none.
func (a *app) checkOutputs(m *model.Model, reads []string, files ...outputFile) error {
	for _, r := range a.out.reports {
		files = append(files, outputFile{"--report", r})
	}
	if a.cfg != nil {
		reads = append(reads, a.cfg.path)
	}
	seen := map[string]string{}
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if m != nil && m.IsSource(f.path) {
			return fault.New(fault.Usage, "write to another file", "%s %q is a file that the model is read from", f.flag, f.path)
		}
		for _, r := range reads {
			if r != "" && overwrites(f.path, r) {
				return fault.New(fault.Usage, "write to another file", "%s %q would overwrite a file that is read", f.flag, f.path)
			}
		}
		if err := atomicfile.Check(f.path); err != nil {
			return fault.New(fault.Usage, "make its folder first, or name another file", "%s: %w", f.flag, err)
		}
		abs, err := filepath.Abs(f.path)
		if err != nil {
			return err
		}
		if other, ok := seen[abs]; ok {
			return fault.New(fault.Usage, "give each its own file", "%s and %s both write %q", other, f.flag, f.path)
		}
		seen[abs] = f.flag
	}
	return nil
}

// overwrites reports whether writing path would replace the file read, or a file in the folder read.
func overwrites(path, read string) bool {
	there, err := os.Stat(path)
	if err != nil || !there.Mode().IsRegular() {
		return false
	}
	return sameFile(path, read) || sameFile(filepath.Dir(path), read)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
