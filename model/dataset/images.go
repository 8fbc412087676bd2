package dataset

import (
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/declared"
)

func isImage(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp":
		return !strings.HasPrefix(filepath.Base(name), ".")
	}
	return false
}

// openImages lists the images of a source: the file itself, the files of a folder by name, or those of its subfolders,
// whose names are the labels then. Other labels come from labels.npy, or from labels.csv with the columns file and
// label.
func (s *Set) openImages(source string, st os.FileInfo, io *declared.IO) ([]sample, error) {
	if !st.IsDir() {
		if !isImage(source) {
			return nil, nil
		}
		return []sample{{file: source}}, nil
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "%w", pathCause(err))
	}
	var samples []sample
	for _, e := range entries {
		if !e.IsDir() && isImage(e.Name()) {
			samples = append(samples, sample{file: filepath.Join(source, e.Name())})
		}
	}
	if len(samples) == 0 {
		return s.openClasses(source, entries, io)
	}
	switch labels := filepath.Join(source, "labels.npy"); {
	case exists(labels):
		err = s.readLabels(labels)
	case exists(filepath.Join(source, "labels.csv")):
		err = s.readLabelTable(filepath.Join(source, "labels.csv"), samples, io)
	}
	return samples, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// openClasses lists the images of subfolders. A subfolder is called after its class.
func (s *Set) openClasses(source string, entries []os.DirEntry, io *declared.IO) ([]sample, error) {
	var samples []sample
	var labels []int64
	for _, e := range entries {
		files, err := os.ReadDir(filepath.Join(source, e.Name()))
		if err != nil || strings.HasPrefix(e.Name(), ".") {
			continue // a file, or nothing to be read
		}
		files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return f.IsDir() || !isImage(f.Name()) })
		if len(files) == 0 {
			continue
		}
		class, err := classOf(e.Name(), io)
		if err != nil {
			return nil, fault.Wrap(err, "the folder %q", e.Name())
		}
		for _, f := range files {
			samples, labels = append(samples, sample{file: filepath.Join(source, e.Name(), f.Name())}), append(labels, class)
		}
	}
	if labels != nil {
		s.labels = labels
	}
	return samples, nil
}

// readLabelTable reads the label of each image from a table with the columns file and label.
func (s *Set) readLabelTable(path string, samples []sample, io *declared.IO) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Usage, "", "labels.csv: %w", pathCause(err))
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fault.New(fault.Usage, "", "labels.csv: %w", err)
	}
	if len(rows) == 0 {
		return fault.New(fault.Usage, "begin it with file,label", "labels.csv is empty")
	}
	file, label := slices.Index(rows[0], "file"), slices.Index(rows[0], "label")
	if file < 0 || label < 0 {
		return fault.New(fault.Usage, "begin it with file,label", "labels.csv has the columns %s", strings.Join(rows[0], ", "))
	}
	classes := map[string]int64{}
	for _, row := range rows[1:] {
		class, err := classOf(row[label], io)
		if err != nil {
			return fault.Wrap(err, "labels.csv: %q", row[file])
		}
		classes[row[file]] = class
	}
	labels := make([]int64, len(samples))
	for i, one := range samples {
		class, ok := classes[filepath.Base(one.file)]
		if !ok {
			return fault.New(fault.Usage, "give every image a label, or remove labels.csv", "labels.csv has no row for %q", filepath.Base(one.file))
		}
		labels[i] = class
	}
	s.labels = labels
	return nil
}
