package quantize

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/internal/stats"
	"infer/model"
	"infer/model/engine"
	"infer/model/tensor"
)

// keepOutputs are the bytes of the original's outputs that a judge keeps; what is more is computed again for every
// candidate.
const keepOutputs = 256 << 20

// judge compares models with the original on the held-out rows.
type judge struct {
	provider engine.Provider
	config   engine.Config
	original *model.Model
	rows     Rows
	labels   []int64 // one a row; nil
	batch    int64
	progress progress.Func

	kept    [][]tensor.Tensor // the original's outputs by batch, as far as they fit
	full    bool              // kept holds all batches
	floats  bool              // an output has floating-point elements: there is something to compare
	class   int64             // how many classes it has
	classes int               // the output that holds class scores; −1: none
}

// newJudge returns a judge of the rows; it runs nothing yet.
func newJudge(p engine.Provider, c engine.Config, original *model.Model, rows Rows, labels []int64, batch int64) *judge {
	if fixed := rows.BatchSize(); fixed > 0 {
		batch = fixed
	}
	return &judge{provider: p, config: c, original: original, rows: rows, labels: labels, batch: max(batch, 1), classes: -1}
}

// batches returns how many whole runs the first limit rows make; 0 for all rows.
func (j *judge) batches(limit int64) int {
	n := j.rows.Rows()
	if limit > 0 {
		n = min(n, limit)
	}
	if fixed := j.rows.BatchSize(); fixed > 0 {
		return int(n / fixed)
	}
	return int((n + j.batch - 1) / j.batch)
}

func (j *judge) span(i int) (lo, hi int64) {
	return int64(i) * j.batch, min(int64(i+1)*j.batch, j.rows.Rows())
}

// open runs the original over the rows and keeps what fits.
func (j *judge) open(ctx context.Context) error {
	s, err := j.provider.Open(ctx, j.original, j.config)
	if err != nil {
		return err
	}
	defer s.Close()
	bytes, n := 0, j.batches(0)
	if n == 0 {
		return fault.New(fault.Usage, "give more rows", "%d held-out rows do not fill one run of %d", j.rows.Rows(), j.batch)
	}
	j.full = true
	for i := range n {
		out, err := j.run(ctx, s, i)
		if err != nil {
			return err
		}
		if i == 0 {
			lo, hi := j.span(0)
			j.classes = classOutput(out, hi-lo)
			if j.classes >= 0 {
				j.class = out[j.classes].Shape[1]
			}
			j.floats = slices.ContainsFunc(out, func(t tensor.Tensor) bool { return t.DType.IsFloat() })
		}
		for _, t := range out {
			bytes += len(t.Data)
		}
		if bytes > keepOutputs {
			j.full = false
			return nil
		}
		j.kept = append(j.kept, out)
		j.progress.Send(progress.Event{Phase: "judge the original", Done: float64(i + 1), Total: float64(n), Unit: "runs"})
	}
	return nil
}

// run runs batch i.
func (j *judge) run(ctx context.Context, s engine.Session, i int) ([]tensor.Tensor, error) {
	lo, hi := j.span(i)
	in, err := j.rows.Batch(lo, hi)
	if err != nil {
		return nil, err
	}
	out := make([]tensor.Tensor, len(s.Outputs()))
	if err := s.Run(ctx, in, out); err != nil {
		return nil, fault.Wrap(err, "rows %d to %d", lo, hi-1)
	}
	return out, nil
}

// classOutput returns the first output that is one list of class scores a row, −1 where there is none.
func classOutput(out []tensor.Tensor, rows int64) int {
	return slices.IndexFunc(out, func(t tensor.Tensor) bool {
		if !t.DType.IsFloat() || len(t.Shape) < 2 || t.Shape[0] != rows || t.Shape[1] < 2 {
			return false
		}
		rest, err := t.Shape[2:].Elements()
		return err == nil && rest == 1
	})
}

// verdict is what a judge found about a model. Sums run over all elements of all float outputs.
type verdict struct {
	Rows          int64
	signal, noise []float64 // a run each; none where no output is floating-point
	dot, aa, bb   float64
	MaxDiff       float64
	Unknown       int64 // elements that are NaN in the original: they are left out
	NotFinite     int64 // elements that are NaN or infinite where the original's are not

	Agree, Classes int64 // rows of the same top class, of those that have one
	Correct, Base  int64 // rows of the right class: candidate, original
	Gained, Lost   int64
	Labelled       int64
}

// SQNR returns the signal to noise ratio in dB with a bootstrap interval over the runs, seeded.
func (v *verdict) SQNR() stats.Estimate {
	e := stats.Estimate{N: len(v.signal), OK: len(v.signal) > 0, Confidence: 0.95}
	e.Value = decibels(sum(v.signal), sum(v.noise))
	e.Lo, e.Hi = e.Value, e.Value
	if len(v.signal) < 2 || math.IsInf(e.Value, 0) {
		return e
	}
	const draws = 400
	r := rand.New(rand.NewPCG(1, 1))
	all := make([]float64, draws)
	for i := range all {
		s, n := 0.0, 0.0
		for range v.signal {
			k := r.IntN(len(v.signal))
			s, n = s+v.signal[k], n+v.noise[k]
		}
		all[i] = decibels(s, n)
	}
	slices.Sort(all)
	e.Lo, e.Hi = min(all[draws/40], e.Value), max(all[draws-1-draws/40], e.Value)
	return e
}

// maxDecibels stands for outputs that are equal bit by bit.
const maxDecibels = 300

// lostNoise is how many times its square an element counts as noise that became NaN or infinite: so much that whatever
// is finite is better.
const lostNoise = 1e30

func decibels(signal, noise float64) float64 {
	switch {
	case noise == 0:
		return maxDecibels
	case signal == 0:
		return -maxDecibels
	}
	return min(max(10*math.Log10(signal/noise), -maxDecibels), maxDecibels)
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

// Cosine returns the cosine of the angle between both models' outputs.
func (v *verdict) Cosine() float64 {
	if v.aa == 0 || v.bb == 0 {
		if v.aa == v.bb {
			return 1
		}
		return 0
	}
	return min(v.dot/math.Sqrt(v.aa*v.bb), 1)
}

// Agreement returns the share of rows of the same top class with its Wilson interval.
func (v *verdict) Agreement() stats.Estimate { return stats.Wilson(int(v.Agree), int(v.Classes), 0.95) }

// Drop returns by how much the accuracy fell, a ratio.
func (v *verdict) Drop() float64 {
	if v.Labelled == 0 {
		return 0
	}
	return float64(v.Base-v.Correct) / float64(v.Labelled)
}

// judge runs m over the first limit rows (0: all) and compares.
func (j *judge) judge(ctx context.Context, m *model.Model, limit int64) (*verdict, error) {
	s, err := j.provider.Open(ctx, m, j.config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return j.judgeSession(ctx, s, limit)
}

func (j *judge) judgeSession(ctx context.Context, s engine.Session, limit int64) (*verdict, error) {
	var base engine.Session
	if !j.full {
		b, err := j.provider.Open(ctx, j.original, j.config)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		base = b
	}
	v := &verdict{}
	n := j.batches(limit)
	for i := range n {
		got, err := j.run(ctx, s, i)
		if err != nil {
			return nil, err
		}
		var want []tensor.Tensor
		if i < len(j.kept) {
			want = j.kept[i]
		} else if want, err = j.run(ctx, base, i); err != nil {
			return nil, err
		}
		lo, hi := j.span(i)
		if err := v.add(want, got, hi-lo); err != nil {
			return nil, err
		}
		if err := j.count(v, want, got, lo); err != nil {
			return nil, err
		}
		j.progress.Send(progress.Event{Phase: "judge", Done: float64(i + 1), Total: float64(n), Unit: "runs"})
	}
	return v, nil
}

// add compares the elements of one run.
func (v *verdict) add(want, got []tensor.Tensor, rows int64) error {
	signal, noise, floats := 0.0, 0.0, false
	for i := range want {
		if !want[i].DType.IsFloat() {
			continue
		}
		floats = true
		a, err := tensor.Floats(want[i])
		if err != nil {
			return err
		}
		b, err := tensor.Floats(got[i])
		if err != nil {
			return err
		}
		if len(a) != len(b) {
			return fmt.Errorf("output %q has shape %s, the original's has %s", want[i].Name, got[i].Shape, want[i].Shape)
		}
		for k := range a {
			x, y := float64(a[k]), float64(b[k])
			if math.IsNaN(x) {
				v.Unknown++ // there is nothing to compare with
				continue
			}
			if x == y || math.IsInf(x, 0) {
				signal += finite(x * x)
				v.dot, v.aa, v.bb = v.dot+finite(x*x), v.aa+finite(x*x), v.bb+finite(x*x)
				continue
			}
			if math.IsNaN(y) || math.IsInf(y, 0) {
				v.NotFinite++
				signal, noise, v.aa = signal+x*x, noise+lostNoise*max(x*x, 1), v.aa+x*x
				continue
			}
			d := x - y
			signal, noise = signal+x*x, noise+d*d
			v.dot, v.aa, v.bb = v.dot+x*y, v.aa+x*x, v.bb+y*y
			v.MaxDiff = max(v.MaxDiff, math.Abs(d))
		}
	}
	v.Rows += rows
	if floats {
		v.signal, v.noise = append(v.signal, signal), append(v.noise, noise)
	}
	return nil
}

func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// count compares the top classes of one run whose first row is lo.
func (j *judge) count(v *verdict, want, got []tensor.Tensor, lo int64) error {
	if j.classes < 0 {
		return nil
	}
	a, err := tensor.ArgMax(want[j.classes])
	if err != nil {
		return err
	}
	b, err := tensor.ArgMax(got[j.classes])
	if err != nil {
		return err
	}
	known, err := withoutNaN(want[j.classes], len(a))
	if err != nil {
		return err
	}
	for k := range a {
		if !known[k] {
			continue
		}
		v.Classes++
		if a[k] == b[k] {
			v.Agree++
		}
		if j.labels == nil {
			continue
		}
		label := j.labels[lo+int64(k)]
		right, was := b[k] == label, a[k] == label
		v.Labelled++
		if right {
			v.Correct++
		}
		if was {
			v.Base++
		}
		if right && !was {
			v.Gained++
		}
		if was && !right {
			v.Lost++
		}
	}
	return nil
}

// withoutNaN reports for each row of t, which has as many along axis 0, whether it holds no NaN: the largest of its
// elements means something then.
func withoutNaN(t tensor.Tensor, rows int) ([]bool, error) {
	x, err := tensor.Floats(t)
	if err != nil {
		return nil, err
	}
	known := make([]bool, rows)
	for i := range known {
		row := x[i*len(x)/rows : (i+1)*len(x)/rows]
		known[i] = !slices.ContainsFunc(row, func(v float32) bool { return v != v })
	}
	return known, nil
}

// within reports whether a verdict keeps a budget, and says by how much in words. Without a budget (nil) it does unless
// outputs became NaN or infinite.
func (b *Budget) within(v *verdict) (ok bool, why string) {
	if v.NotFinite > 0 {
		return false, fmt.Sprintf("%d elements of its outputs are NaN or infinite", v.NotFinite)
	}
	if b == nil {
		return true, ""
	}
	if ok, why := b.one(v); !ok || b.Also == nil {
		return ok, why
	}
	return b.Also.within(v)
}

// one is within for b alone.
func (b *Budget) one(v *verdict) (ok bool, why string) {
	switch b.Kind {
	case "top1":
		return v.Drop() <= b.Limit+1e-12, fmt.Sprintf("accuracy drops by %.2f points over %d rows, %.2f are allowed", 100*v.Drop(), v.Labelled, 100*b.Limit)
	case "agreement":
		a := v.Agreement()
		return a.OK && a.Value >= b.Limit-1e-12, fmt.Sprintf("%.2f %% of %d rows have the same top class, %.2f %% must", 100*a.Value, v.Classes, 100*b.Limit)
	case "sqnr":
		s := v.SQNR()
		return s.Value >= b.Limit, fmt.Sprintf("SQNR is %.1f dB over %d rows, %.1f are asked for", s.Value, v.Rows, b.Limit)
	}
	return v.Cosine() >= b.Limit, fmt.Sprintf("cosine is %.5f over %d rows, %.5f is asked for", v.Cosine(), v.Rows, b.Limit)
}
