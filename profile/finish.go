package profile

import (
	"fmt"
	"strings"

	"infer/report"
)

// finish derives the validity, the verdict and the one command worth trying next.
func (r *runner) finish(interrupted bool) {
	d := r.d
	d.Validity.Verdict = "valid"
	for _, c := range d.Validity.Checks {
		if !c.OK {
			d.Validity.Verdict = "invalid"
			d.Warn("%s: %s", c.Name, c.Detail)
		}
	}
	if interrupted {
		d.Verdict = report.Interrupted
		return
	}
	r.advise()
	r.details.Next = r.next()
}

// next picks the first rule whose figures support a command: trust first, then speed. Nil where none does.
func (r *runner) next() *report.NextStep {
	failed := func(name string) string {
		for _, c := range r.d.Validity.Checks {
			if c.Name == name && !c.OK {
				return c.Detail
			}
		}
		return ""
	}
	switch {
	case r.t.Config.Threads > r.cpus:
		return step(fmt.Sprintf("infer profile %s --threads %d", r.operand(), r.cpus),
			"%d threads share the %d CPUs that this process may use", r.t.Config.Threads, r.cpus)
	case failed("cpu_throttled") != "":
		if r.t.Config.Threads < 2 {
			return nil // a quota below one CPU: only whoever set it can help
		}
		return step(fmt.Sprintf("infer profile %s --threads %d", r.operand(), max(1, r.cpus/2)), "%s", failed("cpu_throttled"))
	case failed("other_load") != "" || failed("steal") != "":
		return nil // no command helps while others use the machine; the warning says so
	case failed("steady_state") != "":
		return step(fmt.Sprintf("infer profile %s --duration %s", r.operand(), 4*r.o.Duration), "%s", failed("steady_state"))
	case r.p99Missing() && r.o.Runs > 0:
		return step(fmt.Sprintf("infer profile %s --runs 400", r.operand()), "the p99 needs 368 runs, this sample has %d", len(r.base.Seconds))
	case r.gain() != nil:
		a := r.gain()
		return step(a.Command, "%s: %s; at most %.2f×", a.Rule, a.What, a.Bound)
	case len(r.o.Batches) == 0 && r.batchIsFree():
		return step(fmt.Sprintf("infer profile %s --batch 1,2,4,8", r.operand()),
			"the batch axis is dynamic: throughput per batch size decides how to serve it")
	}
	return nil
}

// gain returns the advice that can gain most, nil where none gains worthwhile by a command.
func (r *runner) gain() *report.Advice {
	for i := range r.details.Advice {
		if a := &r.details.Advice[i]; a.Command != "" && a.Bound >= worthwhile {
			return a
		}
	}
	return nil
}

// worthwhile is the least speed-up that is worth a command.
const worthwhile = 1.05

func step(command, why string, args ...any) *report.NextStep {
	return &report.NextStep{Command: command, Why: fmt.Sprintf(why, args...)}
}

func (r *runner) p99Missing() bool {
	m := r.d.Metric("latency_p99", nil)
	return m != nil && m.Value == nil
}

// batchIsFree reports whether the first axis of every input is dynamic.
func (r *runner) batchIsFree() bool {
	ins := r.t.Model.Inputs()
	for _, p := range ins {
		if len(p.Type.Dims) == 0 || p.Type.Dims[0].Known {
			return false
		}
	}
	return len(ins) > 0
}

// operand names the model and its sizes as a command line does.
func (r *runner) operand() string {
	words := []string{quote(r.t.Model.Path)}
	for _, w := range r.t.Sizes {
		words = append(words, quote(w))
	}
	return strings.Join(words, " ")
}
