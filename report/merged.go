package report

// MergedRun is one of the runs that the figures of a document were merged from.
type MergedRun struct {
	Created string   `json:"created"`        // RFC 3339
	Seed    *uint64  `json:"seed,omitempty"` // of a load: of its arrivals
	Seconds float64  `json:"seconds,omitempty"`
	N       int64    `json:"n"`    // runs of the model, or requests that were due
	Mean    *float64 `json:"mean"` // latency of this run alone, seconds; nil: its sample is empty
	P50     *float64 `json:"p50"`
	P99     *float64 `json:"p99"` // as the sample has it, be it too small to bound it
	Valid   bool     `json:"valid"`
	Why     string   `json:"why,omitempty"` // not valid
}
