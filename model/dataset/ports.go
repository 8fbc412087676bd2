package dataset

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Ports returns the inputs that a data set has by its own account, for a model whose signature nobody tells: the .npy
// files of a folder or the arrays of a .npz, labels and expected outputs apart, rows along axis 0. Another source has none.
func Ports(source string) ([]model.Port, error) {
	if strings.HasSuffix(source, ".npz") {
		z, err := tensor.OpenNpz(source)
		if err != nil {
			return nil, fault.New(fault.Usage, "", "data set %q: %w", source, err)
		}
		defer z.Close()
		inputs := slices.DeleteFunc(slices.Clone(z.Names()), func(name string) bool { return strings.HasPrefix(name, "expected/") })
		return portsOf(inputs, z.Open)
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(source), "*.npy"))
	if err != nil {
		return nil, fault.New(fault.Usage, "", "data set %q: %w", source, err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".npy")
	}
	return portsOf(files, func(stem string) (*tensor.Npy, error) { return tensor.OpenNpy(filepath.Join(source, stem+".npy")) })
}

// portsOf returns the inputs whose arrays have these names, as they stand in a data set.
func portsOf(stems []string, open func(stem string) (*tensor.Npy, error)) ([]model.Port, error) {
	var ports []model.Port
	for _, stem := range stems {
		if stem == "labels" {
			continue
		}
		a, err := open(stem)
		if err != nil {
			return nil, fault.New(fault.Usage, "", "data set: %w", err)
		}
		t := &onnx.Type{Kind: onnx.KindTensor, DType: a.DType, HasShape: true}
		for i, d := range a.Shape {
			if i == 0 {
				t.Dims = append(t.Dims, onnx.Dim{}) // rows
				continue
			}
			t.Dims = append(t.Dims, onnx.Fixed(d))
		}
		if err := a.Close(); err != nil {
			return nil, err
		}
		if name, err := url.PathUnescape(stem); err == nil {
			stem = name
		}
		ports = append(ports, model.Port{Name: stem, Type: t})
	}
	return ports, nil
}
