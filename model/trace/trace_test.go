package trace

import (
	"math"
	"strings"
	"testing"
)

// line writes one event as ONNX Runtime 1.30 does: one a line, scalars in args as strings, the name not escaped.
func line(cat, name, op string, ts, dur string) string {
	args := `{}`
	if op != "" {
		args = `{"op_name" : "` + op + `","provider" : "CPUExecutionProvider","output_type_shape" : [{"float":[1,8]}]}`
	}
	return `{"cat" : "` + cat + `","pid" :1,"tid" :7,"dur" :` + dur + `,"ts" :` + ts + `,"ph" : "X","name" :"` + name + `","args" : ` + args + "},\n"
}

func run(lines ...string) string {
	return strings.Join(lines, "") + line("Session", "model_run", "", "0", "1000")
}

func TestFold(t *testing.T) {
	node := func(name, op, ts, dur string) string { return line("Node", name+"_kernel_time", op, ts, dur) }
	for _, c := range []struct {
		name     string
		text     string
		skip     int
		want     map[string]float64 // microseconds over all runs, by node
		runs     int
		repaired int
		skipped  int
	}{
		{
			name: "two runs, the first skipped",
			text: "[\n" + run(node("conv", "Conv", "0", "900")) + run(node("conv", "Conv", "0", "100"), node("relu", "Relu", "100", "7")) + "]\n",
			skip: 1, want: map[string]float64{"conv": 100, "relu": 7}, runs: 1, skipped: 1,
		},
		{
			name: "a loop keeps only its own time, its body runs twice",
			text: run(node("body", "Add", "12", "5"), node("body", "Add", "20", "6"), node("loop", "Loop", "10", "40")),
			want: map[string]float64{"loop": 40 - 5 - 6, "body": 11}, runs: 1,
		},
		{
			name: "neighbours that share a microsecond are not nested",
			text: run(node("a", "Add", "10", "5"), node("b", "Mul", "12", "3")),
			want: map[string]float64{"a": 5, "b": 3}, runs: 1,
		},
		{
			name: "a name with a quote and a backslash is repaired",
			text: run(node(`we"ird\n/x`, "Conv", "0", "42")),
			want: map[string]float64{`we"ird\n/x`: 42}, runs: 1, repaired: 1,
		},
		{
			name: "a node called a_kernel_time loses one suffix",
			text: run(node("a_kernel_time", "Conv", "0", "3")),
			want: map[string]float64{"a_kernel_time": 3}, runs: 1,
		},
		{
			name: "fences of older runtimes are no kernel time",
			text: run(line("Node", "conv_fence_before", "Conv", "0", "50"), node("conv", "Conv", "0", "10"), line("Node", "conv_fence_after", "Conv", "10", "50")),
			want: map[string]float64{"conv": 10}, runs: 1,
		},
		{
			name: "a run that is cut off is left out",
			text: run(node("conv", "Conv", "0", "10")) + node("conv", "Conv", "0", "999"),
			want: map[string]float64{"conv": 10}, runs: 1, skipped: 1,
		},
		{name: "rubbish is no event", text: "[\nnonsense\n{\"cat\": 3}\n{}\n", want: map[string]float64{}},
		{
			name: "a branch that the first run did not take counts as zero there",
			text: run(node("a", "Add", "0", "10")) + run(node("a", "Add", "0", "20"), node("b", "Mul", "20", "4")),
			want: map[string]float64{"a": 30, "b": 4}, runs: 2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Fold(strings.NewReader(c.text), c.skip)
			if err != nil {
				t.Fatal(err)
			}
			if got.Runs != c.runs || got.Repaired != c.repaired || got.Skipped != c.skipped {
				t.Errorf("runs %d, repaired %d, skipped %d; want %d, %d, %d", got.Runs, got.Repaired, got.Skipped, c.runs, c.repaired, c.skipped)
			}
			if len(got.Nodes) != len(c.want) {
				t.Errorf("%d nodes, want %d", len(got.Nodes), len(c.want))
			}
			for _, n := range got.Nodes {
				if len(n.Seconds) != got.Runs {
					t.Errorf("%s: %d values for %d runs", n.Name, len(n.Seconds), got.Runs)
				}
				var sum float64
				for _, s := range n.Seconds {
					sum += s
				}
				if math.Abs(sum*1e6-c.want[n.Name]) > 1e-6 {
					t.Errorf("%s: %g µs, want %g", n.Name, sum*1e6, c.want[n.Name])
				}
			}
		})
	}
}

func FuzzFold(f *testing.F) {
	f.Add(run(line("Node", "conv_kernel_time", "Conv", "0", "10")))
	f.Add(`{"cat":"Node","name" :"a"b_kernel_time","args" : {}}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Fold(strings.NewReader(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range got.Nodes {
			if len(n.Seconds) != got.Runs {
				t.Errorf("%q: %d values for %d runs", n.Name, len(n.Seconds), got.Runs)
			}
		}
	})
}
