package quantize

import (
	"slices"
	"testing"

	"infer/model/tensor"
	"infer/report"
)

// TestExplain: a node with a weight shows it, its tensors and their histogram; another one why it stays float.
func TestExplain(t *testing.T) {
	k, o := digits(t), quick(Static)
	r := mustQuantize(t, k, o)
	conv := slices.IndexFunc(r.Nodes, func(n report.QuantizeNode) bool { return n.Op == "Conv" })
	if conv < 0 {
		t.Fatalf("nodes are %+v", r.Nodes)
	}
	o.Explain = r.Nodes[conv].Node
	x := mustQuantize(t, digits(t), o).Explain
	if x == nil || x.Op != "Conv" || x.Form != "static" || x.Weight == nil || x.Weight.DType != "int8" || len(x.Tensors) != 2 || len(x.Facts) == 0 {
		t.Fatalf("explanation is %+v", x)
	}
	if len(x.Bins) != len(x.Counts)+1 || !slices.IsSorted(x.Bins) || len(x.Counts) > coarseBins {
		t.Errorf("histogram has edges %v, counts %v", x.Bins, x.Counts)
	}
	total := uint64(0)
	for _, n := range x.Counts {
		total += n
	}
	pixels, err := tensor.ReadNpy(digitsDir + "calib/input.npy")
	if err != nil {
		t.Fatal(err)
	}
	values, err := tensor.Floats(pixels)
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(0)
	for i, v := range values {
		if row := i / 64; row%5 != 4 && v != 0 { // zero is exact in every grid, and every fifth row is kept to choose a method by
			want++
		}
	}
	if total != want {
		t.Errorf("%d elements are in the histogram, want %d", total, want)
	}
}

// TestCoarse: bins are added up in runs of equal length, of which the last may be shorter.
func TestCoarse(t *testing.T) {
	counts := make([]uint64, 81) // runs of ⌈81/40⌉ = 3
	for i := range counts {
		counts[i] = uint64(i)
	}
	edges, out := coarse(-1, counts, 0.5)
	if len(out) != 27 || len(edges) != 28 || edges[0] != -0.5 || edges[1] != 1 || edges[27] != 40 || out[0] != 0+1+2 || out[26] != 78+79+80 {
		t.Errorf("edges %v, counts %v", edges, out)
	}
}
