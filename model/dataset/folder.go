package dataset

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// FileName returns the file name, without its ending, for an input or output: the name itself, with the characters
// that a file name cannot hold (and "%") percent-encoded.
func FileName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if c := name[i]; c < ' ' || c == 0x7f || c == '/' || c == '\\' || c == '%' || c == '.' && i == 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// nameOf returns the input that a file is for, by its name without the ending.
func (s *Set) nameOf(stem string) (model.Port, bool) {
	for _, p := range s.ports {
		if decoded, err := url.PathUnescape(stem); stem == p.Name || stem == FileName(p.Name) || err == nil && decoded == p.Name {
			return p, true
		}
	}
	if stem == "input" && len(s.ports) == 1 {
		return s.ports[0], true
	}
	return model.Port{}, false
}

func (s *Set) openFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fault.New(fault.Usage, "", "%w", pathCause(err))
	}
	var stray, protos []string
	pictures := 0
	for _, e := range entries {
		stem, isArray := strings.CutSuffix(e.Name(), ".npy")
		path := filepath.Join(dir, e.Name())
		switch port, ok := s.nameOf(stem); {
		case !isArray:
			if strings.HasSuffix(e.Name(), ".pb") {
				protos = append(protos, path)
			}
			if isImage(e.Name()) || e.IsDir() && holdsImages(path) {
				pictures++
			}
		case ok:
			if err := s.addFile(port, path); err != nil {
				return err
			}
		case stem == "labels":
			if err := s.readLabels(path); err != nil {
				return err
			}
		default:
			stray = append(stray, e.Name())
		}
	}
	if len(s.columns) == 0 && len(protos) > 0 {
		return s.openProtos(protos)
	}
	if len(s.columns) == 0 && pictures > 0 {
		return fault.New(fault.Usage, "declare in MODEL.io.yaml how an image becomes inputs (docs/declared-io.md)",
			"it holds images, and the model takes arrays: %s", s.names())
	}
	if len(stray) > 0 {
		s.notes = append(s.notes, fmt.Sprintf("no input is called as %s; the inputs are %s", strings.Join(stray, ", "), s.names()))
	}
	return s.openExpected(filepath.Join(dir, "expected"))
}

// holdsImages reports whether a folder, of a class, has images.
func holdsImages(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool { return isImage(e.Name()) })
}

// addFile adds a .npy file as the data of an input.
func (s *Set) addFile(port model.Port, path string) error {
	a, err := tensor.OpenNpy(path)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, a)
	return s.add(column{port: port, file: filepath.Base(path), array: a})
}

// add appends a column; two for one input are an error.
func (s *Set) add(c column) error {
	for _, other := range s.columns {
		if other.port.Name == c.port.Name {
			return fault.New(fault.Usage, "remove one of them", "%s and %s are both for the input %q", other.file, c.file, c.port.Name)
		}
	}
	s.columns = append(s.columns, c)
	return nil
}

func (s *Set) readLabels(path string) error {
	t, err := tensor.ReadNpy(path)
	if err != nil {
		return err
	}
	return s.setLabels(t)
}

func (s *Set) setLabels(t tensor.Tensor) error {
	if t.DType == tensor.String {
		s.notes = append(s.notes, "labels are strings and are left unused: accuracy needs one int64 class id a row")
		return nil
	}
	labels, err := tensor.Int64s(t)
	if err != nil || int64(len(labels)) != tensor.Rows(t) {
		return fault.New(fault.Usage, "labels are one class id a row: save them with labels.astype(\"int64\")",
			"labels are %s of shape %s", t.DType, t.Shape)
	}
	s.labels = labels
	return nil
}

func (s *Set) openExpected(dir string) error {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.npy"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		stem := strings.TrimSuffix(filepath.Base(path), ".npy")
		if name, err := url.PathUnescape(stem); err == nil {
			stem = name
		}
		s.expected[stem] = func() (tensor.Tensor, error) { return tensor.ReadNpy(path) }
	}
	return nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// openNpz takes the arrays of an archive by the same names as the files of a folder.
func (s *Set) openNpz(path string) error {
	z, err := tensor.OpenNpz(path)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, z)
	var stray []string
	for _, name := range z.Names() {
		port, ok := s.nameOf(name)
		output, isExpected := strings.CutPrefix(name, "expected/")
		switch {
		case ok:
			a, err := z.Open(name)
			if err != nil {
				return err
			}
			if err := s.add(column{port: port, file: fmt.Sprintf("array %q", name), array: a}); err != nil {
				return err
			}
		case name == "labels":
			t, err := readArray(z, name)
			if err != nil {
				return err
			}
			if err := s.setLabels(t); err != nil {
				return err
			}
		case isExpected:
			s.expected[output] = func() (tensor.Tensor, error) { return readArray(z, name) }
		default:
			stray = append(stray, name)
		}
	}
	if len(stray) > 0 {
		s.notes = append(s.notes, fmt.Sprintf("no input is called as %s; the inputs are %s", strings.Join(stray, ", "), s.names()))
	}
	return nil
}

func readArray(z *tensor.Npz, name string) (tensor.Tensor, error) {
	a, err := z.Open(name)
	if err != nil {
		return tensor.Tensor{}, err
	}
	return a.All()
}

// openProtos takes TensorProto files as whole inputs: by the name that each holds, else input_0.pb is the first input.
// output_0.pb and so on are what is expected of the output that each names.
func (s *Set) openProtos(paths []string) error {
	slices.Sort(paths)
	for _, path := range paths {
		t, err := onnx.ReadTensorFile(path)
		if err != nil {
			return err
		}
		stem := strings.TrimSuffix(filepath.Base(path), ".pb")
		if strings.HasPrefix(stem, "output_") && t.Name != "" {
			s.expected[t.Name] = func() (tensor.Tensor, error) { return t, nil }
			continue
		}
		port, ok := s.nameOf(t.Name)
		var index int
		if _, err := fmt.Sscanf(stem, "input_%d", &index); !ok && err == nil && index >= 0 && index < len(s.ports) {
			port, ok = s.ports[index], true
		}
		if !ok && len(s.ports) == 1 && len(paths) == 1 {
			port, ok = s.ports[0], true
		}
		if !ok {
			s.notes = append(s.notes, fmt.Sprintf("%s holds %q, which is no input; the inputs are %s", filepath.Base(path), t.Name, s.names()))
			continue
		}
		if err := s.add(column{port: port, file: filepath.Base(path), whole: t}); err != nil {
			return err
		}
	}
	return nil
}
