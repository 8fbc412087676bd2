package report

// ConvertDetails is the details of kind "convert". A check (convert --check) has Check and nothing of a conversion.
type ConvertDetails struct {
	To           string          `json:"to,omitempty"`            // as typed: "fp16", "onnx:opset=21", "tensorrt"
	Via          string          `json:"via,omitempty"`           // what did it, where there is a choice: "provider", "trtexec", "ovc", "torch.onnx 2.4.1"
	Output       string          `json:"output,omitempty"`        // the file that was written
	OutputHash   string          `json:"output_sha256,omitempty"` // hex, of that file and its external data
	Files        []ArtifactFile  `json:"files,omitempty"`         // all that was written
	Before       *ModelFacts     `json:"before,omitempty"`        // absent where the source is no ONNX model
	After        *ModelFacts     `json:"after,omitempty"`         // absent where the result is no ONNX model
	Changes      []string        `json:"changes,omitempty"`       // what was rewritten on the way, one line each
	Conversion   *HalfConversion `json:"conversion,omitempty"`    // of fp16 and bf16
	Verification *Agreement      `json:"verification,omitempty"`  // the written artifact beside the source
	Speed        *SpeedChange    `json:"speed,omitempty"`         //
	Placement    []PlacedNodes   `json:"placement,omitempty"`     // which provider took how many nodes
	Engine       *EngineFacts    `json:"engine,omitempty"`        // of a compiled engine
	Tool         *ToolRun        `json:"tool,omitempty"`          // the tool of someone else that was driven
	Check        *ArtifactCheck  `json:"check,omitempty"`         //
	Phases       []Phase         `json:"phases,omitempty"`
	Next         *NextStep       `json:"next,omitempty"`
}

// ArtifactFile is one file of an artifact.
type ArtifactFile struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	What  string `json:"what"` // "model", "external data", "engine", "timing cache", "weights"
}

// PlacedNodes is how many nodes a provider runs.
type PlacedNodes struct {
	Provider string `json:"provider"` // "OpenVINOExecutionProvider"
	Nodes    int    `json:"nodes"`
}

// EngineFacts are what a compiled engine is bound to, and how it was made.
type EngineFacts struct {
	Key      string   `json:"key"`               // SHA-256 over all that an engine depends on
	Cached   bool     `json:"cached"`            // it was there already
	Rebuilt  string   `json:"rebuilt,omitempty"` // why one that was there was not taken
	Version  string   `json:"version,omitempty"` // of the compiler, "TensorRT 10.16.1"
	GPU      string   `json:"gpu,omitempty"`
	Compute  string   `json:"compute_capability,omitempty"` // "9.0"
	Driver   string   `json:"driver,omitempty"`
	Profiles []string `json:"profiles,omitempty"` // of shapes: "x:1x3x224x224/8x3x224x224/32x3x224x224"
	Seconds  float64  `json:"build_seconds,omitempty"`
	Layers   []Share  `json:"layers,omitempty"` // where the time goes, as the tool tells
}

// ToolRun is one run of a tool that is not part of infer.
type ToolRun struct {
	Name    string   `json:"name"` // "trtexec", "python"
	Version string   `json:"version,omitempty"`
	Command []string `json:"command"`
	Seconds float64  `json:"seconds"`
}

// ArtifactCheck says whether an artifact would load here.
type ArtifactCheck struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"`            // "onnx", "ort", "ep_context", "tensorrt_engine", "openvino_ir"
	Facts    []Fact    `json:"facts,omitempty"` // what it needs and what it says of itself
	Findings []Finding `json:"findings"`        // level "ok", "warning" or "error"; an error is why it would not load
}

// Fact is a name and a value.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
