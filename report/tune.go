package report

// TuneDetails is the details of kind "tune". Times are seconds, memory bytes, throughput rows a second.
type TuneDetails struct {
	Objective   string            `json:"objective"`             // "throughput" or "latency"
	SLOs        []string          `json:"slos,omitempty"`        // as they were typed
	Space       []TuneKnob        `json:"space"`                 // what was searched
	Pruned      []TunePruned      `json:"pruned,omitempty"`      // what was not, and why
	Candidates  int               `json:"candidates"`            // settings of the whole space
	Trials      []TuneTrial       `json:"trials"`                // settings that were measured, best first
	Chosen      map[string]string `json:"chosen"`                // the setting that won
	KeepDefault bool              `json:"keep_default"`          // the default is as good as anything: nothing was beyond noise
	Gain        *Interval         `json:"gain,omitempty"`        // objective of the chosen setting / default, over confirmed pairs of blocks
	Detectable  float64           `json:"detectable,omitempty"`  // the smallest gain that the confirmation would have found, such as 0.03
	Confirmed   bool              `json:"confirmed"`             // measured anew in fresh sessions against the default
	Reading     string            `json:"reading"`               // a sentence
	Steps       []TuneStep        `json:"steps,omitempty"`       // how the search went
	Variants    []TuneVariant     `json:"variants,omitempty"`    // models of other precision that took part
	Journal     string            `json:"journal,omitempty"`     // file of --journal
	Resumed     int               `json:"resumed,omitempty"`     // blocks that came from the journal
	Output      string            `json:"output,omitempty"`      // the configuration that was written
	Elapsed     float64           `json:"elapsed"`               // seconds
	Next        *NextStep         `json:"next,omitempty"`        //
	Interrupted bool              `json:"interrupted,omitempty"` //
}

// TuneKnob is one thing that can be set, and the values that were searched; the first is the default.
type TuneKnob struct {
	Name   string   `json:"name"` // "threads", "instances", "batch", "spinning", "variant", …
	Values []string `json:"values"`
}

// TunePruned is a value that was left out before anything was measured.
type TunePruned struct {
	Setting string `json:"setting"` // "threads=8"
	Why     string `json:"why"`
}

// TuneTrial is one setting and what was measured of it.
type TuneTrial struct {
	Setting    map[string]string `json:"setting"`                    // the knobs that differ from the default; empty: the default
	P50        Interval          `json:"latency_p50"`                //
	P99        *Interval         `json:"latency_p99"`                // nil: too few runs
	Throughput Interval          `json:"throughput"`                 // rows a second
	Gain       *Interval         `json:"gain,omitempty"`             // objective / the default's, over the rounds that both took part in; above 1 is better
	PeakRSS    float64           `json:"peak_rss,omitempty"`         // bytes that its sessions added
	CPU        float64           `json:"cpu,omitempty"`              // cores that were busy
	SLO        string            `json:"slo,omitempty"`              // "pass", "fail" or "inconclusive"; "" without an SLO
	Rounds     int               `json:"rounds"`                     //
	Runs       int               `json:"runs"`                       //
	Outcome    string            `json:"outcome"`                    // "chosen", "default", "finalist", "eliminated" or "failed"
	Why        string            `json:"why,omitempty"`              // of an elimination or a failure
	Phase      string            `json:"phase,omitempty"`            // in which it ended: "screen", "race", "refine" or "confirm"
	Validity   []string          `json:"disturbed,omitempty"`        // checks that failed while it was measured
	Disturbed  int               `json:"disturbed_blocks,omitempty"` // blocks, one a round, in which one did
	Accuracy   *Interval         `json:"accuracy,omitempty"`         // of its model on the labelled rows
	FirstRun   float64           `json:"first_run,omitempty"`        // seconds
	Init       float64           `json:"session_init,omitempty"`
}

// TuneStep is one step of the search.
type TuneStep struct {
	Phase   string  `json:"phase"`   // "screen", "race", "refine" or "confirm"
	Entered int     `json:"entered"` // settings
	Left    int     `json:"left"`    // settings after it
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"`
}

// TuneVariant is a model that took part beside the one that was named.
type TuneVariant struct {
	Name     string    `json:"name"` // "int8"
	Model    ModelRef  `json:"model"`
	Accuracy *Interval `json:"accuracy,omitempty"` // top 1 on the labelled rows
	Drop     *Interval `json:"drop,omitempty"`     // against the named model, same rows
	Verdict  string    `json:"verdict"`            // "takes part" or why it was left out
}
