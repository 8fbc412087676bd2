package quantize

import (
	"slices"
	"strings"
	"testing"

	"infer/report"
)

// made is a candidate as the phases before the choice leave it: within the budget, of a size, and so many times as fast
// as the original; 0 where its speed is not known.
func made(name string, bytes int64, times float64, change ...func(*candidate)) *candidate {
	c := &candidate{name: name, recipe: Recipe{Name: name, Form: Static}, built: &built{}, within: true,
		verdict: &verdict{Rows: 100, signal: []float64{1000}, noise: []float64{1}}}
	c.bytes, c.measured = bytes, true
	if times > 0 {
		c.speedup = &report.Level95{Value: times, Lo: &times, Hi: &times, N: 7}
		c.slower = times < 1
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func missing(noise float64) func(*candidate) {
	return func(c *candidate) { c.within, c.verdict.noise, c.why = false, []float64{noise}, "SQNR is too low" }
}

func asFloat(c *candidate) { c.recipe.Form = formFloat }

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name       string
		options    Options
		candidates []*candidate
		best       string // "" for none
		nearest    string // where there is no best
	}{
		{"the fastest", Options{}, []*candidate{made("a", 10, 1.2), made("b", 20, 2), made("c", 5, 1.5)}, "b", ""},
		// 1.99 and 2 are within 1.5 %, 1.96 is not.
		{"the smallest of equals", Options{}, []*candidate{made("a", 10, 1.99), made("b", 20, 2), made("c", 5, 1.96)}, "a", ""},
		{"none that misses the budget", Options{}, []*candidate{made("a", 10, 3, missing(9)), made("b", 20, 1.1)}, "b", ""},
		{"none that is slower", Options{}, []*candidate{made("a", 10, 0.9), made("b", 20, 0.8)}, "", "a"},
		{"one that is slower where that is allowed", Options{AllowSlower: true}, []*candidate{made("a", 10, 0.8), made("b", 20, 0.9)}, "b", ""},
		{"one that is slower but undecided", Options{}, []*candidate{made("a", 10, 0.99, func(c *candidate) { c.slower = false })}, "a", ""},
		{"the most accurate comes nearest", Options{}, []*candidate{made("a", 10, 2, missing(9)), made("b", 20, 1, missing(3)), made("c", 20, 3, missing(5))}, "", "b"},
		{"within the budget comes nearer than accurate", Options{}, []*candidate{made("a", 10, 0.5), made("b", 20, 2, missing(2))}, "", "a"},
		{"none that was given up", Options{}, []*candidate{made("a", 10, 2, func(c *candidate) { c.built = nil })}, "", "a"},
		{"none that was not measured", Options{}, []*candidate{made("a", 10, 0, func(c *candidate) { c.measured = false })}, "", "a"},
		{"float is no candidate", Options{}, []*candidate{made("f", 40, 1.1, asFloat), made("a", 10, 0.9)}, "", "a"},
		{"float where the best is asked for", Options{KeepBest: true}, []*candidate{made("f", 40, 1.1, asFloat), made("a", 10, 0.9)}, "f", ""},
		{"int8 before float", Options{KeepBest: true}, []*candidate{made("f", 40, 1.1, asFloat), made("a", 10, 1.05)}, "a", ""},
		{"nothing", Options{KeepBest: true}, nil, "", ""},
		{"nothing that could be made", Options{}, []*candidate{{name: "a", why: "no kernel"}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQuantizer(Task{}, c.options, report.New("quantize"))
			q.candidates = c.candidates
			best := q.choose()
			if got := nameOf(best); got != c.best {
				t.Errorf("best is %q, want %q", got, c.best)
			}
			if got := nameOf(q.nearest(best)); best == nil && got != c.nearest || best != nil && got != c.best {
				t.Errorf("nearest is %q, want %q", got, c.nearest)
			}
		})
	}
}

func nameOf(c *candidate) string {
	if c == nil {
		return ""
	}
	return c.name
}

// TestConclude: verdict, gates, reason and advice follow from the candidates.
func TestConclude(t *testing.T) {
	budget := &Budget{Kind: "sqnr", Limit: 25} // candidates have 10·log10(1000/noise)
	for _, c := range []struct {
		name       string
		budget     *Budget
		options    Options
		candidates []*candidate
		verdict    report.Verdict
		gates      string // "expr verdict", joined
		reason     string
		next       bool
	}{
		{"one by name", nil, Options{}, []*candidate{made("a", 10, 2)}, report.OK, "speedup>=1 pass", "asked for by name", false},
		{"the best of two", budget, Options{}, []*candidate{made("a", 10, 2), made("b", 10, 3)}, report.OK, "sqnr_db>=25 pass, speedup>=1 pass", "the fastest that keeps the accuracy budget", false},
		{"slower is allowed", nil, Options{AllowSlower: true}, []*candidate{made("a", 10, 0.5)}, report.OK, "", "asked for by name", false},
		{"slower", budget, Options{}, []*candidate{made("a", 10, 0.5)}, report.FailedGate, "sqnr_db>=25 pass, speedup>=1 fail",
			"kept float because the fastest candidate within the budget (a) runs at 0.500 times the speed of the original", true},
		{"not accurate", budget, Options{}, []*candidate{made("a", 10, 2, missing(100))}, report.FailedGate, "sqnr_db>=25 fail, speedup>=1 pass",
			"kept float because the most accurate candidate (a) is not accurate enough: SQNR is too low", true},
		{"never measured", nil, Options{}, []*candidate{made("a", 10, 0, func(c *candidate) { c.measured, c.why = false, "no kernel" })}, report.FailedGate,
			"speedup>=1 inconclusive", "kept float because no candidate could be measured: no kernel", true},
		{"NaN without a budget", nil, Options{}, []*candidate{made("a", 10, 2, missing(1e30), func(c *candidate) { c.verdict.NotFinite = 3 })}, report.FailedGate,
			"sqnr_db>=0 fail, speedup>=1 pass", "kept float because the most accurate candidate (a) is not accurate enough", true},
		{"nothing could be made", budget, Options{}, []*candidate{{name: "a", why: errNothing.Error() + ": Conv: too small"}}, report.FailedGate, "quantized_nodes>=1 fail",
			"kept float because there is nothing to quantize: Conv: too small", false},
		{"float was written", nil, Options{KeepBest: true}, []*candidate{made("f", 40, 1.1, asFloat), made("a", 10, 0.9)}, report.OK, "speedup>=1 pass",
			"kept float because the fastest candidate within the budget (a) runs at 0.900 times the speed of the original; --keep-best wrote", false},
		{"float was written though it is slower", nil, Options{KeepBest: true}, []*candidate{made("f", 40, 0.99, asFloat), made("a", 10, 0.9)}, report.OK, "", "kept float because", false},
		{"float was written alone", nil, Options{KeepBest: true}, []*candidate{{name: "a", why: "no kernel"}, made("f", 40, 1.1, asFloat)}, report.OK, "speedup>=1 pass",
			"kept float because there is nothing to quantize; --keep-best wrote", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := report.New("quantize")
			q := newQuantizer(Task{}, c.options, d)
			q.candidates, q.budget = c.candidates, c.budget
			q.conclude(q.choose())
			var gates []string
			for _, g := range d.Gates {
				gates = append(gates, g.Expr+" "+string(g.Verdict))
				if g.Reason == "" {
					t.Errorf("gate %s has no reason", g.Expr)
				}
			}
			if d.Verdict != c.verdict || strings.Join(gates, ", ") != c.gates || !strings.HasPrefix(q.details.Reason, c.reason) || (q.details.Next != nil) != c.next {
				t.Errorf("verdict %s, gates %q, reason %q, next %+v", d.Verdict, gates, q.details.Reason, q.details.Next)
			}
		})
	}
}

// TestMarkPareto: a candidate is marked unless another one is at least as good in both, and better in one.
func TestMarkPareto(t *testing.T) {
	point := func(name string, times, quality float64) report.QuantizeCandidate {
		return report.QuantizeCandidate{Name: name, Speedup: &report.Level95{Value: times}, SQNR: &quality}
	}
	db := 99.0
	for _, c := range []struct {
		name string
		list []report.QuantizeCandidate
		want []string
	}{
		{"a front", []report.QuantizeCandidate{point("fast", 3, 10), point("good", 1, 40), point("between", 2, 30), point("beaten", 2, 20)}, []string{"fast", "good", "between"}},
		{"equals are both on it", []report.QuantizeCandidate{point("a", 2, 20), point("b", 2, 20)}, []string{"a", "b"}},
		{"as fast and better", []report.QuantizeCandidate{point("a", 2, 20), point("b", 2, 21)}, []string{"b"}},
		{"not measured", []report.QuantizeCandidate{{Name: "a", SQNR: &db}, point("b", 0.5, 1)}, []string{"b"}},
		{"accuracy before agreement before decibels", []report.QuantizeCandidate{
			{Name: "a", Speedup: &report.Level95{Value: 1}, Accuracy: &report.Level95{Value: 0.9}, Agreement: &report.Level95{Value: 0.1}, SQNR: &db},
			{Name: "b", Speedup: &report.Level95{Value: 1}, Accuracy: &report.Level95{Value: 0.8}, Agreement: &report.Level95{Value: 1}, SQNR: &db},
		}, []string{"a"}},
		{"none", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			markPareto(c.list)
			var got []string
			for _, x := range c.list {
				if x.Pareto {
					got = append(got, x.Name)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("marked are %q, want %q", got, c.want)
			}
		})
	}
}
