package observe

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"infer/configs"
)

// exported returns the families of an Observe that saw everything, with their types and labels.
func exported(t *testing.T, triton bool) map[string]family {
	t.Helper()
	all := map[string]family{}
	got, err := fed(t, time.Now(), triton).registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got {
		e := family{kind: strings.ToLower(f.GetType().String())}
		for _, l := range f.GetMetric()[0].GetLabel() {
			e.labels = append(e.labels, l.GetName())
		}
		slices.Sort(e.labels)
		all[f.GetName()] = e
	}
	return all
}

type family struct {
	kind   string
	labels []string
}

// TestManual: the table of docs/observability.md is what is exported, and the other names in it exist.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	all := exported(t, true)
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(infer_\\w+)` \\| (\\w+) \\|([\\w, ]*)\\|").FindAllStringSubmatch(string(text), -1) {
		name, kind, labels := row[1], row[2], []string{}
		if strings.TrimSpace(row[3]) != "" {
			labels = strings.Split(strings.TrimSpace(row[3]), ", ")
		}
		slices.Sort(labels)
		f, ok := all[name]
		if !ok || f.kind != kind || !slices.Equal(f.labels, labels) {
			t.Errorf("the manual says %s is a %s with %q; exported is %+v", name, kind, labels, f)
		}
		told[name] = true
	}
	for name := range all {
		if strings.HasPrefix(name, "infer_") && !told[name] {
			t.Errorf("%s is not in the table of the manual", name)
		}
		if strings.HasPrefix(name, "nv_") && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not in the manual", name)
		}
	}
	for _, name := range regexp.MustCompile("`((?:infer|nv|go|process)_\\w+)`").FindAllStringSubmatch(string(text), -1) {
		if _, ok := all[name[1]]; !ok {
			t.Errorf("the manual names %s, which is not exported", name[1])
		}
	}
	for i := range reasons {
		if !strings.Contains(string(text), "| `"+string(reasonAt(i))+"` |") {
			t.Errorf("the manual does not explain the reason %s", reasonAt(i))
		}
	}
}

// rules returns the expressions of the alert rules, and the names that they record.
func rules(t *testing.T) (list []expression, records []string) {
	t.Helper()
	text, err := configs.Monitoring.ReadFile("prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			list = append(list, expression{r.Record + r.Alert, r.Expr})
			if r.Record != "" {
				records = append(records, r.Record)
			}
		}
	}
	return list, records
}

type expression struct{ where, text string }

// panels returns the expressions of the dashboard, its variables replaced.
func panels(t *testing.T) (list []expression) {
	t.Helper()
	text, err := configs.Monitoring.ReadFile("grafana/infer.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	// Grafana asks for the series of a variable; as an expression that is the series itself.
	values := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*", "$model", ".*")
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			m := values.FindStringSubmatch(v.Definition)
			if m == nil {
				t.Fatalf("variable %s: %q", v.Name, v.Definition)
			}
			list = append(list, expression{"variable " + v.Name, fill.Replace("count by (" + m[2] + ") (" + m[1] + ")")})
		}
	}
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			list = append(list, expression{p.Title, fill.Replace(q.Expr)})
		}
	}
	if len(list) < 40 {
		t.Fatalf("only %d expressions in the dashboard", len(list))
	}
	return list
}

// TestExpressions: every metric and label that the dashboard and the rules name is exported.
func TestExpressions(t *testing.T) {
	list, records := rules(t)
	all := exported(t, false)
	for _, r := range records {
		all[r] = family{}
	}
	all["up"] = family{labels: []string{}} // Prometheus' own
	for _, e := range append(list, panels(t)...) {
		names, labels := tokens(e.text)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %q", e.where, e.text)
		}
		for _, n := range names {
			name := n
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(n, suffix); ok && all[base].kind == "histogram" {
					name = base
				}
			}
			f, ok := all[name]
			if !ok || f.kind == "histogram" && name == n {
				t.Errorf("%s: %s is not exported", e.where, n)
			}
			for _, l := range labels[n] {
				if f.kind != "" && !slices.Contains(append(f.labels, "job", "instance", "le", "quantile"), l) {
					t.Errorf("%s: %s has no label %s", e.where, n, l)
				}
			}
		}
	}
}

// TestTokens makes sure that the test above can fail.
func TestTokens(t *testing.T) {
	names, labels := tokens(`1 - sum by (job, model) (rate(a_total{x="b_total{",y!~'c|d'}[5m] offset 1h)) / on (q) group_left (z) max(e:f) > bool 0.5e3 and g_bucket or vector(1)`)
	if !slices.Equal(names, []string{"a_total", "e:f", "g_bucket"}) || !slices.Equal(labels["a_total"], []string{"x", "y"}) {
		t.Errorf("%q %q", names, labels)
	}
}

var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|[0-9][0-9a-zA-Z_.]*|[a-zA-Z_:][a-zA-Z0-9_:]*|\S`)

// tokens returns the metrics that an expression of PromQL names, and for each the labels that it is matched by. It
// leaves out functions, keywords, and the lists of labels behind by, on and the like.
func tokens(expr string) (names []string, labels map[string][]string) {
	labels = map[string][]string{}
	all := token.FindAllString(expr, -1)
	word := regexp.MustCompile(`^[a-zA-Z_:]`)
	at := func(i int) string {
		if i < len(all) {
			return all[i]
		}
		return ""
	}
	for i := 0; i < len(all); i++ {
		switch s := all[i]; {
		case slices.Contains([]string{"by", "without", "on", "ignoring", "group_left", "group_right"}, s):
			for i+1 < len(all) && all[i] != ")" {
				i++
			}
		case s == "{":
			for ; i < len(all) && all[i] != "}"; i++ {
				if word.MatchString(all[i]) && len(names) > 0 {
					labels[names[len(names)-1]] = append(labels[names[len(names)-1]], all[i])
				}
			}
		case !word.MatchString(s) || at(i+1) == "(" || slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, s):
		case at(i+1) == "by" || at(i+1) == "without": // an aggregation
		default:
			names = append(names, s)
		}
	}
	return names, labels
}

// TestPromtoolChecksRules runs the tests of the rules and lets the real parser read every expression of the dashboard.
func TestPromtoolChecksRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Monitoring); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	type group struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	board := group{Name: "dashboard"}
	for _, e := range panels(t) {
		board.Rules = append(board.Rules, rule{"panel:x:y" + string(rune('a'+len(board.Rules)%26)) + strings.Repeat("z", len(board.Rules)/26), e.text})
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {board}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "board.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus/prometheus.yml"},
		{"check", "rules", "prometheus/rules.yaml", "board.yaml"},
		{"test", "rules", "prometheus/rules_test.yaml"},
	} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
