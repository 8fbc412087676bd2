package delta

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"infer/report"
)

// profiled is a profile of 40 nodes of 100 µs to 4 ms, each around it by a standard deviation of noise, all of them times
// factor, with intervals of ±2 %.
func profiled(path string, factor, noise float64, seed uint64) Side {
	r := rand.New(rand.NewPCG(seed, 1))
	d := report.New("profile")
	d.Manifest.Model = &report.ModelRef{Path: "m.onnx", SHA256: "a"}
	d.Manifest.Host = map[string]any{"fingerprint": "one machine"}
	d.Manifest.Options = map[string]any{"threads": 2}
	x := &report.ProfileDetails{ProfiledRuns: 20}
	sum := 0.0
	for i := range 40 {
		v := float64(i+1) * 1e-4 * factor * (1 + noise*r.NormFloat64())
		lo, hi := 0.98*v, 1.02*v
		x.ByNode = append(x.ByNode, report.Share{Name: fmt.Sprintf("conv%d", i), Op: "Conv", Count: 1, Seconds: v, Lo: &lo, Hi: &hi, Shapes: "1x8"})
		sum += v
	}
	side := Side{path, d, x}
	side.p50(sum)
	return side
}

func (s Side) p50(v float64) {
	lo, hi := 0.97*v, 1.03*v
	s.Document.Metrics = []report.Metric{{Name: "latency_p50", Unit: "s", Better: "lower", Value: &v, Lo: &lo, Hi: &hi, Confidence: 0.95, N: 100}}
}

// slow makes a node of s take more seconds.
func (s Side) slow(name string, more float64) *report.Share {
	for i := range s.Details.ByNode {
		if n := &s.Details.ByNode[i]; n.Name == name {
			v := n.Seconds + more
			lo, hi := 0.98*v, 1.02*v
			n.Seconds, n.Lo, n.Hi = v, &lo, &hi
			s.p50(*s.Document.Metrics[0].Value + more)
			return n
		}
	}
	return nil
}

func TestNodeThatGotSlower(t *testing.T) {
	base, head := profiled("a.json", 1, 0.03, 1), profiled("b.json", 1, 0.03, 2)
	head.Document.Manifest.Model = &report.ModelRef{Path: "n.onnx", SHA256: "b"}
	head.slow("conv30", 3e-3).Shapes = "2x8"
	head.Details.ByNode = append(head.Details.ByNode, report.Share{Name: "extra", Op: "Softmax", Count: 1, Seconds: 2e-3})
	x := Compare(base, head)
	if x.Changed != 1 || x.Matched != 40 || x.Added != 1 || x.Removed != 0 || x.Refused != "" || len(x.Trouble) > 0 {
		t.Errorf("%d changed, %d matched, %d added, %d removed, refused %q, trouble %q", x.Changed, x.Matched, x.Added, x.Removed, x.Refused, x.Trouble)
	}
	if r := x.Nodes.Rows[0]; r.Name != "conv30" || !r.Significant || *r.PAdjusted > 0.01 {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"p50 ", "Conv conv30 +", "its shapes changed from 1x8 to 2x8", "Softmax extra +2 ms", "added"} {
		if !strings.Contains(x.Reading, want) {
			t.Errorf("%q is not in %q", want, x.Reading)
		}
	}
	if strings.Contains(x.Reading, "do not blame") {
		t.Errorf("the model is not blamed: %q", x.Reading)
	}
}

// TestNothingSignificant profiles one model twice, on a machine that is now slower: by chance at most one pair in twenty
// may find a node, and with seeds that stay the count does.
func TestNothingSignificant(t *testing.T) {
	found := 0
	for seed := range uint64(100) {
		x := Compare(profiled("a.json", 1, 0.05, 2*seed), profiled("b.json", 1.4, 0.05, 2*seed+1))
		if x.Changed > 0 {
			found++
		}
		if !strings.Contains(x.Reading, "moved alike, by a median of +") || !strings.Contains(x.Reading, "the same model file") {
			t.Fatalf("%q", x.Reading)
		}
	}
	if found > 8 {
		t.Errorf("nodes were found in %d of 100 pairs of the same", found)
	}
}

func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(head Side)
		trouble string
		refused string
		reading string
	}{
		{"throttled", func(h Side) {
			h.Document.AddCheck("cpu_throttled", false, "12 periods, 0.6 s throttled by the CPU quota")
		},
			"head: cpu_throttled: 12 periods", "", "do not blame the model before repeating it"},
		{"another machine", func(h Side) { h.Document.Manifest.Host["fingerprint"] = "another" },
			"machine is one machine in base and another in head", "machine is", "do not blame the model before they are"},
		{"other threads", func(h Side) { h.Document.Manifest.Options["threads"] = 4 },
			"option threads is 2 in base and 4 in head", "option threads", "do not blame the model before they are"},
		{"corrected on one side", func(h Side) { h.Details.Correction = &report.Correction{} },
			"only one side is corrected", "", "do not blame"},
		{"interrupted", func(h Side) { h.Document.Verdict = report.Interrupted }, "head was interrupted", "", "do not blame"},
		{"a trace that is cut", func(h Side) { h.Details.Trace = &report.TraceInfo{Cut: true} }, "its trace is not complete", "", "do not blame"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, head := profiled("a.json", 1, 0, 1), profiled("b.json", 1.2, 0, 1)
			c.edit(head)
			x := Compare(base, head)
			if !strings.Contains(strings.Join(x.Trouble, "\n"), c.trouble) {
				t.Errorf("trouble %q", x.Trouble)
			}
			if (x.Refused != "") != (c.refused != "") || !strings.Contains(x.Refused, c.refused) {
				t.Errorf("refused %q", x.Refused)
			}
			if !strings.Contains(x.Reading, c.reading) {
				t.Errorf("reading %q", x.Reading)
			}
		})
	}
}

func TestNoNodes(t *testing.T) {
	head := profiled("b.json", 1, 0, 1)
	head.Details.ByNode = nil
	if x := Compare(profiled("a.json", 1, 0, 1), head); x.Nodes != nil || !strings.Contains(x.Refused, "b.json has no node times") {
		t.Errorf("%+v", x)
	}
}
