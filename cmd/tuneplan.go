package cmd

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"infer/internal/host"
	"infer/optimize/tune"
	"infer/report"
)

// plan makes the space of the model, the machine and the flags.
func (t *tuner) plan() (err error) {
	in := t.base.data
	x := spaceFacts{
		machine: host.Facts(), bytes: t.base.model.Bytes(), width: graphWidth(t.base.model, in.bound.Shapes),
		objective: t.f.opts.Objective, config: t.base.config, threads: t.f.engine.threads > 0,
		rows: in.boundRows(), fixedRows: in.fixedRows(), batches: t.f.batches, variants: t.taking(), knobs: t.f.knobs,
		rowsError: func(rows int64) error {
			if rows == in.boundRows() {
				return nil
			}
			_, err := in.inputs(rows)
			return err
		},
	}
	if m := host.ReadMemoryUse(); m.Limit > m.Used {
		x.free = m.Limit - m.Used
	}
	t.space, err = newSpace(x)
	return err
}

// describe is the space as the search takes it.
func (t *tuner) describe() tune.Space {
	return tune.Space{Knobs: t.space.knobs, Allowed: t.space.allowed, Cost: t.space.cost, Facts: t.facts}
}

// facts are what is known of a setting without timing it.
func (t *tuner) facts(set tune.Setting) []report.Metric {
	accuracy := t.variant(set[knobVariant]).accuracy
	if accuracy == nil {
		return nil
	}
	m := report.NewMetric("accuracy_top1")
	m.Value, m.Lo, m.Hi, m.N, m.Method = &accuracy.Value, accuracy.Lo, accuracy.Hi, accuracy.N, "wilson"
	m.Confidence = 0.95
	return []report.Metric{m}
}

// mostOpen are the settings that may be open at a time: what is open stays in memory, and a few are enough.
func (t *tuner) mostOpen() int {
	const usual, least = 6, 3
	x := t.space.facts
	if x.free == 0 || x.bytes == 0 {
		return usual
	}
	const perSetting = 3 // copies of the model: as it is loaded, as it is packed, and room to run
	return max(least, int(min(usual, x.free/uint64(perSetting*x.bytes))))
}

// fixedRows says why the rows of a run cannot be chosen; "" where they can.
func (in *inputs) fixedRows() string {
	free := false
	for _, p := range in.m.Inputs() {
		if len(p.Type.Dims) == 0 || p.Type.Dims[0].Known {
			continue
		}
		free = true
		if _, ok := in.asked.Shapes[p.Name]; ok {
			return fmt.Sprintf("--shape gives the rows of %q", p.Name)
		}
		if _, ok := in.asked.Dims[p.Type.Dims[0].Name]; ok {
			return fmt.Sprintf("--dim gives %s", p.Type.Dims[0].Name)
		}
	}
	if !free {
		return "the first axis of the model is fixed"
	}
	return ""
}

// identity is the digest of all that a journal must share with the search that goes on from it.
func (t *tuner) identity(d *report.Document) (string, error) {
	m := d.Manifest
	fingerprint := host.Facts().Fingerprint
	version := ""
	if m.Runtime != nil {
		version = m.Runtime.Version + " " + m.Runtime.Flavor
	}
	models := []string{m.Model.SHA256}
	for _, v := range t.reportVariants() {
		if v.Verdict == "takes part" {
			models = append(models, v.Name+" "+v.Model.SHA256)
		}
	}
	b, err := json.Marshal([]any{models, fingerprint, version, t.base.config, m.Bindings, m.Data, m.Seed, t.space.knobs})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
