package quantize

import (
	"context"
	"errors"
	"fmt"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/calibrate"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// Task is what is quantized, and what is known about it.
type Task struct {
	Model     *model.Model
	Provider  engine.Provider
	Config    engine.Config
	Target    emit.Target
	TargetWhy string
	Calib     Rows    // calibration rows; nil for none
	Random    bool    // Calib is made up
	Data      Rows    // rows to judge on; nil: a fifth of Calib
	Labels    []int64 // one class id a row of Data; nil for none
	Inputs    []tensor.Tensor
	Source    string  // where Calib comes from, for the report
	DataName  string  // where Data comes from
	Key       string  // identity of model, data and binding, for calibration files
	Output    string  // the file to write
	Record    *Record // its recipe is followed, and nothing else is tried; nil: none
	Command   string  // the command line that asked for it, which a next step adds to; "": not known
	Progress  progress.Func
}

// quantizer carries one quantization from phase to phase.
type quantizer struct {
	task    Task
	options Options
	doc     *report.Document
	details report.QuantizeDetails
	started time.Time

	prepared  *onnx.Model
	bases     map[string]*onnx.Model // float graphs of recipes, by their passes and smoothing
	tables    map[string]*calibrate.Table
	reasons   map[string]string // why a node was left float, by name
	fit, held Rows
	judge     *judge
	budget    *Budget // nil: none
	away      string  // why speed cannot be measured here, "" where it can
	replayed  string  // how the file compares with that of the record it was made of

	original   *contestant
	candidates []*candidate
}

// contestant is how fast and how large a model is.
type contestant struct {
	bytes    int64
	speedup  *report.Level95
	p50, p99 *report.Level95
	slower   bool    // or not known to be as fast
	unsure   bool    // the race was too short to tell
	rough    float64 // speedup by the medians of all runs; 0: not known
	equal    bool
	measured bool
}

// candidate is a model that was tried.
type candidate struct {
	contestant
	name    string
	recipe  Recipe
	built   *built
	lint    *emit.Lint
	verdict *verdict
	within  bool   // of the accuracy budget
	why     string // why it is out of the running
}

func newQuantizer(t Task, o Options, d *report.Document) *quantizer {
	return &quantizer{
		task: t, options: o, doc: d, started: time.Now(), bases: map[string]*onnx.Model{}, tables: map[string]*calibrate.Table{}, reasons: map[string]string{},
		details: report.QuantizeDetails{Mode: string(o.Mode), Target: t.Target.Name, TargetWhy: t.TargetWhy, Candidates: []report.QuantizeCandidate{}},
	}
}

// Run quantizes t into d and writes t.Output where something is worth writing. What was measured before ctx was
// cancelled is in d, whose verdict is then interrupted. err is for what made the work impossible; a budget that was
// missed is in d.
func Run(ctx context.Context, t Task, o Options, d *report.Document) error {
	q := newQuantizer(t, o, d)
	_ = host.ResetPeak() // so that the peak is that of this work
	err := q.run(ctx)
	if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		return err
	}
	if err != nil {
		d.Verdict = report.Interrupted
	}
	q.finish()
	return d.SetDetails(q.details)
}

func (q *quantizer) run(ctx context.Context) error {
	if err := checkInput(q.task.Model.Proto); err != nil {
		return err
	}
	if q.task.Record != nil {
		if err := q.follow(q.task.Record); err != nil {
			return err
		}
	}
	q.elsewhere()
	if q.options.Mode == WeightOnly && !q.task.Target.Contrib {
		q.options.Portable = true
	}
	if err := q.phase("prepare", func() error { return q.prepare(ctx) }); err != nil {
		return err
	}
	if err := q.findExplained(); err != nil {
		return err
	}
	if q.isLarge() {
		return q.large(ctx)
	}
	if err := q.split(); err != nil {
		return err
	}
	q.original = &contestant{bytes: q.task.Model.Bytes()}
	if err := q.phase("judge the original", func() error { return q.openJudge(ctx) }); err != nil {
		return err
	}
	if err := q.candidatesOf(ctx); err != nil {
		return err
	}
	best := q.choose()
	if best == nil {
		if err := q.playoff(ctx); err != nil {
			return err
		}
		best = q.choose()
	}
	if best != nil {
		if err := q.phase("write and verify", func() error { return q.write(ctx, best) }); err != nil {
			return err
		}
	}
	q.conclude(best)
	if err := q.measureGroups(ctx, q.nearest(best)); err != nil {
		return err
	}
	return q.explain(ctx, q.nearest(best))
}

// candidatesOf makes, judges and measures the candidates: that of a record, or those of the mode.
func (q *quantizer) candidatesOf(ctx context.Context) error {
	if r := q.task.Record; r != nil {
		return q.replay(ctx, r)
	}
	recipes, err := q.recipes()
	if err != nil {
		return err
	}
	return q.explore(ctx, recipes)
}

// phase runs a part of the work and notes how long it took.
func (q *quantizer) phase(name string, f func() error) error {
	begin := time.Now()
	q.task.Progress.Send(progress.Event{Phase: name})
	err := f()
	took := time.Since(begin).Seconds()
	for i := range q.details.Phases {
		if q.details.Phases[i].Name == name {
			q.details.Phases[i].Seconds += took
			return err
		}
	}
	q.details.Phases = append(q.details.Phases, report.Phase{Name: name, Seconds: took})
	return err
}

// quantized are the operators of models that are quantized already.
var quantized = map[string]bool{
	"QuantizeLinear": true, "DequantizeLinear": true, "DynamicQuantizeLinear": true, "QLinearConv": true, "QLinearMatMul": true,
	"MatMulInteger": true, "ConvInteger": true, "QGemm": true, "QAttention": true, "MatMulNBits": true, "DynamicQuantizeLSTM": true,
	"DynamicQuantizeMatMul": true, "MatMulIntegerToFloat": true, "QLinearAdd": true, "GatherBlockQuantized": true,
}

// checkInput refuses models that are quantized or in half precision already.
func checkInput(m *onnx.Model) error {
	var found string
	half, float := 0, 0
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			if quantized[n.OpType] && found == "" {
				found = n.OpType
			}
		}
		for _, t := range g.Initializers {
			switch t.DType {
			case tensor.Float16, tensor.BFloat16:
				half++
			case tensor.Float32:
				float++
			}
		}
	})
	switch {
	case found != "":
		return fault.New(fault.Unsupported, "quantize the float32 model that it was made of", "the model is quantized already: it has %s nodes", found)
	case half > float:
		return fault.New(fault.Unsupported, "quantize the float32 model that it was made of",
			"the model is in half precision already: %d of its %d floating-point constants", half, half+float)
	}
	return nil
}

// split decides which rows calibrate and which judge.
func (q *quantizer) split() error {
	t := q.task
	if t.Calib != nil && t.Calib.Rows() == 0 || t.Data != nil && t.Data.Rows() == 0 {
		return fault.New(fault.Usage, "give at least one row", "the data set has no rows")
	}
	if t.Labels != nil && int64(len(t.Labels)) != t.Data.Rows() {
		return fault.New(fault.Usage, "labels.npy has one class id a row", "%d labels for %d rows", len(t.Labels), t.Data.Rows())
	}
	limit := q.options.Samples
	if limit == 0 {
		limit = DefaultSamples
	}
	switch {
	case t.Calib == nil:
		q.held = t.Data
	case t.Data != nil:
		q.fit, q.held = take(t.Calib, limit), t.Data
	default:
		q.fit, q.held = holdOut(take(t.Calib, limit))
	}
	if q.held == nil {
		r, err := NewRandomRows(t.Model, shapesOf(t.Inputs), q.options.Seed+1000, randomHeld)
		if err != nil {
			return err
		}
		q.held = r
		q.task.DataName = "random"
		if q.task.Record == nil {
			q.doc.Warn("there are no rows to judge accuracy on: it is judged on %d made-up inputs, which tell little", randomHeld)
		}
	}
	q.details.Held = &report.HeldOut{Source: q.heldSource(), Rows: q.held.Rows(), Labels: t.Labels != nil}
	if n := countRows(q.fit); n > 0 && n < fewRows {
		q.doc.Warn("%d calibration rows are few: ranges of others may go beyond theirs; a few hundred are usual", n)
	}
	if t.Random {
		q.doc.Warn("calibrated on made-up inputs, as --calib random asks: ranges of real data may be quite different")
	}
	return nil
}

// fewRows are the calibration rows below which ranges are hardly known.
const fewRows = 16

func countRows(r Rows) int64 {
	if r == nil {
		return 0
	}
	return r.Rows()
}

// randomHeld are the made-up inputs on which models are compared where there are no rows.
const randomHeld = 8

func (q *quantizer) heldSource() string {
	switch {
	case q.task.Data != nil, q.task.DataName == "random":
		return q.task.DataName
	}
	return "rows of " + q.task.Source + " kept apart"
}

func shapesOf(in []tensor.Tensor) map[string]tensor.Shape {
	shapes := map[string]tensor.Shape{}
	for _, t := range in {
		shapes[t.Name] = t.Shape
	}
	return shapes
}

// openJudge opens the judge and settles the budget that goes by default.
func (q *quantizer) openJudge(ctx context.Context) error {
	q.judge = newJudge(q.task.Provider, q.task.Config, q.task.Model, q.held, q.task.Labels, q.judgeBatch())
	q.judge.progress = q.task.Progress
	if err := q.judge.open(ctx); err != nil {
		return err
	}
	if err := q.checkLabels(); err != nil {
		return err
	}
	b := q.options.Budget
	if !q.judge.floats {
		q.doc.Warn("no output is floating-point: what quantization does to the answers is not measured")
		if b != nil {
			return fault.New(fault.Usage, "leave it out, or make the scores an output of the model", "a budget of %s needs an output that is floating-point", b.Kind)
		}
		return nil
	}
	if b != nil && (b.Kind == "top1" || b.Kind == "agreement") && q.judge.classes < 0 {
		return fault.New(fault.Usage, "use sqnr:30dB or cosine:0.999", "a budget of %s needs an output with one list of class scores a row", b.Kind)
	}
	if b != nil && b.Kind == "top1" && q.task.Labels == nil {
		return fault.New(fault.Usage, "pass --data with a labels.npy, or use agreement:99%", "a budget of top1 needs labels")
	}
	q.budget = b
	if b == nil && q.options.Mode == Auto {
		q.budget = q.defaultBudget()
	}
	return nil
}

// checkLabels refuses labels that are no class of the model.
func (q *quantizer) checkLabels() error {
	if q.task.Labels == nil || q.judge.classes < 0 {
		return nil
	}
	classes := q.judge.class
	for i, l := range q.task.Labels {
		if l < 0 || l >= classes {
			return fault.New(fault.Usage, "labels.npy has one class id a row, counted from 0", "label %d of row %d is no class of an output with %d", l, i, classes)
		}
	}
	return nil
}

// defaultBudget is the one of the command-line contract. Where no output has classes there is nothing to agree on, and
// few rows show little: the noise must stay 25 or 30 dB below the signal then.
func (q *quantizer) defaultBudget() *Budget {
	switch {
	case q.judge.classes >= 0 && q.task.Labels != nil:
		return &Budget{Kind: "top1", Limit: 0.005}
	case q.task.Calib == nil && q.task.Data == nil:
		q.doc.Warn("no rows to judge accuracy on: there is no accuracy budget")
		return nil
	case q.judge.classes < 0:
		return &Budget{Kind: "sqnr", Limit: defaultNoise}
	}
	b := &Budget{Kind: "agreement", Limit: 0.99}
	if n := q.held.Rows(); n < leastAgreement {
		b.Also = &Budget{Kind: "sqnr", Limit: scoresNoise}
		q.doc.Warn("%d rows cannot show that 99 %% agree (it takes %d): an SQNR of %d dB is asked for too; give more rows, or --data", n, leastAgreement, scoresNoise)
	}
	return b
}

// judgeBatch returns how many rows a judging run has: as many as fit into the calibration memory, 64 at most.
func (q *quantizer) judgeBatch() int64 {
	bytes := int64(1)
	for _, t := range q.task.Inputs {
		bytes += int64(len(t.Data))
	}
	per := max(bytes*activationsPerInput, 1)
	return min(max(q.options.Memory/per, 1), 64)
}

// activationsPerInput is about how many times the bytes of its inputs a model needs for what lies in between.
const activationsPerInput = 32

// note adds a reason for the report where a group was left float.
func (q *quantizer) note(node, format string, args ...any) {
	q.reasons[node] = fmt.Sprintf(format, args...)
}
