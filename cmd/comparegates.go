package cmd

import (
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// judgeBy settles the gates of a live comparison before anything is measured: the usual one where none is given, and a
// fault of kind fault.Usage for one on a metric that these two sides never tell.
func (f *compareFlags) judgeBy(base, head *liveSide) error {
	if len(f.opts.Gates) == 0 {
		text := "latency_p50<=+5%" // runs one after the other have no queue, and few have a p99
		if base.load && head.load {
			text = "latency_p99<=+5%"
		}
		g, err := report.ParseGate(text)
		if err != nil {
			return err
		}
		f.opts.Gates = []report.Gate{g}
	}
	for _, g := range f.opts.Gates {
		if !tells(base, head, g.Metric) {
			return fault.New(fault.Usage, tellingHint(base, head, g.Metric), "gate %q: a comparison of these two cannot measure %s", g.Expr, g.Metric)
		}
	}
	return nil
}

// tells reports whether a metric can be measured of both sides.
func tells(base, head *liveSide, metric string) bool {
	_, inBase := base.Facts[metric]
	_, inHead := head.Facts[metric]
	switch {
	case inBase && inHead:
		return true
	case metric == "accuracy_top1":
		return base.classes != nil && head.classes != nil
	case slices.Contains(coldMetrics, metric) && base.cold != nil && head.cold != nil:
		return true
	}
	return slices.Contains(base.blocks, metric) && slices.Contains(head.blocks, metric)
}

// tellingHint says what would tell a metric, or what these sides tell.
func tellingHint(base, head *liveSide, metric string) string {
	switch {
	case metric == "accuracy_top1":
		return "give two models, run one after the other, and --input with their labels (labels.npy)"
	case metric == "peak_rss":
		return "two models tell it, and servers or programs that exec: starts; not servers that run already"
	case slices.Contains(coldMetrics, metric):
		return "two models that run one after the other tell it, by starts in fresh processes"
	}
	var both []string
	for _, k := range report.Known() {
		if tells(base, head, k.Name) {
			both = append(both, k.Name)
		}
	}
	return "both tell " + strings.Join(both, " ")
}

// modelBlocks are the metrics of blocks of runs one after the other.
var modelBlocks = []string{"latency_mean", "latency_p50", "latency_p90", "latency_p95", "latency_p99", "throughput"}

// programBlocks are those of blocks of a program that is timed from start to exit.
var programBlocks = []string{"latency_mean", "latency_p50", "peak_rss"}

// loadBlocks are those of blocks that are loads: what a load test measures but for what only a search finds.
func loadBlocks() []string {
	var names []string
	for _, k := range report.Known() {
		if slices.Contains(k.Kinds, "loadtest") && k.Name != "max_rps" {
			names = append(names, k.Name)
		}
	}
	return names
}
