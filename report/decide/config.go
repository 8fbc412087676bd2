package decide

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"infer/report"
)

// config is a configuration while its facts are gathered.
type config struct {
	report.DecisionConfig
	at     int       // place of its first operand
	model  identity  // what it runs
	served string    // name under which a server has it
	own    []*source // its measurements
	origin map[string]origin
	points []point // of its load tests
	dropOf string  // hash of the model that accuracy_drop is against
}

// origin is where a metric comes from.
type origin struct {
	rank int // of the source: a fact about the model, a measurement of the configuration, its load test
	s    *source
}

// The ranks of sources.
const (
	aboutModel = iota
	measurement
	loadTest
)

// Limits on what is kept of each configuration: a decision is read in one page.
const (
	keptShares = 15
	keptStarts = 20
)

// modelFacts are the metrics that hold wherever a model runs.
func modelFact(name string) bool {
	return slices.Contains([]string{"model_bytes", "size_ratio", "macs", "params", "nodes", "activation_bytes", "accuracy_top1", "accuracy_top1_base",
		"accuracy_drop", "agreement_top1", "sqnr_db", "max_abs_diff", "cosine"}, name)
}

// startFact are the metrics of a profile that depend on the model far more than on how it is served.
func startFact(name string) bool {
	return slices.Contains([]string{"peak_rss", "library_load", "session_init", "first_run"}, name)
}

// gather fills every configuration from the documents: first what is told of its model, then its own measurements, each
// from the oldest to the newest, at last its load tests.
func (g *grouping) gather() {
	byAge := slices.Clone(g.sources)
	slices.SortStableFunc(byAge, func(a, b *source) int { return a.Doc.Created.Compare(b.Doc.Created) })
	for _, c := range g.configs {
		c.origin = map[string]origin{}
		c.Valid = true
		if c.model.known() {
			c.Model = &report.ModelRef{Path: c.model.path, SHA256: c.model.sha256}
		}
		for rank := aboutModel; rank <= loadTest; rank++ {
			for _, s := range byAge {
				if c.rankOf(s) == rank {
					c.add(g, s, rank)
				}
			}
		}
		c.fillPoints(g)
		if c.Model != nil && c.Model.Bytes == 0 {
			if m := c.metric("model_bytes"); m != nil {
				c.Model.Bytes = int64(*m.Value)
			}
		}
	}
}

// rankOf says what s is to c; -1: nothing.
func (c *config) rankOf(s *source) int {
	switch {
	case s.config == c.Name && s.load != nil:
		return loadTest
	case s.config == c.Name:
		return measurement
	case s.load != nil:
		return -1
	case c.model.is(s.model()) || c.model.is(s.written()):
		return aboutModel
	}
	return -1
}

// add takes what s tells of c.
func (c *config) add(g *grouping, s *source, rank int) {
	s.of[c.Name] = true
	from := origin{rank, s}
	original := s.quantize != nil && rank == aboutModel && c.model.is(s.model())
	switch {
	case original:
		c.addOriginal(g, from)
	case s.load != nil:
		c.addLoad(g, s)
	default:
		c.addFacts(g, from)
	}
	if m := s.Doc.Manifest.Model; m != nil && (s.quantize == nil || original) && c.model.is(s.model()) {
		c.Model = m
	}
	// A document that is a measurement of another configuration does not tell of the machine of this one.
	if s.config == "" || s.config == c.Name {
		c.addMachine(g, s)
	}
	if s.config != c.Name {
		return
	}
	c.Manifests = append(c.Manifests, s.Doc.Manifest)
	if len(s.Doc.Manifest.Command) > 0 {
		c.Commands = append(c.Commands, commandText(s.Doc.Manifest.Command))
	}
}

// addFacts takes the metrics of a document that is no load test, and of a profile where the time goes. A profile that is a
// measurement of another configuration of the same model tells how that starts and where its time goes, too, unless c has
// a profile of its own.
func (c *config) addFacts(g *grouping, from origin) {
	s := from.s
	elsewhere := s.config != "" && s.config != c.Name
	lacking := !slices.ContainsFunc(c.own, func(o *source) bool { return o.profile != nil })
	for _, m := range s.Doc.Metrics {
		switch {
		case elsewhere && !modelFact(m.Name) && !(lacking && startFact(m.Name)), !kept(s, m):
		default:
			c.put(g, m, from)
			if m.Name == "accuracy_drop" {
				c.dropOf = s.model().sha256
			}
		}
	}
	p := s.profile
	if p == nil || elsewhere && !lacking {
		return
	}
	c.Shares = p.ByOp[:min(len(p.ByOp), keptShares)]
	c.Cold = p.Cold[:min(len(p.Cold), keptStarts)]
	if elsewhere {
		return
	}
	c.Checks = s.Doc.Validity.Checks
	if s.config == c.Name {
		c.What = joined(runText(s.Doc.Manifest), batchText(s.Doc.Manifest))
		if valid, why := s.validity(); !valid {
			c.Valid, c.Why = false, why
		}
	}
}

// kept reports whether a metric says something of a configuration: not how long the work of the document took, nor what
// predict answered with the batches that suited it.
func kept(s *source, m report.Metric) bool {
	switch s.Doc.Kind {
	case "quantize":
		return s.quantize.Output != "" && m.Name != "elapsed" && m.Name != "peak_rss"
	case "predict":
		return m.Name == "accuracy_top1" || m.Name == "agreement_top1"
	}
	if len(m.Labels) == 0 {
		return true
	}
	_, batch := m.Labels["batch"]
	return batch && len(m.Labels) == 1 && slices.Contains([]string{"latency_p50", "latency_p99", "throughput"}, m.Name)
}

// addOriginal takes what a quantization tells of the model as it was given.
func (c *config) addOriginal(g *grouping, from origin) {
	q, d := from.s.quantize, from.s.Doc
	level := func(name string, l *report.Level95, method string) {
		if l == nil {
			return
		}
		m := report.NewMetric(name)
		v := l.Value
		m.Value, m.N, m.Method = &v, l.N, method
		if l.Lo != nil && l.Hi != nil {
			m.Lo, m.Hi, m.Confidence = l.Lo, l.Hi, 0.95
		}
		c.put(g, m, from)
	}
	level("latency_p50", q.Original.P50, "order-statistic")
	level("latency_p99", q.Original.P99, "order-statistic")
	level("accuracy_top1", q.Original.Accuracy, "Wilson")
	if q.Original.Bytes > 0 {
		c.put(g, report.Exact("model_bytes", float64(q.Original.Bytes)), from)
	} else if m := d.Manifest.Model; m != nil && m.Bytes > 0 {
		c.put(g, report.Exact("model_bytes", float64(m.Bytes)), from)
	}
}

// put sets a metric. The newer of two documents of a rank wins, with a warning where they are far apart. The
// configuration's own measurement replaces silently what others tell of its model; of what depends on the load, only a
// load test is heard where there is one.
func (c *config) put(g *grouping, m report.Metric, from origin) {
	id := m.Name + "{" + report.LabelText(m.Labels) + "}"
	if from.rank < loadTest && len(m.Labels) == 0 && atLoad(m.Name) && slices.ContainsFunc(c.own, func(s *source) bool { return s.load != nil }) {
		return // its load test tells that
	}
	i := slices.IndexFunc(c.Metrics, func(o report.Metric) bool { return o.Name == m.Name && maps.Equal(o.Labels, m.Labels) })
	if i < 0 {
		c.Metrics = append(c.Metrics, m)
	} else {
		old := c.origin[id]
		if m.Value == nil && c.Metrics[i].Value != nil && old.rank == from.rank {
			return
		}
		if old.rank == from.rank && farApart(c.Metrics[i], m) {
			was, _ := c.Metrics[i].Text()
			now, _ := m.Text()
			g.warn("%s: %s is %s in %s and %s in %s: the newer one counts", c.Name, strings.TrimSuffix(id, "{}"), was, filepath.Base(old.s.Path), now, filepath.Base(from.s.Path))
		}
		c.Metrics[i] = m
	}
	c.origin[id] = from
	from.s.tells[m.Name] = true
}

// farApart reports whether two values of one thing differ by more than noise: their intervals do not meet, and the
// values are more than 5 % apart.
func farApart(a, b report.Metric) bool {
	if a.Value == nil || b.Value == nil {
		return false
	}
	alo, ahi := ends(a)
	blo, bhi := ends(b)
	return (ahi < blo || bhi < alo) && math.Abs(*a.Value-*b.Value) > runNoise*max(math.Abs(*a.Value), math.Abs(*b.Value))
}

// ends are those of a metric's interval, its value where it has none.
func ends(m report.Metric) (lo, hi float64) {
	if m.Lo != nil && m.Hi != nil {
		return *m.Lo, *m.Hi
	}
	return *m.Value, *m.Value
}

// metric is the metric of a name without labels that has a value, or nil.
func (c *config) metric(name string) *report.Metric { return metricOf(&c.DecisionConfig, name) }

func metricOf(c *report.DecisionConfig, name string) *report.Metric {
	for i := range c.Metrics {
		if m := &c.Metrics[i]; m.Name == name && len(m.Labels) == 0 && m.Value != nil {
			return m
		}
	}
	return nil
}

// addMachine notes where c was measured. A load test knows its own machine, which is the server's where that is local.
func (c *config) addMachine(g *grouping, s *source) {
	if s.load != nil {
		if u, err := url.Parse(s.load.Target.URL); err == nil && u.Host != "" && !local(u.Hostname()) {
			c.Machine, c.Host = "", "the server at "+u.Host+", which does not tell its machine"
			return
		}
	}
	print, _ := s.Doc.Manifest.Host["fingerprint"].(string)
	if print == "" || s.Doc.Kind == "predict" || s.Doc.Kind == "inspect" {
		return
	}
	if c.Machine != "" && c.Machine != print {
		g.warn("%s: its documents were measured on different machines (%s and %s)", c.Name, c.Machine, print)
	}
	c.Machine, c.Host = print, hostText(s.Doc.Manifest)
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// hostText is a machine in words.
func hostText(m report.Manifest) string {
	word := func(key string) string { s, _ := m.Host[key].(string); return s }
	cpus := ""
	if m.CPUs > 0 {
		cpus = fmt.Sprintf("%.3g CPUs", m.CPUs)
	}
	return joined(cmp.Or(word("cpu_model"), word("arch")), cpus)
}

// runText is how a session was run.
func runText(m report.Manifest) string {
	var parts []string
	for _, key := range []string{"threads", "instances"} {
		if v, ok := m.Options[key]; ok && fmt.Sprint(v) != "0" {
			parts = append(parts, fmt.Sprintf("%s %v", key, v))
		}
	}
	if m.Runtime != nil {
		parts = append(parts, strings.Join(m.Runtime.Providers, ", "))
	}
	return joined(parts...)
}

// batchText is the batch that the model's inputs were bound to, where it says so.
func batchText(m report.Manifest) string {
	if b := m.Bindings["batch"]; b != "" && b != "1" {
		return "batch " + b
	}
	return ""
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
