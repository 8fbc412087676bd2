// Package decide owns the decision that several runs support: which configuration to deploy. It is pure: documents in,
// one document of kind "report" out.
package decide

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// Input is one document of a decision.
type Input struct {
	Name   string // of the configuration that it belongs to, as typed before "="; "": it follows from the document
	Path   string // of the file, as typed
	SHA256 string // hex, of the file
	Doc    *report.Document
}

// Options say by what is decided. The zero value shows what the documents say, by the objectives of their load tests.
type Options struct {
	SLO            []report.Gate          // objectives; none: those of the load tests
	AccuracyTarget float64                // share of the base's accuracy that must be kept, 0.99 for "mlperf99"; 0: none
	Prices         []report.DecisionPrice // of ParsePrice; all in one currency
	Use            float64                // share of its capacity that a replica is planned to be used at, in (0, 1]; 0: 1
	Demand         float64                // rate to plan for, 1/s; 0: none
	Outcomes       []report.Outcome       // of ParseOutcomes
	Now            time.Time              // when the prices were given
}

// Decide groups the documents into configurations, judges each by the objectives, and chooses the one to deploy: the
// cheapest that meets them all. The verdict is ok where one is chosen, or where there is no objective; failed_gate where
// none meets them; inconclusive where one may; invalid where no document can be believed. What cannot be decided about
// (a kind of document that tells nothing of a configuration, prices or outcomes of unknown names) is a fault.Usage error.
func Decide(in []Input, o Options) (*report.Document, error) {
	g, err := group(in)
	if err != nil {
		return nil, err
	}
	if len(g.configs) == 0 {
		return nil, fault.New(fault.Usage, "give results of infer loadtest or infer profile", "none of the documents tells of a configuration")
	}
	g.gather()
	x := &report.DecisionDetails{SLO: []string{}, Sources: []report.CompareRun{}, Use: 1}
	drops := map[string]string{}
	for _, c := range g.configs {
		x.Configs = append(x.Configs, c.DecisionConfig)
		drops[c.Name] = c.dropOf
	}
	x.Base = x.Configs[0].Name
	for _, s := range g.sources {
		x.Sources = append(x.Sources, s.run())
	}
	addDrop(x.Configs, drops)
	d := report.New("report")
	x.Notes = g.warnings
	if err := decide(d, x, o); err != nil {
		return nil, err
	}
	return finished(d, x)
}

// finished stores the details. Only numbers beyond all bounds, which no run measures, have no JSON form.
func finished(d *report.Document, x *report.DecisionDetails) (*report.Document, error) {
	if err := d.SetDetails(x); err != nil {
		return nil, fault.New(fault.Usage, "a document was changed by hand, or damaged", "the documents hold numbers that no run measures: %w", err)
	}
	return d, nil
}

// Rejudge decides anew from the configurations of a decision. What o leaves zero stays as it was.
func Rejudge(d *report.Document, o Options) (*report.Document, error) {
	x, err := Details(d)
	if err != nil {
		return nil, err
	}
	if len(x.Configs) == 0 {
		return nil, fault.New(fault.Usage, "give the documents that it was made of", "the decision has no configurations to judge anew")
	}
	given := len(o.SLO) > 0
	for _, e := range x.SLO {
		g, err := report.ParseSLO(e)
		if err != nil {
			return nil, fault.Wrap(err, "objectives of the decision")
		}
		if replaced := o.AccuracyTarget > 0 && g.Metric == "accuracy_drop"; !given && !replaced {
			o.SLO = append(o.SLO, g)
		}
	}
	out := *d
	out.Metrics, out.Gates, out.Verdict, out.Validity = []report.Metric{}, []report.GateResult{}, report.OK, report.New("report").Validity
	out.Warnings = []string{}
	if err := decide(&out, x, o); err != nil {
		return nil, err
	}
	return finished(&out, x)
}

// decide judges the configurations of x by o and says in d what follows.
func decide(d *report.Document, x *report.DecisionDetails, o Options) error {
	for _, n := range x.Notes {
		d.Warn("%s", n)
	}
	if err := setBasis(x, o); err != nil {
		return err
	}
	objectives, err := objectivesOf(d, x, o)
	if err != nil {
		return err
	}
	addAgreement(x.Configs)
	x.Quality = quality(x.Configs)
	for i := range x.Configs {
		c := &x.Configs[i]
		judge(c, objectives, x.Demand, loadTested(x.Configs))
		plan(c, x)
	}
	markFront(x)
	x.Steps = nil
	for i := range x.Configs {
		c := &x.Configs[i]
		c.Relative = nil
		if i > 0 {
			c.Relative = relative(&x.Configs[0], c, x.Demand)
			x.Steps = append(x.Steps, change(&x.Configs[i-1], c, x.Demand))
		}
	}
	conclude(d, x)
	warnings(d, x)
	return nil
}

// setBasis takes the prices, the demand and the outcomes of o, and checks that they are of configurations.
func setBasis(x *report.DecisionDetails, o Options) error {
	if o.Use > 0 {
		x.Use = o.Use
	}
	if o.Demand > 0 {
		x.Demand = o.Demand
	}
	if len(o.Prices) > 0 {
		x.Price = nil
	}
	for i, p := range o.Prices {
		if p.Config != "" && !slices.ContainsFunc(x.Configs, func(c report.DecisionConfig) bool { return c.Name == p.Config }) {
			return unknownName("price", p.Config, x.Configs)
		}
		if p.Currency != o.Prices[0].Currency {
			return fault.New(fault.Usage, "give all prices in one currency", "prices %s and %s cannot be compared", o.Prices[0].Basis, p.Basis)
		}
		if slices.ContainsFunc(o.Prices[:i], func(b report.DecisionPrice) bool { return b.Config == p.Config }) {
			return fault.New(fault.Usage, "leave one of them out", "there are two prices for %s", orAll(p.Config))
		}
		p.Basis = fmt.Sprintf("%s, given %s", p.Basis, o.Now.UTC().Format(time.DateOnly))
		x.Price = append(x.Price, p)
	}
	var err error
	if len(o.Outcomes) > 0 {
		x.Outcomes, err = compareOutcomes(o.Outcomes, x)
	}
	return err
}

func orAll(name string) string {
	if name == "" {
		return "all configurations"
	}
	return strconv.Quote(name)
}

// objectivesOf are the objectives to judge by: those of o, else those of the load tests.
func objectivesOf(d *report.Document, x *report.DecisionDetails, o Options) ([]objective, error) {
	var list []objective
	for _, g := range o.SLO {
		list = append(list, objective{Gate: g})
	}
	if len(o.SLO) == 0 {
		list = judgedBy(x.Configs, d.Warn)
	}
	if o.AccuracyTarget > 0 {
		base := metricOf(&x.Configs[0], "accuracy_top1")
		if base == nil {
			return nil, fault.New(fault.Usage, "give a result of infer predict or infer quantize on labelled rows, too",
				"a share of the accuracy of %q is asked for, which no document tells", x.Base)
		}
		points := strconv.FormatFloat(100*(1-o.AccuracyTarget)**base.Value, 'g', 6, 64)
		g, err := report.ParseSLO("accuracy_drop<=" + points + "pt")
		if err != nil {
			return nil, err
		}
		v, _ := base.Text()
		list = append(list, objective{Gate: g, note: fmt.Sprintf("to keep %s of %s's %s", report.FormatValue(report.Ratio, o.AccuracyTarget), x.Base, v)})
	}
	x.SLO, x.AccuracyTarget = []string{}, o.AccuracyTarget
	for _, o := range list {
		x.SLO = append(x.SLO, o.Expr)
	}
	return list, nil
}

// Details reads the details of a decision.
func Details(d *report.Document) (*report.DecisionDetails, error) {
	if d.Kind != "report" {
		return nil, fault.New(fault.Usage, "give a document of infer report", "a document of kind %q is no decision", d.Kind)
	}
	var x report.DecisionDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		return nil, fault.New(fault.Usage, "", "details of a decision: %w", err)
	}
	return &x, nil
}
