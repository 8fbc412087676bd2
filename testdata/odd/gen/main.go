// Command gen writes the graphs of odd cases beside it: go run ./testdata/odd/gen, from the root of the project.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"infer/model/onnx"
	"infer/model/tensor"
)

const folder = "testdata/odd"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	data := make([]byte, 16)
	for i := range 4 {
		binary.LittleEndian.PutUint32(data[4*i:], 0x3f800000) // 1.0
	}
	if err := os.WriteFile(filepath.Join(folder, "external.bin"), data, 0o644); err != nil {
		return err
	}
	graphs := values()
	for name, g := range structure() {
		graphs[name] = g
	}
	for name, x := range map[string]onnx.External{
		"external":         {Location: "external.bin", Length: 16},
		"external-escapes": {Location: "../digits/digits-cnn.onnx", Length: 16},
		"external-missing": {Location: "no-such-file.bin", Length: 16},
		"external-range":   {Location: "external.bin", Offset: 8, Length: 16},
	} {
		g := graph(in("x", tensor.Float32, 4), out("y", tensor.Float32, 4), node("Add", "x,w", "y"))
		g.Initializers = []*onnx.Tensor{{Name: "w", DType: tensor.Float32, Dims: tensor.Shape{4}, External: &x}}
		graphs[name] = g
	}
	for name, g := range graphs {
		g.Name = name
		m := &onnx.Model{IRVersion: 8, Producer: "infer-testdata", Graph: g, Opsets: []onnx.Opset{{Version: 17}, {Domain: "ai.onnx.ml", Version: 3}}}
		b, err := onnx.Encode(m)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+".onnx"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// values are graphs whose inputs or outputs are unusual.
func values() map[string]*onnx.Graph {
	f, n := tensor.Float32, "n"
	sequence := &onnx.ValueInfo{Name: "y", Type: &onnx.Type{Kind: onnx.KindSequence, Elem: out("", f).Type}}
	sequence.Type.Elem.HasShape = false
	zip := &onnx.ValueInfo{Name: "y", Type: &onnx.Type{Kind: onnx.KindSequence,
		Elem: &onnx.Type{Kind: onnx.KindMap, Key: tensor.Int64, Elem: out("", f).Type}}}
	zipMap := node("ZipMap", "x", "y", &onnx.Attribute{Name: "classlabels_int64s", Type: onnx.AttrInts, Ints: []int64{10, 20, 30}})
	zipMap.Domain = "ai.onnx.ml"
	cast := func(to tensor.DType) *onnx.Node {
		return node("Cast", "x", "y", &onnx.Attribute{Name: "to", Type: onnx.AttrInt, I: int64(to)})
	}
	return map[string]*onnx.Graph{
		"scalar-input":    graph(in("x", f), out("y", f), node("Neg", "x", "y")),
		"string-io":       graph(in("x", tensor.String, n), out("y", tensor.String, n), node("Identity", "x", "y")),
		"sequence-output": graph(in("x", f, n, 2), sequence, node("SplitToSequence", "x", "y")),
		"map-output":      graph(in("x", f, n, 3), zip, zipMap),
		"float16-output":  graph(in("x", f, n, 2), out("y", tensor.Float16, n, 2), cast(tensor.Float16)),
		"bfloat16-output": graph(in("x", f, n, 2), out("y", tensor.BFloat16, n, 2), cast(tensor.BFloat16)),
		"data-dependent":  graph(in("x", f, n), out("y", tensor.Int64, 1, "found"), node("NonZero", "x", "y")),
		"bool-output":     graph(in("x", f, n), out("y", tensor.Bool, n), node("IsNaN", "x", "y")),
	}
}

// structure are graphs whose nodes are unusual.
func structure() map[string]*onnx.Graph {
	f, n := tensor.Float32, "n"
	branch := func(op string) *onnx.Graph {
		g := &onnx.Graph{Name: op, Nodes: []*onnx.Node{node(op, "x", op+"_y")}, Outputs: []*onnx.ValueInfo{out(op+"_y", f, n)}}
		return g
	}
	choose := graph(in("x", f, n), out("y", f, n), node("If", "flag", "y",
		&onnx.Attribute{Name: "then_branch", Type: onnx.AttrGraph, G: branch("Neg")},
		&onnx.Attribute{Name: "else_branch", Type: onnx.AttrGraph, G: branch("Abs")}))
	choose.Inputs = append(choose.Inputs, in("flag", tensor.Bool))
	body := &onnx.Graph{Name: "body", Nodes: []*onnx.Node{node("Identity", "go_in", "go_out"), node("Add", "v_in,x", "v_out")},
		Inputs:  []*onnx.ValueInfo{in("i", tensor.Int64), in("go_in", tensor.Bool), in("v_in", f, n)},
		Outputs: []*onnx.ValueInfo{out("go_out", tensor.Bool), out("v_out", f, n)}}
	loop := graph(in("x", f, n), out("y", f, n), node("Loop", "times,,x", "y", &onnx.Attribute{Name: "body", Type: onnx.AttrGraph, G: body}))
	loop.Inputs = append(loop.Inputs, in("times", tensor.Int64))
	x, y := in("x", f, n), out("y", f, n)
	weightInput := graph(x, out("y", f, 4), node("Add", "x,w", "y"))
	weightInput.Inputs = []*onnx.ValueInfo{in("x", f, 4), in("w", f, 4)}
	w := &onnx.Tensor{Name: "w"}
	one, err := tensor.FromFloat32("w", tensor.Shape{4}, []float32{1, 2, 3, 4})
	if err == nil {
		err = w.SetValue(one)
	}
	if err != nil {
		panic(err) // the values are written above
	}
	weightInput.Initializers = []*onnx.Tensor{w}
	return map[string]*onnx.Graph{
		"if": choose, "loop": loop, "weight-input": weightInput,
		"no-nodes":   graph(in("x", f, n), out("x", f, n)),
		"cyclic":     graph(x, y, node("Add", "x,b", "a"), node("Neg", "a", "b"), node("Neg", "b", "y")),
		"unsorted":   graph(x, y, node("Neg", "a", "y"), node("Abs", "x", "a")),
		"unknown-op": graph(x, y, node("Frobnicate", "x", "y")),
		"no-maker":   graph(x, y, node("Add", "x,nowhere", "y")),
	}
}

func graph(x, y *onnx.ValueInfo, nodes ...*onnx.Node) *onnx.Graph {
	return &onnx.Graph{Nodes: nodes, Inputs: []*onnx.ValueInfo{x}, Outputs: []*onnx.ValueInfo{y}}
}

// node makes a node of comma-separated inputs and outputs, named after its operator and first output.
func node(op, ins, outs string, attrs ...*onnx.Attribute) *onnx.Node {
	return &onnx.Node{Name: op + "_" + outs, OpType: op, Inputs: split(ins), Outputs: split(outs), Attrs: attrs}
}

func split(list string) []string {
	names := []string{""}
	for _, c := range list {
		if c == ',' {
			names = append(names, "")
			continue
		}
		names[len(names)-1] += string(c)
	}
	return names
}

// in declares a tensor; a dimension is an int (fixed) or a string (a symbol).
func in(name string, d tensor.DType, dims ...any) *onnx.ValueInfo {
	ty := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, v := range dims {
		switch v := v.(type) {
		case int:
			ty.Dims = append(ty.Dims, onnx.Fixed(int64(v)))
		case string:
			ty.Dims = append(ty.Dims, onnx.Symbol(v))
		}
	}
	return &onnx.ValueInfo{Name: name, Type: ty}
}

func out(name string, d tensor.DType, dims ...any) *onnx.ValueInfo { return in(name, d, dims...) }
