package render

import (
	"path/filepath"
	"strings"
	"testing"

	"infer/report"
)

// around95 is a figure with its interval.
func around95(v, lo, hi float64, n int) report.Interval {
	return report.Interval{Value: v, Lo: &lo, Hi: &hi, N: n}
}

// tuneDoc is a search that found something, with everything in it.
func tuneDoc(t *testing.T) *report.Document {
	t.Helper()
	gain, worse, p99, missed := around95(1.62, 1.57, 1.68, 24), around95(0.91, 0.87, 0.96, 9), around95(0.0043, 0.0041, 0.0046, 2210), around95(0.024, 0.0221, 0.0272, 900)
	accuracy, less, drop := around95(0.9833, 0.964, 0.9924, 360), around95(0.9806, 0.9607, 0.9905, 360), around95(0.0028, -0.0101, 0.0176, 360)
	x := report.TuneDetails{
		Objective: "throughput", SLOs: []string{"p99<20ms"}, Candidates: 14, KeepDefault: false, Gain: &gain, Confirmed: true,
		Space: []report.TuneKnob{{Name: "threads", Values: []string{"2", "1"}}, {Name: "instances", Values: []string{"1", "2"}}, {Name: "batch", Values: []string{"1", "2", "4"}},
			{Name: "spinning", Values: []string{"1", "0"}}, {Name: "inter-threads", Values: []string{"1"}}, {Name: "variant", Values: []string{"base", "int8"}}},
		Pruned: []report.TunePruned{{Setting: "inter-threads", Why: "the work of the graph is 1.02 times that of its longest path, and from 1.5 on a second branch is worth a thread"},
			{Setting: "threads=2 instances=2", Why: "2 × 2 threads on 2 CPUs take turns"}},
		Chosen: map[string]string{"threads": "1", "instances": "2", "batch": "4", "spinning": "1", "inter-threads": "1", "variant": "int8"},
		Trials: []report.TuneTrial{
			{Setting: map[string]string{"threads": "1", "instances": "2", "batch": "4", "variant": "int8"}, P50: around95(0.0031, 0.00305, 0.0032, 2210), P99: &p99, Throughput: around95(2481, 2440, 2530, 24), Gain: &gain,
				PeakRSS: 61e6, CPU: 1.97, SLO: report.Pass, Rounds: 33, Runs: 2510, Outcome: "chosen", Phase: "confirm", Accuracy: &less},
			{Setting: map[string]string{}, P50: around95(0.00064, 0.00062, 0.00067, 3120), P99: &p99, Throughput: around95(1530, 1500, 1561, 24), PeakRSS: 88e6, CPU: 1.9, SLO: report.Pass, Rounds: 34, Runs: 3120,
				Outcome: "default", Validity: []string{"other_load"}, Disturbed: 2, Accuracy: &accuracy},
			{Setting: map[string]string{"spinning": "0"}, P50: around95(0.0007, 0.00068, 0.00073, 900), P99: &missed, Throughput: around95(1392, 1350, 1420, 9), Gain: &worse, SLO: report.Fail, Rounds: 9, Runs: 900,
				Outcome: "eliminated", Why: "latency_p99 is 24.0 ms [22.1, 27.2] (n=900), limit < 20 ms", Phase: "race"},
			{Setting: map[string]string{"batch": "2"}, Outcome: "failed", Why: "the model cannot run 2 rows"},
		},
		Reading: "threads=1 instances=2 batch=4 variant=int8: 1.62 × the default's throughput [1.57, 1.68] over 24 pairs of blocks",
		Steps:   []report.TuneStep{{Phase: "screen", Entered: 6, Left: 5, Rounds: 2, Seconds: 4.1}, {Phase: "confirm", Entered: 3, Left: 2, Rounds: 24, Seconds: 31.5}},
		Variants: []report.TuneVariant{{Name: "int8", Model: report.ModelRef{Path: "models/mnist-cnn.int8.onnx", SHA256: "ab", Bytes: 320_000}, Accuracy: &less, Drop: &drop, Verdict: "takes part"},
			{Name: "int4", Model: report.ModelRef{Path: "models/mnist-cnn.int4.onnx", Bytes: 200_000}, Verdict: "left out: accuracy drops by 4.17 points over 360 rows, 0.50 are allowed"}},
		Journal: "journal.jsonl", Resumed: 12, Output: "tuned.yaml", Elapsed: 52.3,
		Next: &report.NextStep{Command: "infer serve models/mnist-cnn.int8.onnx --config tuned.yaml", Why: "the settings are in the file; profile and loadtest take it as well"},
	}
	d := base(t, "tune", x)
	delete(d.Manifest.Options, "threads")
	add := func(labels map[string]string, ms ...report.Metric) {
		for _, m := range ms {
			m.Labels = labels
			d.Add(m)
		}
	}
	add(nil, metric("latency_p50", 0.0031, 0.00305, 0.0032, 2210), metric("latency_p99", 0.0043, 0.0041, 0.0046, 2210), metric("throughput", 2481, 2440, 2530, 24))
	add(map[string]string{"setting": "default"}, metric("latency_p50", 0.00064, 0.00062, 0.00067, 3120), metric("latency_p99", 0.0043, 0.0041, 0.0046, 3120), metric("throughput", 1530, 1500, 1561, 24))
	d.AddCheck("disturbed_blocks", true, "2 of 67 blocks of the chosen setting and of the default were disturbed: other_load; limit: half of them")
	g, err := report.ParseSLO("p99<20ms")
	if err != nil {
		t.Fatal(err)
	}
	d.Judge([]report.Gate{g})
	return d
}

// keepDoc is a search that found nothing better.
func keepDoc(t *testing.T) *report.Document {
	even := around95(1.004, 0.991, 1.02, 14)
	return base(t, "tune", report.TuneDetails{
		Objective: "latency", Candidates: 2, KeepDefault: true, Detectable: 0.031, Output: "tuned.yaml", Elapsed: 20,
		Space:  []report.TuneKnob{{Name: "threads", Values: []string{"2"}}, {Name: "spinning", Values: []string{"1", "0"}}},
		Chosen: map[string]string{"threads": "2", "spinning": "1"},
		Trials: []report.TuneTrial{{Outcome: "default", P50: around95(0.0006, 0.0005, 0.0007, 300), Throughput: around95(1500, 1400, 1600, 14), Rounds: 14, Runs: 300},
			{Setting: map[string]string{"spinning": "0"}, Outcome: "finalist", Gain: &even, P50: around95(0.0006, 0.0005, 0.0007, 300), Throughput: around95(1510, 1400, 1600, 14), Rounds: 14, Runs: 300}},
		Reading: "keep the default: nothing was surely better; a gain of 3.1 % would have been found",
	})
}

func TestTune(t *testing.T) {
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	d := tuneDoc(t)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	for _, format := range Formats() {
		golden(t, filepath.Join("testdata", "tune"+endings[format]), render(t, d, format, Options{}))
	}
	golden(t, filepath.Join("testdata", "tune-keep.txt"), render(t, keepDoc(t), "text", Options{}))
	if html := render(t, d, "html", Options{}); strings.Count(html, `<svg class="strip"`) != 2 {
		t.Error("not every gain that has an interval is drawn")
	}
}

// TestTuneNames: names of knobs, values and files stay in their place, and no line is too wide.
func TestTuneNames(t *testing.T) {
	x := report.TuneDetails{Reading: hostile, SLOs: []string{hostile}, Output: hostile, Journal: hostile,
		Space: []report.TuneKnob{{Name: hostile, Values: []string{"0", hostile}}}, Pruned: []report.TunePruned{{Setting: hostile, Why: hostile}}, Chosen: map[string]string{hostile: hostile},
		Trials:   []report.TuneTrial{{Setting: map[string]string{hostile: hostile}, Outcome: "failed", Why: hostile, Validity: []string{hostile}}},
		Variants: []report.TuneVariant{{Name: hostile, Model: report.ModelRef{Path: hostile}, Verdict: hostile}}, Next: &report.NextStep{Command: hostile, Why: hostile}}
	harmless(t, base(t, "tune", x))
	for _, d := range []*report.Document{tuneDoc(t), keepDoc(t)} {
		for _, width := range []int{60, 80, 120} {
			for l := range strings.SplitSeq(render(t, d, "text", Options{Width: width}), "\n") {
				if n := columns(l); n > width && !strings.Contains(l, "/") {
					t.Errorf("%d columns at width %d: %s", n, width, l)
				}
			}
		}
	}
}

func TestTuneLooks(t *testing.T) {
	looks(t, map[string]*report.Document{"tune": tuneDoc(t), "tune-keep": keepDoc(t)})
}
