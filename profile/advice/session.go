package advice

import (
	"fmt"

	"infer/model/engine"
	"infer/report"
)

const (
	heldLimit  = 3.0      // bytes that the arena holds over those in use: it doubles what it takes, so up to 2 is its way
	arenaFloor = 32 << 20 // bytes that the arena holds, below which nobody misses them
	sideBySide = 1.2      // time of all nodes over that of a run, up to which next to nothing ran side by side
)

// sessionRules are about the settings of the session.
func sessionRules() []Rule {
	return []Rule{{
		ID: "ARENA", Needs: []Need{needAllocator}, Check: checkArena,
		Trigger: "the runtime's arena holds more than 3 times the bytes that were ever in use, and 32 MiB or more",
		Advice:  "keep initializers out of the arena, shrink or cap it, or disable it where memory is short",
	}, {
		ID: "PAR-EXEC", Needs: []Need{needSession, needTimes, needTracedRun}, Check: checkParallel,
		Trigger: "--inter-threads above 1, and the nodes of a run hardly overlap",
		Advice:  "run sequentially: the parallel executor costs hand-overs between threads and gains nothing without branches",
	}, {
		ID: "OPT-LEVEL", Needs: []Need{needSession}, Check: checkLevel,
		Trigger: "the runtime was told to optimize less than it can",
		Advice:  "measure with everything optimized, unless the graph was optimized before",
	}, {
		ID: "PREPACK-OFF", Needs: []Need{needSession}, Check: checkPrepack,
		Trigger: "session.disable_prepacking is set",
		Advice:  "leave it unset where a session runs often; a process that runs once starts faster with it",
	}, {
		ID: "CAP", Needs: []Need{needTrace}, Check: checkCap,
		Trigger: "the runtime stopped writing the trace at its 1 000 000 events",
		Advice:  "trace fewer runs: what came after is missing in the times of nodes",
	}}
}

func checkArena(f *Facts) *report.Advice {
	a := f.Details.Memory.Allocator
	ratio := float64(a.Held) / float64(a.PeakInUse)
	if ratio <= heldLimit || a.Held < arenaFloor {
		return nil
	}
	return &report.Advice{
		What: fmt.Sprintf("the runtime's arena holds %s and never used more than %s", size(a.Held), size(a.PeakInUse)),
		Evidence: []string{fmt.Sprintf("held over in use: %s, limit %s", times(ratio), times(heldLimit)),
			"initializers: " + size(f.Details.Memory.Initializers)},
		Try:     "allocate initializers outside of the arena; where memory is short, shrink it between runs or disable it",
		Command: f.profile("--session-config session.use_device_allocator_for_initializers=1"),
	}
}

func checkParallel(f *Facts) *report.Advice {
	run := f.tracedRun()
	if f.Config.InterThreads < 2 || run.Value <= 0 {
		return nil
	}
	var all float64
	for _, r := range f.Details.ByNode {
		if r.Traced > 0 {
			all += r.Traced
		} else {
			all += r.Seconds
		}
	}
	if all <= 0 || all/run.Value > sideBySide {
		return nil
	}
	return &report.Advice{
		What: fmt.Sprintf("%d inter-op threads, and next to nothing runs side by side", f.Config.InterThreads),
		Evidence: []string{fmt.Sprintf("traced, all nodes together take %s in a run of %s: %s, where branches side by side would be above %s",
			seconds(all), interval(report.Time, run), times(all/run.Value), times(sideBySide))},
		Try: "run sequentially, and give all threads to the nodes", Command: f.profile("--inter-threads 1"),
	}
}

// tracedRun is how long a run took while it was traced; the zero value where nobody knows.
func (f *Facts) tracedRun() report.Interval {
	if c := f.Details.Correction; c != nil && c.Traced.Value > 0 {
		return c.Traced // of the runs that the times of nodes are from: the whole trace has the warm-up in it
	}
	if t := f.Details.Trace; t != nil {
		return t.Run
	}
	return report.Interval{}
}

func checkLevel(f *Facts) *report.Advice {
	name := map[engine.OptLevel]string{engine.OptNone: "nothing", engine.OptBasic: "basic rewrites", engine.OptExtended: "all but the layout"}[f.Config.OptLevel]
	if name == "" {
		return nil
	}
	return &report.Advice{
		What:     "the runtime was told to optimize " + name,
		Evidence: []string{"graph optimization level below \"all\""},
		Try:      "measure with everything optimized", Command: f.profile(""),
	}
}

func checkPrepack(f *Facts) *report.Advice {
	if f.Config.Entries["session.disable_prepacking"] != "1" {
		return nil
	}
	a := &report.Advice{
		What: "weights are not laid out for the CPU beforehand",
		Try:  "leave session.disable_prepacking unset, unless the process runs once and ends", Command: f.profile(""),
		Evidence: []string{"session.disable_prepacking=1"},
	}
	if t, ok := f.coldStart(); ok {
		a.Evidence = append(a.Evidence, fmt.Sprintf("session %s, first run %s (medians, n=%d fresh processes); a run %s",
			seconds(t.init), seconds(t.first), t.n, seconds(f.p50())))
	}
	return a
}

func checkCap(f *Facts) *report.Advice {
	t := f.Details.Trace
	if !t.Capped {
		return nil
	}
	return &report.Advice{
		What:     "the runtime stopped writing the trace at its limit of events",
		Evidence: []string{fmt.Sprintf("%d events, %d whole runs", t.Events, t.Runs)},
		Try:      "trace fewer runs", Command: f.profile(fmt.Sprintf("--profiled-runs %d", max(1, t.Runs/2))),
	}
}
