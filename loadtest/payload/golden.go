package payload

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// array is a golden array, whose rows are read when asked for.
type array struct {
	file   string // what messages call it
	output string // "" where nothing says
	npy    *tensor.Npy
}

// Golden reads what the answers to the payloads of s should be. path is a data set folder with a folder expected, or a
// folder of arrays, of <output>.npy files; a .npz file with an array an output (those below "expected/" where there are
// any); a .npy file of one output; or a file of perf_analyzer with validation_data (.json). An array has a row for each
// row of the data set that s was made of, or for each row of all payloads, or for each payload; for a single payload it
// may be the whole output. outputs are those that the server tells, nil where it does not. Errors are fault.Usage and
// name the file.
func Golden(path string, s *Set, outputs []wire.Port) (*Expected, error) {
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return goldenPerf(path, s, outputs)
	}
	arrays, done, err := openGolden(path)
	if err == nil {
		defer done()
		err = nameGolden(arrays, s, outputs)
	}
	if err != nil {
		return nil, fault.Wrap(err, "golden outputs %q", path)
	}
	e := &Expected{Source: path, Outputs: make([][]tensor.Tensor, s.Len())}
	held := int64(0)
	for _, a := range arrays {
		for i := range s.Payloads {
			t, err := a.read(s, i)
			if err != nil {
				return nil, fault.Wrap(err, "golden outputs %q: %s", path, a.file)
			}
			t.Name = a.output
			e.Outputs[i] = append(e.Outputs[i], t)
			if held += bytesOf(e.Outputs[i][len(e.Outputs[i])-1:]); held > maxExpected {
				return nil, fault.New(fault.Usage, "give fewer rows", "golden outputs %q: those of %d payloads take more than %d MiB", path, s.Len(), maxExpected>>20)
			}
		}
	}
	return e, nil
}

// read returns the part of an array that answers payload i.
func (a array) read(s *Set, i int) (tensor.Tensor, error) {
	n, p := a.npy.Rows(), s.Payloads[i]
	switch {
	case len(a.npy.Shape) == 0 && s.Len() == 1:
		return a.npy.All()
	case len(a.npy.Shape) == 0:
	case n == s.rows:
		return a.npy.Read(p.Lo, p.Hi)
	case s.Len() == 1:
		return a.npy.All()
	case s.rows == 0 && n == s.Rows*int64(s.Len()):
		return a.npy.Read(int64(i)*s.Rows, int64(i+1)*s.Rows)
	case n == int64(s.Len()):
		return a.npy.Read(int64(i), int64(i)+1)
	}
	rows := s.rows
	if rows == 0 {
		rows = s.Rows * int64(s.Len())
	}
	return tensor.Tensor{}, fault.New(fault.Usage, "give one row for each row of the inputs", "it is of shape %s, and the inputs have %d rows", a.npy.Shape, rows)
}

// openGolden opens the arrays of a path. done closes what they need.
func openGolden(path string) (list []array, done func(), err error) {
	var closers []func() error
	done = func() {
		for _, c := range closers {
			_ = c()
		}
	}
	st, err := os.Stat(path)
	switch ending := strings.ToLower(filepath.Ext(path)); {
	case err != nil:
		return nil, nil, fault.New(fault.Usage, "name a data set folder, or a .npz, .npy or .json file", "%w", err)
	case !st.IsDir() && !st.Mode().IsRegular():
		return nil, nil, checkRegular(path)
	case st.IsDir():
		list, err = openGoldenFolder(path)
		for _, a := range list {
			closers = append(closers, a.npy.Close)
		}
	case ending == ".npz":
		var z *tensor.Npz
		if z, err = tensor.OpenNpz(path); err == nil {
			closers = append(closers, z.Close)
			list, err = openGoldenArchive(z)
		}
	case ending == ".npy":
		var a *tensor.Npy
		if a, err = tensor.OpenNpy(path); err == nil {
			closers = append(closers, a.Close)
			list = []array{{file: filepath.Base(path), npy: a}}
		}
	default:
		err = fault.New(fault.Usage, "name a data set folder, or a .npz, .npy or .json file", "the kind of file is not known")
	}
	if err != nil {
		done()
		if fault.KindOf(err) != fault.Usage {
			err = fault.New(fault.Usage, fault.HintOf(err), "%w", err)
		}
		return nil, nil, err
	}
	return list, done, nil
}

// openGoldenFolder opens the .npy files of the folder expected in dir, or else of dir itself. What it opened it returns
// with an error too.
func openGoldenFolder(dir string) (list []array, err error) {
	if inner := filepath.Join(dir, "expected"); isDir(inner) {
		dir = inner
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".npy")
		if !ok {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := checkRegular(path); err != nil {
			return list, err
		}
		a, err := tensor.OpenNpy(path)
		if err != nil {
			return list, err
		}
		if name, err := url.PathUnescape(stem); err == nil {
			stem = name
		}
		list = append(list, array{file: e.Name(), output: stem, npy: a})
	}
	return list, nil
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// openGoldenArchive opens the arrays of an archive, those below "expected/" where there are any.
func openGoldenArchive(z *tensor.Npz) (list []array, err error) {
	const below = "expected/"
	names := z.Names()
	if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, below) }) {
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, below) })
	}
	for _, name := range names {
		a, err := z.Open(name)
		if err != nil {
			return nil, err
		}
		list = append(list, array{file: fmt.Sprintf("array %q", name), output: strings.TrimPrefix(name, below), npy: a})
	}
	return list, nil
}

// nameGolden makes sure that arrays are outputs.
func nameGolden(list []array, s *Set, outputs []wire.Port) error {
	if len(list) == 0 {
		return fault.New(fault.Usage, "write one <output name>.npy an output", "there are no arrays in it")
	}
	for i := range list {
		a := &list[i]
		if len(list) == 1 && len(outputs) == 1 && a.output == "" {
			a.output = outputs[0].Name
		}
		for j := range s.Payloads[0].Inputs {
			known := slices.ContainsFunc(outputs, func(p wire.Port) bool { return p.Name == a.output })
			if s.Payloads[0].Inputs[j].Name == a.output && !known {
				return fault.New(fault.Usage, "put <output name>.npy files into a folder expected in it", "%s is an input, and there are no expected outputs", a.file)
			}
		}
		if len(outputs) > 0 && !slices.ContainsFunc(outputs, func(p wire.Port) bool { return p.Name == a.output }) {
			return fault.New(fault.Usage, wire.NamesHint("outputs", a.output, wire.PortNames(outputs)), "%s is called as no output of the model", a.file)
		}
	}
	return nil
}

// GoldenBodies reads body files (ReadBodies) as what n bodies should be answered with, in order.
func GoldenBodies(pattern string, n int) (*Expected, error) {
	bodies, _, err := ReadBodies(pattern, nil, Options{})
	if err != nil {
		return nil, err
	}
	if len(bodies) != n {
		return nil, fault.New(fault.Usage, "give one file for each body that is sent", "%d golden bodies in %q for %d that are sent", len(bodies), pattern, n)
	}
	e := &Expected{Source: pattern, Bodies: make([][]byte, n)}
	for i, b := range bodies {
		e.Bodies[i] = b.Data
	}
	return e, nil
}
