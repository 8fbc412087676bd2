package report

// CompareDetails is the details of kind "compare". Times are seconds, sizes bytes, shares in [0, 1]; a ratio is
// head / base.
type CompareDetails struct {
	Mode       string           `json:"mode"`   // "live": paired blocks on this machine; "files": documents
	Method     string           `json:"method"` // how changes were told from noise, a sentence
	Base       CompareSide      `json:"base"`
	Head       CompareSide      `json:"head"`
	Differs    []CompareDiffers `json:"differs,omitempty"`    // what the two do not have in common, but for the model itself
	Vary       []string         `json:"vary,omitempty"`       // files: what may differ, by --vary
	Forced     bool             `json:"forced,omitempty"`     // compared all the same, by --force
	Alpha      float64          `json:"alpha"`                // how often a gate may fail though nothing is worse, at most
	Confidence float64          `json:"confidence,omitempty"` // of the intervals of Metrics, over all looks together
	MinEffect  float64          `json:"min_effect"`           // relative change that does not matter
	Seconds    float64          `json:"seconds,omitempty"`    // live: from the first block to the last
	Metrics    []CompareMetric  `json:"metrics"`              // gated ones first, in the order of the gates
	Shift      []ShiftPoint     `json:"shift,omitempty"`      // the change of latency at every percentile
	Pairs      []ComparePair    `json:"pairs,omitempty"`      // live: all that was measured; the rest follows from it
	Looks      []CompareLook    `json:"looks,omitempty"`      // live: when the gates were judged; the last one decides
	Cold       []ComparePair    `json:"cold,omitempty"`       // live: starts of fresh processes, one a side
	Explain    *CompareExplain  `json:"explain,omitempty"`    // of --explain
	Accuracy   *CompareAccuracy `json:"accuracy,omitempty"`   // of both models on the same labelled rows
	Baseline   *CompareBaseline `json:"baseline,omitempty"`   // where base comes from, when it is a store of accepted runs
	Accepted   []Acceptance     `json:"accepted,omitempty"`   // regressions that somebody has accepted
	Reason     string           `json:"reason"`               // of the verdict, one sentence
	Next       *NextStep        `json:"next,omitempty"`
}

// CompareSide is one of the two things that are compared.
type CompareSide struct {
	Name   string             `json:"name"` // as typed
	Kind   string             `json:"kind"` // "model", "server", "command" or "files"
	Model  *ModelRef          `json:"model,omitempty"`
	Starts int                `json:"starts,omitempty"` // live: servers or sessions of it that were started, one after the other
	Facts  map[string]float64 `json:"facts,omitempty"`  // live: exact metrics, such as model_bytes
	Runs   []CompareRun       `json:"runs,omitempty"`   // files: the documents of this side
}

// CompareLook is one judging of the gates by the pairs so far.
type CompareLook struct {
	Pairs int     `json:"pairs"`
	Tail  float64 `json:"tail"` // probability that a gate fails, or an interval misses the truth on one side, by chance at this look
}

// CompareRun is a document of a side.
type CompareRun struct {
	Path    string `json:"path"`
	SHA256  string `json:"sha256,omitempty"` // hex, of the file
	Kind    string `json:"kind"`
	Created string `json:"created,omitempty"` // RFC 3339
	Valid   bool   `json:"valid"`
	Why     string `json:"why,omitempty"` // not valid
	// Config is the configuration of a decision that the document was typed to be of, NAME=RUN. Of names those that it tells
	// of, Tells the metrics that were taken from it.
	Config string   `json:"config,omitempty"`
	Of     []string `json:"of,omitempty"`
	Tells  []string `json:"tells,omitempty"`
}

// CompareDiffers is one thing in which the two sides are not alike.
type CompareDiffers struct {
	What    string `json:"what"` // "machine", "input shapes", "option threads"
	Base    string `json:"base"`
	Head    string `json:"head"`
	Allowed bool   `json:"allowed,omitempty"` // by --vary: it is what is compared
}

// CompareMetric is one metric of both sides.
type CompareMetric struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Unit        string            `json:"unit"`
	Better      string            `json:"better,omitempty"`
	Gate        string            `json:"gate,omitempty"`    // the expression that judges it
	Verdict     string            `json:"verdict,omitempty"` // pass, fail or inconclusive; "": no gate
	Base        *float64          `json:"base"`              // median over blocks or runs, in Unit; nil: not measured
	Head        *float64          `json:"head"`
	Ratio       *float64          `json:"ratio,omitempty"` // head / base; absent of what is compared by difference
	RatioLo     *float64          `json:"ratio_lo,omitempty"`
	RatioHi     *float64          `json:"ratio_hi,omitempty"`
	Change      *float64          `json:"difference,omitempty"` // head - base in Unit, of what a gate compares by difference
	ChangeLo    *float64          `json:"difference_lo,omitempty"`
	ChangeHi    *float64          `json:"difference_hi,omitempty"`
	PValue      *float64          `json:"p_value,omitempty"`     // one-sided: how likely so bad a change is where there is none above the minimum effect
	PAdjusted   *float64          `json:"p_adjusted,omitempty"`  // after Holm's correction for the number of gates
	Pairs       int               `json:"pairs"`                 // pairs of blocks behind it; files: the smaller number of runs of a side
	MDE         *float64          `json:"mde,omitempty"`         // smallest change that would have been caught four times in five; relative, or in Unit where Change is there
	Significant bool              `json:"significant,omitempty"` // the interval leaves out no change
	Method      string            `json:"method,omitempty"`      // "signed-rank", "exact", "permutation", "prediction", "single run", "tango"
	Reason      string            `json:"reason,omitempty"`      // of the verdict
	Accepted    bool              `json:"accepted,omitempty"`    // the gate failed, and passes as somebody has accepted that
}

// ShiftPoint is the change of latency at one percentile.
type ShiftPoint struct {
	Percentile float64  `json:"percentile"` // in (0, 1)
	Base       float64  `json:"base"`       // seconds, median over blocks
	Head       float64  `json:"head"`
	Ratio      float64  `json:"ratio"`
	Lo         *float64 `json:"lo,omitempty"` // 95 % interval of Ratio, of this percentile alone
	Hi         *float64 `json:"hi,omitempty"`
}

// ComparePair is two blocks, one of each side, with the same seed and right after each other.
type ComparePair struct {
	Seed  uint64       `json:"seed"`
	First string       `json:"first"` // "base" or "head": which block came first
	Base  CompareBlock `json:"base"`
	Head  CompareBlock `json:"head"`
}

// CompareBlock is what one block measured.
type CompareBlock struct {
	At        float64            `json:"at"`                  // its begin, from that of the first block
	Seconds   float64            `json:"seconds"`             // of the part that counts
	N         int64              `json:"n"`                   // runs or requests
	Values    map[string]float64 `json:"values"`              // by the name of the metric, in its base unit; what the block cannot support is absent
	Quantiles []float64          `json:"quantiles,omitempty"` // latency at ShiftPercentiles
	Disturbed []string           `json:"disturbed,omitempty"` // what else went on: the names of checks that were not ok
	Invalid   string             `json:"invalid,omitempty"`   // why its figures cannot be believed; "": they can
}

// ShiftPercentiles are those of CompareBlock.Quantiles, in (0, 1), ascending.
var ShiftPercentiles = [...]float64{0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99}

// CompareExplain says what moved.
type CompareExplain struct {
	What    string       `json:"what"`    // "nodes": of the profiled passes; "phases": of what a request goes through
	Reading string       `json:"reading"` // a sentence
	Rows    []ExplainRow `json:"rows"`    // largest change first
	Total   ExplainRow   `json:"total"`
}

// ExplainRow is a node, an operator or a phase on both sides.
type ExplainRow struct {
	Name   string   `json:"name"`
	Op     string   `json:"op,omitempty"`
	State  string   `json:"state,omitempty"` // "added", "removed", "changed operator"; "": on both sides
	Base   *float64 `json:"base"`            // seconds a run or request; nil: it is not there
	Head   *float64 `json:"head"`
	Change float64  `json:"change"`       // seconds, head - base
	Lo     *float64 `json:"lo,omitempty"` // 95 % interval of Change
	Hi     *float64 `json:"hi,omitempty"` //
	Share  float64  `json:"share"`        // of the sum of all changes in its direction

	Differs     []DiffRow `json:"differs,omitempty"`          // of a node on both sides: shapes, inputs, dtype, provider, calls, MACs
	Below       bool      `json:"below_resolution,omitempty"` // on a side too short to be told from the tracing
	PAdjusted   *float64  `json:"p_adjusted,omitempty"`       // of a difference of profiles: that the node moved as the others did, after Holm's correction
	Significant bool      `json:"significant,omitempty"`      // PAdjusted says that it did not
}

// CompareAccuracy is what both models answered to the same labelled rows.
type CompareAccuracy struct {
	Rows   int `json:"rows"`
	Both   int `json:"both"`   // right on both sides
	Gained int `json:"gained"` // only head is right
	Lost   int `json:"lost"`   // only base is right
}

// CompareBaseline is a store of accepted runs.
type CompareBaseline struct {
	Spec    string `json:"spec"`               // as typed
	Kind    string `json:"kind"`               // "file", "folder" or "git"
	Runs    int    `json:"runs"`               // that were used
	Left    int    `json:"left_out,omitempty"` // runs of other machines or options
	Newest  string `json:"newest,omitempty"`   // RFC 3339
	Updated bool   `json:"updated,omitempty"`  // this run was added to it
}

// Acceptance is a regression that somebody has accepted.
type Acceptance struct {
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels,omitempty"` // of the metric; none: whatever its labels are
	Reason string            `json:"reason"`
	At     string            `json:"at,omitempty"`    // RFC 3339
	Until  *float64          `json:"until,omitempty"` // the value up to which it is accepted, in the metric's unit
}
