package optimize

import (
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// TestPassesAreListed: names are unique and kebab-case, every pass says what it does in one line, and has a level.
func TestPassesAreListed(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		if seen[p.Name] || p.Name != strings.ToLower(p.Name) || strings.ContainsAny(p.Name, " _") || p.Doc == "" || strings.Contains(p.Doc, "\n") {
			t.Errorf("pass %q: %q", p.Name, p.Doc)
		}
		if p.Level != Safe && p.Level != Full && p.Level != Named {
			t.Errorf("pass %q is of level %q", p.Name, p.Level)
		}
		seen[p.Name] = true
	}
	if prepare := Prepare(); prepare[len(prepare)-1].Name != "name-nodes" || !slices.Contains(passNames(prepare), "upgrade-opset") {
		t.Error("the nodes that passes make need names too, and a quantizer asks for an opset")
	}
}

func passNames(list []Pass) []string {
	var all []string
	for _, p := range list {
		all = append(all, p.Name)
	}
	return all
}

func TestSelect(t *testing.T) {
	safe, all := passNames(Passes()), passNames(All())
	without := func(list []string, name ...string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return slices.Contains(name, n) })
	}
	for _, c := range []struct {
		name    string
		level   Level
		changes []string
		want    []string
	}{
		{"safe", Safe, nil, safe},
		{"none", None, nil, nil},
		{"full has no named ones", Full, nil, without(all, "space-to-depth-stem", "gemm-to-matmul")},
		{"one alone", None, []string{"+fold-gemm"}, []string{"fold-gemm"}},
		{"the order is that of the list", None, []string{"+eliminate-dead", "+gemm-to-matmul", "+name-nodes"}, []string{"name-nodes", "gemm-to-matmul", "eliminate-dead"}},
		{"one less", Safe, []string{"-fold-gemm"}, without(safe, "fold-gemm")},
		{"what is on stays on", Safe, []string{"+fold-gemm"}, safe},
		{"the last word counts", Safe, []string{"-fold-gemm", "+fold-gemm"}, safe},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Select(c.level, c.changes)
			if err != nil || !slices.Equal(passNames(got), c.want) {
				t.Errorf("%v, %v; want %v", passNames(got), err, c.want)
			}
		})
	}
}

func TestSelectRefuses(t *testing.T) {
	for _, c := range []struct{ level, change, text, hint string }{
		{"safe", "+fold-gem", `unknown pass "fold-gem"`, "did you mean +fold-gemm?"},
		{"safe", "-Fold-Gemm", `unknown pass "Fold-Gemm"`, "did you mean -fold-gemm?"},
		{"safe", "+everything", `unknown pass "everything"`, "--list-passes"},
		{"safe", "fold-gemm", `"fold-gemm" does not begin with one + or -`, "+NAME"},
		{"safe", "++fold-gemm", `does not begin with one + or -`, "+NAME"},
		{"safe", "", `"" does not begin`, "+NAME"},
		{"named", "+fold-gemm", `unknown level "named"`, "none, safe and full"},
	} {
		t.Run(c.level+" "+c.change, func(t *testing.T) {
			_, err := Select(Level(c.level), []string{c.change})
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

// TestFullOnRealModels: all that suits the runtime keeps the outputs, and leaves no more nodes than what is portable.
func TestFullOnRealModels(t *testing.T) {
	enginetest.CPU(t)
	full, err := Select(Full, nil)
	if err != nil {
		t.Fatal(err)
	}
	realModels(t, func(t *testing.T, m *model.Model, shapes map[string]tensor.Shape) {
		after, _ := prepared(t, m.Proto, slices.Concat(full, full), 0)
		safe, _ := prepared(t, m.Proto, slices.Concat(Passes(), Passes()), 0)
		t.Logf("%d nodes, %d safe, %d full", nodes(m.Proto), nodes(safe.Proto), nodes(after.Proto))
		if nodes(after.Proto) > nodes(safe.Proto) {
			t.Errorf("%d nodes, %d at the level before", nodes(after.Proto), nodes(safe.Proto))
		}
		alike(t, m, after, shapes, 1e-5)
	})
}
