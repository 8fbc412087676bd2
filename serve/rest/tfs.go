package rest

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/internal/wire"
)

// noLabel refuses a version label: there are none to be given yet.
func (x *exchange) noLabel() error {
	if x.route.label == nil {
		return nil
	}
	return fault.New(fault.NotFound, "",
		"model %q has no version label %q: name a version, or none for the newest", x.route.model, x.route.label)
}

// versionStatus is the state of a version as TensorFlow Serving tells it.
type versionStatus struct {
	Version string `json:"version"`
	State   string `json:"state"`
	Status  struct {
		Code    string `json:"error_code"`
		Message string `json:"error_message"`
	} `json:"status"`
}

// statusTFS answers GET /v1/models/M, to clients of TensorFlow Serving and of KServe's first protocol at once.
func (x *exchange) statusTFS() error {
	if err := x.noLabel(); err != nil {
		return err
	}
	name, version := string(x.route.model), string(x.route.version)
	answer := struct {
		Status []versionStatus `json:"model_version_status"`
		Name   string          `json:"name"`
		Ready  bool            `json:"ready"`
	}{Name: name}
	for _, s := range x.s.o.Repository.Index() {
		if s.Name != name || version != "" && s.Version != version {
			continue
		}
		v := versionStatus{Version: s.Version, State: stateTFS(s.State)}
		if v.Status.Code = "OK"; s.Reason != "" && s.State != stateReady {
			v.Status.Code, v.Status.Message = "UNKNOWN", s.Reason
		}
		answer.Status = append(answer.Status, v)
		answer.Ready = answer.Ready || s.State == stateReady
	}
	if len(answer.Status) == 0 {
		if version == "" {
			version = "latest"
		}
		return fault.New(fault.NotFound, "", "Could not find any versions of model %s (version %s)", name, version)
	}
	return x.json(fasthttp.StatusOK, answer)
}

// stateTFS is TensorFlow Serving's name of a state of the index.
func stateTFS(state string) string {
	switch state {
	case stateReady:
		return "AVAILABLE"
	case "LOADING":
		return "LOADING"
	case "UNLOADING":
		return "UNLOADING"
	}
	return "END"
}

// tensorInfo is tensorflow.TensorInfo in JSON.
type tensorInfo struct {
	DType string      `json:"dtype"`
	Shape tensorShape `json:"tensor_shape"`
	Name  string      `json:"name"`
}

type tensorShape struct {
	Dim         []tensorDim `json:"dim"`
	UnknownRank bool        `json:"unknown_rank"`
}

type tensorDim struct {
	Size string `json:"size"`
	Name string `json:"name"`
}

// metadataTFS answers GET /v1/models/M/metadata: the signature as TensorFlow Serving writes it.
func (x *exchange) metadataTFS() error {
	if err := x.noLabel(); err != nil {
		return err
	}
	info, err := x.find()
	if err != nil {
		return err
	}
	type object = map[string]any
	signature := object{
		"inputs": tensorInfos(info.Inputs), "outputs": tensorInfos(info.Outputs), "method_name": "tensorflow/serving/predict",
	}
	return x.json(fasthttp.StatusOK, object{
		"model_spec": object{"name": info.Name, "signature_name": "", "version": info.Version},
		"metadata":   object{"signature_def": object{"signature_def": object{"serving_default": signature}}},
	})
}

func tensorInfos(ports []wire.Port) map[string]tensorInfo {
	list := make(map[string]tensorInfo, len(ports))
	for _, p := range ports {
		t := tensorInfo{DType: wire.TensorFlowName(p.DType), Name: p.Name, Shape: tensorShape{Dim: []tensorDim{}}}
		for _, d := range p.Shape {
			t.Shape.Dim = append(t.Shape.Dim, tensorDim{Size: strconv.FormatInt(d, 10)})
		}
		list[p.Name] = t
	}
	return list
}
