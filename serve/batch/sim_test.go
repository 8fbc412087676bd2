package batch

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// server is a machine in the simulator: what a run of rows takes.
type server func(rows int, r *rand.Rand) time.Duration

// line is a server whose runs take a + b·rows, with noise of the given relative standard deviation.
func line(a, b time.Duration, noise float64) server {
	return func(rows int, r *rand.Rand) time.Duration {
		f := 1 + noise*r.NormFloat64()
		return time.Duration(max(f, 0.5) * float64(a+time.Duration(rows)*b))
	}
}

// arrival is one request of a trace.
type arrival struct {
	at       time.Duration
	rows     int
	key      uint64
	priority int
}

// poisson is n arrivals of one row at rate a second.
func poisson(n int, rate float64, seed uint64) []arrival {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]arrival, n)
	t := 0.0
	for i := range out {
		t += r.ExpFloat64() / rate
		out[i] = arrival{at: seconds(t), rows: 1}
	}
	return out
}

// fate is what became of a request.
type fate struct {
	arrival
	refusal *Refusal
	start   time.Duration
	done    time.Duration
	rows    int // of its run
	rank    int // order of starts
	idle    bool
}

func (f fate) latency() time.Duration { return f.done - f.at }

type event struct {
	at  time.Duration
	seq int
	do  func(now time.Duration)
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// simulation runs the scheduler of the server under a virtual clock.
type simulation struct {
	t        *testing.T
	s        *Scheduler
	serve    server
	random   *rand.Rand
	queue    events
	seq      int
	fates    []fate
	starts   int
	armed    time.Duration
	deep     int                            // most jobs that waited
	answered func(now time.Duration, i int) // what a client does then; may be nil
	touch    func(i int, j *Job)            // may be nil
	o        Options
}

// simulate runs a trace to its end. The latency model starts with what a warm-up measures.
func simulate(t *testing.T, o Options, serve server, trace []arrival) (*simulation, []fate) {
	t.Helper()
	return simulateWith(t, o, serve, trace, nil)
}

// simulateWith is simulate with a last touch to each job before it comes.
func simulateWith(t *testing.T, o Options, serve server, trace []arrival, touch func(i int, j *Job)) (*simulation, []fate) {
	t.Helper()
	sim := &simulation{t: t, s: NewScheduler(o), serve: serve, random: rand.New(rand.NewPCG(7, 7)), fates: make([]fate, len(trace)), o: o.withDefaults()}
	keys := map[uint64]bool{}
	for _, a := range trace {
		if keys[a.key] {
			continue
		}
		keys[a.key] = true
		for n := 1; n <= 64 && (o.MaxBatch == 0 || n <= o.MaxBatch); n *= 2 {
			for range 3 {
				sim.s.Learn(a.key, n, serve(n, sim.random))
			}
		}
	}
	for i, a := range trace {
		sim.fates[i] = fate{arrival: a}
		sim.at(a.at, func(now time.Duration) { sim.arrive(now, i) })
	}
	sim.touch = touch
	sim.play()
	return sim, sim.fates
}

// play lets everything happen that is to happen.
func (m *simulation) play() {
	m.t.Helper()
	for m.queue.Len() > 0 {
		e := heap.Pop(&m.queue).(event)
		e.do(e.at)
	}
	if m.s.waiting != 0 || len(m.s.free) != m.o.Instances {
		m.t.Fatalf("%d jobs left waiting, %d of %d instances free at the end", m.s.waiting, len(m.s.free), m.o.Instances)
	}
}

func (m *simulation) at(t time.Duration, do func(time.Duration)) {
	m.seq++
	heap.Push(&m.queue, event{at: t, seq: m.seq, do: do})
}

func (m *simulation) arrive(now time.Duration, i int) {
	f := &m.fates[i]
	j := &Job{Rows: f.arrival.rows, Key: f.key, Priority: f.priority, Value: i}
	if m.touch != nil {
		m.touch(i, j)
	}
	f.idle = len(m.s.free) > 0 && m.s.waiting == 0
	if r := m.s.Admit(now, j); r != nil {
		f.refusal = r
		f.done = now
		return
	}
	m.s.Push(now, j)
	m.deep = max(m.deep, m.s.waiting)
	m.dispatch(now)
}

func (m *simulation) dispatch(now time.Duration) {
	var d Decision
	for {
		m.s.Next(now, &d)
		for _, j := range d.Dropped {
			f := &m.fates[j.Value.(int)]
			f.refusal = j.err.(*Refusal)
			f.done = now
		}
		if len(d.Batch) == 0 {
			break
		}
		m.begin(now, d)
	}
	if d.Wake > 0 && (m.armed == 0 || d.Wake < m.armed) {
		m.armed = max(d.Wake, now)
		m.at(m.armed, func(now time.Duration) { m.armed = 0; m.dispatch(now) })
	}
}

func (m *simulation) begin(now time.Duration, d Decision) {
	batch := append([]*Job(nil), d.Batch...)
	rows := 0
	for _, j := range batch {
		rows += j.Rows
	}
	m.starts++
	for _, j := range batch {
		f := &m.fates[j.Value.(int)]
		f.start, f.rows, f.rank = now, rows, m.starts
	}
	took := m.serve(rows, m.random)
	instance := d.Instance
	m.at(now+took, func(now time.Duration) {
		for _, j := range batch {
			m.fates[j.Value.(int)].done = now
			if m.answered != nil {
				m.answered(now, j.Value.(int))
			}
		}
		m.s.Done(now, instance, batch, took, false)
		m.dispatch(now)
	})
}

// goodput returns the requests a second that were answered within the SLO, in the time after the first tenth.
func goodput(fates []fate, slo time.Duration) float64 {
	skip := fates[len(fates)/10].at
	n, end := 0, time.Duration(0)
	for _, f := range fates {
		if f.at < skip {
			continue
		}
		end = max(end, f.at)
		if f.refusal == nil && f.latency() <= slo {
			n++
		}
	}
	return float64(n) / (end - skip).Seconds()
}

func quantile(fates []fate, q float64) time.Duration {
	var l []float64
	for _, f := range fates {
		if f.refusal == nil {
			l = append(l, f.latency().Seconds())
		}
	}
	if len(l) == 0 {
		return 0
	}
	sortFloats(l)
	return seconds(l[min(int(math.Ceil(q*float64(len(l)))), len(l))-1])
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }
