package optimize

import (
	"strings"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// einsum is an Einsum of float32 inputs whose axes have the sizes of sizes, "n" of the letter z.
func einsum(equation string, sizes map[rune]int) *model.Model {
	left, _, _ := strings.Cut(strings.ReplaceAll(equation, " ", ""), "->")
	var in []*onnx.ValueInfo
	var read []string
	for i, labels := range strings.Split(left, ",") {
		name := string(rune('p' + i))
		var dims []any
		for _, c := range labels {
			if c == 'z' {
				dims = append(dims, "n")
			} else {
				dims = append(dims, sizes[c])
			}
		}
		in, read = append(in, float(name, dims...)), append(read, name)
	}
	return build(in, values(untyped("y")), []*onnx.Node{node("Einsum", read, names("y"), stringAttr("equation", equation))})
}

func TestReplaceEinsum(t *testing.T) {
	sizes := map[rune]int{'a': 2, 'b': 3, 'i': 4, 'j': 5, 'k': 6}
	var tests []passTest
	for _, c := range []struct{ equation, op string }{
		{"ij->ji", "Transpose"}, {"abij -> aijb", "Transpose"}, {"ij->ij", "Transpose"}, {"ba", "Transpose"},
		{"ij->i", "ReduceSum"}, {"abij->bi", "ReduceSum"}, {"ij->", "ReduceSum"},
		{"ij,ij->ij", "Mul"}, {"aij,ij->aij", "Mul"}, {"j,aij->aij", "Mul"}, {",ij->ij", "Mul"},
		{"ik,kj->ij", "MatMul"}, {"aik,akj->aij", "MatMul"}, {"abik,abkj->abij", "MatMul"}, {"aik,kj->aij", "MatMul"}, {"ik,akj->aij", "MatMul"},
		{"abik,kj->abij", "MatMul"}, {"ik,k->i", "MatMul"}, {"k,kj->j", "MatMul"}, {"k,k->", "MatMul"}, {"kj,ik->ij", "MatMul"}, {"ik,kj", "MatMul"},
		{"zik,zkj->zij", "MatMul"}, {"azk,kj->azj", "MatMul"}, {"ik,kz->iz", "MatMul"},
		{"ik,jk->ij", "Gemm"}, {"ki,kj->ij", "Gemm"}, {"ki,jk->ij", "Gemm"}, {"ik,jk->ji", "Gemm"},
		{"ik,kj->ji", "Gemm"},
		// The others take two operators or more, or none of these.
		{"ii->i", "Einsum"}, {"abij->ji", "Einsum"}, {"aij,ja->aij", "Einsum"}, {"aik,ajk->aij", "Einsum"}, {"ik,kj->i", "Einsum"}, {"i,j->ij", "Einsum"},
		{"aik,bkj->abij", "Einsum"}, {"ik,kj->ikj", "Einsum"}, {"aik,akj->ij", "Einsum"}, {"ij,ij->i", "Einsum"}, {"ik,kj,ji->i", "Einsum"}, {"a,bij->abij", "Einsum"},
	} {
		changed := 0
		if c.op != "Einsum" {
			changed = 1
		}
		tests = append(tests, passTest{c.equation, einsum(c.equation, sizes), 0, changed, c.op})
	}
	check(t, replaceEinsum(), 1e-6, tests)
	check(t, replaceEinsum(), 1e-6, []passTest{
		{"sizes that are broadcast", build(values(float("p", 4, 1), float("q", 6, 5)), values(untyped("y")), []*onnx.Node{node("Einsum", names("p", "q"), names("y"), stringAttr("equation", "ik,kj->ij"))}), 0, 0, "Einsum"},
		{"a batch that is broadcast", build(values(float("p", 1, 4, 6), float("q", 3, 6, 5)), values(untyped("y")), []*onnx.Node{node("Einsum", names("p", "q"), names("y"), stringAttr("equation", "aik,akj->aij"))}), 0, 1, "MatMul"},
		{"a sum up to opset 12", at(12, einsum("ij->i", sizes)), 12, 1, "ReduceSum"},
	})
	m := einsum("ik,kj->ij", sizes)
	for _, v := range append(m.Proto.Graph.Inputs, m.Proto.Graph.Outputs...) {
		v.Type.DType = tensor.Int64
	}
	check(t, replaceEinsum(), 0, []passTest{{"integers", m, 0, 0, "Einsum"}})
}

func TestParseEquation(t *testing.T) {
	for _, c := range []struct {
		equation string
		operands int
		out      string
		ok       bool
	}{
		{" i j , jk -> ik ", 2, "ik", true}, {"ji", 1, "ij", true}, {"ij,jk", 2, "ik", true}, {"i,i", 2, "", true},
		{"...ij->...ji", 1, "", false}, {"ii->i", 1, "", false}, {"ij->ii", 1, "", false}, {"ij", 2, "", false}, {"a,b,c->abc", 3, "", false}, {"i1->i", 1, "", false}, {"", 0, "", false}, {"->", 1, "", true},
	} {
		if q, ok := parseEquation(c.equation, c.operands); ok != c.ok || ok && q.out != c.out {
			t.Errorf("%q of %d: %v %v", c.equation, c.operands, q, ok)
		}
	}
}
