package dataset

import (
	"net/url"
	"path/filepath"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Ports returns the inputs that a data set has by its own account, for a model whose signature nobody tells: the .npy
// files of a folder, labels apart, or the arrays of a .npz, rows along axis 0. Another source has none.
func Ports(source string) ([]model.Port, error) {
	if strings.HasSuffix(source, ".npz") {
		z, err := tensor.OpenNpz(source)
		if err != nil {
			return nil, fault.New(fault.Usage, "", "data set %q: %w", source, err)
		}
		defer z.Close()
		return portsOf(z.Names(), func(name string) (*tensor.Npy, error) { return z.Open(name) })
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(source), "*.npy"))
	if err != nil {
		return nil, fault.New(fault.Usage, "", "data set %q: %w", source, err)
	}
	return portsOf(files, tensor.OpenNpy)
}

func portsOf(names []string, open func(name string) (*tensor.Npy, error)) ([]model.Port, error) {
	var ports []model.Port
	for _, n := range names {
		stem := strings.TrimSuffix(filepath.Base(n), ".npy")
		if stem == "labels" {
			continue
		}
		a, err := open(n)
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
