package quantize

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/model/trace"
)

// tracedRuns are the runs of a traced session; the first ones are left out.
const (
	tracedRuns   = 20
	tracedWarmUp = 4
)

// gains fills how many seconds a run each group of a candidate saves, by the traces of its base graph and of itself.
// Groups that a trace does not name keep an unknown gain.
func (q *quantizer) gains(ctx context.Context, c *candidate, groups []group) error {
	base, err := q.base(ctx, c.recipe)
	if err != nil {
		return err
	}
	before, err := q.nodeTimes(ctx, base)
	if err != nil {
		return err
	}
	after, err := q.nodeTimes(ctx, c.built.model)
	if err != nil {
		return err
	}
	parts := map[string][]string{}
	for _, d := range c.built.decisions {
		// The dynamic form names its product after the value that it makes.
		parts[d.Node] = append(append([]string{d.Node}, d.Absorbed...), d.Output, d.Output+"_integer", d.Output+"_product_integer")
	}
	for i := range groups {
		g := &groups[i]
		g.known = true
		for _, n := range g.nodes {
			was, ok := timeOf(before, parts[n])
			is, found := timeOf(after, parts[n])
			g.gain += was - is
			g.known = g.known && ok && found
		}
	}
	return nil
}

// timeOf adds the times of the nodes that go by one of names.
func timeOf(times map[string]float64, names []string) (float64, bool) {
	total, found := 0.0, false
	for _, n := range names {
		if t, ok := times[n]; ok {
			total, found = total+t, true
		}
	}
	return total, found
}

// nodeTimes returns the seconds of each node of m in its quickest run, which others disturb least, by the name that the graph gives it, or of the value that
// it makes where the runtime renamed it after that.
func (q *quantizer) nodeTimes(ctx context.Context, m *onnx.Model) (map[string]float64, error) {
	dir, err := os.MkdirTemp("", "infer-trace-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	config := q.task.Config
	config.TracePrefix = filepath.Join(dir, "trace")
	s, err := q.task.Provider.Open(ctx, q.modelOf(m), config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for range tracedRuns {
		if err := s.Run(ctx, q.task.Inputs, make([]tensor.Tensor, len(s.Outputs()))); err != nil {
			return nil, err
		}
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	t, ok := s.(engine.Tracer)
	if !ok {
		return nil, fault.New(fault.Unsupported, "use --provider cpu", "the provider writes no trace")
	}
	read, err := trace.ReadFile(t.TracePath(), tracedWarmUp)
	if err != nil {
		return nil, err
	}
	times := map[string]float64{}
	for _, n := range read.Nodes {
		times[runtimeName(n.Name)] += slices.Min(n.Seconds)
	}
	return times, nil
}

// runtimeName takes off what the runtime adds to the names of nodes that it rewrites: "fused X", "X_token_7", "Y_nchwc"
// for the maker of the value Y.
func runtimeName(name string) string {
	name = strings.TrimPrefix(name, "fused ")
	name = strings.TrimSuffix(name, "_nchwc")
	for _, mark := range []string{"_token_", "/MatMulAddFusion"} {
		if i := strings.Index(name, mark); i > 0 {
			name = name[:i]
		}
	}
	return name
}
