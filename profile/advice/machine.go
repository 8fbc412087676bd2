package advice

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

const (
	otherLoad = 0.10  // of the machine, from which a neighbour shows in the figures: the limit of the validity check
	maxCoV    = 0.025 // of the timed runs: a difference of 5 % is then two deviations, what most people look for
	maxSteal  = 0.02  // of the CPUs' time, the limit of the validity check
	maxDelay  = 0.05  // of the threads' time spent waiting for a CPU, the limit of the validity check
)

// machineRules are about the machine and what else it does.
func machineRules() []Rule {
	return []Rule{{
		ID: "CPU-OVERSUB", Voids: true, Needs: []Need{needSession}, Check: checkOversub,
		Trigger: "more threads than CPUs that the process may really use (affinity and the quota of every ancestor cgroup)",
		Advice:  "as many threads as usable CPUs: the others spin on the CPUs that the working ones need",
	}, {
		ID: "CPU-THROTTLED", Voids: true, Needs: []Need{needRuns}, Check: checkThrottled,
		Trigger: "the CPU quota stopped the process while it was measured",
		Advice:  "raise the quota or lower the threads, and measure again: these figures are those of the quota",
	}, {
		ID: "CO-TENANT", Needs: []Need{needLongRuns}, Check: checkCoTenant,
		Trigger: "other processes used more than 10 % of the machine during the timed runs",
		Advice:  "the figures are for a shared host: measure alone, or compare spinning off and fewer threads beside that load",
	}, {
		ID: "NOISE", Needs: []Need{needRuns}, Check: checkNoise,
		Trigger: "the timed runs vary by more than 2.5 % about their median, threads waited for a CPU, or the hypervisor took time",
		Advice:  "measure longer or on a quieter machine before comparing figures",
	}, {
		ID: "SMT", Needs: []Need{needSession, needCores}, Check: checkSMT,
		Trigger: "more threads than physical cores on a machine whose cores run two threads",
		Advice:  "try one thread a physical core: two that multiply matrices on one core share its arithmetic",
	}, {
		ID: "NUMA", Needs: []Need{needSession, needNodes}, Check: checkNUMA,
		Trigger: "more threads than one NUMA node has CPUs, and none is bound to a CPU",
		Advice:  "one instance a NUMA node, or bind threads with session.intra_op_thread_affinities",
	}, {
		ID: "NO-VNNI", Needs: []Need{needModel, needISA}, Check: checkVNNI,
		Trigger: "the model computes in int8 and the CPU has no instruction for 8-bit dot products (VNNI, AMX; on ARM dotprod, i8mm)",
		Advice:  "expect little or nothing of int8 here: compare with the float model, and quantize for cpu:avx2, whose sums cannot overflow",
	}}
}

func checkOversub(f *Facts) *report.Advice {
	threads := f.threads() + max(0, f.Config.InterThreads-1) // the caller works in both pools
	if f.CPUs.Count == 0 || threads <= f.CPUs.Count {
		return nil
	}
	a := &report.Advice{
		What:    fmt.Sprintf("%d threads share %s", threads, count(f.CPUs.Count, "usable CPU")),
		Try:     fmt.Sprintf("run with %s", count(f.CPUs.Count, "thread")),
		Command: f.profile(fmt.Sprintf("--threads %d", f.CPUs.Count)),
	}
	limit := fmt.Sprintf("usable CPUs: %d by %s", f.CPUs.Count, f.CPUs.Source)
	if f.CPUs.Quota > 0 {
		limit += fmt.Sprintf(" (quota %.3g CPUs)", f.CPUs.Quota)
	}
	a.Evidence = append([]string{limit}, f.waiting()...)
	return a
}

func checkThrottled(f *Facts) *report.Advice {
	i := f.Interference
	if i.ThrottledCount == 0 {
		return nil
	}
	a := &report.Advice{
		What:     fmt.Sprintf("the CPU quota stopped the process in %s", count(int(i.ThrottledCount), "period")),
		Evidence: []string{fmt.Sprintf("threads stood still for %s during %s of timed runs", seconds(i.Throttled), seconds(i.Wall))},
		Try:      "raise the quota: one thread already uses it up",
	}
	if f.CPUs.Quota > 0 {
		a.Evidence = append(a.Evidence, fmt.Sprintf("quota: %.3g CPUs; threads: %d", f.CPUs.Quota, f.threads()))
	}
	if f.threads() > 1 {
		fewer := max(1, min(f.CPUs.Count, f.threads()-1))
		a.Try = fmt.Sprintf("raise the quota, or run with %s", count(fewer, "thread"))
		a.Command = f.profile(fmt.Sprintf("--threads %d", fewer))
	}
	return a
}

func checkCoTenant(f *Facts) *report.Advice {
	if f.Interference.OtherCPU <= otherLoad {
		return nil
	}
	a := &report.Advice{
		What:     fmt.Sprintf("other processes used %s of the machine during the timed runs", percent(f.Interference.OtherCPU)),
		Evidence: append([]string{fmt.Sprintf("watched for %s, limit %s", seconds(f.Interference.Wall), percent(otherLoad))}, f.waiting()...),
		Try:      "measure alone; where the load belongs there, try fewer threads",
	}
	switch {
	case f.threads() > 2:
		a.Command = f.profile(fmt.Sprintf("--threads %d", f.threads()/2))
	case f.spins():
		a.Try = "measure alone; where the load belongs there, try without spinning"
		a.Command = f.profile(noSpinning)
	}
	return a
}

func checkNoise(f *Facts) *report.Advice {
	i := f.Interference
	var lines []string
	what := ""
	add := func(value, limit float64, is, detail string) {
		if value > limit {
			lines = append(lines, detail)
			if what == "" {
				what = fmt.Sprintf(is, percent(value))
			}
		}
	}
	if n, ok := deviation(f.Details.Latency); ok {
		add(n, maxCoV, "the timed runs vary by %s about their median",
			fmt.Sprintf("robust coefficient of variation %s (n=%d), limit %s", percent(n), f.Details.Latency.Count(), percent(maxCoV)))
	}
	if i.Wall >= shortWall {
		if total := i.SelfCPU + i.RunQueueDelay; total > 0 {
			add(i.RunQueueDelay/total, maxDelay, "threads waited for a CPU for %s of their time", fmt.Sprintf(
				"threads were ready but not running for %s beside %s of work", seconds(i.RunQueueDelay), seconds(i.SelfCPU)))
		}
		add(i.Steal/i.Wall/float64(max(1, f.CPUs.Affinity)), maxSteal, "the hypervisor took %s of the CPUs", "steal: "+seconds(i.Steal)+" of all CPUs together")
	}
	if what == "" {
		return nil
	}
	if i.InvoluntarySwitches > 0 {
		lines = append(lines, fmt.Sprintf("involuntary switches: %d in %s", i.InvoluntarySwitches, seconds(i.Wall)))
	}
	return &report.Advice{What: what, Evidence: lines,
		Try:     "measure longer before comparing these figures with others",
		Command: f.profile(fmt.Sprintf("--duration %.0fs", max(20, 4*i.Wall)))}
}

// deviation returns the half of the middle 68 % of h over its median: the coefficient of variation of normal times, that
// a few slow runs do not move. It fails below ten runs.
func deviation(h *stats.Histogram) (float64, bool) {
	if h == nil || h.Count() < 10 {
		return 0, false
	}
	m := h.Quantile(0.5)
	return (h.Quantile(0.84) - h.Quantile(0.16)) / 2 / m, m > 0
}

// waiting says how long threads waited for a CPU.
func (f *Facts) waiting() []string {
	i := f.Interference
	if i.Wall < shortWall || i.RunQueueDelay <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("threads waited %s for a CPU beside %s of work, during %s of timed runs", seconds(i.RunQueueDelay), seconds(i.SelfCPU), seconds(i.Wall))}
}

func checkSMT(f *Facts) *report.Advice {
	m := f.Machine
	if !m.SMT || f.threads() <= m.Cores || f.threads() > f.CPUs.Count {
		return nil // more threads than CPUs is another rule's
	}
	return &report.Advice{
		What:     fmt.Sprintf("%d threads on %s", f.threads(), count(m.Cores, "physical core")),
		Evidence: []string{fmt.Sprintf("the machine shows %d CPUs on %s; usable are %d", m.Threads, count(m.Cores, "core"), f.CPUs.Count)},
		Try:      "one thread a physical core",
		Command:  f.profile(fmt.Sprintf("--threads %d", m.Cores)),
	}
}

func checkNUMA(f *Facts) *report.Advice {
	m := f.Machine
	perNode := m.Threads / m.NUMANodes
	if m.NUMANodes < 2 || f.threads() <= perNode || f.Config.Entries["session.intra_op_thread_affinities"] != "" {
		return nil
	}
	return &report.Advice{
		What:     fmt.Sprintf("%d threads cannot fit on one NUMA node of %s", f.threads(), count(perNode, "CPU")),
		Evidence: []string{fmt.Sprintf("the machine has %d CPUs on %d NUMA nodes; no thread is bound to a CPU", m.Threads, m.NUMANodes)},
		Try:      "an instance a node, or threads bound with session.intra_op_thread_affinities",
		Command:  f.profile(fmt.Sprintf("--threads %d", perNode)),
	}
}

func checkVNNI(f *Facts) *report.Advice {
	ops := int8Ops(f.Model.Proto)
	if ops == 0 || f.accelerated() || slices.ContainsFunc([]string{"avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"}, func(flag string) bool {
		return slices.Contains(f.Machine.ISA, flag)
	}) {
		return nil
	}
	return &report.Advice{
		What: "the CPU has no instruction for 8-bit dot products, and the model computes in int8",
		Evidence: []string{count(ops, "node") + " of the model quantize or compute in 8 bits",
			"instruction sets: " + strings.Join(f.Machine.ISA, " ")},
		Try: "compare it with the float model on this machine; quantize with --target cpu:avx2, where sums of 8-bit products cannot overflow",
	}
}
