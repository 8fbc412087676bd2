package decide

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// quote writes a word so that a shell takes it as one.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@+=,%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// commandText is a command line as it is typed.
func commandText(args []string) string {
	var words []string
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// joinWords joins what is not empty with blanks.
func joinWords(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// levers are what may bring c within the objectives that it misses.
func levers(c *report.DecisionConfig) []string {
	var list []string
	add := func(text string) {
		if text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	for _, o := range c.SLO {
		g, err := report.ParseSLO(o.Expr)
		if err != nil || o.Verdict != report.Fail {
			continue
		}
		switch {
		case atLoad(g.Metric):
			add(latencyLever(c))
		case strings.HasPrefix(g.Metric, "accuracy"), strings.HasPrefix(g.Metric, "agreement"):
			add("an accuracy budget, which leaves sensitive layers float (infer quantize --accuracy-budget)")
		case g.Metric == "model_bytes" || g.Metric == "peak_rss":
			add("smaller constants (infer quantize --int4)")
		case g.Metric == "max_rps":
			add("more replicas, or a machine with more CPUs")
		}
	}
	return list
}

// latencyLever says what the time of a slow request goes to, and what takes less of it.
func latencyLever(c *report.DecisionConfig) string {
	if t := c.Tail; t != nil {
		switch queue, compute := orZero(t.Queue), orZero(t.Compute); {
		case queue >= 0.5:
			return fmt.Sprintf("a lower rate for each replica, or batching: the slowest requests spend %s of their time in the queue", report.FormatValue(report.Ratio, queue))
		case compute >= 0.5:
			return fmt.Sprintf("int8 or more threads: the slowest requests spend %s of their time in the model", report.FormatValue(report.Ratio, compute))
		case t.Wait >= 0.5:
			return fmt.Sprintf("more connections: the slowest requests wait %s of their time for one", report.FormatValue(report.Ratio, t.Wait))
		}
	}
	if len(c.Shares) > 0 && c.Shares[0].Share >= 0.3 {
		s := c.Shares[0]
		return fmt.Sprintf("int8 or more threads: %s takes %s of a run", s.Name, report.FormatValue(report.Ratio, s.Share))
	}
	return "int8, more threads, or a lower rate for each replica"
}

// next is the one command worth trying: what makes a measurement that is in doubt certain, then what may bring the
// nearest configuration within its objectives, then what tells a limit that nobody knows. c is the configuration that was
// chosen or comes nearest, nil where there is no objective. Nil where nothing suggests itself.
func next(x *report.DecisionDetails, c *report.DecisionConfig) *report.NextStep {
	return served(x, worth(x, c))
}

// worth is next, with the addresses at which servers were.
func worth(x *report.DecisionDetails, c *report.DecisionConfig) *report.NextStep {
	if c != nil && x.Chosen == "" {
		return towards(x, c)
	}
	slo := searchable(x)
	for i := range x.Configs {
		o := &x.Configs[i]
		if c != nil && o != c || !o.Bound || slo == "" {
			continue
		}
		return step(findMax(o, slo), "%s held the objectives at the highest load that was tried (%s): it tells how much it takes", o.Name, report.FormatValue(report.Rate, o.AtSLO.Value))
	}
	if i := slices.IndexFunc(x.Configs, func(o report.DecisionConfig) bool { return metricOf(&o, "accuracy_top1") == nil && o.Model != nil }); i >= 0 {
		return accuracyOf(&x.Configs[i])
	}
	return nil
}

// towards is what to try where nothing was chosen.
func towards(x *report.DecisionDetails, c *report.DecisionConfig) *report.NextStep {
	if !c.Valid {
		if len(c.Commands) == 0 {
			return nil
		}
		return step(c.Commands[len(c.Commands)-1], "its measurement cannot be believed (%s): repeat it", c.Why)
	}
	slo := searchable(x)
	for _, o := range c.SLO {
		g, err := report.ParseSLO(o.Expr)
		load := err == nil && atLoad(g.Metric)
		switch {
		case err != nil:
		case o.Verdict == report.GateInconclusive && strings.HasPrefix(g.Metric, "accuracy"):
			return accuracyOf(c)
		case o.Verdict == report.GateInconclusive && load && c.Target != "" && len(c.Curve) > 0:
			return step(joinWords(c.Target, loadFlags(c), "--duration 60s", slo), "more requests narrow the interval that %s lies in", o.Expr)
		case o.Verdict == report.GateInconclusive && load && slo != "":
			return step(findMax(c, slo), "no load test of %s tells of %s", c.Name, o.Expr)
		case o.Verdict == report.Fail && load && !quantized(x) && c.Model != nil && c.Model.Path != "":
			return step("infer quantize "+quote(c.Model.Path)+" --int8", "%s misses %s, and no configuration is quantized", c.Name, o.Expr)
		case o.Verdict == report.Fail && load && slo != "":
			return step(findMax(c, slo), "it tells up to which rate %s holds", o.Expr)
		}
	}
	return nil
}

// served is n for a reader for whom no server runs any more: where n loads one at an address that was only good for the
// measurement, a port of this machine that somebody picked, it begins with serving the model again.
func served(x *report.DecisionDetails, n *report.NextStep) *report.NextStep {
	if n == nil {
		return nil
	}
	for _, c := range x.Configs {
		gone, anew := address(c.Target)
		if gone == "" || !strings.Contains(n.Command, gone) || c.Model == nil || c.Model.Path == "" {
			continue
		}
		then := strings.Replace(n.Command, gone, anew, 1)
		return &report.NextStep{Command: "infer serve " + quote(c.Model.Path), Why: n.Why + "; give it the options that " + c.Name + " had, then load it: " + then}
	}
	return n
}

// address is that of the server in the begin of a command, where it is on a picked port of this machine, and the one that
// infer serve has unasked; else both are "".
func address(target string) (gone, anew string) {
	for word := range strings.FieldsSeq(target) {
		u, err := url.Parse(word)
		if err != nil || !local(u.Hostname()) || u.Port() == "" {
			continue
		}
		port := map[string]string{"http": "8000", "grpc": "8001"}[u.Scheme]
		if port == "" || port == u.Port() {
			return "", ""
		}
		return u.Scheme + "://" + u.Host, u.Scheme + "://localhost:" + port
	}
	return "", ""
}

// quantized reports whether any configuration came of a quantization.
func quantized(x *report.DecisionDetails) bool {
	return slices.ContainsFunc(x.Configs, func(c report.DecisionConfig) bool { return metricOf(&c, "size_ratio") != nil })
}

// searchable are the objectives that a search of the highest rate can have, as flags.
func searchable(x *report.DecisionDetails) string {
	var flags []string
	for _, e := range x.SLO {
		g, err := report.ParseSLO(e)
		if err == nil && g.Op[0] == '<' && len(g.Labels) == 0 && (g.Metric == "error_rate" || report.SamplesNeeded(g.Metric) > 0 || g.Metric == "latency_max") && atLoad(g.Metric) {
			flags = append(flags, "--slo "+quote(e))
		}
	}
	return strings.Join(flags, " ")
}

// findMax is the search for the highest rate of a configuration; of one without a load test in this process.
func findMax(c *report.DecisionConfig, slo string) string {
	switch {
	case c.Target != "":
		return joinWords(c.Target, "--find-max-rps", slo)
	case c.Model != nil && c.Model.Path != "":
		return joinWords("infer loadtest", quote(c.Model.Path), "--find-max-rps", slo)
	}
	return ""
}

// loadFlags offer a configuration the load at which it was judged.
func loadFlags(c *report.DecisionConfig) string {
	for _, p := range c.Curve {
		switch {
		case len(c.Curve) > 1 && nameOf(p) != c.At:
		case p.Rate > 0:
			return "--rps " + strings.TrimSuffix(strconv.FormatFloat(p.Rate, 'f', 1, 64), ".0")
		case p.Concurrency > 0:
			return fmt.Sprintf("--concurrency %d", p.Concurrency)
		}
	}
	return ""
}

// accuracyOf measures the accuracy of a configuration.
func accuracyOf(c *report.DecisionConfig) *report.NextStep {
	path := "MODEL"
	if c.Model != nil && c.Model.Path != "" {
		path = quote(c.Model.Path)
	}
	return step("infer predict "+path+" --input DATA --labels LABELS.npy -o ANSWERS --report accuracy.json",
		"the accuracy of %s is not known well enough: give more labelled rows", c.Name)
}

// step is a next step; nil of no command.
func step(command, why string, args ...any) *report.NextStep {
	if command == "" {
		return nil
	}
	return &report.NextStep{Command: command, Why: fmt.Sprintf(why, args...)}
}
