package advice

import (
	"fmt"
	"math"
	"strings"

	"infer/report"
)

const (
	waitShare   = 0.25 // of the calling thread's time in parallel nodes
	serialShare = 0.30 // of the time of all nodes
	onCPU       = 0.10 // of the time of all nodes, from which the CPU's part in a session of another provider matters
)

// threadRules are about how nodes were spread over threads and providers.
func threadRules() []Rule {
	return []Rule{{
		ID: "IMBALANCE", Needs: []Need{needTimes, needSpread}, Check: checkImbalance,
		Trigger: "in parallel nodes the calling thread waits for the others more than 25 % of the time",
		Advice:  "hand out smaller pieces of work (session.dynamic_block_base=4), or run fewer threads",
	}, {
		ID: "SERIAL-OPS", Needs: []Need{needTimes, needSpread}, Check: checkSerial,
		Trigger: "nodes that run on one thread although the session has several take more than 30 % of the time of all nodes",
		Advice:  "more instances with fewer threads rather than more threads",
	}, {
		ID: "EP-FALLBACK", Needs: []Need{needTimes}, Check: checkFallback,
		Trigger: "in a session of another provider nodes run on the CPU: tensors are copied to and fro, or more than 10 % of the time is spent there",
		Advice:  "replace the operators that the provider lacks, or cut the model there; the evidence names tensors at the border",
	}}
}

func checkImbalance(f *Facts) *report.Advice {
	var parallel, waiting, share float64
	var s sum
	for _, r := range f.Details.ByNode {
		if r.Parallel == nil || r.Wait == nil || *r.Parallel == 0 {
			continue
		}
		s.rows, s.nodes, s.second, s.share = append(s.rows, r), s.nodes+r.Count, s.second+r.Seconds, s.share+r.Share
		parallel += r.Seconds * *r.Parallel
		waiting += r.Seconds * *r.Parallel * *r.Wait
		share += r.Share * *r.Parallel * *r.Wait
	}
	if parallel <= 0 || waiting/parallel <= waitShare || share <= worthIt {
		return nil
	}
	return &report.Advice{
		What: fmt.Sprintf("the calling thread waits for the others %s of the time of parallel nodes", percent(waiting/parallel)),
		Evidence: append(append([]string{"parallel " + f.time(s)}, f.longest(s)...),
			"the bound is that of a run without that waiting"),
		Bound: Bound(f.ofRun(share), gone),
		Try:   "hand out smaller pieces of work, or run fewer threads", Command: f.profile("--session-config session.dynamic_block_base=4"),
	}
}

func checkSerial(f *Facts) *report.Advice {
	if f.threads() < 2 {
		return nil
	}
	s := f.those(func(r report.Share) bool { return r.Parallel != nil && *r.Parallel < 0.5 })
	if s.share <= serialShare {
		return nil
	}
	return &report.Advice{
		What: fmt.Sprintf("%s of the time of all nodes is spent on one thread of %d", percent(s.share), f.threads()),
		Evidence: append(append([]string{f.time(s)}, f.longest(s)...),
			fmt.Sprintf("the bound is that of these nodes spread over %s", count(f.threads(), "thread"))),
		Bound: Bound(f.ofRun(s.share), float64(f.threads())),
		Try:   "for throughput, more instances with fewer threads each", Command: f.infer("tune", ""),
	}
}

func checkFallback(f *Facts) *report.Advice {
	if !f.accelerated() {
		return nil
	}
	copies := f.ofOps(func(op string) bool { return strings.HasPrefix(op, "Memcpy") })
	cpu := f.those(func(r report.Share) bool {
		return r.Provider == "CPUExecutionProvider" && !strings.HasPrefix(r.Op, "Memcpy")
	})
	if cpu.nodes == 0 || copies.nodes == 0 && cpu.share <= onCPU {
		return nil
	}
	a := &report.Advice{
		What:     fmt.Sprintf("%s fell back to the CPU", count(cpu.nodes, "node")),
		Evidence: append([]string{"on the CPU " + f.time(cpu)}, f.longest(cpu)...),
		Bound:    Bound(f.ofRun(cpu.share+copies.share), gone),
		Try:      "replace the operators that the provider lacks; infer inspect tells where they are", Command: f.infer("inspect", ""),
	}
	if copies.nodes > 0 {
		a.Evidence = append(a.Evidence, "copies to and from the CPU "+f.time(copies))
		a.Evidence = append(a.Evidence, f.borders(copies)...)
	}
	a.Evidence = append(a.Evidence, "the bound is that of a run without them")
	return a
}

// borders names the tensors that the copies move, and their bytes.
func (f *Facts) borders(copies sum) []string {
	tensor := map[string]string{}
	if f.Ran != nil && f.Ran.Graph != nil {
		for _, n := range f.Ran.Graph.Nodes {
			if len(n.Inputs) > 0 {
				tensor[n.Name] = n.Inputs[0]
			}
		}
	}
	var lines []string
	for _, r := range copies.rows[:min(most, len(copies.rows))] {
		line := r.Op + " " + r.Name
		if t := tensor[r.Name]; t != "" {
			line = r.Op + " of tensor " + t
		}
		if r.Bytes != nil && !math.IsNaN(*r.Bytes) {
			line += ", " + bytes(int64(*r.Bytes/2)) // read on one side, written on the other
		}
		lines = append(lines, strings.TrimSpace(line+" "+shapes(r)))
	}
	return lines
}
