package loadtest

import (
	"fmt"

	"infer/internal/stats"
	"infer/report"
)

// The names of the checks that say whether a load test can be believed.
const (
	checkSent        = "connection_drops"
	checkLag         = "send_lag"
	CheckCPU         = "generator_cpu" // the generator, and not the server, was the bottleneck
	checkThrottled   = "cpu_throttled"
	checkSteal       = "steal"
	checkConnections = "connections"
	checkFloor       = "floor"
	checkErrors      = "server_errors"
)

// Limits of the checks.
const (
	minSent      = 0.99   // of the requests that were due
	maxCPU       = 0.80   // of the CPUs that the generator may use
	leastLag     = 500e-6 // seconds: a p99 of the lag below it is never held against a load
	maxLagShare  = 0.10   // of the p99 of latency that the p99 of the lag may be
	maxWaiting   = 0.01   // of the requests that may find no connection free
	maxFloor     = 0.50   // of the p99 that the floor's may be
	maxSteal     = 0.05   // of the CPUs that the hypervisor may take
	maxThrottled = 0.001  // of the time that a quota may keep the generator from running
	maxFailed    = 0.50   // of the requests that may fail and leave latencies that mean something
)

// check adds the checks of an open or closed loop to d. Each says what was seen, the limit, and whose doing it is. least is
// a lag, in seconds, that is never held against the load.
func check(d *report.Document, x *report.LoadDetails, local bool, u usage, least float64) {
	i := u.interference
	f := x.Figures
	due, dropped, failed := int64(0), int64(0), int64(0)
	for k := range f.Sections {
		s := &f.Sections[k]
		due += s.Due
		dropped += s.Outcomes["dropped"]
		failed += s.Due - s.Outcomes["ok"] - s.Outcomes["wrong"]
	}
	if due == 0 && d.Verdict == report.Interrupted {
		return // it was interrupted before the window began
	}
	if due == 0 {
		d.AddCheck(checkSent, false, "no request was due in the window: the generator did nothing")
		return
	}
	sent := 1 - float64(dropped)/float64(due)
	d.AddCheck(checkSent, sent >= minSent, "%s of the requests that were due were sent, at least %s must be%s", percent(sent), percent(minSent),
		blame(sent >= minSent, "the server answers too slowly for the connections that the load may have"))
	if x.Schedule.Loop == "open" {
		checkLateness(d, f, least)
		waited := float64(x.Generator.Waited) / float64(due)
		d.AddCheck(checkConnections, waited <= maxWaiting, "%s of the requests found no connection free, limit %s%s", percent(waited), percent(maxWaiting),
			blame(waited <= maxWaiting, "the server holds more requests than --connections allows, so it saw less load than was due"))
	}
	if !local {
		d.AddCheck(CheckCPU, x.Generator.CPU <= maxCPU, "the generator used %s of its CPUs, limit %s%s", percent(x.Generator.CPU), percent(maxCPU),
			blame(x.Generator.CPU <= maxCPU, "the generator is the bottleneck, not the server"))
	}
	throttled, steal := 0.0, 0.0
	if i.Wall > 0 {
		throttled, steal = i.Throttled/i.Wall, i.Steal/(i.Wall*float64(max(1, u.cpus.Affinity)))
	}
	d.AddCheck(checkThrottled, throttled <= maxThrottled, "the CPU quota kept this process from running %s of the time, limit %s", percent(throttled), percent(maxThrottled))
	d.AddCheck(checkSteal, steal <= maxSteal, "the hypervisor took %s of the CPUs, limit %s", percent(steal), percent(maxSteal))
	checkAgainstFloor(d, x)
	bad := float64(failed) / float64(due)
	d.AddCheck(checkErrors, bad <= maxFailed, "%s of the requests failed, limit %s%s", percent(bad), percent(maxFailed),
		blame(bad <= maxFailed, "the server's doing; the latency of the rest says little"))
}

// blame is the reason of a check that is not ok.
func blame(ok bool, whose string) string {
	if ok {
		return ""
	}
	return ": " + whose
}

func checkLateness(d *report.Document, f *report.LoadFigures, least float64) {
	if f.Lag == nil || f.Lag.Count() == 0 {
		return
	}
	lag, limit := f.Lag.Quantile(0.99), max(least, maxLagShare*worst(f, 0.99))
	d.AddCheck(checkLag, lag <= limit, "the generator was late by %s at p99, limit %s%s", seconds(lag), seconds(limit),
		blame(lag <= limit, "its pacer did not get a CPU in time, and latency from the due time contains it"))
}

// worst is a percentile of latency as the sample has it, be it too small to bound it; 0 where nothing was answered.
func worst(f *report.LoadFigures, p float64) float64 {
	var all stats.Sketch
	for i := range f.Sections {
		all.Merge(f.Sections[i].Latency)
	}
	if all.Count() == 0 {
		return 0
	}
	return all.Quantile(p)
}

func checkAgainstFloor(d *report.Document, x *report.LoadDetails) {
	m := d.Metric("latency_p99", nil)
	if x.Floor == nil || m == nil || m.Value == nil || x.Floor.N == 0 {
		return
	}
	share := x.Floor.P99.Value / *m.Value
	d.AddCheck(checkFloor, share <= maxFloor, "against a server that does nothing p99 is %s, %s of what was measured, limit %s%s", seconds(x.Floor.P99.Value), percent(share), percent(maxFloor),
		blame(share <= maxFloor, "most of the latency may be the generator's and the machine's"))
	if share > 0.1 && share <= maxFloor {
		d.Warn("%s", fmt.Sprintf("against a server that does nothing p99 is %s: up to %s of the measured p99 may be the generator's and the machine's", seconds(x.Floor.P99.Value), percent(share)))
	}
}
