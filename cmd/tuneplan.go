package cmd

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/report"
)

// maxSettings is what a search can be about: screening more of them would take hours.
const maxSettings = 20_000

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
	if t.space, err = newSpace(x); err != nil {
		return err
	}
	n := 1
	for _, k := range t.space.knobs {
		if n *= len(k.Values); n > maxSettings {
			return fault.New(fault.Usage, "give fewer values", "the knobs have more than %d combinations", maxSettings)
		}
	}
	return nil
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
