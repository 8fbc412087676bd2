package report

// QuantizeDetails is the details of kind "quantize".
type QuantizeDetails struct {
	Mode        string              `json:"mode"`   // "auto", "static", "dynamic", "weight-only", "fp16", "bf16"
	Target      string              `json:"target"` // "cpu:vnni", "tensorrt", …
	TargetWhy   string              `json:"target_why,omitempty"`
	Output      string              `json:"output,omitempty"`        // the file that was written; "" where none was
	OutputHash  string              `json:"output_sha256,omitempty"` // hex, of that file and its external data, as in the manifest of whatever runs it
	Record      string              `json:"record,omitempty"`        // quant.json beside it
	Chosen      string              `json:"chosen,omitempty"`        // name of the candidate that was written, or that came nearest
	Reason      string              `json:"reason"`                  // why this one, or "kept float because …"
	Original    QuantizeCandidate   `json:"original"`                // the model as it was given
	Candidates  []QuantizeCandidate `json:"candidates"`              // what was tried, in that order
	NotTried    []NotTried          `json:"not_tried,omitempty"`     //
	Passes      []PassCount         `json:"passes,omitempty"`        // graph preparation: those that changed something
	Calibration *Calibration        `json:"calibration,omitempty"`
	Held        *HeldOut            `json:"held_out,omitempty"`   // the rows that accuracy was measured on
	Groups      []QuantizeGroup     `json:"groups,omitempty"`     // what is quantized together, with its measured error and gain
	Nodes       []QuantizeNode      `json:"nodes,omitempty"`      // of the chosen candidate
	Fusion      *Fusion             `json:"fusion,omitempty"`     // of the chosen candidate
	Conversion  *HalfConversion     `json:"conversion,omitempty"` // of fp16 and bf16
	Explain     *Explanation        `json:"explain,omitempty"`
	Phases      []Phase             `json:"phases,omitempty"`
	Next        *NextStep           `json:"next,omitempty"`
}

// QuantizeCandidate is one model that was tried.
type QuantizeCandidate struct {
	Name      string   `json:"name"` // "static percentile=99.99, bias corrected"
	Bytes     int64    `json:"bytes,omitempty"`
	Speedup   *Level95 `json:"speedup,omitempty"`       // original / candidate, paired by rounds
	P50       *Level95 `json:"p50,omitempty"`           // seconds
	P99       *Level95 `json:"p99,omitempty"`           // seconds
	SQNR      *float64 `json:"sqnr_db,omitempty"`       //
	Cosine    *float64 `json:"cosine,omitempty"`        //
	MaxDiff   *float64 `json:"max_diff,omitempty"`      //
	Agreement *Level95 `json:"agreement,omitempty"`     // top-1 agreement with the original
	Accuracy  *Level95 `json:"accuracy,omitempty"`      // where there are labels
	Drop      *Level95 `json:"accuracy_drop,omitempty"` // accuracy of the original − this, of the same rows
	PValue    *float64 `json:"p_value,omitempty"`       // paired test of the accuracies, exact McNemar, two-sided
	Gained    *int64   `json:"gained,omitempty"`        // rows that only the candidate has right
	Lost      *int64   `json:"lost,omitempty"`          // rows that only the original has right
	Nodes     int      `json:"nodes,omitempty"`         // nodes that are quantized
	Pareto    bool     `json:"pareto,omitempty"`        // none is both faster and more accurate
	Chosen    bool     `json:"chosen,omitempty"`        //
	Within    *bool    `json:"within_budget,omitempty"`
	Why       string   `json:"why,omitempty"` // why it was not kept, or could not be made
}

// Level95 is a value with its 95 % interval; Lo and Hi are absent where the sample supports none.
type Level95 struct {
	Value float64  `json:"value"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
	N     int      `json:"n"`
}

// NotTried is a candidate that was left out.
type NotTried struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// PassCount is how often a pass of graph preparation applied.
type PassCount struct {
	Pass    string `json:"pass"`
	Changed int    `json:"changed"`
}

// Calibration is how the ranges of activations were found.
type Calibration struct {
	Source  string      `json:"source"`
	Rows    int64       `json:"rows"`
	Method  string      `json:"method"`
	Tensors int         `json:"tensors"`
	Memory  int64       `json:"memory"`            // budget in bytes
	Groups  int         `json:"groups,omitempty"`  // parts in which the tensors were collected
	NaN     int64       `json:"nan,omitempty"`     // elements
	Inf     int64       `json:"inf,omitempty"`     // elements
	Settled *int64      `json:"settled,omitempty"` // rows after which no range grew by more than 1 %
	Methods []MethodUse `json:"methods,omitempty"` // of method auto: how often each was best
	Ranges  []RangeOf   `json:"ranges,omitempty"`  // of the chosen candidate
	Resumed int64       `json:"resumed,omitempty"` // rows that an earlier run had done
	Loaded  string      `json:"loaded,omitempty"`  // the file that ranges were read from
}

// MethodUse is how many tensors a calibration method was chosen for.
type MethodUse struct {
	Method  string `json:"method"`
	Tensors int    `json:"tensors"`
}

// RangeOf is the calibrated range of one tensor.
type RangeOf struct {
	Tensor    string   `json:"tensor"`
	Min       float64  `json:"min"` // seen
	Max       float64  `json:"max"`
	Lo        float64  `json:"lo"` // chosen
	Hi        float64  `json:"hi"`
	Method    string   `json:"method"`
	Scale     float64  `json:"scale"`
	ZeroPoint int64    `json:"zero_point"`
	DType     string   `json:"dtype"`
	SQNR      *float64 `json:"sqnr_db,omitempty"` // of the tensor itself on held-out rows
}

// HeldOut is the rows that accuracy was measured on; none was used for calibration.
type HeldOut struct {
	Source string `json:"source"`
	Rows   int64  `json:"rows"`
	Labels bool   `json:"labels"`
}

// QuantizeGroup is a set of nodes that are quantized together or not at all.
type QuantizeGroup struct {
	Name   string   `json:"name"` // its first node
	Nodes  []string `json:"nodes"`
	Ops    string   `json:"ops"`             // "Conv+Relu"
	Error  *float64 `json:"error,omitempty"` // normalised squared error of the outputs with this group alone quantized
	SQNR   *float64 `json:"sqnr_db,omitempty"`
	Gain   *float64 `json:"gain,omitempty"`  // seconds a run that quantizing it saves, by both traces
	Bytes  int64    `json:"bytes,omitempty"` // that it saves
	Kept   bool     `json:"quantized"`
	Reason string   `json:"reason,omitempty"` // why it stayed float
}

// QuantizeNode is the decision about one node.
type QuantizeNode struct {
	Node      string `json:"node"`
	Op        string `json:"op"`
	Form      string `json:"form"`
	Predicted string `json:"predicted,omitempty"` // operator that the runtime should make of it
	Actual    string `json:"actual,omitempty"`    // operator that it made
	Why       string `json:"why,omitempty"`
}

// Fusion is how far the prediction about integer kernels came true.
type Fusion struct {
	Predicted  int      `json:"predicted"` // nodes that should run as integer kernels
	Actual     int      `json:"actual"`    // of them, those that do
	Mismatches []string `json:"mismatches,omitempty"`
	Islands    int      `json:"islands,omitempty"` // QuantizeLinear and DequantizeLinear nodes that stay
}

// HalfConversion is what happened to the constants of a half-precision model.
type HalfConversion struct {
	DType   string   `json:"dtype"`
	Nodes   int      `json:"nodes"`          // computing in half precision
	Float   int      `json:"float"`          // left in float32
	Casts   int      `json:"casts"`          //
	Clamped int64    `json:"clamped"`        // elements that were too large
	Flushed int64    `json:"flushed"`        // elements that were too small, now the smallest
	Kept    []string `json:"kept,omitempty"` // operators left in float32, with the reason
}

// Explanation is everything known about one node.
type Explanation struct {
	Node    string    `json:"node"`
	Op      string    `json:"op"`
	Form    string    `json:"form"`
	Why     string    `json:"why,omitempty"`
	Group   string    `json:"group,omitempty"`
	Tensors []RangeOf `json:"tensors,omitempty"`
	Weight  *WeightOf `json:"weight,omitempty"`
	Facts   []string  `json:"facts,omitempty"`
	Bins    []float64 `json:"bins,omitempty"` // edges of Counts, of the first tensor
	Counts  []uint64  `json:"counts,omitempty"`
}

// WeightOf is how a constant was quantized.
type WeightOf struct {
	Name     string  `json:"name"`
	Shape    string  `json:"shape"`
	DType    string  `json:"dtype"`
	Axis     int     `json:"axis"` // −1: per tensor
	Block    int     `json:"block,omitempty"`
	ScaleMin float64 `json:"scale_min"`
	ScaleMax float64 `json:"scale_max"`
	SQNR     float64 `json:"sqnr_db"`
}

// Phase is how long a part of the work took.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}
