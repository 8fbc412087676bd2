package optimize

import (
	"testing"

	"infer/testdata/arch"
)

// TestFlattenRows: of BERT's twelve blocks, each product with a constant is a matrix product afterwards, and Reshapes are
// left only around attention: three in front of it and one behind per block, one at each end of the graph.
func TestFlattenRows(t *testing.T) {
	before := arch.BERTBase(8)
	ready, _ := prepared(t, before, Prepare(), 17)
	after, results := prepared(t, ready.Proto, []Pass{FlattenRows()}, 0)
	if results[0].Changed != 72 {
		t.Fatalf("%d products became matrix products, want 12·6", results[0].Changed)
	}
	reshapes := 0
	for _, n := range after.Proto.Graph.Nodes {
		if n.OpType == "Reshape" {
			reshapes++
		}
	}
	if want := 12*5 + 2; reshapes != want {
		t.Errorf("%d Reshapes are left, want %d", reshapes, want)
	}
	alike(t, ready, after, nil, 1e-5)
}

// TestFlattenRowsDynamic: without known sizes nothing happens.
func TestFlattenRowsDynamic(t *testing.T) {
	if _, results := prepared(t, arch.BERTBase(0), []Pass{FlattenRows()}, 0); results[0].Changed != 0 {
		t.Errorf("applied %d times on dynamic axes", results[0].Changed)
	}
}
