package onnx

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestUnknownFieldsSurvive plants a field of a number that no version has into every kind of message and finds each
// again in what is written after a round trip, under the message that it was in.
func TestUnknownFieldsSurvive(t *testing.T) {
	var marks [][]byte
	mark := func() []byte {
		m := []byte("unknown " + string(rune('A'+len(marks))))
		marks = append(marks, m)
		return lenField(199, m)
	}
	with := func(parts ...[]byte) []byte { return bytes.Join(append(slices.Clone(parts), mark()), nil) }
	dim := lenField(1, with(lenField(2, []byte("batch"))))
	typ := lenField(2, with(lenField(1, with(intField(1, 1), lenField(2, with(dim))))))
	value := func(num protowire.Number, name string) []byte {
		return lenField(num, with(lenField(1, []byte(name)), typ))
	}
	prop := func(num protowire.Number) []byte {
		return lenField(num, with(lenField(1, []byte("k")), lenField(2, []byte("v"))))
	}
	attr := lenField(5, with(lenField(1, []byte("a")), intField(3, 1), intField(20, 2)))
	node := lenField(1, with(lenField(1, []byte("x")), lenField(2, []byte("y")), lenField(4, []byte("Relu")), attr, prop(9)))
	tensor := lenField(5, with(lenField(1, []byte{1}), intField(2, 1), lenField(8, []byte("w")), lenField(9, make([]byte, 4)), prop(16)))
	graph := lenField(7, with(node, tensor, value(11, "x"), value(12, "y"), prop(16)))
	file := with(intField(1, 8), graph, lenField(8, with(intField(2, 17))), prop(14))

	m, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		out, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range marks {
			if n, was := bytes.Count(out, want), bytes.Count(file, want); n != was {
				t.Errorf("round %d: %q stands %d times in the file, %d before", round, want, n, was)
			}
		}
		if m, err = Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	if d := m.Graph.Inputs[0].Type.Dims[0]; d.Name != "batch" || len(d.Unknown) == 0 {
		t.Errorf("the dimension is %+v", d)
	}
	if len(m.Opsets) != 1 || len(m.Opsets[0].Unknown) == 0 || len(m.Metadata[0].Unknown) == 0 {
		t.Errorf("opsets %+v, metadata %+v", m.Opsets, m.Metadata)
	}
}
