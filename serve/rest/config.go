package rest

import (
	"github.com/valyala/fasthttp"

	"infer/internal/wire"
	"infer/serve/repository"
)

// modelConfig answers with the configuration of a model as Triton shows it when it has completed one by itself; its
// tools read the batch size and the tensors from it. Ref: inference.ModelConfig, model_config.proto.
func (x *exchange) modelConfig() error {
	info, err := x.find()
	if err != nil {
		return err
	}
	return x.json(fasthttp.StatusOK, configOf(info))
}

// config is inference.ModelConfig in JSON, as far as it says something of a model here.
type config struct {
	Name           string         `json:"name"`
	Platform       string         `json:"platform"`
	Backend        string         `json:"backend"`
	Runtime        string         `json:"runtime"`
	VersionPolicy  versionPolicy  `json:"version_policy"`
	MaxBatchSize   int            `json:"max_batch_size"`
	Input          []configInput  `json:"input"`
	Output         []configOutput `json:"output"`
	BatchInput     []any          `json:"batch_input"`
	BatchOutput    []any          `json:"batch_output"`
	Batching       *batching      `json:"dynamic_batching,omitempty"`
	InstanceGroup  []instances    `json:"instance_group"`
	Filename       string         `json:"default_model_filename"`
	Filenames      struct{}       `json:"cc_model_filenames"`
	MetricTags     struct{}       `json:"metric_tags"`
	Parameters     struct{}       `json:"parameters"`
	ModelWarmup    []any          `json:"model_warmup"`
	TransactionPol struct {
		Decoupled bool `json:"decoupled"`
	} `json:"model_transaction_policy"`
}

type versionPolicy struct {
	Specific specificVersions `json:"specific"`
}

type specificVersions struct {
	Versions []string `json:"versions"`
}

type configInput struct {
	Name             string  `json:"name"`
	DataType         string  `json:"data_type"`
	Format           string  `json:"format"`
	Dims             []int64 `json:"dims"`
	IsShapeTensor    bool    `json:"is_shape_tensor"`
	AllowRaggedBatch bool    `json:"allow_ragged_batch"`
	Optional         bool    `json:"optional"`
}

type configOutput struct {
	Name          string  `json:"name"`
	DataType      string  `json:"data_type"`
	Dims          []int64 `json:"dims"`
	LabelFilename string  `json:"label_filename"`
	IsShapeTensor bool    `json:"is_shape_tensor"`
}

type batching struct {
	PreferredBatchSize []int `json:"preferred_batch_size"`
	MaxQueueDelay      int   `json:"max_queue_delay_microseconds"`
	PreserveOrdering   bool  `json:"preserve_ordering"`
}

type instances struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	GPUs  []int  `json:"gpus"`
}

// rowsOf is the largest batch that a client may send in one request, 0 where axis 0 counts no rows. What a request
// holds is bounded by the size of its body alone; tools want a number.
func rowsOf(info *repository.Info) int {
	if !info.BatchAxis {
		return 0
	}
	return max(info.MaxBatch, 1024)
}

func configOf(info *repository.Info) config {
	rows := rowsOf(info)
	c := config{
		Name: info.Name, Platform: platform, Backend: "onnxruntime", MaxBatchSize: rows, Filename: "model.onnx",
		VersionPolicy: versionPolicy{specificVersions{[]string{info.Version}}},
		BatchInput:    []any{}, BatchOutput: []any{}, ModelWarmup: []any{},
		InstanceGroup: []instances{{Name: info.Name, Kind: "KIND_CPU", Count: info.Instances, GPUs: []int{}}},
	}
	if rows > 0 && info.MaxBatch != 1 {
		c.Batching = &batching{PreferredBatchSize: []int{}}
	}
	for _, p := range info.Inputs {
		c.Input = append(c.Input, configInput{Name: p.Name, DataType: configType(p), Format: "FORMAT_NONE", Dims: dims(p, rows)})
	}
	for _, p := range info.Outputs {
		c.Output = append(c.Output, configOutput{Name: p.Name, DataType: configType(p), Dims: dims(p, rows)})
	}
	return c
}

// configType is the name of a dtype in a configuration: the one of the protocol, but for strings.
func configType(p wire.Port) string {
	if d := wire.Datatype(p.DType); d != "BYTES" {
		return "TYPE_" + d
	}
	return "TYPE_STRING"
}

// dims are the axes that a configuration lists: without the one that counts rows.
func dims(p wire.Port, rows int) []int64 {
	if rows > 0 && len(p.Shape) > 0 {
		return append([]int64{}, p.Shape[1:]...)
	}
	return append([]int64{}, p.Shape...)
}
