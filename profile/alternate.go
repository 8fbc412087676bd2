package profile

import (
	"context"
	"time"

	"infer/internal/progress"
	"infer/internal/stats"
	"infer/model"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/tensor"
	"infer/model/trace"
)

// alternation says how a model is run with and without tracing in turn.
type alternation struct {
	provider engine.Provider
	model    *model.Model
	config   engine.Config
	inputs   []tensor.Tensor
	dir      string        // for the trace and the graph that ran
	runs     int           // traced ones that are kept, at most
	time     time.Duration // aim
	keepRan  bool          // write the graph that ran to dir, where the provider can
	progress progress.Func
	phase    string
}

// alternated is what both sessions did, by block. Times are in seconds.
type alternated struct {
	untraced, traced [][]float64 // runs of a block, without its first, which meets the caches as the other session left them
	starts           []int       // index in the trace of the first kept run of each block
	trace            *trace.Trace
	tracePath        string
	ranPath          string // "" where the provider cannot write the graph that ran
}

// told reports whether the trace tells the nodes of at least one run that is kept.
func (a *alternated) told() bool {
	return a.trace != nil && len(a.trace.Nodes) > 0 && len(a.starts) > 0 && a.starts[0] < a.trace.Runs
}

// aimBlocks pairs of blocks are run where the time allows, leastBlocks in any case.
const (
	aimBlocks   = 8
	leastBlocks = 5
)

// tracedWarmUp runs of the traced session come before its first block.
const tracedWarmUp = 3

// run opens both sessions and runs them in blocks that take turns, so that whatever else the machine does meets both.
func (x alternation) run(ctx context.Context) (*alternated, error) {
	plain, err := x.provider.Open(ctx, x.model, x.config)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	out := &alternated{}
	traced, err := x.openTraced(ctx, out)
	if err != nil {
		return nil, err
	}
	defer traced.Close()
	a, err := newLane(ctx, plain, x.inputs)
	if err != nil {
		return nil, err
	}
	defer a.release()
	b, err := newLane(ctx, traced, x.inputs)
	if err != nil {
		return nil, err
	}
	defer b.release()
	if err := x.blocks(ctx, a, b, out); err != nil {
		return nil, err
	}
	b.release()
	if err := traced.Close(); err != nil {
		return nil, err
	}
	t, ok := traced.(engine.Tracer)
	if !ok || t.TracePath() == "" {
		return out, nil
	}
	out.tracePath = t.TracePath()
	out.trace, err = trace.ReadFile(out.tracePath, 0)
	return out, err
}

// openTraced opens the traced session. A provider that compiles parts of the graph cannot write it: then it is opened
// again without.
func (x alternation) openTraced(ctx context.Context, out *alternated) (engine.Session, error) {
	c := x.config
	c.TracePrefix = x.dir + "/trace"
	if x.keepRan {
		c.OptimizedModelPath = x.dir + "/ran.onnx"
		s, err := x.provider.Open(ctx, x.model, c)
		if err == nil {
			out.ranPath = c.OptimizedModelPath
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		c.OptimizedModelPath = ""
	}
	return x.provider.Open(ctx, x.model, c)
}

func (x alternation) blocks(ctx context.Context, plain, traced *lane, out *alternated) error {
	var took [2]float64
	for i, s := range []*lane{plain, traced} {
		row, err := s.runs(ctx, tracedWarmUp)
		if err != nil {
			return err
		}
		took[i] = stats.Median(row)
	}
	blocks := max(1, min(aimBlocks, x.runs/2))
	size := max(1, x.runs/blocks)
	if pair := took[0] + took[1]; pair > 0 {
		size = max(1, min(size, int(x.time.Seconds()/(float64(blocks)*pair))-1))
	}
	if size == 1 && x.runs >= 2*blocks {
		size = 2 // a block of one run has no middle
	}
	block := func(s *lane) measure.Block[[]float64] {
		return func(ctx context.Context, _ uint64) ([]float64, error) {
			if s == traced {
				out.starts = append(out.starts, s.count+1)
			}
			row, err := s.runs(ctx, size+1)
			return row[min(1, len(row)):], err
		}
	}
	begin := time.Now()
	pairs, err := measure.Pairs(ctx, block(plain), block(traced), measure.PairOptions{MaxTime: 10 * x.time, Seed: 1, Progress: x.progress, Phase: x.phase},
		func(done []measure.Pair[[]float64], _ int) bool {
			return len(done) >= blocks || len(done) >= min(blocks, leastBlocks) && time.Since(begin) > x.time
		})
	for _, p := range pairs {
		out.untraced, out.traced = append(out.untraced, p.Base), append(out.traced, p.Head)
	}
	out.starts = out.starts[:len(pairs)]
	return err
}

// lane is one of the two sessions, bound to its inputs.
type lane struct {
	run     measure.Run
	timed   measure.Timed
	release func()
	count   int // runs since the session was opened
}

func newLane(ctx context.Context, s engine.Session, in []tensor.Tensor) (*lane, error) {
	d := &lane{}
	var err error
	d.run, d.timed, d.release, err = measure.Bind(ctx, s, in)
	if _, ok := s.(engine.Binder); ok {
		d.count = 1 // binding runs the session once
	}
	return d, err
}

// runs times n runs in a row.
func (s *lane) runs(ctx context.Context, n int) ([]float64, error) {
	row := make([]float64, n)
	done, err := measure.InARow(ctx, s.run, s.timed, row)
	s.count += done
	return row[:done], err
}
