package trtexec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"infer/internal/fault"
)

// Query is one timed query of a run. Times are seconds.
type Query struct {
	Start                      float64 // of its first part, since the run began
	Enqueue, H2D, Compute, D2H float64
	Latency                    float64 // H2D + Compute + D2H
}

// Layer is one layer of an engine.
type Layer struct {
	Name     string
	Type     string // "gemm", "CaskConvolution"; "" where the engine was built without detailed verbosity
	Tactic   string
	Metadata string // the ONNX nodes behind it, where they are told
	Inputs   []string
	Outputs  []string
}

// LayerTime is how long a layer took in the profiled run.
type LayerTime struct {
	Name    string
	Seconds float64 // mean of a run
	Median  float64 // s
	Share   float64 // of all layers, in [0, 1]
}

// Profile and times of long runs are some megabytes; what is larger is none.
const maxExport = 1 << 30

// readExport reads a file that trtexec exported.
func readExport(path, what string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Internal, "", "read %s: %w", what, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxExport))
	if err != nil {
		return nil, fault.New(fault.Internal, "", "read %s: %w", what, err)
	}
	return b, nil
}

// ReadTimes reads a file of --exportTimes.
func ReadTimes(path string) ([]Query, error) {
	b, err := readExport(path, "the times of trtexec")
	if err != nil {
		return nil, err
	}
	q, err := parseTimes(b)
	return q, fault.Wrap(err, "read the times of trtexec in %q", path)
}

// timesRow is a query as trtexec writes it, in ms.
type timesRow struct {
	StartEnq *float64 `json:"startEnqMs"`
	EndEnq   *float64 `json:"endEnqMs"`
	StartH2d *float64 `json:"startH2dMs"`
	H2d      *float64 `json:"h2dMs"`
	Compute  *float64 `json:"computeMs"`
	D2h      *float64 `json:"d2hMs"`
	Latency  *float64 `json:"latencyMs"`
}

// whole reports whether nothing is missing.
func (r timesRow) whole() bool {
	return r.StartEnq != nil && r.EndEnq != nil && r.StartH2d != nil && r.H2d != nil && r.Compute != nil && r.D2h != nil && r.Latency != nil
}

func parseTimes(b []byte) ([]Query, error) {
	var rows []timesRow
	if err := json.Unmarshal(repair(b), &rows); err != nil {
		return nil, notJSON(err)
	}
	out := make([]Query, 0, len(rows))
	for i, r := range rows {
		if !r.whole() {
			return nil, fmt.Errorf("query %d lacks some of its times", i)
		}
		out = append(out, Query{
			Start: min(*r.StartEnq, *r.StartH2d) / 1e3, Enqueue: (*r.EndEnq - *r.StartEnq) / 1e3,
			H2D: *r.H2d / 1e3, Compute: *r.Compute / 1e3, D2H: *r.D2h / 1e3, Latency: *r.Latency / 1e3,
		})
	}
	return out, nil
}

// ReadProfile reads a file of --exportProfile: the times of layers over runs runs.
func ReadProfile(path string) (layers []LayerTime, runs int, err error) {
	b, err := readExport(path, "the profile of trtexec")
	if err != nil {
		return nil, 0, err
	}
	layers, runs, err = parseProfile(b)
	return layers, runs, fault.Wrap(err, "read the profile of trtexec in %q", path)
}

func parseProfile(b []byte) (layers []LayerTime, runs int, err error) {
	var rows []struct {
		Count      *int
		Name       *string
		AverageMs  float64
		MedianMs   float64
		Percentage float64
	}
	if err := json.Unmarshal(repair(b), &rows); err != nil {
		return nil, 0, notJSON(err)
	}
	for _, r := range rows {
		switch {
		case r.Count != nil:
			runs = *r.Count
		case r.Name != nil:
			layers = append(layers, LayerTime{Name: *r.Name, Seconds: r.AverageMs / 1e3, Median: r.MedianMs / 1e3, Share: r.Percentage / 100})
		}
	}
	return layers, runs, nil
}

var (
	layerRow = regexp.MustCompile(`(?m)^(.*?"name" : )"(.*)"(, "timeMs" : .*)$`)
	noNumber = regexp.MustCompile(`: -?(?:nan|inf)\b`)
)

// repair makes JSON of what trtexec writes by hand: names of layers in which quotes and backslashes are not escaped, and
// nan and inf of layers that never ran.
func repair(b []byte) []byte {
	b = layerRow.ReplaceAllFunc(b, func(row []byte) []byte {
		m := layerRow.FindSubmatch(row)
		name, err := json.Marshal(string(m[2]))
		if err != nil || json.Valid(append(append([]byte{'"'}, m[2]...), '"')) { // it is escaped already, or needs no escape
			return row
		}
		return bytes.Join([][]byte{m[1], name, m[3]}, nil)
	})
	return noNumber.ReplaceAll(b, []byte(": 0"))
}

// ReadLayers reads a file of --exportLayerInfo. bindings are the names of inputs and outputs.
func ReadLayers(path string) (layers []Layer, bindings []string, err error) {
	b, err := readExport(path, "the layers of trtexec")
	if err != nil {
		return nil, nil, err
	}
	layers, bindings, err = parseLayers(b)
	return layers, bindings, fault.Wrap(err, "read the layers of trtexec in %q", path)
}

// layerInfo is a layer of an engine that was built with detailed verbosity.
type layerInfo struct {
	Name, LayerType, TacticName, Metadata string
	Inputs, Outputs                       []json.RawMessage // objects with a Name, or names
}

func parseLayers(b []byte) (layers []Layer, bindings []string, err error) {
	var file struct {
		Layers   []json.RawMessage
		Bindings []string
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, nil, notJSON(err)
	}
	for i, raw := range file.Layers {
		var name string
		if json.Unmarshal(raw, &name) == nil {
			layers = append(layers, Layer{Name: name})
			continue
		}
		var l layerInfo
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, nil, fmt.Errorf("layer %d: %w", i, err)
		}
		layers = append(layers, Layer{
			Name: l.Name, Type: l.LayerType, Tactic: l.TacticName, Metadata: strings.ReplaceAll(l.Metadata, "\x1e", " + "),
			Inputs: tensorNames(l.Inputs), Outputs: tensorNames(l.Outputs),
		})
	}
	return layers, file.Bindings, nil
}

func tensorNames(list []json.RawMessage) []string {
	var names []string
	for _, raw := range list {
		var t struct{ Name string }
		var name string
		if json.Unmarshal(raw, &name) == nil {
			names = append(names, name)
		} else if json.Unmarshal(raw, &t) == nil {
			names = append(names, t.Name)
		}
	}
	return names
}

// notJSON says in words of its own that a file is not what it should be.
func notJSON(err error) error {
	return fault.New(fault.Internal, "", "it is not the JSON of trtexec 10 or 11: %w", err)
}
