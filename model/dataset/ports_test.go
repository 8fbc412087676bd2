package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"infer/model/tensor"
)

// TestPorts: a data set tells its own inputs, and opens with them.
func TestPorts(t *testing.T) {
	x, err := tensor.FromFloat32("x", tensor.Shape{4, 2, 3}, make([]float32, 24))
	if err != nil {
		t.Fatal(err)
	}
	labels, err := tensor.FromInt64("", tensor.Shape{4}, []int64{0, 1, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]tensor.Tensor{"in%2Fx": x, "labels": labels})
	ports, err := Ports(dir)
	if err != nil || len(ports) != 1 || ports[0].Name != "in/x" || ports[0].Type.DType != tensor.Float32 || len(ports[0].Type.Dims) != 3 || ports[0].Type.Dims[0].Known || ports[0].Type.Dims[2].Size != 3 {
		t.Fatalf("%+v, %v", ports, err)
	}
	if set := open(t, dir, ports...); set.Rows() != 4 {
		t.Errorf("%d rows", set.Rows())
	}
	encoder, expected := x, x
	encoder.Name, expected.Name, labels.Name = "encoder/ids", "expected/y", "labels"
	archive := filepath.Join(t.TempDir(), "d.npz")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tensor.WriteNpz(f, []tensor.Tensor{encoder, expected, labels}), f.Close()); err != nil {
		t.Fatal(err)
	}
	if ports, err = Ports(archive); err != nil || len(ports) != 1 || ports[0].Name != "encoder/ids" {
		t.Fatalf("of an archive: %+v, %v", ports, err)
	}
	if set := open(t, archive, ports...); set.Rows() != 4 {
		t.Errorf("%d rows of an archive", set.Rows())
	}
	if none, err := Ports(filepath.Join(dir, "nowhere")); err != nil || len(none) != 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
}
