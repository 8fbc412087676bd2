package report

import (
	"strconv"
	"strings"

	"infer/internal/stats"
)

// LoadDetails is the details of kind "loadtest". Times are seconds, rates 1/s, shares in [0, 1].
type LoadDetails struct {
	Target        LoadTarget       `json:"target"`
	Schedule      LoadSchedule     `json:"schedule"`
	Runs          []MergedRun      `json:"runs,omitempty"`           // that the figures were merged from, in the order of time
	Window        LoadWindow       `json:"window"`                   //
	Figures       *LoadFigures     `json:"figures,omitempty"`        // what was counted: the metrics follow from it, and it merges with that of other shards; absent of searches and sweeps
	Faults        []LoadFault      `json:"faults,omitempty"`         // how requests failed, most frequent first
	Generator     LoadGenerator    `json:"generator"`                //
	Floor         *LoadFloor       `json:"floor,omitempty"`          // the same schedule against a server that does nothing
	Server        *LoadServer      `json:"server,omitempty"`         // what the server told of itself
	Tail          *LoadTail        `json:"tail,omitempty"`           // where the slowest requests spent their time
	Correctness   *LoadCorrectness `json:"correctness,omitempty"`    //
	SLO           []LoadSLO        `json:"slo,omitempty"`            //
	Search        *LoadSearch      `json:"search,omitempty"`         // of --find-max-rps
	Points        []LoadPoint      `json:"points,omitempty"`         // of a sweep or a search: the latency-throughput curve, by offered rate or concurrency
	PointsPlanned int              `json:"points_planned,omitempty"` // of a sweep: how many points there were to be
	Reading       []string         `json:"reading,omitempty"`        // what the figures mean, a sentence each
	Next          *NextStep        `json:"next,omitempty"`           // the one command worth trying
}

// LoadTarget is what the load was sent to.
type LoadTarget struct {
	URL         string   `json:"url"`      // as given; of an in-process load the model's path
	Protocol    string   `json:"protocol"` // "oip-http", "oip-grpc", "tfs", "torchserve", "http", "in-process"
	Encoding    string   `json:"encoding,omitempty"`
	Model       string   `json:"model,omitempty"`
	Version     string   `json:"version,omitempty"`
	Server      string   `json:"server,omitempty"` // "triton 2.51.0", as it calls itself
	Payloads    int      `json:"payloads"`
	Options     string   `json:"options,omitempty"` // flags of the command line that say how the target is spoken to and what requests carry
	Rows        int64    `json:"rows"`              // of a request
	Bytes       int64    `json:"request_bytes"`     // of a request, mean
	PayloadHash string   `json:"payload_sha256,omitempty"`
	Notes       []string `json:"notes,omitempty"` // how payloads were made
}

// LoadSchedule says when requests were due.
type LoadSchedule struct {
	Loop        string      `json:"loop"`              // "open", "closed"
	Arrival     string      `json:"arrival,omitempty"` // "poisson", "constant", "gamma:0.5", "burst:8", "trace"
	Stages      []LoadStage `json:"stages,omitempty"`
	Concurrency int         `json:"concurrency,omitempty"` // of a closed loop
	Seed        uint64      `json:"seed"`
	SHA256      string      `json:"sha256,omitempty"` // of the options of the schedule and the first 2^20 moments of the window (schedule.Hash), before sharding
	Shard       string      `json:"shard,omitempty"`  // "0/4"
	Merged      int         `json:"merged,omitempty"` // shards that these figures were merged from
	Planned     int64       `json:"planned"`          // requests of the window, of this shard; the rounded expectation where it ends after more than 4 million; 0 of a closed loop
}

// LoadStage is a part of a load with a constant or straight rate.
type LoadStage struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	For  float64 `json:"for"`
}

// LoadWindow is the part of the load that counts.
type LoadWindow struct {
	Settle  float64 `json:"settle,omitempty"` // before the warm-up: single requests until they took the same time
	WarmUp  float64 `json:"warm_up"`          // of the load itself before the window, not counted
	Seconds float64 `json:"seconds"`          // of the window
	Steady  string  `json:"steady"`           // how latency developed in the window, in words: "on one level", "rising", …
	Drain   float64 `json:"drain"`            // from the end of the window to the last answer
}

// LoadFigures is what was counted in the window, in parts of equal length. Merging adds them up.
type LoadFigures struct {
	Seconds  float64       `json:"seconds"`
	Sections []LoadSection `json:"sections"` // in order: at most 24 of one run; of merged runs one each, or six in all where there are fewer runs
	Timeline []LoadSlice   `json:"timeline"` // at most 128, in order, for the charts
	Lag      *stats.Sketch `json:"lag"`      // of the generator
	ConnWait *stats.Sketch `json:"connection_wait"`
	Limit    float64       `json:"limit,omitempty"` // latency up to which a right answer is goodput; 0: any
	Good     int64         `json:"good"`            // right answers within Limit, that came in the window
	Checked  int64         `json:"checked"`
	Bytes    int64         `json:"bytes"` // of answers
	Queue    LoadMean      `json:"queue"`
	Compute  LoadMean      `json:"compute"`
	Batch    LoadBatch     `json:"batch"`
	Slowest  []LoadSlow    `json:"slowest"` // right answers with the highest latency, worst first, 1 % of them and at most 4096
}

// LoadSection is a part of the window.
type LoadSection struct {
	Seconds  float64          `json:"seconds"`
	Due      int64            `json:"due"`      // requests that were to be sent in it, whatever became of them
	Sent     int64            `json:"sent"`     // requests that were sent in it, whenever they were due
	Answered int64            `json:"answered"` // answers that came in it, right or wrong, whenever they were due
	Good     int64            `json:"good"`     // of Answered, right ones within the limit
	Outcomes map[string]int64 `json:"outcomes"` // of Due, by the names of sample.Outcome; none is 0
	Latency  *stats.Sketch    `json:"latency"`  // of right answers (and those that were not checked)
	Service  *stats.Sketch    `json:"service"`  //
}

// LoadSlice is a short part of the window.
type LoadSlice struct {
	At       float64       `json:"at"`       // its begin, from that of the window
	Seconds  float64       `json:"seconds"`  //
	Due      int64         `json:"due"`      // requests that were to be sent in it
	Answered int64         `json:"answered"` // answers that came in it, right or wrong
	Failed   int64         `json:"failed"`   // requests that ended in it in any other way
	Latency  *stats.Sketch `json:"latency"`  // of right answers, by due time, to 0.8 %
	P50      *float64      `json:"p50"`      // of Latency; nil: it is empty
	P99      *float64      `json:"p99"`
	Max      *float64      `json:"max"`
}

// LoadMean is a sum with a count, from which a mean follows.
type LoadMean struct {
	N   int64   `json:"n"`
	Sum float64 `json:"sum"`
}

// LoadBatch is from which the mean size of a batch follows. A mean over requests would count a large batch once for
// each of its requests; a request is 1/rows of a run, so N requests that make up Runs runs give N/Runs rows a run.
type LoadBatch struct {
	N    int64   `json:"n"`    // requests that were told the rows of their run
	Runs float64 `json:"runs"` // sum of 1/rows over them
}

// LoadSlow is one slow request.
type LoadSlow struct {
	At      float64  `json:"at"` // due, from the begin of the window
	Latency float64  `json:"latency"`
	Lag     float64  `json:"lag"`
	Wait    float64  `json:"connection_wait"`
	Queue   *float64 `json:"queue,omitempty"` // nil: the server did not tell
	Compute *float64 `json:"compute,omitempty"`
	Batch   int32    `json:"batch,omitempty"`
	Payload int32    `json:"payload"`
}

// LoadFault is one way in which requests failed, in the whole load: unlike all rates, warm-up is in it.
type LoadFault struct {
	Outcome string `json:"outcome"`
	Code    int    `json:"code,omitempty"`
	Text    string `json:"text"`
	Count   int64  `json:"count"`
}

// LoadGenerator is what the generator knows of itself.
type LoadGenerator struct {
	Pacer        string        `json:"pacer"`
	Lanes        int           `json:"lanes"`
	CPU          float64       `json:"cpu"` // share of the CPUs that it may use
	CPUSeconds   float64       `json:"cpu_seconds"`
	GCs          int64         `json:"gcs"`
	GCPause      float64       `json:"gc_pause"` // in all
	PeakRSS      float64       `json:"peak_rss"`
	Opened       int64         `json:"connections_opened"`
	OpenedDuring int64         `json:"connections_opened_during"`
	Reconnected  int64         `json:"reconnected"`
	Waited       int64         `json:"waited_for_connection"`
	InFlight     int64         `json:"peak_in_flight"`
	Interference []Measurement `json:"interference,omitempty"`
}

// LoadFloor is what the generator measures where there is nothing to measure.
type LoadFloor struct {
	Seconds float64 `json:"seconds"`
	N       int64   `json:"n"`
	P50     Level95 `json:"p50"`
	P99     Level95 `json:"p99"`
	LagP99  float64 `json:"lag_p99"`
}

// LoadServer is what the server told of itself, between the begin and the end of the window.
type LoadServer struct {
	Source    string   `json:"source"`                  // "response headers", "statistics", "metrics", or several of them
	Queue     *float64 `json:"queue_mean,omitempty"`    // of a request
	Compute   *float64 `json:"compute_mean,omitempty"`  // of a request
	Batch     *float64 `json:"batch_mean,omitempty"`    // rows of a run
	Requests  int64    `json:"requests,omitempty"`      // that it counted
	Failures  int64    `json:"failures,omitempty"`      //
	CPUs      *float64 `json:"cpus,omitempty"`          // busy, of its process
	Throttled *float64 `json:"cpu_throttled,omitempty"` // share of the window in which its quota kept it from running
	GPU       *float64 `json:"gpu_utilization,omitempty"`
	Resident  *float64 `json:"resident_bytes,omitempty"`
}

// LoadTail is where the slowest requests spent their time. The shares sum to 1.
type LoadTail struct {
	N         int64    `json:"n"`               // requests behind it
	From      float64  `json:"from"`            // least latency of them
	Generator float64  `json:"generator"`       // the generator was late
	Wait      float64  `json:"connection_wait"` // no connection was free
	Queue     *float64 `json:"queue,omitempty"`
	Compute   *float64 `json:"compute,omitempty"`
	Rest      float64  `json:"rest"` // network, server outside of queue and model; all of the service time where the server does not tell
	Batch     *float64 `json:"batch_mean,omitempty"`
}

// LoadCorrectness is how answers compare with what is expected.
type LoadCorrectness struct {
	Source    string   `json:"source"` // the model, or the file
	RTol      float64  `json:"rtol"`
	ATol      float64  `json:"atol"`
	Checked   int64    `json:"checked"`
	Wrong     int64    `json:"wrong"`
	Unchecked int64    `json:"unchecked"`
	First     []string `json:"first,omitempty"` // what was wrong with the first ones
}

// LoadSLO is one objective and what became of it. Failed requests miss every objective on latency.
type LoadSLO struct {
	Expr     string   `json:"expr"`
	At       string   `json:"at,omitempty"` // the point of a sweep: "600 /s", "concurrency 4"
	Verdict  string   `json:"verdict"`      // pass, fail or inconclusive
	Reason   string   `json:"reason"`
	Missed   int64    `json:"missed"` // requests over the limit, failed ones among them
	N        int64    `json:"n"`      //
	Headroom *float64 `json:"headroom,omitempty"`
}

// LoadSearch is how the highest rate was found.
type LoadSearch struct {
	Range     [2]float64       `json:"range"`
	Max       *float64         `json:"max_rps"` // nil: none holds
	Holds     float64          `json:"holds"`   // highest rate of a trial that passed
	Breaks    float64          `json:"breaks"`  // lowest rate above it of one that failed; 0: none did
	Confirmed bool             `json:"confirmed"`
	Steps     []LoadSearchStep `json:"steps"`
	Reason    string           `json:"reason"` // why it ended
	Seconds   float64          `json:"seconds"`
}

// LoadSearchStep is one trial of a search.
type LoadSearchStep struct {
	Rate      float64  `json:"rate"`
	Verdict   string   `json:"verdict"`             // pass, fail or inconclusive
	Objective string   `json:"objective,omitempty"` // that decided it
	N         int64    `json:"n"`                   // requests that decided it
	Missed    int64    `json:"missed"`              // of the objective that decided it
	Seconds   float64  `json:"seconds"`
	P50       *float64 `json:"p50,omitempty"`
	P99       *float64 `json:"p99,omitempty"`
	Reason    string   `json:"reason"`
	Confirm   bool     `json:"confirmation,omitempty"`
}

// Of reports whether the verdict of s is one on an objective: that of a trial that passed is on all of them, any other on the
// one that decided it.
func (s LoadSearchStep) Of(expr string, objectives int) bool {
	return s.Verdict == Pass || s.Objective == expr || s.Objective == "" && objectives == 1
}

// LoadPoint is one point of a latency-throughput curve.
type LoadPoint struct {
	Rate        float64  `json:"offered_rate,omitempty"` // of an open loop
	Concurrency int      `json:"concurrency,omitempty"`  // of a closed one
	Batch       int64    `json:"batch,omitempty"`        // rows of a request
	Throughput  float64  `json:"throughput"`
	Goodput     float64  `json:"goodput"`
	ErrorRate   float64  `json:"error_rate"`
	P50         *float64 `json:"p50"`
	P90         *float64 `json:"p90"`
	P99         *float64 `json:"p99"`
	P99Lo       *float64 `json:"p99_lo,omitempty"`
	P99Hi       *float64 `json:"p99_hi,omitempty"`
	N           int64    `json:"n"`
	Valid       bool     `json:"valid"`
	Why         string   `json:"why,omitempty"` // not valid
}

// Labels are those of the metrics of p in a document.
func (p LoadPoint) Labels() map[string]string {
	labels := map[string]string{}
	if p.Rate > 0 {
		labels["rps"] = rateLabel(p.Rate)
	}
	if p.Concurrency > 0 {
		labels["concurrency"] = strconv.Itoa(p.Concurrency)
	}
	if p.Batch > 0 {
		labels["batch"] = strconv.FormatInt(p.Batch, 10)
	}
	return labels
}

// rateDigits is how many significant digits of a rate that was asked for a label has.
const rateDigits = 9

// rateLabel is a rate as it was asked for, so that no two of a sweep have one label; one with more digits, which a search or
// a clock has come to, is rounded.
func rateLabel(rate float64) string {
	text := strconv.FormatFloat(rate, 'f', -1, 64)
	switch digits := len(strings.TrimLeft(strings.ReplaceAll(text, ".", ""), "0")); {
	case digits <= rateDigits:
		return text
	case rate >= 100:
		return strconv.FormatFloat(rate, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(rate, 'f', 1, 64), ".0")
}
