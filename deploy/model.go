package deploy

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"infer/internal/fault"
	"infer/model"
)

// folder is where models lie below the folder that is written, and below / in the image.
const folder = "models"

// Model returns the files behind a model as copies below models/, and the path of the model there: the model file, its
// external data and companions, files beside it that the server reads too.
func Model(m *model.Model, companions []string) (files []File, inner string, err error) {
	dir, inner := filepath.Dir(m.Path), filepath.Base(m.Path)
	for _, f := range m.Files() {
		to := inner
		if f.Location != "" {
			to = f.Location
		}
		files = append(files, File{Path: path.Join(folder, to), From: f.Path})
	}
	for _, c := range companions {
		to, err := filepath.Rel(dir, c)
		if err != nil || !filepath.IsLocal(to) {
			return nil, "", fault.New(fault.Usage, "put it beside the model", "%q lies outside the folder of the model", c)
		}
		files = append(files, File{Path: path.Join(folder, filepath.ToSlash(to)), From: c})
	}
	return files, inner, nil
}

// Models returns a folder of models as copies below models/. Every model in it is opened, so that a broken one is not
// packed; names that start with a dot are left out.
func Models(dir string) ([]File, error) {
	files, err := tree(dir)
	if err != nil {
		return nil, err
	}
	found := 0
	for _, f := range files {
		if _, ok := model.CutExt(strings.ToLower(f.Path)); !ok {
			continue
		}
		m, err := model.Load(f.From)
		if err != nil {
			return nil, err
		}
		found++
		if err := m.Close(); err != nil {
			return nil, err
		}
	}
	if found == 0 {
		return nil, fault.New(fault.Usage, "name a model file, or a folder with NAME.onnx or NAME/VERSION/model.onnx", "%q has no .onnx or .ort file", dir)
	}
	return files, nil
}

// tree returns every regular file below dir, in order, under the name of dir. dir may be a link; what is one in it is an
// error.
func tree(dir string) ([]File, error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var out []File
	base := filepath.Base(whole)
	root, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "check the path", "%q does not exist", dir)
	}
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != root && strings.HasPrefix(e.Name(), ".") {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		inner, err := filepath.Rel(root, name)
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() {
			return fault.New(fault.Usage, "copy it there", "%q is no regular file", name)
		}
		out = append(out, File{Path: path.Join(folder, base, filepath.ToSlash(inner)), From: name})
		return nil
	})
	return out, err
}
