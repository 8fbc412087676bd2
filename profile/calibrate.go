package profile

import (
	"context"
	"fmt"
	"os"
	"time"

	"infer/internal/stats"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// The chain that tracing is measured on: nodes that take a quarter of a microsecond each, so that what the trace tells of
// them is the tracing.
const (
	chainNodes = 300
	chainElems = 16
	chainRuns  = 80
	chainTime  = 400 * time.Millisecond
)

// calibrate measures what tracing costs a node, with the provider and the threads of the profile. It is done anew for each
// profile: the cost moves with the load of the machine.
func (r *runner) calibrate(ctx context.Context) (*overhead, error) {
	dir, err := os.MkdirTemp("", "infer-trace-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	x := alternation{provider: r.t.Provider, model: model.New(chain()), config: r.t.Config, dir: dir, runs: chainRuns, time: chainTime,
		inputs:   []tensor.Tensor{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{chainElems}, Data: make([]byte, 4*chainElems)}},
		progress: r.t.Progress, phase: "cost of tracing"}
	x.config.CustomOps = nil
	a, err := x.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure the cost of tracing: %w", err)
	}
	if !a.told() {
		return nil, nil
	}
	return chainOverhead(a.nodeTimes(), middles(a.untraced), middles(a.traced)), nil
}

// chainOverhead is what tracing adds inside the time of a node and, with the bookkeeping around it, to a run.
func chainOverhead(times []nodeTime, untraced, traced []float64) *overhead {
	blocks := min(len(untraced), len(traced))
	for _, t := range times {
		blocks = min(blocks, len(t.traced))
	}
	floors, costs := make([]float64, blocks), make([]float64, blocks)
	n := float64(len(times))
	for b := range blocks {
		sum := 0.0
		for _, t := range times {
			sum += t.traced[b]
		}
		floors[b] = max(0, sum-untraced[b]) / n
		costs[b] = (traced[b] - untraced[b]) / n
	}
	return &overhead{floor: median(floors), perNode: median(costs)}
}

func median(x []float64) stats.Estimate {
	e := stats.Quantile(stats.Sorted(x), .5, .95)
	e.Value = stats.Median(x)
	return e
}

// chain is a row of nodes that the runtime neither fuses nor spreads over threads.
func chain() *onnx.Model {
	port := func(name string) *onnx.ValueInfo {
		return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Fixed(chainElems)}}}
	}
	g := &onnx.Graph{Name: "chain", Inputs: []*onnx.ValueInfo{port("x")}, Outputs: []*onnx.ValueInfo{port("y")}}
	last := "x"
	for i := range chainNodes {
		out := fmt.Sprintf("v%d", i)
		if i == chainNodes-1 {
			out = "y"
		}
		g.Nodes = append(g.Nodes, &onnx.Node{Name: fmt.Sprintf("abs%d", i), OpType: "Abs", Inputs: []string{last}, Outputs: []string{out}})
		last = out
	}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: g}
}
