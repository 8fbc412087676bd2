package render

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// decision is a decision on its way to a page.
type decision struct {
	report.DecisionDetails
	d      *report.Document
	ranked []report.DecisionConfig // as the tables show them: the chosen one, then by objectives met, cost and latency
}

// layDecision lays out which configuration to deploy, in the order in which a team asks: what is the answer, is it within
// the objectives, what else is there, what does it cost, where does the gain come from, and can it be believed.
func layDecision(d *report.Document, x report.DecisionDetails, o Options) layout {
	v := newDecision(d, x)
	out := layout{title: v.headline(), summary: v.question(), next: x.Next, metricsLast: true, foldChecks: true, judged: x.SLO, rows: markdownRows}
	out.lead = []section{v.cards(), v.levers(), v.objectives(), v.pareto(), v.configurations(o), v.curves(), v.capacity(), v.steps(),
		v.shares(o), v.tails(), v.start(), v.outcomes(), v.validity()}
	for i := range out.lead {
		out.lead[i].aside = i > 1 && out.lead[i].title != configurationsTitle
	}
	out.last = []section{v.again(), v.manifests(), v.sources()}
	return out
}

func newDecision(d *report.Document, x report.DecisionDetails) *decision {
	v := &decision{DecisionDetails: x, d: d}
	if v.Quality == "" {
		for _, name := range []string{"agreement_top1", "accuracy_top1"} {
			if slices.ContainsFunc(x.Configs, func(c report.DecisionConfig) bool { return valueOf(c, name) != nil }) {
				v.Quality = name
			}
		}
	}
	v.ranked = slices.Clone(x.Configs)
	met := func(c report.DecisionConfig) int {
		return slices.Index([]string{report.Fail, report.GateInconclusive, report.Pass}, c.Verdict)
	}
	last := func(x *float64) float64 {
		if x == nil {
			return math.Inf(1)
		}
		return *x
	}
	cost := func(c report.DecisionConfig) *float64 {
		if c.Cost == nil {
			return nil
		}
		return &c.Cost.Value
	}
	slices.SortStableFunc(v.ranked, func(a, b report.DecisionConfig) int {
		return cmp.Or(-cmp.Compare(btoi(v.chosen(a)), btoi(v.chosen(b))), -cmp.Compare(btoi(a.Valid), btoi(b.Valid)), -cmp.Compare(met(a), met(b)),
			cmp.Compare(last(cost(a)), last(cost(b))), cmp.Compare(last(valueOf(a, "latency_p99")), last(valueOf(b, "latency_p99"))))
	})
	return v
}

// headline is the decision in a sentence.
func (v *decision) headline() string {
	return strings.TrimRight(strings.TrimPrefix(v.Headline, "INCONCLUSIVE — "), ".") // the verdict stands before it
}

// question says what was to be decided.
func (v *decision) question() string {
	if len(v.Configs) == 0 {
		return ""
	}
	s := plural(len(v.Configs), "configuration")
	if len(v.SLO) > 0 {
		s += " by " + strings.Join(v.SLO, ", ")
	}
	if v.Demand > 0 {
		s += "; " + rateOf(v.Demand) + " to plan for"
	}
	return s
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (v *decision) chosen(c report.DecisionConfig) bool { return v.Chosen != "" && c.Name == v.Chosen }

// metricOf returns the metric of a name, the one without labels where there is one; nil where there is none.
func metricOf(c report.DecisionConfig, name string) *report.Metric {
	var found *report.Metric
	for i := range c.Metrics {
		if m := &c.Metrics[i]; m.Name == name && (found == nil || len(m.Labels) < len(found.Labels)) {
			found = m
		}
	}
	return found
}

func valueOf(c report.DecisionConfig, name string) *float64 {
	if m := metricOf(c, name); m != nil {
		return m.Value
	}
	return nil
}

// name is the cell that names a configuration.
func (v *decision) name(c report.DecisionConfig) cell {
	x := str(c.Name)
	switch {
	case v.known(c) && !c.Valid:
		x.tag, x.tagTone = "not to be trusted", warn
	case v.chosen(c):
		x.tag, x.tagTone = "chosen", good
	case c.Name == v.Base:
		x.tag, x.tagTone = "base", dim
	}
	return x
}

// known reports whether c is one of the configurations, and not only named by an outcome.
func (v *decision) known(c report.DecisionConfig) bool {
	return slices.ContainsFunc(v.Configs, func(x report.DecisionConfig) bool { return x.Name == c.Name })
}

// measured is the cell of a metric with its interval below it; empty where it was not measured.
func measured(m *report.Metric) cell {
	if m == nil {
		return cell{}
	}
	value, between := m.Text()
	if m.Value == nil {
		return cell{text: value, sub: between, tone: warn}
	}
	return cell{text: value, sub: between, key: m.Value}
}

// cards are the figures of the chosen configuration.
func (v *decision) cards() section {
	var s section
	i := slices.IndexFunc(v.Configs, v.chosen)
	if i < 0 {
		return s
	}
	c := v.Configs[i]
	for _, x := range c.SLO {
		if x.Measured == nil || len(s.cards) >= 3 {
			continue
		}
		value, between := x.Measured.Text()
		s.cards = append(s.cards, card{name: x.Expr, value: value, note: joined(between, headroomText(x.Headroom)), tone: plain})
	}
	if c.Cost != nil {
		s.cards = append(s.cards, card{name: "a million inferences", value: atMost(c) + v.money(c, c.Cost.Value), note: v.against(c, "cost_per_million")})
	}
	if v.Demand > 0 && c.Replicas > 0 {
		x := card{name: "for " + rateOf(v.Demand), value: plural(c.Replicas, "replica")}
		if c.Hourly != nil {
			x.note = v.money(c, *c.Hourly) + " an hour"
		}
		s.cards = append(s.cards, x)
	}
	return s
}

// headroomText says how far a limit is away.
func headroomText(h *float64) string {
	switch {
	case h == nil:
		return ""
	case *h < 0:
		return "missed by " + shareText(-*h)
	}
	return shareText(*h) + " headroom"
}

// against is the change of a metric against the base configuration, in words.
func (v *decision) against(c report.DecisionConfig, name string) string {
	m := relativeOf(c, name)
	if m == nil || c.Name == v.Base || v.Base == "" {
		return ""
	}
	change, _ := changeText(*m)
	if !told(*m) {
		return "no change that can be told from " + v.Base
	}
	return change + " against " + v.Base
}

func relativeOf(c report.DecisionConfig, name string) *report.CompareMetric {
	i := slices.IndexFunc(c.Relative, func(m report.CompareMetric) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Relative[i]
}

// told reports whether a change can be told from noise: it is significant, or exact, with no interval around it.
func told(m report.CompareMetric) bool {
	return m.Significant || m.RatioLo == nil && m.ChangeLo == nil && m.PValue == nil
}

// change is the cell of a change against another configuration: "~" where it cannot be told from noise.
func change(m *report.CompareMetric) cell {
	if m == nil || m.Ratio == nil && m.Change == nil {
		return cell{}
	}
	text, between := changeText(*m)
	key := m.Change
	if m.Ratio != nil {
		key = m.Ratio
	}
	switch direction(*m) {
	case better:
		return cell{text: text, sub: between, key: key, tone: good}.orTilde(told(*m))
	case worse:
		return cell{text: text, sub: between, key: key, tone: bad}.orTilde(told(*m))
	}
	return cell{text: text, sub: between, key: key}.orTilde(told(*m))
}

func (c cell) orTilde(told bool) cell {
	if !told {
		c.text, c.tone = "~", dim
	}
	return c
}

// levers say what may help where no configuration meets the objectives.
func (v *decision) levers() section {
	s := section{title: "What may help"}
	for _, l := range v.Levers {
		s.lines = append(s.lines, str(l))
	}
	return s
}

// money writes an amount in the currency of the price of a configuration.
func (v *decision) money(c report.DecisionConfig, amount float64) string {
	p := v.priceOf(c)
	if p == nil {
		return report.FormatMoney("", amount)
	}
	return report.FormatMoney(p.Currency, amount)
}

// priceOf returns the price of a configuration: its own, or that of all.
func (v *decision) priceOf(c report.DecisionConfig) *report.DecisionPrice {
	for _, name := range []string{c.Name, ""} {
		if i := slices.IndexFunc(v.Price, func(p report.DecisionPrice) bool { return p.Config == name }); i >= 0 {
			return &v.Price[i]
		}
	}
	return nil
}

// atMost stands before a cost that may be lower: nothing above the throughput behind it was tried.
func atMost(c report.DecisionConfig) string {
	if c.Bound {
		return "≤" + noBreak
	}
	return ""
}

// verdictCell is a verdict in words and colour.
func verdictCell(verdict string) cell {
	return cell{text: strings.ToUpper(verdict), tone: gateTone(verdict)}
}
