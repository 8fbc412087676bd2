package report

// OptimizeDetails is the details of kind "optimize".
type OptimizeDetails struct {
	Level        string        `json:"level"`                   // "safe", "full" or "none"
	Output       string        `json:"output,omitempty"`        // the file that was written; "" where none was
	OutputHash   string        `json:"output_sha256,omitempty"` // hex, of that file and its external data
	Passes       []PassRun     `json:"passes"`                  // in the order in which they ran; those that changed nothing too
	Before       ModelFacts    `json:"before"`                  //
	After        ModelFacts    `json:"after"`                   //
	Ops          []OpChange    `json:"ops"`                     // operators whose number changed, then the others, by name
	Edits        []string      `json:"edits,omitempty"`         // what was asked for by name: axes fixed or freed, outputs cut, one line each
	Kept         []string      `json:"kept,omitempty"`          // what could not be looked into, such as custom operators, with the reason
	Verification Agreement     `json:"verification"`            // of the written file
	Speed        *SpeedChange  `json:"speed,omitempty"`         // absent where it was not measured
	Listed       []PassListing `json:"listed,omitempty"`        // of --list-passes
	Phases       []Phase       `json:"phases,omitempty"`
}

// PassRun is what became of one pass.
type PassRun struct {
	Pass    string   `json:"pass"`
	Changed int      `json:"changed"`         // times it applied
	Nodes   int      `json:"nodes"`           // of the model behind it, in subgraphs too
	Verdict string   `json:"verdict"`         // "kept", "unchanged", "rolled_back"
	Why     string   `json:"why,omitempty"`   // it was rolled back
	Drift   *float64 `json:"drift,omitempty"` // the largest difference it made, over the tolerance: more than 1 is rolled back
	Seconds float64  `json:"seconds"`         // that the pass and its proof took
}

// PassListing is one row of --list-passes.
type PassListing struct {
	Pass  string `json:"pass"`
	Level string `json:"level"` // from which it is on: "safe", "full" or "named" (only where it is named)
	Doc   string `json:"doc"`
}

// ModelFacts are the static figures of a model. MACs and Activations are 0 where they are not known.
type ModelFacts struct {
	Nodes        int     `json:"nodes"`        // in subgraphs too
	Initializers int     `json:"initializers"` //
	Params       int64   `json:"params"`
	Bytes        int64   `json:"bytes"` // file and external data
	MACs         float64 `json:"macs,omitempty"`
	Activations  int64   `json:"activation_bytes,omitempty"`
	Opset        int64   `json:"opset"` // of ai.onnx
	IR           int64   `json:"ir_version"`
}

// OpChange is how often an operator is used before and after.
type OpChange struct {
	Op     string `json:"op"` // with its domain in front unless it is ai.onnx
	Before int    `json:"before"`
	After  int    `json:"after"`
}

// Agreement is how well the outputs of two models agree.
type Agreement struct {
	Verdict  string        `json:"verdict"`          // "equal", "within" (the tolerance), "drifts", "not_run"
	Why      string        `json:"why,omitempty"`    // it was not run, or how it drifts
	Source   string        `json:"source,omitempty"` // where the inputs come from: "random, seed 1", a data set
	Sets     int           `json:"sets"`             // sets of inputs that both models ran on
	Rel      float64       `json:"rel"`              // tolerance: |x − y| ≤ abs + rel·|x|
	Abs      float64       `json:"abs"`
	Share    float64       `json:"share,omitempty"` // of the elements that must be within it; 0 is all
	Outputs  []OutputDrift `json:"outputs,omitempty"`
	Notes    []string      `json:"notes,omitempty"`
	Provider string        `json:"provider,omitempty"` // on which the second model ran, where that is another one
}

// OutputDrift is how one output of two models differs, over all sets of inputs.
type OutputDrift struct {
	Output   string   `json:"output"`
	DType    string   `json:"dtype"`
	Elements int64    `json:"elements"`
	Beyond   int64    `json:"beyond"`            // elements outside the tolerance
	MaxAbs   float64  `json:"max_abs"`           // the largest |x − y|
	MaxRel   float64  `json:"max_rel"`           // the largest |x − y| / |x| of those with |x| above the absolute tolerance
	SQNR     *float64 `json:"sqnr_db,omitempty"` // absent where they are equal, or not numbers
	Rows     int64    `json:"rows,omitempty"`    // of an output [rows, classes]; 0 for one that is no scores
	Same     int64    `json:"same,omitempty"`    // of Rows, those whose largest element is at the same place
	Why      string   `json:"why,omitempty"`     // shapes or types that differ
}

// SpeedChange is a model beside the one that it was made of, measured in turns.
type SpeedChange struct {
	Base    Level95 `json:"base"`    // p50, seconds
	Head    Level95 `json:"head"`    // p50, seconds
	Speedup Level95 `json:"speedup"` // base / head, paired by rounds
	Outcome string  `json:"outcome"` // "faster", "slower", "equal", "undecided"
	Rounds  int     `json:"rounds"`
	Same    bool    `json:"same_graph,omitempty"` // the runtime makes the same graph of both: a difference is the machine's
}
