package repository

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/model"
	"infer/model/declared"
)

// modelStem is the name of the model in the folder of a version, without its ending.
const modelStem = "model"

// found is a model as it lies on disk.
type found struct {
	name   string
	source Source
	files  []file // its versions, the oldest first; a model without versions has one, "1"
	unread bool   // it is there and could not be looked at
}

// file is one version of a model on disk.
type file struct {
	version string
	number  int64 // version, to sort by
	path    string
	io      string    // the declaration that it inherits from the folder of its model; "": none
	print   string    // changes when a file of the version does
	newest  time.Time // the latest change of a file of the version
	gone    bool      // it was not there at the last look
}

// scan looks at every source. Where err is not nil, the models are those of the other sources, and unread has those that
// could not be looked at: they say nothing about their models.
func scan(sources []Source) (models []found, unread map[Source]bool, err error) {
	var faults []error
	unread = map[Source]bool{}
	for _, s := range sources {
		list, err := s.find()
		if err != nil {
			faults = append(faults, err)
			unread[s] = true
			continue
		}
		for _, m := range list {
			m.source = s
			models = append(models, m)
		}
	}
	for i, m := range models {
		if slices.ContainsFunc(models[:i], func(o found) bool { return o.name == m.name }) {
			faults = append(faults, fault.New(fault.Usage, "give one of them another name: NAME=PATH", "two models are called %q", m.name))
		}
	}
	return models, unread, joinFaults(faults)
}

// find looks at one source.
func (s Source) find() ([]found, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, fault.New(fault.Usage, "name a model file or a folder of models", "%w", err)
	}
	if !info.IsDir() {
		name, ok := model.CutExt(filepath.Base(s.Path))
		if !ok {
			return nil, fault.New(fault.Usage, "name a file that ends in .onnx or .ort, or a folder of models", "%q is not an ONNX model", s.Path)
		}
		f, err := flat(s.Path)
		if err != nil {
			return nil, err
		}
		return []found{{name: cmp.Or(s.Name, name), files: []file{f}}}, nil
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
	if slices.ContainsFunc(models, func(m found) bool { return !m.unread }) {
		models = slices.DeleteFunc(models, func(m found) bool { return m.unread })
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
		if hidden(e.Name()) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			name, _ := model.CutExt(e.Name())
			models = append(models, found{name: name, unread: true})
			continue
		}
		if !info.IsDir() {
			if name, ok := model.CutExt(e.Name()); ok && name != "" && path == modelIn(dir, name) {
				if f, err := flat(path); err == nil {
					models = append(models, found{name: name, files: []file{f}})
				}
			}
			continue
		}
		versions, _, err := versionsIn(path)
		switch {
		case err == nil:
			models = append(models, only(found{name: e.Name(), files: versions})...)
		case !errors.Is(err, fs.ErrNotExist):
			models = append(models, found{name: e.Name(), unread: true})
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
		f := file{version: e.Name(), number: n, path: modelIn(path, modelStem)}
		if f.path == "" {
			continue
		}
		if f.print, f.newest, err = fingerprint(path, ""); err == nil {
			f.inherit(dir)
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.number, b.number) })
	return files, any, nil
}

// modelIn returns the model of a stem in a folder; "" where there is none.
func modelIn(dir, stem string) string {
	for _, ext := range []string{".onnx", ".ort"} { // where it is there in both formats, ONNX is served
		path := filepath.Join(dir, stem+ext)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}

// inherit gives a version without a declared input and output of its own that of its model: model.io.yaml or NAME.io.yaml
// in the folder of the model.
func (f *file) inherit(dir string) {
	if _, own := declared.Find(f.path); own {
		return
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return
	}
	for _, stem := range []string{modelStem, filepath.Base(whole)} {
		stem, _ = model.CutExt(stem)
		path, ok := declared.Find(filepath.Join(dir, stem+".onnx"))
		if !ok {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		f.io = path
		f.print += stamp(path, info)
		if info.ModTime().After(f.newest) {
			f.newest = info.ModTime()
		}
		return
	}
}

// stamp describes a file.
func stamp(path string, info fs.FileInfo) string {
	return fmt.Sprintf("%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
}

// flat returns the one version of a model file without versions.
func flat(path string) (file, error) {
	f := file{version: "1", number: 1, path: path}
	var err error
	stem, _ := model.CutExt(filepath.Base(path))
	f.print, f.newest, err = fingerprint(filepath.Dir(path), stem+".")
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
		b.WriteString(stamp(real, info))
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
