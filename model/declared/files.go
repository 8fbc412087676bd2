package declared

import (
	"path/filepath"

	"infer/internal/fault"
)

// Files returns a declaration and the files that it names: what has to go along where a model is copied to.
// The declaration is read, and not checked against a model.
func Files(path string) ([]string, error) {
	data, err := readFile(path, maxDeclaration)
	if err != nil {
		return nil, err
	}
	s, err := parse(data)
	if err != nil {
		return nil, fault.Wrap(err, "declared input and output %q", path)
	}
	var named []string
	if s.Text != nil {
		named = append(named, s.Text.Vocab, s.Text.Merges)
		if filepath.Ext(s.Text.Tokenizer) == ".json" {
			named = append(named, s.Text.Tokenizer)
		}
	}
	if s.Labels != nil && s.Labels.Names != nil {
		named = append(named, s.Labels.Names.file)
	}
	files := []string{path}
	for _, f := range named {
		if f != "" {
			files = append(files, within(filepath.Dir(path), f))
		}
	}
	return files, nil
}
