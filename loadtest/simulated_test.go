package loadtest

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
	"infer/report"
)

// simulated is a generator with its server, in the time of a bubble: it serves one request after the other, also those that
// nobody waits for any more.
type simulated struct {
	service time.Duration
	wrong   int64 // of an open loop, the request that is answered wrongly; 0: none
	checked bool
	open    error
}

func (g *simulated) Open(context.Context, int) error { return g.open }

func (g *simulated) Close() error { return nil }

func (g *simulated) Run(ctx context.Context, l drive.Load) (drive.Stats, error) {
	if l.Schedule == nil {
		g.closedLoop(ctx, l)
		return drive.Stats{}, nil
	}
	const step = 10 * time.Millisecond
	var now, free time.Duration
	var waiting []sample.Sample
	cursor := l.Schedule.Cursor(0, 1)
	index, due, more := cursor.Next()
	for ; ctx.Err() == nil && (more || len(waiting) > 0); now += step {
		for more && due <= now {
			free = max(free, due) + g.service
			waiting = append(waiting, g.answered(index, due, free, l.Timeout))
			index, due, more = cursor.Next()
		}
		n := 0
		for n < len(waiting) && waiting[n].Done <= now {
			n++
		}
		l.Emit(waiting[:n])
		waiting = waiting[n:]
		time.Sleep(step)
	}
	return drive.Stats{}, nil
}

func (g *simulated) answered(index int64, due, done, timeout time.Duration) sample.Sample {
	s := sample.Sample{Index: index, Due: due, Woke: due, Sent: due, Done: done, Queue: sample.Untold, Compute: sample.Untold, Checked: g.checked}
	switch {
	case done-due > timeout:
		s.Done, s.Outcome, s.Checked = due+timeout, sample.TimedOut, false
	case g.wrong > 0 && index == g.wrong:
		s.Outcome = sample.Wrong
	}
	return s
}

func (g *simulated) closedLoop(ctx context.Context, l drive.Load) {
	begin := time.Now()
	for i := int64(0); ctx.Err() == nil && time.Since(begin) < l.Duration && (l.Requests == 0 || i < l.Requests); i++ {
		sent := time.Since(begin)
		time.Sleep(g.service)
		l.Emit([]sample.Sample{{Index: i, Due: sent, Woke: sent, Sent: sent, Done: time.Since(begin), Queue: sample.Untold, Compute: sample.Untold}})
	}
}

// nothing is the checker of a rig whose generator says itself what is wrong.
type nothing struct{}

func (nothing) Known(int, []byte) bool         { return true }
func (nothing) Check(int, drive.Answer) string { return "" }

// comparing is a rig whose answers are compared.
func comparing(g *simulated) *Rig {
	g.checked = true
	return &Rig{Target: report.LoadTarget{URL: "http://h", Payloads: 1, Rows: 1}, Generator: g, Check: nothing{},
		Checked: CheckInfo{Source: "m.onnx", Failures: func() []string { return []string{"y[0] is 2, want 1"} }}}
}

func objectives(t *testing.T, exprs ...string) (list []report.Gate) {
	t.Helper()
	for _, e := range exprs {
		list = append(list, slo(t, e).gate)
	}
	return list
}

// brief are options of loads without a warm-up.
func brief(slos []report.Gate) Options {
	o := DefaultOptions
	o.Duration, o.WarmUp, o.Floor, o.SLO = 2*time.Second, 0, false, slos
	return o
}

// wrongGate returns the verdict of the gate on answers, "" where d has none.
func wrongGate(d *report.Document) string {
	for _, g := range d.Gates {
		if g.Expr == correctExpr {
			return g.Verdict
		}
	}
	return ""
}

// TestSweepAnswers: a wrong answer at one point misses the gate of the curve, and what a point warns of is told of it.
func TestSweepAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		rig     *Rig
		gate    string
		verdict report.Verdict
	}{
		{"not compared", &Rig{Generator: &simulated{service: time.Millisecond}}, "", report.OK},
		{"right", comparing(&simulated{service: time.Millisecond}), report.Pass, report.OK},
		{"one wrong", comparing(&simulated{service: time.Millisecond, wrong: 45}), report.Fail, report.FailedGate}, // the second point alone has so many
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := report.New("loadtest")
				rigOf := func(int64) (*Rig, error) { return c.rig, nil }
				if err := Sweep(t.Context(), rigOf, []Point{{Rate: 10}, {Rate: 40}, {Rate: 20}}, brief(nil), Hooks{}, d); err != nil {
					t.Fatal(err)
				}
				if got := wrongGate(d); got != c.gate || d.Verdict != c.verdict {
					t.Errorf("gate %q, verdict %s: want %q, %s", got, d.Verdict, c.gate, c.verdict)
				}
				x, err := Details(d)
				if err != nil {
					t.Fatal(err)
				}
				var all int64
				for _, p := range x.Points {
					all += p.N
				}
				if a := x.Correctness; a != nil && (a.Checked != all || a.Wrong == 1 != (c.gate == report.Fail) || len(a.First) != 1) {
					t.Errorf("of %d answers: %+v", all, a)
				}
				if text := strings.Join(d.Warnings, "\n"); !strings.Contains(text, "10 /s: latency_p99 and service_p99 need 368") || !strings.Contains(text, "40 /s: latency_p99") {
					t.Errorf("warnings:\n%s", text)
				}
				if v := verified(t, d, nil); v.Differs != 0 {
					t.Errorf("%+v", v.First())
				}
			})
		})
	}
}

// TestSweepInterrupted: what ends while the rig of a point is made, or is told to get ready, leaves the points before it.
func TestSweepInterrupted(t *testing.T) {
	for _, c := range []struct {
		name string
		next func(ctx context.Context, end func()) (*Rig, error)
	}{
		{"making the rig", func(ctx context.Context, end func()) (*Rig, error) { end(); return nil, ctx.Err() }},
		{"opening it", func(ctx context.Context, end func()) (*Rig, error) {
			end()
			return &Rig{Generator: &simulated{open: ctx.Err()}}, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancel(t.Context())
				defer end()
				d := report.New("loadtest")
				rigOf := func(batch int64) (*Rig, error) {
					if batch > 1 {
						return c.next(ctx, end)
					}
					return &Rig{Generator: &simulated{service: time.Millisecond}}, nil
				}
				if err := Sweep(ctx, rigOf, []Point{{Concurrency: 1, Batch: 1}, {Concurrency: 1, Batch: 4}}, brief(nil), Hooks{}, d); err != nil {
					t.Fatal(err)
				}
				if x, err := Details(d); err != nil || d.Verdict != report.Interrupted || len(x.Points) != 1 || x.PointsPlanned != 2 {
					t.Errorf("verdict %s, %v, %+v", d.Verdict, err, x)
				}
			})
		})
	}
}

// TestFind: a search on a server of 500 requests a second. Of an objective on errors only the queue tells before the timeout
// that they will come; of answers a wrong one of any trial misses the gate.
func TestFind(t *testing.T) {
	for _, c := range []struct {
		name, slo string
		rig       *Rig
		lo, hi    float64 // of what is found
		gate      string
	}{
		{"latency, right answers", "p99<200ms", comparing(&simulated{service: 2 * time.Millisecond}), 430, 520, report.Pass},
		{"latency, a wrong one", "p99<200ms", comparing(&simulated{service: 2 * time.Millisecond, wrong: 120}), 430, 520, report.Fail},
		{"errors", "error_rate<1%", &Rig{Generator: &simulated{service: 2 * time.Millisecond}}, 350, 700, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := report.New("loadtest")
				if err := Find(t.Context(), c.rig, brief(objectives(t, c.slo)), FindOptions{Lo: 50, Hi: 4000, MaxTime: 5 * time.Minute}, Hooks{}, d); err != nil {
					t.Fatal(err)
				}
				m := d.Metric("max_rps", nil)
				if m == nil || m.Value == nil || *m.Value < c.lo || *m.Value > c.hi {
					x, _ := Details(d)
					t.Errorf("found %+v: %+v", m, x.Search)
				}
				if got := wrongGate(d); got != c.gate || (d.Verdict == report.FailedGate) != (c.gate == report.Fail) {
					t.Errorf("gate %q, verdict %s, want %q", got, d.Verdict, c.gate)
				}
				if v := verified(t, d, nil); v.Differs != 0 {
					t.Errorf("%+v", v.First())
				}
			})
		})
	}
}

// TestRequestsEnd: requests that end a closed loop long before its duration leave sections enough for intervals.
func TestRequestsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, o := report.New("loadtest"), brief(nil)
		o.Concurrency, o.Requests, o.Duration = 1, 2000, time.Hour
		if _, err := Run(t.Context(), &Rig{Generator: &simulated{service: 2500 * time.Microsecond}}, o, Hooks{}, d); err != nil {
			t.Fatal(err)
		}
		m := d.Metric("throughput", nil)
		if m == nil || m.Value == nil || math.Abs(*m.Value-400) > 0.5 || m.Lo == nil {
			t.Errorf("throughput %+v, want 400 with an interval", m)
		}
		if text := strings.Join(d.Warnings, "\n"); strings.Contains(text, "bursts") {
			t.Errorf("warnings:\n%s", text)
		}
	})
}
