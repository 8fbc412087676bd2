package cmd

import (
	"context"
	"fmt"
	"os"
	"strings"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model"
	"infer/model/dataset"
	"infer/model/predict"
	"infer/optimize/quantize"
	"infer/report"
)

// variant is a model that settings can run: the one that was named, or the same in another precision.
type variant struct {
	name, path string
	model      *model.Model
	accuracy   *report.Interval // nil: not judged
	drop       *report.Interval
	out        string // why it was left out; "" where it takes part
}

func (v *variant) close() { _ = v.model.Close() }

// loadVariants opens the files of --variant; each must take what the model takes.
func (t *tuner) loadVariants() error {
	for _, text := range t.f.variants {
		name, path, ok := strings.Cut(text, "=")
		if !ok || name == "" || path == "" {
			return fault.New(fault.Usage, "write it as NAME=FILE, such as int8=model.int8.onnx", "--variant %q has no NAME=FILE", text)
		}
		if name == baseVariant || t.variant(name) != nil {
			return fault.New(fault.Usage, "give each variant its own name; "+baseVariant+" is the model itself", "--variant %q: the name is taken", text)
		}
		m, err := loadModel(path)
		if err != nil {
			return fault.Wrap(err, "--variant %q", text)
		}
		t.variants = append(t.variants, &variant{name: name, path: path, model: m})
		if err := sameSignature(t.base.model, m); err != nil {
			return fault.Wrap(err, "--variant %q", text)
		}
	}
	return nil
}

// variant returns the variant of a name, the model itself for the base's or none, nil for an unknown one.
func (t *tuner) variant(name string) *variant {
	if name == "" || name == baseVariant {
		return &variant{name: baseVariant, path: t.base.path, model: t.base.model, accuracy: t.accuracy}
	}
	for _, v := range t.variants {
		if v.name == name {
			return v
		}
	}
	return nil
}

// sameSignature refuses a model that takes other inputs than base or gives other outputs.
func sameSignature(base, m *model.Model) error {
	for _, side := range []struct {
		what      string
		base, own []model.Port
		typed     bool
	}{{"input", base.Inputs(), m.Inputs(), true}, {"output", base.Outputs(), m.Outputs(), false}} {
		own := map[string]model.Port{}
		for _, p := range side.own {
			own[p.Name] = p
		}
		for _, p := range side.base {
			o, ok := own[p.Name]
			switch {
			case !ok:
				return fault.New(fault.Usage, "give the same model in another precision", "it has no %s %q", side.what, p.Name)
			case side.typed && o.Type.DType != p.Type.DType:
				return fault.New(fault.Usage, "keep the types of the inputs (--keep-io of infer convert)", "its %s %q is %v, and that of the model %v", side.what, p.Name, o.Type.DType, p.Type.DType)
			}
		}
		if len(side.own) != len(side.base) {
			return fault.New(fault.Usage, "give the same model in another precision", "it has %d %ss, and the model %d", len(side.own), side.what, len(side.base))
		}
	}
	return nil
}

// judgeVariants decides, before anything is timed, which variants keep the accuracy.
func (t *tuner) judgeVariants(ctx context.Context, d *report.Document) error {
	if len(t.variants) == 0 {
		return nil
	}
	if t.f.labelled == "" {
		d.Warn("whether the variants answer as well as the model was not judged: pass --data with labels")
		return nil
	}
	data := t.f.data
	data.Source = t.f.labelled
	in, err := openData(t.base.model, data, t.f.bind)
	if err != nil {
		return fault.Wrap(err, "--data")
	}
	defer in.close()
	if in.set == nil {
		return fault.New(fault.Usage, "name a data set", "--data %q: made-up inputs have no right answers", t.f.labelled)
	}
	j, err := t.newVariantJudge(in)
	if err != nil {
		return err
	}
	base, err := t.classes(ctx, in, t.base.model)
	if err != nil {
		return fault.Wrap(in.explain(err), "judge the model")
	}
	if j.labels != nil {
		if len(base) != len(j.labels) {
			return fault.New(fault.Usage, "the labels must be those of the rows", "--data %q: %d labels for %d rows", t.f.labelled, len(j.labels), len(base))
		}
		t.accuracy = new(report.IntervalOf(stats.Wilson(same(base, j.labels), len(base), 0.95)))
	}
	for _, v := range t.variants {
		own, err := t.classes(ctx, in, v.model)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			v.out = err.Error()
			continue
		}
		j.judge(v, base, own)
	}
	return nil
}

// variantJudge decides whether a variant keeps a budget.
type variantJudge struct {
	budget quantize.Budget
	labels []int64 // nil: none
}

func (t *tuner) newVariantJudge(in *inputs) (*variantJudge, error) {
	j := &variantJudge{budget: quantize.Budget{Kind: "agreement", Limit: 0.99}}
	labels, labelled := in.set.Labels()
	if labelled {
		j.labels, j.budget = labels, quantize.Budget{Kind: "top1", Limit: 0.005}
	}
	if t.f.budget == "" {
		return j, nil
	}
	var err error
	if j.budget, err = quantize.ParseBudget(t.f.budget); err == nil && j.budget.Kind == "top1" && !labelled {
		err = fault.New(fault.Usage, "give rows with labels.npy, or pass --accuracy-budget agreement:99%", "--data %q has no labels, and --accuracy-budget is on top1", t.f.labelled)
	}
	return j, err
}

// judge fills in what became of v, by the classes that the model and v give to the same rows.
func (j *variantJudge) judge(v *variant, base, own []int64) {
	n := len(base)
	if len(own) != n {
		v.out = fmt.Sprintf("it answers %d rows of %d", len(own), n)
		return
	}
	if j.labels != nil {
		gained, lost := 0, 0
		for i, l := range j.labels {
			switch {
			case own[i] == l && base[i] != l:
				gained++
			case own[i] != l && base[i] == l:
				lost++
			}
		}
		v.accuracy = new(report.IntervalOf(stats.Wilson(same(own, j.labels), n, 0.95)))
		v.drop = new(report.IntervalOf(stats.PairedDifference(lost, gained, n, 0.95)))
	}
	const rounding = 1e-12
	switch share := float64(same(base, own)) / float64(n); {
	case j.budget.Kind == "top1" && v.drop.Value > j.budget.Limit+rounding:
		v.out = fmt.Sprintf("accuracy drops by %.2f points over %d rows, %.2f are allowed", 100*v.drop.Value, n, 100*j.budget.Limit)
	case j.budget.Kind == "agreement" && share < j.budget.Limit-rounding:
		v.out = fmt.Sprintf("%.2f %% of %d rows have the class that the model gives, %.2f %% must", 100*share, n, 100*j.budget.Limit)
	}
}

// same counts the places at which a and b, of equal length, are equal.
func same(a, b []int64) (n int) {
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return n
}

// classes returns what a model says of every row.
func (t *tuner) classes(ctx context.Context, in *inputs, m *model.Model) ([]int64, error) {
	s, err := t.base.provider.Open(ctx, m, t.base.config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	dir, err := os.MkdirTemp("", "infer-tune-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := predict.Run(ctx, s, in.set, predict.Options{Dir: dir, Batch: in.rowsPerRun(0), FileName: dataset.FileName, Progress: t.a.progress()})
	switch {
	case err != nil:
		return nil, err
	case !r.Done:
		return nil, ctx.Err()
	}
	return predict.Predicted(r.Files)
}

// taking returns the names of the variants that take part.
func (t *tuner) taking() (names []string) {
	for _, v := range t.variants {
		if v.out == "" {
			names = append(names, v.name)
		}
	}
	return names
}

// reportVariants is what became of the variants.
func (t *tuner) reportVariants() (list []report.TuneVariant) {
	for _, v := range t.variants {
		r := report.TuneVariant{Name: v.name, Model: report.ModelRef{Path: v.path, Bytes: v.model.Bytes()}, Accuracy: v.accuracy, Drop: v.drop, Verdict: "takes part"}
		if v.out != "" {
			r.Verdict = "left out: " + v.out
		}
		r.Model.SHA256, _ = v.model.Digest() // a file that can no longer be read fails where it is opened
		list = append(list, r)
	}
	return list
}
