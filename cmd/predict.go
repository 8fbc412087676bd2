package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/predict"
	"infer/model/tensor"
	"infer/report"
)

// predictFlags are the flags of infer predict.
type predictFlags struct {
	engine engineFlags
	bind   bindFlags
	data   dataFlags
	dir    string
	labels string
	batch  int64
}

func newPredictCmd(a *app, run func(context.Context, *app, []string, predictFlags) error) *cobra.Command {
	var f predictFlags
	c := &cobra.Command{
		Use:   "predict [MODEL] --input DATA -o DIR",
		Short: "Run a model over a data set into .npy files",
		Long: `predict runs every row of a data set through a model and writes one .npy file an output, rows along axis 0.

An interrupted run keeps what it has; the same command goes on from there. With labels (--labels, or labels.npy in
the data set) it tells the accuracy. Where MODEL.io.yaml says how, images and texts are inputs too, and labels.jsonl
tells in words what each row is.`,
		Example: `  infer predict model.onnx --input data/ -o out/
  infer predict model.onnx --input data/ -o out/ --labels labels.npy --batch 32`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	fs := c.Flags()
	fs.StringVarP(&f.dir, "output", "o", "", "`DIR` for the output files; made where it is not there")
	fs.StringVar(&f.labels, "labels", "", "`FILE` of int64 class ids, one a row (default: labels.npy of the data set)")
	fs.Int64Var(&f.batch, "batch", 0, "rows a run (default: 32, or what the model's batch axis is fixed to)")
	f.engine.add(fs)
	f.bind.add(fs)
	f.data.add(fs)
	in := fs.Lookup("input")
	in.Usage, in.DefValue = "data set folder, .npz, .npy, .pb or .jsonl `FILE`, or images or texts (--io)", ""
	return c
}

func (f *predictFlags) validate() error {
	switch {
	case f.dir == "":
		return fault.New(fault.Usage, "pass -o DIR", "no folder is given for the output files")
	case f.data.isMade():
		return fault.New(fault.Usage, "pass --input with a data set", "predict needs data, not %s inputs", f.data.Source)
	case f.batch < 0:
		return fault.New(fault.Usage, "give the rows of one run", "--batch %d is negative", f.batch)
	}
	return nil
}

func runPredict(ctx context.Context, a *app, args []string, f predictFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	in, err := a.open(ctx, args, f.engine, f.bind, f.data)
	if err != nil {
		return err
	}
	defer in.close()
	labels, source, err := f.readLabels(in.data.set)
	if err != nil {
		return err
	}
	if err := f.checkFolder(a, in.model); err != nil {
		return err
	}
	d := a.newDocument("predict")
	if err := a.manifest(d, in); err != nil {
		return err
	}
	session, err := in.provider.Open(ctx, in.model, in.config)
	if err != nil {
		return err
	}
	defer session.Close()
	if w, ok := session.(engine.Warner); ok {
		for _, text := range w.Warnings() {
			d.Warn("%s", text)
		}
	}
	o := predict.Options{
		Dir: f.dir, Batch: in.data.rowsPerRun(f.batch), FileName: dataset.FileName, Labels: labels, Progress: a.progress(),
	}
	o.Key = strings.Join([]string{d.Manifest.Model.SHA256, d.Manifest.Data.SHA256, fmt.Sprint(in.config.Providers), fmt.Sprint(o.Batch), in.data.bindingText()}, "|")
	r, err := predict.Run(ctx, session, in.data.set, o)
	if err != nil {
		return err
	}
	if err := describePrediction(d, r, o, source); err != nil {
		return err
	}
	if io := in.data.io; r.Done && io != nil && io.HasLabels() {
		if err := predict.WriteAnswers(f.answers(), r, io, in.data.set.Name); err != nil {
			return err
		}
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	return outcome(d, false)
}

// answers is the file that tells what each row is, where labels are declared.
func (f *predictFlags) answers() string { return filepath.Join(f.dir, "labels.jsonl") }

// checkFolder makes the output folder. It refuses one that the data are read from: outputs would become inputs.
func (f *predictFlags) checkFolder(a *app, m *model.Model) error {
	outputs := []outputFile{{"--output", f.answers()}}
	for _, p := range m.Outputs() {
		outputs = append(outputs, outputFile{"--output", filepath.Join(f.dir, dataset.FileName(p.Name)+".npy")})
	}
	if sameFile(f.dir, f.data.Source) {
		return fault.New(fault.Usage, "write to another folder", "-o %q is the folder that the data are read from", f.dir)
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return fault.New(fault.Usage, "name a folder that can be made or written to", "make the output folder: %w", err)
	}
	return a.checkOutputs(m, []string{f.data.Source, f.labels}, outputs...)
}

// readLabels returns the class ids of --labels, or those of the data set, and where they came from.
func (f *predictFlags) readLabels(set *dataset.Set) ([]int64, string, error) {
	if f.labels == "" {
		labels, ok := set.Labels()
		if !ok {
			return nil, "", nil
		}
		return labels, "the data set", nil
	}
	t, err := tensor.ReadNpy(f.labels)
	if err != nil {
		return nil, "", fault.New(fault.Usage, "give a .npy file of int64 class ids", "labels: %w", err)
	}
	labels, err := tensor.Int64s(t)
	if err != nil {
		return nil, "", fault.New(fault.Usage, "give a .npy file of int64 class ids", "labels %q: %w", f.labels, err)
	}
	if int64(len(labels)) != set.Rows() {
		return nil, "", fault.New(fault.Usage, "the labels must be those of the input's rows", "labels %q: %d labels for %d rows", f.labels, len(labels), set.Rows())
	}
	return labels, f.labels, nil
}

// describePrediction fills the document from the result.
func describePrediction(d *report.Document, r predict.Result, o predict.Options, labels string) error {
	details := report.PredictDetails{Rows: r.Rows, Resumed: r.Resumed, Batch: int(o.Batch), Outputs: []report.OutputFile{}}
	for _, f := range r.Files {
		details.Outputs = append(details.Outputs, report.OutputFile{Name: f.Output, File: f.Path, DType: f.DType.String(), Shape: f.Shape.String()})
	}
	addThroughput(d, r)
	if a := r.Accuracy; a != nil {
		m := report.NewMetric("accuracy_top1")
		m.Value, m.Lo, m.Hi = &a.Top1.Value, &a.Top1.Lo, &a.Top1.Hi
		m.N, m.Confidence, m.Method = int(a.Rows), a.Top1.Confidence, "Wilson"
		d.Add(m)
		details.Labels, details.Correct = labels, &a.Correct
		if a.Unknown > 0 {
			d.Warn("%d of %d labels are no class of output %q: are they the labels of this model?", a.Unknown, a.Rows, a.Output)
		}
		for _, c := range a.Classes {
			details.Classes = append(details.Classes, report.ClassCount{Class: c.ID, Rows: c.Rows, Correct: c.Correct, Predicted: c.Predicted})
		}
	}
	if !r.Done {
		d.Verdict = report.Interrupted
		d.Warn("%d rows are written; the same command goes on from there", r.Rows)
	}
	return d.SetDetails(details)
}

// addThroughput adds rows/s: the rows of this call over the time inside the session, with an interval over the runs of
// full size.
func addThroughput(d *report.Document, r predict.Result) {
	if len(r.Seconds) == 0 {
		return
	}
	n := len(r.Seconds)
	if n > 1 && r.RunRows[n-1] < r.RunRows[0] {
		n-- // what is left over runs with fewer rows, which cost more each
	}
	perRow := make([]float64, n)
	for i, s := range r.Seconds[:n] {
		perRow[i] = s / float64(r.RunRows[i])
	}
	e := stats.Mean(perRow, 0.95)
	m := report.NewMetric("throughput")
	if len(perRow) == 1 {
		e.Value = perRow[0] // without an interval
	}
	v := 1 / e.Value
	m.Value, m.N = &v, len(perRow)
	if e.OK && e.Lo > 0 {
		lo, hi := 1/e.Hi, 1/e.Lo
		m.Lo, m.Hi, m.Confidence, m.Method = &lo, &hi, 0.95, "t over runs"
	}
	d.Add(m)
	el := report.NewMetric("elapsed")
	wall := r.Wall.Seconds()
	el.Value, el.N = &wall, 1
	d.Add(el)
}
