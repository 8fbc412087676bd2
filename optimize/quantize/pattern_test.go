package quantize

import (
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestParsePattern(t *testing.T) {
	for _, c := range []struct {
		text       string
		op, name   string
		want       bool
		wrong, why string // in the error; "" for none
	}{
		{text: "conv", op: "Conv", name: "/block/conv1", want: true},
		{text: "^conv", op: "Conv", name: "/block/conv1", want: false},
		{text: "conv[12]$", op: "Conv", name: "/block/conv1", want: true},
		{text: "op:Conv", op: "Conv", name: "any", want: true},
		{text: "op:Conv", op: "ConvTranspose", name: "op:Conv", want: false},
		{text: "op:conv", op: "Conv", name: "x", want: false},
		{text: "Conv", op: "Conv", name: "x", want: false}, // a name, not an operator
		{text: "x*", op: "Conv", name: "", want: true},     // as a regular expression matches
		{text: "", wrong: `pattern ""`, why: "op:Conv"},
		{text: "op:", wrong: `pattern "op:" names no operator`, why: "op:Conv"},
		{text: "(", wrong: `pattern "("`, why: "regular expression"},
		{text: "a**", wrong: "invalid nested repetition operator", why: "regular expression"},
	} {
		t.Run(c.text, func(t *testing.T) {
			p, err := ParsePattern(c.text)
			if c.wrong != "" {
				wantUsage(t, err, c.why, c.wrong)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Matches(&onnx.Node{OpType: c.op, Name: c.name}); got != c.want {
				t.Errorf("matches a %s named %q: %v", c.op, c.name, got)
			}
			if p.Text != c.text {
				t.Errorf("text is %q", p.Text)
			}
		})
	}
}

// FuzzParsePattern: what parses can be matched with, and parses again from its own text.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"op:Conv", "op:", "^/a/.*$", "(", "", "op:op:", "[[:alpha:]]+", "\\Q", "(?i)x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePattern(text)
		if err != nil {
			wantUsage(t, err, "op:Conv", "pattern")
			return
		}
		n := &onnx.Node{OpType: "Conv", Name: "/block/conv1"}
		again, err := ParsePattern(p.Text)
		if err != nil || again.Matches(n) != p.Matches(n) {
			t.Errorf("%q parses to another pattern the second time: %v", text, err)
		}
	})
}

// TestCheckPatterns: a pattern that picks nothing is a typing error; nodes of subgraphs count.
func TestCheckPatterns(t *testing.T) {
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 2)), enginetest.Values(enginetest.Value("y", tensor.Float32, 2)),
		[]*onnx.Node{enginetest.Node("Relu", enginetest.Names("x"), enginetest.Names("y"))}).Proto
	inner := &onnx.Graph{Nodes: []*onnx.Node{{Name: "inside", OpType: "Abs"}}}
	m.Graph.Nodes[0].Attrs = []*onnx.Attribute{{Name: "body", Type: onnx.AttrGraph, G: inner}}
	for _, c := range []struct {
		text string
		want string
	}{
		{"op:Relu", ""},
		{"op:Abs", ""},
		{"^inside$", ""},
		{"op:Conv", `--exclude "op:Conv" matches no node`},
		{"outside", `--exclude "outside" matches no node`},
	} {
		p, err := ParsePattern(c.text)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		wantUsage(t, checkPatterns(m, "--exclude", []Pattern{p}), "infer inspect", want...)
	}
}
