package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// maxPerfFile bounds the size of a file of perf_analyzer.
const maxPerfFile = 1 << 30

// perfFile is a file of perf_analyzer: the entries of "data", the streams of a nested one one after the other.
type perfFile struct {
	data    []perfEntry
	answers []perfEntry // of "validation_data", one for each of data; nil where there is none
	streams int         // 0: data was not nested
}

// perfEntry is one object of tensors.
type perfEntry struct {
	at      string // "data[1][2]"
	members map[string]json.RawMessage
}

// FromPerfAnalyzer reads the JSON of perf_analyzer's --input-data: an entry of "data" is a payload, and those of streams
// follow each other without being sequences. A tensor is a flat list in row-major order, {"content": […], "shape": […]}
// or {"b64": "…"}, whose bytes are little-endian and strings each behind its length as a uint32. Without "shape" it has
// that of o.Bindings, of its own nesting, or what its size leaves for the open axes. Where the model's shape begins
// with -1 and has one axis more than the tensor, the tensor is a batch of one. "validation_data" becomes Set.Expected,
// if outputs tells of what dtypes they are. Of more than 1000 entries, or than 256 MiB hold, some are chosen evenly,
// which a note says. Errors are fault.Usage and name the entry and the tensor.
//
// Source: the documentation of perf_analyzer, "Input Data".
func FromPerfAnalyzer(path string, inputs, outputs []wire.Port, o Options) (*Set, error) {
	if len(inputs) == 0 {
		return nil, fault.New(fault.Usage, "give the model file", "data of perf_analyzer %q: the server does not tell what inputs its model has", path)
	}
	text, err := readPerfFile(path)
	if err != nil {
		return nil, err
	}
	s, err := readPerf(text, inputs, outputs, o)
	if err != nil {
		return nil, fault.Wrap(err, "data of perf_analyzer %q", path)
	}
	s.Source = path
	if s.expected != nil {
		s.expected.Source = path
	}
	return s, nil
}

func readPerfFile(path string) ([]byte, error) {
	text, err := readFile(path, maxPerfFile)
	if errors.Is(err, errTooLarge) {
		return nil, fault.New(fault.Usage, "split it", "data of perf_analyzer %q: it is larger than 1 GiB", path)
	}
	return text, fault.Wrap(err, "data of perf_analyzer")
}

// readPerf makes a set of the text of a file.
func readPerf(text []byte, inputs, outputs []wire.Port, o Options) (*Set, error) {
	f, err := parsePerf(text)
	if err != nil {
		return nil, err
	}
	if _, err := checkBindings(inputs, o.Bindings); err != nil {
		return nil, err
	}
	s := &Set{rows: int64(len(f.data))}
	err = evenly(s.rows, int64(o.count(false)), o.bytes(), func() { s.Payloads = s.Payloads[:0] }, func(i int64) (int64, error) {
		in, err := f.data[i].tensors("input", inputs, o)
		s.Payloads = append(s.Payloads, Payload{Inputs: in, Lo: i, Hi: i + 1})
		return bytesOf(in), err
	})
	if err != nil {
		return nil, err
	}
	s.Rows = rowsOf(s.Payloads[0].Inputs, inputs)
	if n := s.Len(); n < len(f.data) {
		s.Notes = append(s.Notes, fmt.Sprintf("%d of the %d entries are sent, chosen evenly", n, len(f.data)))
	}
	if f.streams > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("the entries of %d streams are sent as single requests, not as sequences", f.streams))
	}
	switch {
	case f.answers == nil:
	case len(outputs) == 0:
		s.Notes = append(s.Notes, "validation_data are left out: the server does not tell what outputs its model has")
	default:
		taken := make([]perfEntry, s.Len())
		for i, p := range s.Payloads {
			taken[i] = f.answers[p.Lo]
		}
		s.expected, err = expectedOf(taken, outputs)
	}
	return s, err
}

// parsePerf reads the outer parts of a file.
func parsePerf(text []byte) (*perfFile, error) {
	var top struct {
		Data       []json.RawMessage `json:"data"`
		Validation []json.RawMessage `json:"validation_data"`
	}
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, perfSyntax(err)
	}
	if len(top.Data) == 0 {
		return nil, fault.New(fault.Usage, `write {"data": [{"INPUT": […]}, …]}`, "it has no entries in \"data\"")
	}
	f := &perfFile{}
	var err error
	if f.data, f.streams, err = perfEntries("data", top.Data); err != nil || top.Validation == nil {
		return f, err
	}
	streams := 0
	if f.answers, streams, err = perfEntries("validation_data", top.Validation); err != nil {
		return nil, err
	}
	if len(f.answers) != len(f.data) || streams != f.streams {
		return nil, fault.New(fault.Usage, "give one entry for each of \"data\", nested alike", "\"validation_data\" has %d entries in %d streams, and \"data\" %d in %d",
			len(f.answers), streams, len(f.data), f.streams)
	}
	return f, nil
}

// perfEntries reads a list of objects, or of lists of objects.
func perfEntries(root string, list []json.RawMessage) (entries []perfEntry, streams int, err error) {
	for i, raw := range list {
		at := fmt.Sprintf("%s[%d]", root, i)
		nested := len(raw) > 0 && raw[0] == '['
		if i > 0 && nested != (streams > 0) {
			return nil, 0, fault.New(fault.Usage, "", "%s: entries and streams of entries are mixed", at)
		}
		steps := []json.RawMessage{raw}
		if nested {
			streams++
			if err := json.Unmarshal(raw, &steps); err != nil {
				return nil, 0, fault.Wrap(perfSyntax(err), "%s", at)
			}
		}
		for k, step := range steps {
			e := perfEntry{at: at}
			if nested {
				e.at = fmt.Sprintf("%s[%d]", at, k)
			}
			if err := json.Unmarshal(step, &e.members); err != nil || e.members == nil {
				return nil, 0, fault.New(fault.Usage, `write {"INPUT": […]}`, "%s: it is no object of tensors", e.at)
			}
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, 0, fault.New(fault.Usage, "", "%q has no entries", root)
	}
	return entries, streams, nil
}

// perfSyntax says where JSON is wrong.
func perfSyntax(err error) error {
	var s *json.SyntaxError
	if errors.As(err, &s) {
		return fault.New(fault.Usage, "", "failed to parse the JSON: %w at byte %d", err, s.Offset)
	}
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return fault.New(fault.Usage, `write {"data": [{"INPUT": […]}, …]}`, "%s is a JSON %s where a list is expected", t.Field, t.Value)
	}
	return fault.New(fault.Usage, "", "failed to parse the JSON: %w", err)
}

// tensors returns those of an entry, in the order of ports. Inputs must all be there, of outputs one at least.
func (e perfEntry) tensors(kind string, ports []wire.Port, o Options) ([]tensor.Tensor, error) {
	for _, name := range slices.Sorted(maps.Keys(e.members)) {
		if name != "model" && !slices.Contains(wire.PortNames(ports), name) { // "model" says for which model an entry is
			return nil, fault.New(fault.Usage, wire.NamesHint(kind+"s", name, wire.PortNames(ports)), "%s: the model has no %s %q", e.at, kind, name)
		}
	}
	var out []tensor.Tensor
	for _, p := range ports {
		raw, ok := e.members[p.Name]
		if !ok && kind == "input" {
			return nil, fault.New(fault.Usage, wire.NamesHint("inputs", "", wire.PortNames(ports)), "%s: there are no data for the input %q", e.at, p.Name)
		}
		if !ok {
			continue
		}
		t, err := perfTensor(raw, p, o.Bindings.Shapes[p.Name])
		if err != nil {
			return nil, fault.New(fault.Usage, fault.HintOf(err), "%s: %s %q: %w", e.at, kind, p.Name, err)
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Usage, wire.NamesHint(kind+"s", "", wire.PortNames(ports)), "%s: it has no %s", e.at, kind)
	}
	return out, nil
}

// expectedOf returns the outputs of entries of "validation_data".
func expectedOf(entries []perfEntry, outputs []wire.Port) (*Expected, error) {
	e := &Expected{Outputs: make([][]tensor.Tensor, len(entries))}
	held := int64(0)
	for i, entry := range entries {
		var err error
		if e.Outputs[i], err = entry.tensors("output", outputs, Options{}); err != nil {
			return nil, err
		}
		if held += bytesOf(e.Outputs[i]); held > maxExpected {
			return nil, fault.New(fault.Usage, "give fewer entries", "\"validation_data\" take more than %d MiB", maxExpected>>20)
		}
	}
	return e, nil
}

// goldenPerf returns the validation_data of a file for the payloads of s, one entry each.
func goldenPerf(path string, s *Set, outputs []wire.Port) (*Expected, error) {
	if s.Source == path && s.expected != nil {
		return s.expected, nil
	}
	text, err := readPerfFile(path)
	if err != nil {
		return nil, err
	}
	f, err := parsePerf(text)
	switch {
	case err != nil:
	case f.answers == nil:
		err = fault.New(fault.Usage, "", "it has no \"validation_data\"")
	case len(outputs) == 0:
		err = fault.New(fault.Usage, "give outputs as .npy files", "the server does not tell what outputs its model has, nor their dtypes")
	case len(f.answers) != s.Len():
		err = fault.New(fault.Usage, "give one entry for each payload", "\"validation_data\" has %d entries for %d payloads", len(f.answers), s.Len())
	}
	if err != nil {
		return nil, fault.Wrap(err, "golden outputs %q", path)
	}
	e, err := expectedOf(f.answers, outputs)
	if err != nil {
		return nil, fault.Wrap(err, "golden outputs %q", path)
	}
	e.Source = path
	return e, nil
}
