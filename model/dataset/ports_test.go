package dataset

import (
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
	if none, err := Ports(filepath.Join(dir, "nowhere")); err != nil || len(none) != 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
}
