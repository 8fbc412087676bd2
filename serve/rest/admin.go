package rest

import (
	"bytes"
	"encoding/json"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
)

// admin refuses what changes the server on a listener that is for inferences.
func (x *exchange) admin() error {
	if x.s.o.Admin {
		return nil
	}
	return fault.New(fault.Denied, "", "models are not loaded, unloaded or split on this address: use that of --admin")
}

// document decodes the JSON body of a request into v; an empty body leaves v as it is.
func (x *exchange) document(v any) error {
	body, err := x.body()
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fault.New(fault.Usage, "", "failed to parse the request JSON: %w", err)
	}
	return nil
}

// indexRow is a row of the index of the repository.
type indexRow struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	State   string `json:"state,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// repositoryIndex lists every model and version, those that are ready alone where the body asks for that.
func (x *exchange) repositoryIndex() error {
	var want struct {
		Ready bool `json:"ready"`
	}
	if err := x.document(&want); err != nil {
		return err
	}
	rows := []indexRow{}
	for _, s := range x.s.o.Repository.Index() {
		if !want.Ready || s.State == stateReady {
			rows = append(rows, indexRow{s.Name, s.Version, s.State, s.Reason})
		}
	}
	return x.json(fasthttp.StatusOK, rows)
}

// loadModel loads or reloads a model from its place in the repository and answers when it serves. A configuration or
// files in the request are refused: a server does not take models from whoever can reach it.
func (x *exchange) loadModel() error {
	if err := x.admin(); err != nil {
		return err
	}
	var request struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if err := x.document(&request); err != nil {
		return err
	}
	for name := range request.Parameters {
		return fault.New(fault.Unsupported, "", "load parameter %q is not supported: put the files into the repository", name)
	}
	name := string(x.route.model)
	if err := x.s.o.Repository.Load(x.s.running, name); err != nil {
		return err
	}
	return x.json(fasthttp.StatusOK, struct {
		Name string `json:"name"`
		Load bool   `json:"load"`
	}{name, true})
}

// unloadModel stops serving a model. unload_dependents, a parameter of Triton's ensembles, changes nothing here.
func (x *exchange) unloadModel() error {
	if err := x.admin(); err != nil {
		return err
	}
	name := string(x.route.model)
	if err := x.s.o.Repository.Unload(x.s.running, name); err != nil {
		return err
	}
	return x.json(fasthttp.StatusOK, struct {
		Name   string `json:"name"`
		Unload bool   `json:"unload"`
	}{name, true})
}

// split is the body of the split endpoint, both ways: percent by version; null is the newest version alone.
type split struct {
	Split map[string]int `json:"split"`
}

func (x *exchange) getSplit() error {
	if err := x.admin(); err != nil {
		return err
	}
	if len(x.route.version) > 0 {
		return errNotFound
	}
	percent, err := x.s.o.Repository.Split(string(x.route.model))
	if err != nil {
		return err
	}
	return x.json(fasthttp.StatusOK, split{percent})
}

// setSplit changes how requests are split between versions; null goes back to the newest version alone. It answers
// with the split that holds from now on.
func (x *exchange) setSplit() error {
	if err := x.admin(); err != nil {
		return err
	}
	if len(x.route.version) > 0 {
		return errNotFound
	}
	var request map[string]json.RawMessage
	if err := x.document(&request); err != nil {
		return err
	}
	var want map[string]int
	value, given := request["split"]
	if !given || len(request) != 1 || json.Unmarshal(value, &want) != nil || want != nil && !distinct(value, len(want)) {
		return fault.New(fault.Usage, "",
			`the body must be {"split": {"1": 95, "2": 5}}, whole percents by version, or {"split": null}`)
	}
	if err := x.s.o.Repository.SetSplit(string(x.route.model), want); err != nil {
		return err
	}
	return x.getSplit()
}

// distinct reports whether a JSON object has n members, at least one: fewer of a map made of it were there twice.
func distinct(object []byte, n int) bool {
	d := json.NewDecoder(bytes.NewReader(object))
	tokens := 0
	for {
		if _, err := d.Token(); err != nil {
			break
		}
		tokens++
	}
	return n > 0 && tokens == 2*n+2 // names and numbers, and the braces
}
