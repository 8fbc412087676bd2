package repository

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
)

const (
	suffix    = ".onnx"
	modelFile = "model.onnx" // in the folder of a version
)

// found is a model as it lies on disk.
type found struct {
	name  string
	files []file // its versions, the oldest first; a model without versions has one, "1"
}

// file is one version of a model on disk.
type file struct {
	version string
	number  int64 // version, to sort by
	path    string
	print   string    // changes when a file of the version does
	newest  time.Time // the latest change of a file of the version
}

// scan looks at every source. Where err is not nil, the models are those of the other sources.
func scan(sources []Source) ([]found, error) {
	var models []found
	var faults []error
	for _, s := range sources {
		list, err := s.find()
		if err != nil {
			faults = append(faults, err)
			continue
		}
		models = append(models, list...)
	}
	for i, m := range models {
		if slices.ContainsFunc(models[:i], func(o found) bool { return o.name == m.name }) {
			faults = append(faults, fault.New(fault.Usage, "give one of them another name: NAME=PATH", "two models are called %q", m.name))
		}
	}
	return models, joinFaults(faults)
}

// find looks at one source.
func (s Source) find() ([]found, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, fault.New(fault.Usage, "name a model file or a folder of models", "%w", err)
	}
	if !info.IsDir() {
		f, err := flat(s.Path)
		if err != nil {
			return nil, err
		}
		return []found{{name: cmp.Or(s.Name, strings.TrimSuffix(filepath.Base(s.Path), suffix)), files: []file{f}}}, nil
	}
	own, any, err := versionsIn(s.Path)
	if err != nil {
		return nil, err
	}
	if any {
		whole, err := filepath.Abs(s.Path)
		if err != nil {
			return nil, err
		}
		return only(found{name: cmp.Or(s.Name, filepath.Base(whole)), files: own}), nil
	}
	models, err := modelsIn(s.Path)
	if err != nil || s.Name == "" {
		return models, err
	}
	if len(models) > 1 {
		return nil, fault.New(fault.Usage, "leave the name away, or name the folder of one model", "%s holds %d models, which cannot all be called %q", s.Path, len(models), s.Name)
	}
	for i := range models {
		models[i].name = s.Name
	}
	return models, nil
}

// modelsIn returns the models of a folder: files, and folders of versions. What is hidden is somebody's unfinished work.
func modelsIn(dir string) ([]found, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var models []found
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // through symbolic links
		if hidden(e.Name()) || err != nil {
			continue
		}
		if !info.IsDir() {
			if name, ok := strings.CutSuffix(e.Name(), suffix); ok && name != "" {
				if f, err := flat(path); err == nil {
					models = append(models, found{name: name, files: []file{f}})
				}
			}
			continue
		}
		versions, _, err := versionsIn(path)
		if err == nil {
			models = append(models, only(found{name: e.Name(), files: versions})...)
		}
	}
	return models, nil
}

// only is a list of a model, empty where it has no version yet.
func only(m found) []found {
	if len(m.files) == 0 {
		return nil
	}
	return []found{m}
}

// versionsIn returns the versions of a folder that have a model, the oldest first. any reports whether there are folders
// of versions at all.
func versionsIn(dir string) (files []file, any bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		n, err := strconv.ParseInt(e.Name(), 10, 64)
		path := filepath.Join(dir, e.Name())
		info, statErr := os.Stat(path)
		if err != nil || strconv.FormatInt(n, 10) != e.Name() || n < 0 || statErr != nil || !info.IsDir() {
			continue
		}
		any = true
		f := file{version: e.Name(), number: n, path: filepath.Join(path, modelFile)}
		if info, err := os.Stat(f.path); err != nil || info.IsDir() {
			continue
		}
		if f.print, f.newest, err = fingerprint(path, ""); err == nil {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.number, b.number) })
	return files, any, nil
}

// flat returns the one version of a model file without versions.
func flat(path string) (file, error) {
	f := file{version: "1", number: 1, path: path}
	var err error
	f.print, f.newest, err = fingerprint(filepath.Dir(path), strings.TrimSuffix(filepath.Base(path), suffix)+".")
	return f, err
}

// fingerprint describes the files of a folder whose names begin with prefix: where symbolic links lead, sizes and times.
func fingerprint(dir, prefix string) (print string, newest time.Time, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", newest, err
	}
	var b strings.Builder
	for _, e := range entries {
		if hidden(e.Name()) || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || info.IsDir() {
			continue
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", real, info.Size(), info.ModTime().UnixNano())
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if b.Len() == 0 {
		return "", newest, &fs.PathError{Op: "stat", Path: filepath.Join(dir, prefix), Err: fs.ErrNotExist}
	}
	return b.String(), newest, nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }
