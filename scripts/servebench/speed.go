//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"infer/internal/stats"
)

// forms are the ways to ask a server of the Open Inference Protocol.
func forms(p peer) []target {
	return []target{{p, "HTTP binary", subject.binaryRequest}, {p, "HTTP JSON", subject.jsonRequest}, {p, "gRPC", nil}}
}

// everyone is every target of a model like mnist-cnn. The form of the Python servers is JSON: they have no other.
func everyone() []target {
	targets := forms(inferWith("infer"))
	for _, p := range append([]peer{tritonWith("Triton, one instance", single)}, tritons()...) {
		targets = append(targets, forms(p)...)
	}
	for _, p := range append(fastapis(), litserve) {
		targets = append(targets, target{p, "HTTP JSON", subject.instancesRequest})
	}
	return append(targets, target{mlserver, "HTTP JSON", subject.jsonRequest})
}

// added is the latency at one connection, and what of it the bare run does not explain.
func added(b *bench) error {
	s := b.mnist()
	lanes, err := b.race(s, everyone(), 1)
	if err != nil {
		return err
	}
	bare := make([]float64, b.rounds)
	for i := range bare {
		if bare[i], err = b.bareRun(s.file, 5000, 1); err != nil {
			return err
		}
	}
	run := stats.Median(bare)
	fmt.Fprintf(b.out, "bare run of %s: %s µs\n\n", s.name, spread(scaled(bare, 1e6), "%.1f"))
	b.table("server", "n", "p50 µs", "p99 µs", "added to the bare run, p50 µs", "p99 over infer's")
	for _, l := range lanes {
		if l.fault != nil {
			b.row(l.title(), l.fault.Error())
			continue
		}
		ours := find(lanes, "infer", l.form)
		b.row(l.title(), strconv.Itoa(l.answers()), spread(scaled(l.p50, 1e6), "%.0f"), spread(scaled(l.p99, 1e6), "%.0f"),
			fmt.Sprintf("%.0f", 1e6*(stats.Median(l.p50)-run)), over(l.p99, ours, func(o *lane) []float64 { return o.p99 }))
	}
	return nil
}

// throughput is requests a second at 16 connections, of everyone.
func throughput(b *bench) error {
	lanes, err := b.race(b.mnist(), everyone(), 16)
	if err != nil {
		return err
	}
	b.table("server", "n", "requests/s", "p50 ms", "p99 ms", "client µs", "server µs", "infer is faster by")
	for _, l := range lanes {
		if l.fault != nil {
			b.row(l.title(), l.fault.Error())
			continue
		}
		b.row(l.title(), strconv.Itoa(l.answers()), spread(l.rate, "%.0f"), spread(scaled(l.p50, 1e3), "%.2f"), spread(scaled(l.p99, 1e3), "%.2f"),
			fmt.Sprintf("%.0f", 1e6*stats.Median(l.client)), fmt.Sprintf("%.0f", 1e6*stats.Median(l.other)), faster(lanes, l))
	}
	for _, form := range []string{"HTTP binary", "HTTP JSON", "gRPC"} {
		ours, theirs := find(lanes, "infer", form), best(lanes, form, func(name string) bool { return strings.HasPrefix(name, "Triton") })
		if ours != nil && theirs != nil {
			fmt.Fprintf(b.out, "\n%s: infer over the best of Triton's settings (%s): %s", form, theirs.name, spread(ratios(ours.rate, theirs.rate), "%.2f"))
		}
	}
	fmt.Fprintln(b.out)
	return nil
}

// faster is infer's throughput over a lane's, round by round: of the same form, and binary against JSON besides.
func faster(lanes []*lane, l *lane) string {
	if l.name == "infer" {
		return ""
	}
	var cells []string
	for _, form := range []string{l.form, "HTTP binary"} {
		if ours := find(lanes, "infer", form); ours != nil && ours.fault == nil && (form == l.form || l.form == "HTTP JSON") && len(cells) < 2 {
			cells = append(cells, spread(ratios(ours.rate, l.rate), "%.2f")+" ("+form+")")
		}
	}
	if l.form == "HTTP binary" {
		cells = cells[:min(1, len(cells))]
	}
	return strings.Join(cells, "; ")
}

func find(lanes []*lane, name, form string) *lane {
	for _, l := range lanes {
		if l.name == name && l.form == form && l.fault == nil {
			return l
		}
	}
	return nil
}

func over(values []float64, ours *lane, of func(*lane) []float64) string {
	if ours == nil {
		return ""
	}
	return spread(ratios(values, of(ours)), "%.2f")
}

func scaled(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}

// ceiling compares throughput with what the CPU allows: cores / (CPU of an empty echo of the same stack and bodies +
// the bare run).
func ceiling(b *bench) error {
	tiny, err := b.tiny()
	if err != nil {
		return err
	}
	b.table("model", "bare run µs", "echo CPU µs", "limit/s", "infer/s", "of the limit", "of the limit by CPU time", "of the echo's rate", "infer client µs", "infer server µs")
	for _, s := range []subject{b.mnist(), tiny} {
		if err := b.ceilingOf(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) ceilingOf(s subject) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	answer := 400 // bytes of an answer in binary: some JSON and at most 16 numbers
	echo := peer{name: "echo", start: func(b *bench, s subject) (*server, error) {
		p, err := ports(1)
		if err != nil {
			return nil, err
		}
		return launch(b.work, nil, p[0], 0, self, "echo", strconv.Itoa(p[0]), strconv.Itoa(answer))
	}}
	lanes, err := b.race(s, []target{{echo, "HTTP binary", subject.binaryRequest}, {inferWith("infer"), "HTTP binary", subject.binaryRequest}}, 16)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.fault != nil {
			return l.fault
		}
	}
	run, err := b.bareRun(s.file, 5000, 1)
	if err != nil {
		return err
	}
	echoed, ours := lanes[0], lanes[1]
	var limits, part, spent []float64
	for i := range echoed.rate {
		least := echoed.loads[i].perRequest() + run
		limit := float64(runtime.NumCPU()) / least
		limits, part, spent = append(limits, limit), append(part, 100*ours.rate[i]/limit), append(spent, 100*least/ours.loads[i].perRequest())
	}
	b.row(s.name, fmt.Sprintf("%.1f", 1e6*run), fmt.Sprintf("%.1f", 1e6*stats.Median(echoed.client)+1e6*stats.Median(echoed.other)), fmt.Sprintf("%.0f", stats.Median(limits)),
		spread(ours.rate, "%.0f"), spread(part, "%.0f %%"), spread(spent, "%.0f %%"), spread(scaled(ratios(ours.rate, echoed.rate), 100), "%.0f %%"),
		fmt.Sprintf("%.1f", 1e6*stats.Median(ours.client)), fmt.Sprintf("%.1f", 1e6*stats.Median(ours.other)))
	return nil
}
