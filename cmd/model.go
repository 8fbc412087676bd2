package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/model"
	"infer/model/tensor"
)

// bindFlags bind the dynamic axes of a model. Fields are exported for the cold-start child, which gets them as JSON.
type bindFlags struct {
	Shapes []string
	Dims   []string
}

func (b *bindFlags) add(f *pflag.FlagSet) {
	f.StringArrayVar(&b.Shapes, "shape", nil, "shape of an input, `name:1x3x224x224` (the name ends at the last colon); repeatable")
	f.StringArrayVar(&b.Dims, "dim", nil, "size of a dynamic axis, `batch=8`; repeatable")
	markTop(f, "shape", "dim")
}

// words are the flags as a command line has them.
func (b *bindFlags) words() []string {
	var words []string
	for _, s := range b.Shapes {
		words = append(words, "--shape", s)
	}
	for _, d := range b.Dims {
		words = append(words, "--dim", d)
	}
	return words
}

// bindings reads the flags; what they name is checked by model.Bind.
func (b *bindFlags) bindings() (model.Bindings, error) {
	out := model.Bindings{Shapes: map[string]tensor.Shape{}, Dims: map[string]int64{}}
	for _, s := range b.Shapes {
		name, shape, err := model.ParseShapeFlag(s)
		if err != nil {
			return out, err
		}
		if _, ok := out.Shapes[name]; ok {
			return out, fault.New(fault.Usage, "give it once", "--shape names input %q twice", name)
		}
		out.Shapes[name] = shape
	}
	for _, s := range b.Dims {
		name, size, err := model.ParseDimFlag(s)
		if err != nil {
			return out, err
		}
		if _, ok := out.Dims[name]; ok {
			return out, fault.New(fault.Usage, "give it once", "--dim names axis %q twice", name)
		}
		out.Dims[name] = size
	}
	return out, nil
}

// modelOperand returns the MODEL of the command line, or of the configuration, or the only .onnx file of this folder, or
// the only .ort file where there is no .onnx file; what was chosen is said on stderr.
func (a *app) modelOperand(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	if m := a.cfg.model(); m != "" {
		a.log.Info(fmt.Sprintf("model: %s (from %s)", m, a.cfg.path))
		return m, nil
	}
	found, ext := []string(nil), ""
	for _, ext = range []string{".onnx", ".ort"} {
		var err error
		if found, err = filepath.Glob("*" + ext); err != nil {
			return "", err
		}
		if len(found) > 0 {
			break
		}
	}
	sort.Strings(found)
	switch len(found) {
	case 1:
		a.log.Info(fmt.Sprintf("model: %s (the only %s file of this folder)", found[0], ext))
		return found[0], nil
	case 0:
		return "", fault.New(fault.Usage, "name a model file, or set model: in "+defaultConfig, "no model is given and this folder has no .onnx file")
	}
	return "", fault.New(fault.Usage, "name one of: "+strings.Join(found, ", "), "no model is given and this folder has %d %s files", len(found), ext)
}

// loadModel opens a model file; a path that is not there is a usage error.
func loadModel(path string) (*model.Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, fault.New(fault.Usage, "check the path", "model %q does not exist", path)
		}
		return nil, fault.Wrap(err, "model %q", path)
	}
	if info.IsDir() {
		return nil, fault.New(fault.Usage, "name the .onnx file inside it", "model %q is a folder", path)
	}
	return model.Load(path)
}
