package loadtest

import (
	"fmt"
	"math"
	"strings"

	"infer/report"
)

// command is the beginning of a command line for the same target.
func command(t report.LoadTarget) string {
	c := "infer loadtest " + Quote(t.URL)
	if t.Options != "" {
		c += " " + t.Options
	}
	return c
}

// objectivesText repeats the objectives of a command.
func objectivesText(slos []report.Gate) string {
	text := ""
	for _, g := range slos {
		text += " --slo " + Quote(g.Expr)
	}
	return text
}

// Quote quotes what a shell would take apart.
func Quote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n'\"\\$&|;<>()*?[]{}~#!`") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// next picks the first rule whose figures support a command: trust first, then what stands in the way, then how far the
// server can go. Nil where none does.
func (r *reader) next() *report.NextStep {
	again := command(r.x.Target)
	if r.untrusted() {
		return r.trustworthy(again)
	}
	if r.x.Target.Protocol == inProcess {
		return step("infer serve "+Quote(r.x.Target.URL), "then load the server: 'infer loadtest http://localhost:8000 --rps %s'", r.perSecond(1))
	}
	if r.x.Schedule.Loop == "closed" {
		return r.openLoop(again)
	}
	for i, s := range r.x.SLO { // one for each of r.slos
		if s.Verdict == report.GateInconclusive {
			return step(fmt.Sprintf("%s --rps %s --duration %s%s", again, r.perSecond(1), wait(4*r.x.Window.Seconds), objectivesText(r.slos)),
				"four times the requests halve the interval of %s", s.Expr)
		}
		if s.Verdict == report.Fail {
			return r.relief(again, r.slos[i])
		}
	}
	if rate, _, ok := r.value("error_rate"); ok && rate > 0.01 {
		return step(fmt.Sprintf("%s --rps %s%s", again, r.perSecond(0.5), objectivesText(r.slos)), "%s of the requests failed: see whether they do at half the rate", percent(rate))
	}
	var p99 *float64
	if _, hi, ok := r.value("latency_p99"); ok {
		p99 = &hi
	}
	slo := searchSLO(r.slos, p99)
	return step(fmt.Sprintf("%s --find-max-rps --slo %s", again, Quote(slo)), "it tells how much load this server can take before %s breaks", slo)
}

// searchSLO is an objective that a search can judge: the first of slos that is one, else what a p99 allows to promise.
func searchSLO(slos []report.Gate, p99 *float64) string {
	for _, g := range slos {
		if _, ok := objectiveOf(g); ok {
			return g.Expr
		}
	}
	if p99 == nil {
		return "p99<100ms"
	}
	return "p99<" + short(promise(*p99))
}

// trustworthy helps with what makes the figures invalid, where a command can.
func (r *reader) trustworthy(again string) *report.NextStep {
	failed := map[string]string{}
	for _, c := range r.d.Validity.Checks {
		if !c.OK {
			failed[c.Name] = c.Detail
		}
	}
	switch {
	case failed[checkConnections] != "":
		n := min(MaxConnections, 4*max(1, r.x.Generator.InFlight))
		return step(fmt.Sprintf("%s --rps %s --connections %d%s", again, r.perSecond(1), n, objectivesText(r.slos)), "with as many connections as the server holds requests it sees the load that was due")
	case failed[CheckCPU] != "" || failed[checkLag] != "":
		if r.x.Schedule.Loop == "closed" {
			return nil
		}
		return step(fmt.Sprintf("%s --rps %s%s", again, r.perSecond(0.5), objectivesText(r.slos)), "at half the rate the generator may keep up; on a machine of its own it will not compete with the server")
	}
	return nil // whoever set the quota, or shares the machine, can help; the reading says so
}

func (r *reader) openLoop(again string) *report.NextStep {
	v, _, ok := r.value("throughput")
	if !ok || v <= 0 {
		return nil
	}
	return step(fmt.Sprintf("%s --rps %s%s", again, digits(0.7*v), objectivesText(r.slos)), "an open loop at 70 %% of this throughput shows the latency that users would see")
}

// relief is what may make an objective hold that does not.
func (r *reader) relief(again string, slo report.Gate) *report.NextStep {
	what, share := r.dominant()
	if what == "compute" {
		if m := r.d.Manifest.Model; m != nil {
			return step("infer quantize "+Quote(m.Path)+" --int8", "the slowest requests spend %s of their time in the model", percent(share))
		}
	}
	if _, ok := objectiveOf(slo); !ok {
		return nil // no search can judge it
	}
	return step(fmt.Sprintf("%s --find-max-rps --slo %s", again, Quote(slo.Expr)), "it tells up to which rate %s holds", slo.Expr)
}

// perSecond is a multiple of the offered rate, as --rps takes it.
func (r *reader) perSecond(times float64) string {
	if s := r.x.Schedule.Stages; len(s) == 1 && s[0].From == s[0].To {
		return digits(times * s[0].From)
	}
	v, _, ok := r.value("offered_rate")
	if !ok {
		return "100"
	}
	return digits(times * v)
}

// digits writes a rate with three digits, never with an exponent.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

// wait writes seconds as a duration flag takes them.
func wait(s float64) string { return fmt.Sprintf("%.0fs", math.Ceil(s)) }

func step(command, why string, args ...any) *report.NextStep {
	return &report.NextStep{Command: command, Why: fmt.Sprintf(why, args...)}
}
