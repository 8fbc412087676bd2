package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/internal/wire"
)

// jsonPort is an input or output of GET /v2/models/NAME. A shape that is missing or null is an unknown one.
type jsonPort struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// parseMetadata reads the body of GET /v2/models/NAME, with MaxBatch NotTold.
func parseMetadata(body []byte) (Model, error) {
	var answer struct {
		Name     string     `json:"name"`
		Versions []string   `json:"versions"`
		Platform string     `json:"platform"`
		Inputs   []jsonPort `json:"inputs"`
		Outputs  []jsonPort `json:"outputs"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Model{}, fmt.Errorf("metadata: %w", err)
	}
	m := Model{Name: answer.Name, Platform: answer.Platform, MaxBatch: NotTold}
	if len(answer.Versions) == 1 {
		m.Version = answer.Versions[0]
	}
	var err error
	if m.Inputs, err = ports(answer.Inputs, true); err == nil {
		m.Outputs, err = ports(answer.Outputs, false)
	}
	return m, err
}

// ports translates inputs or outputs. What makes no sense is an error of inputs only: nobody has to send outputs.
func ports(from []jsonPort, inputs bool) ([]wire.Port, error) {
	const hint = "see the configuration of the model on the server"
	var to []wire.Port
	seen := map[string]bool{}
	for _, p := range from {
		d, known := wire.ParseDatatype(p.Datatype)
		switch {
		case !inputs:
		case !known || p.Name == "":
			return nil, fault.New(fault.Unsupported, "", "metadata: input %q has unknown datatype %q", p.Name, p.Datatype)
		case seen[p.Name]:
			return nil, fault.New(fault.Unsupported, hint, "metadata: two inputs are called %q", p.Name)
		case len(p.Shape) > 0 && slices.Min(p.Shape) < -1:
			return nil, fault.New(fault.Unsupported, hint, "metadata: input %q has an axis of %d: it is a size, or -1 for any", p.Name, slices.Min(p.Shape))
		}
		seen[p.Name] = true
		to = append(to, wire.Port{Name: p.Name, DType: d, Shape: p.Shape})
	}
	return to, nil
}

// parseMaxBatch reads the body of GET /v2/models/NAME/config, NotTold where it says nothing.
func parseMaxBatch(body []byte) int {
	var answer struct {
		MaxBatch *int32 `json:"max_batch_size"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.MaxBatch == nil || *answer.MaxBatch < 0 {
		return NotTold
	}
	return int(*answer.MaxBatch)
}

// jsonTensor is an input or output of a signature of TensorFlow Serving.
type jsonTensor struct {
	DType string `json:"dtype"`
	Shape struct {
		Dims []struct {
			Size json.RawMessage `json:"size"` // "3": protobuf's JSON has 64-bit integers as strings
		} `json:"dim"`
		UnknownRank bool `json:"unknown_rank"`
	} `json:"tensor_shape"`
}

// parseSignature reads the body of GET /v1/models/NAME/metadata: the signature serving_default, inputs by name. There
// are no inputs where it is not there.
func parseSignature(body []byte) (Model, error) {
	var answer struct {
		Spec struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"model_spec"`
		Metadata struct {
			Outer struct {
				Signatures map[string]struct {
					Inputs  map[string]jsonTensor `json:"inputs"`
					Outputs map[string]jsonTensor `json:"outputs"`
				} `json:"signature_def"`
			} `json:"signature_def"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Model{}, fmt.Errorf("signature: %w", err)
	}
	m := Model{Name: answer.Spec.Name, Version: answer.Spec.Version, Platform: "", MaxBatch: NotTold}
	s := answer.Metadata.Outer.Signatures[wire.Signature]
	var err error
	if m.Inputs, err = tensors(s.Inputs, true); err == nil {
		m.Outputs, err = tensors(s.Outputs, false)
	}
	return m, err
}

// tensors translates inputs or outputs of a signature.
func tensors(from map[string]jsonTensor, inputs bool) ([]wire.Port, error) {
	var list []jsonPort
	for _, name := range slices.Sorted(maps.Keys(from)) {
		t := from[name]
		p := jsonPort{Name: name, Datatype: t.DType, Shape: []int64{}}
		if d, known := wire.ParseTensorFlowName(t.DType); known {
			p.Datatype = wire.Datatype(d)
		}
		for _, d := range t.Shape.Dims {
			size, err := dimension(d.Size)
			if err != nil {
				return nil, fmt.Errorf("signature: %q: %w", name, err)
			}
			p.Shape = append(p.Shape, size)
		}
		if t.Shape.UnknownRank {
			p.Shape = nil
		}
		list = append(list, p)
	}
	return ports(list, inputs)
}

// dimension reads a size, a string or a number. One that is missing is 0, protobuf's default.
func dimension(raw json.RawMessage) (int64, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, nil
	}
	text := string(raw)
	if text[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, err
		}
	}
	return strconv.ParseInt(text, 10, 64)
}
