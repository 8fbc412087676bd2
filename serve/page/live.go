package page

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"infer/internal/wire"
	"infer/model/declared"
	"infer/model/tensor"
	"infer/serve/repository"
)

// live is what the page polls: what is served, and how it does.
type live struct {
	Ready   bool       `json:"ready"`
	Models  []modelRow `json:"models"`
	Figures []figures  `json:"figures"`
}

// modelRow is one version of a model.
type modelRow struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Hint      string    `json:"hint,omitempty"` // what to do about it
	Digest    string    `json:"digest,omitempty"`
	Loaded    time.Time `json:"loaded,omitzero"`
	Inputs    []portRow `json:"inputs"`
	Outputs   []portRow `json:"outputs"`
	MaxBatch  int       `json:"max_batch"`
	BatchNote string    `json:"batch_note,omitempty"`
	Gain      Gain      `json:"gain,omitzero"`
	Declared  string    `json:"declared,omitempty"` // "image" or "text": what /predictions takes beside JSON
	Instances int       `json:"instances"`
	Threads   int       `json:"threads"`
	Requests  uint64    `json:"requests"`
	Failures  uint64    `json:"failures"`
	Waiting   int       `json:"waiting"`
	Running   int       `json:"running"`
}

// portRow is an input or output. Example stands for a whole example value: its shape, and its elements or the one that
// all of them are.
type portRow struct {
	Name     string      `json:"name"`
	Datatype string      `json:"datatype"`
	Shape    []int64     `json:"shape"` // -1: any size
	Example  *exampleRow `json:"example,omitempty"`
}

// exampleRow is a tensor, written short.
type exampleRow struct {
	Shape tensor.Shape      `json:"shape"`
	Data  []json.RawMessage `json:"data"` // one element: all are like it
}

func (p *Page) live() live {
	infos := p.describe(p.source.Infos())
	l := live{Ready: p.source.Ready(), Models: []modelRow{}, Figures: []figures{}}
	for _, v := range p.source.Live() {
		if v.Model != "" {
			l.Figures = append(l.Figures, columns(v))
		}
	}
	stats, _ := p.source.Stats("", "") // nothing is loaded where it fails
	for _, s := range p.source.Index() {
		row := modelRow{Name: s.Name, Version: s.Version, Inputs: []portRow{}, Outputs: []portRow{}}
		if i := slices.IndexFunc(infos, func(x modelRow) bool { return x.Name == s.Name && x.Version == s.Version }); i >= 0 {
			row = infos[i]
		}
		row.State, row.Reason, row.Hint = s.State, s.Reason, s.Hint
		if row.MaxBatch > 1 {
			row.Gain = p.source.Gain(row.Name, row.Version)
		}
		if i := slices.IndexFunc(stats, func(x repository.Stats) bool { return x.Name == s.Name && x.Version == s.Version }); i >= 0 {
			row.count(stats[i])
		}
		l.Models = append(l.Models, row)
	}
	slices.SortStableFunc(l.Models, func(a, b modelRow) int { return cmp.Compare(rank(a.State), rank(b.State)) })
	return l
}

// rank puts what serves first, and what does not behind it.
func rank(state string) int {
	switch state {
	case "READY":
		return 0
	case "UNAVAILABLE":
		return 2
	}
	return 1
}

// describe returns the rows of loaded versions. What is known of a version does not change, so that it is worked out
// once.
func (p *Page) describe(infos []*repository.Info) []modelRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows, known := []modelRow{}, map[*repository.Info]modelRow{}
	for _, info := range infos {
		row, ok := p.known[info]
		if !ok {
			row = describe(info)
		}
		known[info] = row
		rows = append(rows, row)
	}
	p.known = known // without those that have gone
	return rows
}

func describe(info *repository.Info) modelRow {
	r := modelRow{Name: info.Name, Version: info.Version, Inputs: []portRow{}, Outputs: []portRow{}}
	r.Digest, r.Loaded = info.Digest, info.Loaded.UTC().Truncate(time.Second)
	r.MaxBatch, r.BatchNote = info.MaxBatch, info.BatchNote
	r.Instances, r.Threads = info.Instances, info.Threads
	if kind := kindOf(info); kind != declared.None {
		r.Declared = kind.String()
	}
	in, err := example(info)
	if err != nil {
		in = nil // no example can be made up; the form asks for everything
	}
	for _, p := range info.Inputs {
		row := port(p)
		if i := slices.IndexFunc(in, func(t tensor.Tensor) bool { return t.Name == p.Name }); i >= 0 {
			row.Example = short(in[i])
		}
		r.Inputs = append(r.Inputs, row)
	}
	for _, p := range info.Outputs {
		r.Outputs = append(r.Outputs, port(p))
	}
	return r
}

// kindOf returns what the model declares as its input.
func kindOf(info *repository.Info) declared.Kind {
	if info.Declared == nil {
		return declared.None
	}
	return info.Declared.Kind()
}

func (r *modelRow) count(s repository.Stats) {
	r.Requests, r.Failures = s.Success.Count+s.Fail.Count, s.Fail.Count
	r.Waiting, r.Running = s.Waiting, s.Running
}

func port(p wire.Port) portRow {
	return portRow{Name: p.Name, Datatype: wire.Datatype(p.DType), Shape: append([]int64{}, p.Shape...)}
}

// short returns t with one element where all are the same, nil where it has no form in JSON.
func short(t tensor.Tensor) *exampleRow {
	v, err := texts(t)
	if err != nil {
		return nil
	}
	e := &exampleRow{Shape: append(tensor.Shape{}, t.Shape...), Data: []json.RawMessage{}}
	if len(v) > 0 && !slices.ContainsFunc(v, func(s string) bool { return s != v[0] }) {
		v = v[:1]
	}
	for _, s := range v {
		e.Data = append(e.Data, json.RawMessage(s))
	}
	return e
}
