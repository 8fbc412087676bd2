package cmd

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/proof"
	"infer/report"
)

// otherBatch is the batch size of the last set of inputs where the model has dynamic batch axes: an exporter that kept
// the size of its example fails there, and nowhere else.
const otherBatch = 3

// prove compares the written model with the original, which Python runs, and sets Verification. What cannot be compared
// is no error.
func (r *exportRun) prove(ctx context.Context, written *model.Model) error {
	data, err := openData(written, r.data, r.shapesOf(written))
	if err != nil {
		return err
	}
	defer data.close()
	r.record(data)
	verdict := report.Agreement{Verdict: proof.NotRun, Rel: r.python.rtol, Abs: r.python.atol}
	r.details.Verification = &verdict
	if r.verify <= 0 {
		verdict.Why = "--verify 0"
		return nil
	}
	ref, notes, err := r.reference(ctx, written, data)
	if err == nil {
		err = r.openRuntime(ctx)
	}
	if ctx.Err() != nil || fault.KindOf(err) == fault.Deadline {
		return cmp.Or(ctx.Err(), err)
	}
	if err != nil {
		verdict.Why = err.Error()
		return nil
	}
	defer r.runtime.Close()
	if verdict, err = r.compared(ctx, ref, written); err != nil {
		return err
	}
	verdict.Notes = append(verdict.Notes, notes...)
	return nil
}

// shapesOf are the --shape and --dim flags, without shapes of arguments that the exporter found to be of no use.
func (r *exportRun) shapesOf(m *model.Model) bindFlags {
	has := func(text string) bool {
		name, _, err := model.ParseShapeFlag(text)
		return err != nil || slices.ContainsFunc(m.Inputs(), func(p model.Port) bool { return p.Name == name })
	}
	kept := bindFlags{Dims: r.bind.Dims}
	for _, text := range r.bind.Shapes {
		if has(text) {
			kept.Shapes = append(kept.Shapes, text)
		} else {
			r.doc.Warn("the output does not depend on input %q: the model has no such input", text[:strings.LastIndexByte(text, ':')])
		}
	}
	return kept
}

// record keeps the sizes of the inputs, and writes to the manifest what the comparison ran on.
func (r *exportRun) record(data *inputs) {
	m := &r.doc.Manifest
	m.Data, m.Bindings = &report.DataRef{Source: r.data.Source}, map[string]string{}
	r.bound = map[string][]onnx.Dim{}
	for name, s := range data.bound.Shapes {
		m.Bindings[name] = s.String()
		dims := make([]onnx.Dim, len(s))
		for i, size := range s {
			dims[i] = onnx.Fixed(size)
		}
		r.bound[name] = dims
	}
	if data.set == nil {
		m.Seed = &r.data.Seed
	}
}

// compared runs the written model on the inputs of the reference. One that the runtime cannot open is an error.
func (r *exportRun) compared(ctx context.Context, ref *agree.Reference, written *model.Model) (report.Agreement, error) {
	s, err := r.open(ctx, written)
	if err != nil {
		return report.Agreement{}, fault.New(fault.KindOf(err), "pass --verify 0 to write it all the same", "open what %s made: %w", r.made.Exporter, err)
	}
	defer s.Close()
	verdict, err := proof.Outputs(ctx, ref, s, r.python.tolerance(), r.words())
	if err != nil && ctx.Err() == nil {
		why := "it fails where the original runs: " + err.Error()
		return report.Agreement{Verdict: proof.Drifts, Why: why, Source: r.words(), Rel: r.python.rtol, Abs: r.python.atol}, nil
	}
	return verdict, err
}

// words say where the inputs come from.
func (r *exportRun) words() string {
	switch r.data.Source {
	case "random":
		return fmt.Sprintf("random, seed %d", r.data.Seed)
	case "zeros":
		return "zeros"
	}
	return fmt.Sprintf("data set %q", r.data.Source)
}

// reference is what the original answers. On the first set it runs twice, to find outputs that are random.
func (r *exportRun) reference(ctx context.Context, written *model.Model, data *inputs) (*agree.Reference, []string, error) {
	sets, err := r.sets(data)
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	ref := &agree.Reference{Random: map[string]bool{}}
	for i, in := range sets {
		out, err := r.answer(ctx, written, in)
		if err != nil && i > 0 && ctx.Err() == nil {
			notes = append(notes, fmt.Sprintf("the original does not run on inputs of shape %s: %v", in[0].Shape, err))
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		ref.Inputs, ref.Outputs = append(ref.Inputs, in), append(ref.Outputs, out)
	}
	again, err := r.answer(ctx, written, sets[0])
	if err != nil {
		return nil, nil, err
	}
	for i, x := range ref.Outputs[0] {
		if !tensor.Equal(x, again[i]) {
			ref.Random[x.Name] = true
		}
	}
	return ref, notes, nil
}

// sets makes the inputs: rows of the data set, or made-up ones with a seed each, the last of another batch size where
// that is dynamic and nobody bound it.
func (r *exportRun) sets(data *inputs) ([][]tensor.Tensor, error) {
	var sets [][]tensor.Tensor
	if data.set != nil {
		rows := data.boundRows()
		for i := range int64(r.verify) {
			if (i+1)*rows > data.set.Rows() {
				break
			}
			in, err := data.set.Batch(i*rows, (i+1)*rows)
			if err != nil {
				return nil, err
			}
			sets = append(sets, in)
		}
		if len(sets) == 0 {
			return nil, fault.New(fault.Usage, "", "data set %q has fewer rows than a run takes", r.data.Source)
		}
		return sets, nil
	}
	for i := range r.verify {
		bound := data.bound
		if last := i > 0 && i == r.verify-1; last {
			if other, err := data.atBatch(otherBatch); err == nil {
				bound = other
			}
		}
		in, err := r.makeUp(data.m, bound, r.data.Seed+uint64(i))
		if err != nil {
			return nil, err
		}
		sets = append(sets, in)
	}
	return sets, nil
}

func (r *exportRun) makeUp(m *model.Model, bound model.Bound, seed uint64) ([]tensor.Tensor, error) {
	if r.data.Source == "zeros" {
		in, _, err := dataset.Zeros(m, bound.Shapes)
		return in, err
	}
	in, _, err := dataset.Random(m, bound.Shapes, seed)
	return in, err
}

// answer runs the original once; its outputs come in the order of the model's.
func (r *exportRun) answer(ctx context.Context, written *model.Model, in []tensor.Tensor) ([]tensor.Tensor, error) {
	got, err := r.made.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []tensor.Tensor
	for _, p := range written.Outputs() {
		i := slices.IndexFunc(got, func(t tensor.Tensor) bool { return t.Name == p.Name })
		if i < 0 {
			return nil, fmt.Errorf("the original has no output %q", p.Name)
		}
		out = append(out, got[i])
	}
	return out, nil
}

// openRuntime loads the runtime and writes to the manifest which.
func (r *exportRun) openRuntime(ctx context.Context) error {
	config, err := r.engine.config()
	if err != nil {
		return err
	}
	rt, lib, err := r.a.openRuntime(ctx, r.engine)
	if err != nil {
		return err
	}
	ref := &report.RuntimeRef{Name: "onnxruntime", Version: lib.Version, Path: lib.Path}
	for _, p := range config.Providers {
		ref.Providers = append(ref.Providers, p.Name)
	}
	r.doc.Manifest.Runtime, r.runtime, r.config = ref, rt, config
	return nil
}

// open opens a session of the model on the first provider.
func (r *exportRun) open(ctx context.Context, m *model.Model) (engine.Session, error) {
	p, err := r.runtime.Provider(r.config.Providers[0].Name)
	if err != nil {
		return nil, err
	}
	return p.Open(ctx, m, r.config)
}

// onnxBeside is where the ONNX model of a source goes when nobody says: beside it, with its name.
func onnxBeside(source string) string {
	clean := filepath.Clean(source)
	if info, err := os.Stat(clean); err == nil && info.IsDir() {
		return clean + ".onnx"
	}
	return strings.TrimSuffix(clean, filepath.Ext(clean)) + ".onnx"
}

// sourceRef identifies a file, or a folder by the names and contents of all that is in it.
func sourceRef(path string) (*report.ModelRef, error) {
	ref := &report.ModelRef{Path: path}
	hash := sha256.New()
	err := filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if file != path {
			inside, err := filepath.Rel(path, file)
			if err != nil {
				return err
			}
			fmt.Fprintf(hash, "%q", filepath.ToSlash(inside))
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(hash, f)
		ref.Bytes += n
		return err
	})
	ref.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return ref, err
}
