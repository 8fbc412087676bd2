package cmd

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/loadtest/schedule"
	"infer/loadtest/search"
	"infer/report"
)

// loadtestFlags are the flags of infer loadtest.
type loadtestFlags struct {
	engine engineFlags
	bind   bindFlags
	data   dataFlags
	target targetFlags
	opts   loadtest.Options

	rps      float64
	stages   string
	replay   string
	speed    float64
	shard    string
	scenario string
	warmUp   string
	spin     string
	floor    string

	slos      []string
	gates     []string
	find      bool
	between   string
	sweep     string
	precision string
	maxTime   time.Duration

	instances  int
	expectFrom string
	expect     string
	rtol, atol float64
	samples    string
	output     string
	strict     bool
	set        *pflag.FlagSet
	env        func(name string) string
	reopened   bool // the same target was opened before: what it said then is not said again
}

func newLoadtestCmd(a *app, run func(context.Context, *app, []string, loadtestFlags) error) *cobra.Command {
	f := loadtestFlags{opts: loadtest.DefaultOptions}
	c := &cobra.Command{
		Use:   "loadtest [TARGET]",
		Short: "Offer a load to a server or a model, and say which latency can be promised",
		Long: `loadtest sends requests when they are due, whether or not earlier ones have been answered (an open loop), and counts
latency from that moment: a server that stands still for a second shows in every request that was due meanwhile.
Service time, from the real send, stands beside it. The result says whether it can be believed, and who is at fault
where it cannot.

TARGET is http(s)://HOST… (the Open Inference Protocol; see --protocol), grpc://HOST:PORT, or a MODEL.onnx, which runs in
this process. It may come from target: in infer.yaml; the default is http://localhost:8000. Requests are made of the
model's own signature, or of --input.`,
		Example: `  infer loadtest http://localhost:8000 --rps 500 --duration 60s
  infer loadtest http://localhost:8000 --rps 500 --slo 'p99<20ms' --slo 'error_rate<0.1%'
  infer loadtest grpc://localhost:8001 --find-max-rps --slo 'p99<20ms' --range 50:5000
  infer loadtest http://localhost:8000 --rps 300 --input test/ --expect-from model.onnx
  infer loadtest http://localhost:8000 --sweep rps=100..1000:100 --report curve.html
  infer loadtest model.onnx --rps 500`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			f.set, f.env = c.Flags(), a.std.Env
			return run(c.Context(), a, args, f)
		},
	}
	fs := c.Flags()
	f.addLoad(fs)
	f.target.add(fs)
	f.addJudging(fs)
	addOutputFlag(fs, &f.output)
	a.gh.add(fs)
	f.engine.add(fs)
	f.bind.add(fs)
	f.data.add(fs)
	fs.Lookup("input").Usage = "payloads: data set folder, .npz, .npy, .pb, .jsonl or perf_analyzer .json `FILE`, images or texts (--io), random or zeros"
	return c
}

func (f *loadtestFlags) addLoad(fs *pflag.FlagSet) {
	o := &f.opts
	fs.Float64Var(&f.rps, "rps", 0, "arrival rate in requests a second (open loop)")
	fs.DurationVar(&o.Duration, "duration", o.Duration, "length of the window that counts")
	fs.Int64Var(&o.Requests, "requests", 0, "end the window after this many requests (default: as many as --duration gives)")
	fs.StringVar(&o.Schedule.Arrival, "arrival", o.Schedule.Arrival, "arrivals: poisson|constant|gamma:SHAPE (below 1: burstier than poisson)|burst:N (N at a time)")
	fs.StringVar(&f.stages, "stages", "", "rates one after the other, such as `100x30s,500x60s`; 0..500x30s is a ramp")
	fs.StringVar(&f.replay, "replay", "", "send at the moments of `FILE` (CSV, or JSON lines with timestamps)")
	fs.Float64Var(&f.speed, "speed", 1, "replay this many times as fast")
	fs.IntVar(&o.Concurrency, "concurrency", 0, "requests under way at a time (closed loop)")
	fs.StringVar(&f.scenario, "scenario", "server", "server, or offline: batch throughput, as many rows at a time as the model takes")
	fs.StringVar(&f.shard, "shard", "", "`I/N`: send every N-th request of the schedule, from the I-th (0 to N-1); 'infer report' merges the results")
	fs.StringVar(&f.warmUp, "warm-up", "auto", "load before the window, not counted: auto (also waits until single requests take the same time) or a `TIME`")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "`TIME` from when a request was due until it is given up")
	fs.IntVar(&o.Connections, "connections", o.Connections, "connections at most; a request that finds none free waits, and the wait counts")
	fs.IntVar(&f.instances, "instances", 1, "runs at a time of a model in this process; further requests queue")
	fs.StringVar(&f.spin, "spin", "auto", "how long before a request is due the pacer stops sleeping and watches the clock: auto, off or a `TIME`")
	fs.StringVar(&f.floor, "floor", "auto", "measure the generator alone first, against a server that does nothing: auto|off")
}

func (f *loadtestFlags) addJudging(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.slos, "slo", nil, "objective such as 'p99<20ms' or 'error_rate<0.1%'; failed requests count as late; repeatable; exit 3 when missed")
	fs.StringArrayVar(&f.gates, "gate", nil, "threshold on a metric, such as 'throughput>=300/s'; repeatable; exit 3 when missed")
	fs.BoolVar(&f.find, "find-max-rps", false, "search the highest rate at which every --slo holds")
	fs.StringVar(&f.between, "range", "", "rates that --find-max-rps searches between, such as `50:5000`")
	fs.StringVar(&f.sweep, "sweep", "", "measure a curve: `rps=100..1000:100`, concurrency=1,2,4,8 or batch=1,4,8; --duration for each point")
	fs.StringVar(&f.precision, "precision", "", "choose the duration so that the interval is this narrow, such as `p99:5%`")
	fs.DurationVar(&f.maxTime, "max-time", 5*time.Minute, "`TIME` that --find-max-rps and --precision may take")
	fs.StringVar(&f.expectFrom, "expect-from", "", "compare every answer with what `MODEL` computes here; exit 3 when one is wrong")
	fs.StringVar(&f.expect, "expect", "", "compare every answer with golden outputs: a data set's expected/ folder, .npz or .npy `FILE`, or a body")
	fs.Float64Var(&f.rtol, "rtol", 1e-3, "relative tolerance of that")
	fs.Float64Var(&f.atol, "atol", 1e-5, "absolute tolerance of that")
	fs.StringVar(&f.samples, "samples-out", "", "write every request to `FILE`, which 'infer report' reads")
	fs.BoolVar(&f.strict, "strict", false, "exit 4 when a gate is inconclusive, too")
}

// targetFlags say where requests go and how.
type targetFlags struct {
	model       string
	protocol    string
	encoding    string
	method      string
	body        string
	contentType string
	headers     []string
	batch       int64
	modelFile   string
	caCert      string
	cert, key   string
	insecure    bool
	metricsURL  string
}

func (t *targetFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&t.model, "model", "", "`NAME[:VERSION]` of the model (default: the only one that the server has)")
	fs.StringVar(&t.protocol, "protocol", "", "oip-http|oip-grpc|tfs|torchserve|http (default: by the URL)")
	fs.StringVar(&t.encoding, "encoding", "auto", "tensors over HTTP: auto|binary|json; auto is binary where the server says that it takes it")
	fs.StringVar(&t.method, "method", "", "HTTP method of --protocol http (default: POST with a body, else GET)")
	fs.StringVar(&t.body, "body", "", "`FILE` to send as body, a template where it has {{…}}, or a folder of them")
	fs.StringVar(&t.contentType, "content-type", "", "Content-Type of --body (default: by its ending)")
	fs.StringArrayVarP(&t.headers, "header", "H", nil, "'`Name: value`' to send with every request; repeatable")
	fs.Int64Var(&t.batch, "batch", 1, "rows of a request, where payloads are made of a data set or of a dynamic batch axis")
	fs.StringVar(&t.modelFile, "model-file", "", "`MODEL.onnx` that the server runs: random payloads then suit its graph (default: that of --expect-from)")
	fs.StringVar(&t.caCert, "tls-ca", "", "`FILE` of certificate authorities to trust (PEM)")
	fs.StringVar(&t.cert, "tls-cert", "", "client certificate `FILE` (PEM)")
	fs.StringVar(&t.key, "tls-key", "", "its private key `FILE` (PEM)")
	fs.BoolVar(&t.insecure, "insecure", false, "do not check the server's certificate")
	fs.StringVar(&t.metricsURL, "metrics-url", "", "`URL` of the server's Prometheus metrics, or off (default: ports 8002 and 8082 and the target's /metrics are tried)")
}

// header reads the -H flags.
func (t *targetFlags) header() (http.Header, error) {
	h := http.Header{}
	for _, line := range t.headers {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
			return nil, fault.New(fault.Usage, "write it as 'Name: value'", "-H %q is no header", line)
		}
		h.Add(name, value)
	}
	return h, nil
}

// mode is what a load test is to find out.
type mode int

const (
	one mode = iota
	finding
	sweeping
	offline
	precise
)

// options reads the flags that say how much load there is and how it is judged.
func (f *loadtestFlags) options() (o loadtest.Options, m mode, err error) {
	o = f.opts
	chosen := f.chosen()
	if m, err = f.mode(chosen); err != nil {
		return o, m, err
	}
	if !chosen["concurrency"] {
		o.Concurrency = 0
	}
	if o.SLO, err = parseSLOs(f.slos); err != nil {
		return o, m, err
	}
	if o.Gates, err = report.ParseGates("loadtest", f.gates); err != nil {
		return o, m, err
	}
	if o.WarmUp, err = autoDuration("warm-up", f.warmUp); err != nil {
		return o, m, err
	}
	if f.spin == "off" {
		o.Spin = 0
	} else if o.Spin, err = autoDuration("spin", f.spin); err != nil {
		return o, m, err
	}
	switch f.floor {
	case "auto":
	case "off":
		o.Floor = false
	default:
		return o, m, fault.New(fault.Usage, "give auto or off", "--floor %q is not known", f.floor)
	}
	o.Schedule.Seed = f.data.Seed
	if err := f.arrivals(&o, chosen); err != nil {
		return o, m, err
	}
	if m == finding || m == sweeping || m == offline { // these choose the load themselves
		probe := o
		probe.Concurrency = 1
		return o, m, probe.Validate()
	}
	return o, m, o.Validate()
}

func parseSLOs(exprs []string) ([]report.Gate, error) {
	var list []report.Gate
	for _, e := range exprs {
		g, err := report.ParseSLO(e)
		if err != nil {
			return nil, err
		}
		if g.Op[0] == '>' && (strings.HasPrefix(g.Metric, "latency_") || strings.HasPrefix(g.Metric, "service_") || g.Metric == "error_rate") {
			return nil, fault.New(fault.Usage, "turn it around, such as 'p99<20ms'", "objective %q wants %s to be high", e, g.Metric)
		}
		list = append(list, g)
	}
	return list, nil
}

// autoDuration reads a flag that is auto or a time.
func autoDuration(flag, text string) (time.Duration, error) {
	if text == "auto" {
		return loadtest.Auto, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fault.New(fault.Usage, "give auto or a time such as 2s", "--%s %q is no time", flag, text)
	}
	return d, nil
}

// loadFlags are the flags that say what load there is, or what to find out by loads of its own.
var loadFlags = []string{"rps", "concurrency", "stages", "replay", "find-max-rps", "sweep"}

// chosen returns which of the load flags count: those that were typed, else those of environment and file.
func (f *loadtestFlags) chosen() map[string]bool {
	typed, environ, given := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, name := range loadFlags {
		if f.set.Changed(name) {
			typed[name] = true
		}
		if f.env("INFER_LOADTEST_"+envName(name)) != "" {
			environ[name] = true
		}
		if f.given(name) {
			given[name] = true
		}
	}
	switch {
	case len(typed) > 0:
		return typed
	case len(environ) > 0:
		return environ
	}
	return given
}

// mode returns what is asked for, and refuses flags that contradict each other.
func (f *loadtestFlags) mode(chosen map[string]bool) (mode, error) {
	m := one
	var asked, loads []string
	for _, c := range []struct {
		flag string
		on   bool
		mode mode
	}{{"--find-max-rps", chosen["find-max-rps"] && f.find, finding}, {"--sweep", chosen["sweep"], sweeping}, {"--scenario offline", f.scenario == "offline", offline}, {"--precision", f.precise(), precise}} {
		if c.on {
			m = c.mode
			asked = append(asked, c.flag)
		}
	}
	for _, name := range loadFlags[:4] {
		if chosen[name] {
			loads = append(loads, "--"+name)
		}
	}
	switch {
	case f.scenario != "server" && f.scenario != "offline":
		return m, fault.New(fault.Usage, "give server or offline", "--scenario %q is not known", f.scenario)
	case len(asked) > 1:
		return m, fault.New(fault.Usage, "give one of them", "%s cannot go together", strings.Join(asked, " and "))
	case len(loads) > 1:
		return m, fault.New(fault.Usage, "give one of them", "%s each say how much load there is", strings.Join(loads, " and "))
	case (m == finding || m == sweeping) && len(loads) > 0:
		return m, fault.New(fault.Usage, "leave "+loads[0]+" out", "%s chooses the load itself", asked[0])
	case m == offline && len(loads) > 0 && loads[0] != "--concurrency":
		return m, fault.New(fault.Usage, "leave "+loads[0]+" out", "offline throughput has no arrival rate")
	}
	return m, f.fits(m, chosen)
}

// precise reports whether --precision counts: it was typed, or it is of environment or file and nothing typed says what
// load there is or for how long.
func (f *loadtestFlags) precise() bool {
	others := append([]string{"duration", "requests"}, loadFlags...)
	return f.set.Changed("precision") || f.given("precision") && !slices.ContainsFunc(others, f.set.Changed)
}

// fits refuses flags that mean nothing for what is asked.
func (f *loadtestFlags) fits(m mode, chosen map[string]bool) error {
	typed := f.set.Changed
	switch {
	case m == precise && (typed("duration") || chosen["stages"] || typed("requests")):
		return fault.New(fault.Usage, "leave --duration, --stages and --requests out, or --precision", "--precision chooses the duration itself")
	case m == precise && chosen["replay"]:
		return fault.New(fault.Usage, "leave --precision out, or give a rate: --rps 500", "--precision chooses the duration, and --replay has its own")
	case m == finding && (typed("duration") || typed("requests")):
		return fault.New(fault.Usage, "leave --duration and --requests out; --max-time bounds the search", "--find-max-rps chooses how long its trials are")
	case m == finding && typed("warm-up") && f.warmUp != "auto":
		return fault.New(fault.Usage, "leave it out", "--warm-up %s means nothing to --find-max-rps, whose trials have a warm-up of their own", f.warmUp)
	case typed("range") && m != finding:
		return fault.New(fault.Usage, "pass --find-max-rps too", "--range is for a search")
	case typed("duration") && (chosen["stages"] || chosen["replay"]):
		return fault.New(fault.Usage, "leave it out", "--duration means nothing where --stages or --replay say how long the load is")
	case chosen["replay"] && typed("arrival"):
		return fault.New(fault.Usage, "leave --arrival out", "--replay has its own moments")
	case typed("connections") && (chosen["concurrency"] || m == offline) && f.opts.Connections < f.opts.Concurrency:
		return fault.New(fault.Usage, "give as many connections, or leave --connections out", "--concurrency %d needs as many connections, and --connections is %d", f.opts.Concurrency, f.opts.Connections)
	case f.target.batch < 1:
		return fault.New(fault.Usage, "give the rows of a request", "--batch %d is not at least 1", f.target.batch)
	case f.expect == "" && f.expectFrom == "" && (typed("rtol") || typed("atol")) && !f.isPerfAnalyzer():
		return fault.New(fault.Usage, "pass --expect-from MODEL or --expect FILE too", "--rtol and --atol are for comparing answers")
	case typed("speed") && f.replay == "":
		return fault.New(fault.Usage, "pass --replay FILE too", "--speed is for a replay")
	case f.samples != "" && (m == finding || m == sweeping):
		return fault.New(fault.Usage, "leave it out, or offer one load", "--samples-out is for one load, and this makes several")
	case f.shard != "" && (m != one || !(f.given("rps") || f.given("stages") || f.given("replay"))):
		return fault.New(fault.Usage, "pass --rps, --stages or --replay", "--shard is for one open loop, whose schedule it shares out")
	}
	return nil
}

// given reports whether a flag has another value than its default, or was typed.
func (f *loadtestFlags) given(name string) bool {
	fl := f.set.Lookup(name)
	return fl.Changed || fl.Value.String() != fl.DefValue
}

// arrivals fills in when requests are due.
func (f *loadtestFlags) arrivals(o *loadtest.Options, chosen map[string]bool) (err error) {
	s := &o.Schedule
	switch {
	case chosen["rps"]:
		if err := loadtest.CheckRate("--rps", f.rps); err != nil {
			return err
		}
		if o.Duration <= 0 || o.Duration > loadtest.MaxDuration {
			return fault.New(fault.Usage, "give a time such as 30s", "--duration %v is not above 0 and at most %v", o.Duration, loadtest.MaxDuration)
		}
		s.Stages = []schedule.Stage{{From: f.rps, To: f.rps, For: o.Duration}}
	case chosen["stages"]:
		if s.Stages, err = schedule.ParseStages(f.stages); err != nil {
			return err
		}
	case chosen["replay"]:
		if s.Trace, err = schedule.ReadTrace(f.replay, f.speed); err != nil {
			return err
		}
		s.Arrival = "trace"
	}
	if s.Arrival != "trace" {
		if _, err := schedule.ParseArrival(s.Arrival); err != nil {
			return err
		}
	}
	if f.shard != "" {
		s.Shard, s.Of, err = parseShard(f.shard)
	}
	return err
}

// parseShard reads I/N.
func parseShard(text string) (i, n int, err error) {
	left, right, ok := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(left)
	n, err2 := strconv.Atoi(right)
	if !ok || err1 != nil || err2 != nil || n < 1 || n > 10000 || i < 0 || i >= n {
		return 0, 0, fault.New(fault.Usage, "write I/N with I from 0 to N-1, such as 0/4", "--shard %q is no shard", text)
	}
	return i, n, nil
}

// searchRange returns the rates that a search is between, 0 where that is open.
func (f *loadtestFlags) searchRange() (lo, hi float64, err error) {
	if f.between == "" {
		return 0, 0, nil
	}
	return search.ParseRange(f.between)
}

// targetFlagNames are the flags that say how a target is spoken to, what requests carry and what answers should be.
var targetFlagNames = []string{
	"model", "protocol", "encoding", "method", "body", "content-type", "header", "batch", "model-file", "tls-ca", "tls-cert", "tls-key", "insecure",
	"input", "io", "shape", "dim", "expect-from", "expect", "rtol", "atol", "timeout", "arrival", "instances", "threads", "provider",
}

// again is those flags as they were typed, for a command that loads the same target. Secrets are left out.
func (f *loadtestFlags) again() string {
	var words []string
	for _, name := range targetFlagNames {
		fl := f.set.Lookup(name)
		if fl == nil || !fl.Changed {
			continue
		}
		values := []string{fl.Value.String()}
		if list, ok := fl.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch {
			case name == "header":
				words = append(words, "-H "+loadtest.Quote(redactHeader(v)))
			case fl.Value.Type() == "bool":
				words = append(words, "--"+name)
			default:
				words = append(words, "--"+name+" "+loadtest.Quote(v))
			}
		}
	}
	return strings.Join(words, " ")
}
