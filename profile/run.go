package profile

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/report"
)

// Target is what is profiled, and how to make what the profile needs of it.
type Target struct {
	Model    *model.Model
	Provider engine.Provider
	Config   engine.Config
	// Inputs returns the tensors of one run; batch 0 is the size that the model was bound to.
	Inputs func(batch int64) ([]tensor.Tensor, error)
	// Pre makes the inputs of one run from images or texts, Post an answer of a run's outputs; nil: not measured.
	Pre  measure.Run
	Post func(outputs []tensor.Tensor) error
	// PreCommand and PostCommand are commands that stand for the two, in their place; "": none. See child.Worker.
	PreCommand, PostCommand string
	// Cold returns a fresh process that starts cold, runs once and prints a report.ColdStart; nil for none.
	Cold     func(ctx context.Context) *exec.Cmd
	Sizes    []string // flags that bind dynamic axes, for commands that the report names: "--dim", "batch=8"
	Runtime  string   // version of the runtime library, for what is kept of this machine
	Progress progress.Func
}

// Profiled is what a profile leaves beside its document.
type Profiled struct {
	Trace  *trace.Trace // of the profiled pass; nil where there was none
	Unkept error        // why the trace is not in the file that Options.TracePath asks for; nil where it is
}

// Run profiles t into d. What was measured before ctx was cancelled is in d, whose verdict is then interrupted; err
// is for what made measuring impossible.
func Run(ctx context.Context, t Target, o Options, d *report.Document) (Profiled, error) {
	r := &runner{t: t, o: o, d: d, cpus: host.EffectiveCPUs().Count}
	defer r.release()
	if err := r.measure(ctx); err != nil && ctx.Err() == nil {
		return Profiled{}, err
	}
	r.finish(ctx.Err() != nil)
	return Profiled{r.trace, r.unkept}, d.SetDetails(r.details)
}

// runner carries one profile from phase to phase.
type runner struct {
	t       Target
	o       Options
	d       *report.Document
	cpus    int
	details report.ProfileDetails

	graph analysis
	base  *measure.Series // the unprofiled timed runs at the bound size
	rows  int64           // rows a run at the bound size
	trace *trace.Trace    // of the profiled pass
	ran   *model.Model    // the graph that the runtime really ran; nil: unknown
	dir   string          // of the trace and of ran

	unkept error // see Profiled
}

// release closes and removes what the profiled pass left for the phases after it.
func (r *runner) release() {
	if r.ran != nil {
		_ = r.ran.Close()
	}
	if r.dir != "" {
		_ = os.RemoveAll(r.dir)
	}
}

func (r *runner) measure(ctx context.Context) error {
	if err := r.steady(ctx); err != nil {
		return err
	}
	if err := r.stages(ctx); err != nil {
		return err
	}
	r.graph = analyze(r.t.Model, r.inputShapes())
	r.graph.metrics(r.t.Model, r.d)
	r.details.Memory = r.graph.peak()
	for _, b := range r.o.Batches {
		if err := r.batch(ctx, b); err != nil {
			if ctx.Err() != nil || fault.KindOf(err) == fault.Usage {
				return fmt.Errorf("batch %d: %w", b, err)
			}
			// A graph may hold one size in its inside (a Reshape to a constant): the other sizes still tell something.
			r.d.Warn("batch %d could not be run: %v", b, err)
			r.details.Batches = append(r.details.Batches, report.BatchRow{Batch: int(b), Error: err.Error()})
		}
	}
	if r.o.ProfiledRuns > 0 && ctx.Err() == nil {
		if err := r.profiled(ctx); err != nil {
			return fmt.Errorf("profiled pass: %w", err)
		}
	}
	if err := r.cold(ctx); err != nil {
		return err
	}
	if err := r.ceilings(ctx); err != nil {
		return err
	}
	return r.findings(ctx)
}

// inputShapes returns the shape of every input as it is run.
func (r *runner) inputShapes() map[string]tensor.Shape {
	in, err := r.t.Inputs(0)
	if err != nil {
		return nil // steady reports it
	}
	shapes := map[string]tensor.Shape{}
	for _, t := range in {
		shapes[t.Name] = t.Shape
	}
	return shapes
}

// steady measures the bound size: the latency metrics without labels.
func (r *runner) steady(ctx context.Context) error {
	in, err := r.t.Inputs(0)
	if err != nil {
		return err
	}
	r.rows = rowsOf(in)
	s, err := r.series(ctx, in, "timed runs")
	if err != nil {
		return err
	}
	r.base = s
	r.details.WarmUp = &report.WarmUp{Runs: len(s.WarmUp), Class: string(s.Class)}
	addLatency(r.d, s, r.rows, nil)
	r.details.Interference = interference(s.Interference)
	r.details.Latency = s.Histogram()
	for _, c := range measure.Checks(s, r.t.Config.Threads) {
		r.d.AddCheck(c.Name, c.OK, "%s", c.Detail)
	}
	return nil
}

// batch measures one size of the sweep: the latency metrics labelled with it.
func (r *runner) batch(ctx context.Context, size int64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	in, err := r.t.Inputs(size)
	if err != nil {
		return err
	}
	s, err := r.series(ctx, in, "batch "+strconv.FormatInt(size, 10))
	if err != nil {
		return err
	}
	addLatency(r.d, s, size, map[string]string{"batch": strconv.FormatInt(size, 10)})
	r.details.Batches = append(r.details.Batches, report.BatchRow{
		Batch: int(size), Runs: len(s.Seconds), WarmUp: &report.WarmUp{Runs: len(s.WarmUp), Class: string(s.Class)}, Latency: s.Histogram(),
	})
	return nil
}

// series opens a session of its own, so that every size starts alike, and times it.
func (r *runner) series(ctx context.Context, in []tensor.Tensor, phase string) (*measure.Series, error) {
	r.t.Progress.Send(progress.Event{Phase: "open the session"})
	s, err := r.t.Provider.Open(ctx, r.t.Model, r.t.Config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if w, ok := s.(engine.Warner); ok {
		for _, text := range w.Warnings() {
			r.d.Warn("%s", text)
		}
	}
	run, timed, closeRun, err := measure.Bind(ctx, s, in)
	if err != nil {
		return nil, err
	}
	defer closeRun()
	return measure.Steady(ctx, run, measure.Options{
		Runs: r.o.Runs, Duration: r.o.Duration, WarmUp: r.o.WarmUp, Timed: timed, Progress: r.t.Progress, Phase: phase,
	})
}

// cold starts fresh processes one after the other, for at most coldBudget.
func (r *runner) cold(ctx context.Context) error {
	if r.t.Cold == nil || r.o.Cold == 0 {
		r.memory()
		return nil
	}
	begin := time.Now()
	for i := range r.o.Cold {
		if ctx.Err() != nil {
			break
		}
		if i > 0 && time.Since(begin) > coldBudget {
			r.d.Warn("cold start: stopped after %d of %d processes, %s", i, r.o.Cold, coldBudget)
			break
		}
		r.t.Progress.Send(progress.Event{Phase: "cold starts", Done: float64(i), Total: float64(r.o.Cold), Unit: "processes"})
		var one report.ColdStart
		if err := measure.Child(ctx, r.t.Cold(ctx), &one); err != nil {
			if ctx.Err() != nil {
				break
			}
			return fmt.Errorf("cold start: %w", err)
		}
		r.details.Cold = append(r.details.Cold, one)
	}
	r.started()
	r.memory()
	return nil
}

const coldBudget = 20 * time.Second

// memory adds the peak of this process where no fresh process told one.
func (r *runner) memory() {
	if len(r.details.Cold) > 0 {
		return
	}
	m := host.ProcessMemory()
	if m.PeakRSS == 0 {
		return
	}
	p := report.NewMetric("peak_rss")
	v := float64(m.PeakRSS)
	p.Value, p.N, p.Method = &v, 1, "VmHWM of this process"
	r.d.Add(p)
}

// rowsOf returns the rows of one run: axis 0 of the first input of rank two or more, else 1.
func rowsOf(in []tensor.Tensor) int64 {
	for _, t := range in {
		if len(t.Shape) >= 2 {
			return max(t.Shape[0], 1)
		}
	}
	return 1
}
