package batch

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func sortFloats(l []float64) { slices.Sort(l) }

const ms = time.Millisecond

// TestZeroWaitAtLowLoad: with an idle instance and an empty queue nothing waits, whatever batching would bring.
func TestZeroWaitAtLowLoad(t *testing.T) {
	for name, serve := range map[string]server{"flat": line(0, ms, 0.05), "fixed cost": line(4*ms, ms/10, 0.05)} {
		_, fates := simulate(t, Options{Instances: 2, SLO: 100 * ms}, serve, poisson(2000, 50, 1))
		for i, f := range fates {
			if f.refusal != nil {
				t.Fatalf("%s: request %d was refused at 10 %% load: %v", name, i, f.refusal)
			}
			if f.idle && f.start != f.at {
				t.Fatalf("%s: request %d waited %v for an idle instance", name, i, f.start-f.at)
			}
		}
	}
}

// TestFlatIsNotBatched: where a row costs the same in any run, runs have one row, at any load.
func TestFlatIsNotBatched(t *testing.T) {
	for _, c := range []struct{ load, noise float64 }{{0.3, 0.05}, {0.9, 0.05}, {2, 0.05}, {0.9, 0.15}, {2, 0.15}} {
		_, fates := simulate(t, Options{Instances: 2, SLO: 50 * ms}, line(0, ms, c.noise), poisson(20000, c.load*2000, 2))
		large := 0
		for _, f := range fates {
			if f.refusal == nil && f.rows > 1 {
				large++
			}
		}
		// Some dispatches explore.
		if large > len(fates)/12 {
			t.Errorf("at load %.1f and noise %.2f %d of %d requests ran in larger runs", c.load, c.noise, large, len(fates))
		}
	}
}

// TestGoodputUnderOverload: at twice the capacity nine tenths of it are answered in time, and refusals are told at once
// or at the latest when the deadline has become impossible.
func TestGoodputUnderOverload(t *testing.T) {
	for _, c := range []struct {
		name     string
		serve    server
		slo      time.Duration
		capacity float64 // rows a second of two instances
	}{
		{"flat", line(0, 5*ms, 0.1), 50 * ms, 400},
		// Runs of n rows take 4 + n/10 ms; within 45/2 ms (the SLO less the reserve, halved) lie 185 rows; with the
		// spread of 99 % somewhat fewer, about 150: 2·150/19 ms.
		{"fixed cost", line(4*ms, ms/10, 0.05), 50 * ms, 15789},
		{"noisy", line(0, 5*ms, 0.3), 50 * ms, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, fates := simulate(t, Options{Instances: 2, SLO: c.slo}, c.serve, poisson(int(c.capacity)*20, 2*c.capacity, 3))
			got := goodput(fates, c.slo)
			t.Logf("goodput %.0f/s of %.0f/s, p99 %v, deepest queue %d, %+v", got, c.capacity, quantile(fates, 0.99), sim.deep, sim.s.counts)
			if got < 0.9*c.capacity {
				t.Errorf("goodput %.0f/s, want at least 90 %% of %.0f/s", got, c.capacity)
			}
			for i, f := range fates {
				if f.refusal != nil && f.done > f.at+c.slo {
					t.Fatalf("request %d was refused %v after it came", i, f.done-f.at)
				}
			}
		})
	}
}

// TestBatchingPays: a model with a large fixed cost gets the throughput of large runs while p99 stays within the SLO.
func TestBatchingPays(t *testing.T) {
	slo := 100 * ms
	serve := line(10*ms, ms/10, 0.03)
	// Best within the SLO: runs of up to 45 ms, 350 rows less the spread; one instance, 310 rows in 41 ms = 7560/s.
	_, fates := simulate(t, Options{Instances: 1, SLO: slo}, serve, poisson(100000, 6800, 4))
	got, p99 := goodput(fates, slo), quantile(fates, 0.99)
	t.Logf("goodput %.0f/s, p99 %v", got, p99)
	if got < 0.98*6800 || p99 > slo {
		t.Errorf("goodput %.0f/s of 6800/s offered, p99 %v", got, p99)
	}
}

// TestAgainstStaticBatching: on the same trace the scheduler serves at least as many in time as fixed settings do, those
// that happen to suit the model included.
func TestAgainstStaticBatching(t *testing.T) {
	slo := 60 * ms
	serve := line(3*ms, ms/2, 0.05)
	for _, rate := range []float64{200, 1000, 1500} {
		trace := poisson(20000, rate, 5)
		_, ours := simulate(t, Options{Instances: 1, SLO: slo}, serve, trace)
		best := goodput(ours, slo)
		for _, size := range []int{1, 8, 32} {
			for _, delay := range []time.Duration{0, 5 * ms, 20 * ms} {
				if got := staticGoodput(size, delay, 1, serve, trace, slo); best < 0.97*got {
					t.Errorf("at %.0f/s: %.0f/s in time, a fixed batch of %d with a delay of %v reaches %.0f/s", rate, best, size, delay, got)
				}
			}
		}
	}
}

// staticGoodput is the rule that other servers have: first in, first out, a run when size rows are there or the first
// has waited for delay; nothing is refused.
func staticGoodput(size int, delay time.Duration, instances int, serve server, trace []arrival, slo time.Duration) float64 {
	r := newRandom()
	free := make([]time.Duration, instances)
	fates := make([]fate, len(trace))
	for i := 0; i < len(trace); {
		slot := 0
		for k := range free {
			if free[k] < free[slot] {
				slot = k
			}
		}
		full := never
		if i+size <= len(trace) {
			full = trace[i+size-1].at
		}
		start := max(free[slot], trace[i].at, min(full, trace[i].at+delay))
		n := 0
		for i+n < len(trace) && n < size && trace[i+n].at <= start {
			n++
		}
		done := start + serve(n, r)
		for k := range n {
			fates[i+k] = fate{arrival: trace[i+k], start: start, done: done, rows: n}
		}
		free[slot] = done
		i += n
	}
	return goodput(fates, slo)
}

// TestNothingRunsInVain: what starts could still make it when it started, by what the server really takes on average.
func TestNothingRunsInVain(t *testing.T) {
	slo := 40 * ms
	_, fates := simulate(t, Options{Instances: 1, SLO: slo}, line(0, 5*ms, 0.1), poisson(20000, 600, 6))
	vain := 0
	for _, f := range fates {
		if f.refusal == nil && f.start+4*ms > f.at+slo {
			vain++
		}
	}
	if vain > len(fates)/1000 {
		t.Errorf("%d of %d requests were run although they could not make it", vain, len(fates))
	}
}

// TestShapesDoNotFlushEachOther: alternating shapes still make large runs.
func TestShapesDoNotFlushEachOther(t *testing.T) {
	trace := poisson(40000, 3000, 7)
	for i := range trace {
		trace[i].key = uint64(i % 4)
	}
	_, fates := simulate(t, Options{Instances: 1, SLO: 100 * ms}, line(5*ms, ms/20, 0.05), trace)
	sum := 0
	for _, f := range fates {
		sum += f.rows
	}
	if mean := float64(sum) / float64(len(fates)); mean < 8 {
		t.Errorf("a request ran with %.1f rows on average, want at least 8: one shape at a time keeps up with 3000/s from 21 rows on", mean)
	}
	if got := goodput(fates, 100*ms); got < 0.97*3000 {
		t.Errorf("goodput %.0f/s of 3000/s", got)
	}
}

// TestPriorityWithAge: under load the high class is quicker, and the low one is still served.
func TestPriorityWithAge(t *testing.T) {
	trace := poisson(20000, 190, 8)
	for i := range trace {
		trace[i].priority = 1 + 2*(i%2) // 1 and 3
	}
	_, fates := simulate(t, Options{Instances: 1, MaxWait: 10 * time.Second, MaxQueue: 1 << 20}, line(0, 5*ms, 0.05), trace)
	var high, low []fate
	for i, f := range fates {
		if i%2 == 0 {
			high = append(high, f)
		} else {
			low = append(low, f)
		}
	}
	h, l := quantile(high, 0.9), quantile(low, 0.9)
	t.Logf("p90 of the high class %v, of the low one %v", h, l)
	if h >= l {
		t.Errorf("p90 of the high class is %v, of the low one %v", h, l)
	}
	for i, f := range low {
		if f.refusal != nil {
			t.Fatalf("low request %d: %v", i, f.refusal)
		}
	}
}

// TestAgeBeatsPriority: a job of a low class that is old enough goes before a new one of the highest.
func TestAgeBeatsPriority(t *testing.T) {
	s := NewScheduler(Options{Instances: 1, MaxBatch: 1, MaxWait: 100 * ms})
	s.Learn(0, 1, ms)
	var d Decision
	push := func(now time.Duration, priority int) *Job {
		j := &Job{Priority: priority}
		if r := s.Admit(now, j); r != nil {
			t.Fatal(r)
		}
		s.Push(now, j)
		return j
	}
	push(0, 1)
	s.Next(0, &d)
	running := slices.Clone(d.Batch)
	old := push(0, 3)
	young := push(150*ms, 1) // two classes up are worth 200 ms
	s.Done(151*ms, 0, running, ms, false)
	s.Next(151*ms, &d)
	if d.Batch[0] != young {
		t.Fatal("150 ms of age beat two classes of 100 ms each")
	}
	running = slices.Clone(d.Batch)
	younger := push(201*ms, 1)
	s.Done(202*ms, 0, running, ms, false)
	s.Next(202*ms, &d)
	if d.Batch[0] != old || younger.state != waiting {
		t.Fatal("201 ms of age did not beat two classes of 100 ms each")
	}
}

// TestFixedDelay: those who want it fixed get full runs, or what has come when the first has waited.
func TestFixedDelay(t *testing.T) {
	o := Options{Instances: 1, MaxBatch: 4, MaxDelay: 10 * ms}
	serve := line(ms, ms/10, 0)
	_, fates := simulate(t, o, serve, []arrival{
		{at: 0, rows: 1}, {at: ms, rows: 1}, {at: 2 * ms, rows: 1}, {at: 3 * ms, rows: 1}, // full at 3 ms
		{at: 20 * ms, rows: 1}, {at: 25 * ms, rows: 1}, // 10 ms after the first of them
	})
	for i, want := range []time.Duration{3 * ms, 3 * ms, 3 * ms, 3 * ms, 30 * ms, 30 * ms} {
		if fates[i].start != want {
			t.Errorf("request %d started at %v, want %v", i, fates[i].start, want)
		}
	}
}

// TestLargeRequestsRunAlone: a request with more rows than a run may have is not split and not refused, and nothing
// joins it.
func TestLargeRequestsRunAlone(t *testing.T) {
	_, fates := simulate(t, Options{Instances: 1, MaxBatch: 4}, line(ms, ms, 0), []arrival{{at: 0, rows: 9}, {at: 0, rows: 2}, {at: 0, rows: 2}, {at: 0, rows: 1}})
	if fates[0].rows != 9 {
		t.Errorf("the request of 9 rows ran with %d", fates[0].rows)
	}
	for i, f := range fates[1:] {
		if f.refusal != nil || f.rows > 4 {
			t.Errorf("request %d ran with %d rows: %v", i+1, f.rows, f.refusal)
		}
	}
}

// TestRefusals: the hard limit of the queue, the wait without a deadline, and a scheduler that is closed.
func TestRefusals(t *testing.T) {
	s := NewScheduler(Options{Instances: 1, MaxBatch: 1, MaxQueue: 2, MaxWait: time.Minute})
	s.Learn(0, 1, ms)
	var d Decision
	for i := range 3 {
		j := &Job{}
		if r := s.Admit(0, j); r != nil {
			t.Fatalf("job %d: %v", i, r)
		}
		s.Push(0, j)
		s.Next(0, &d)
	}
	if r := s.Admit(0, &Job{}); r == nil || r.Why != Full || r.RetryAfter < 2*ms || r.RetryAfter > 4*ms {
		t.Errorf("a third waiting job: %+v, want a refusal because the queue is full, to come again when two or three runs of 1 ms are over", r)
	}
	s = NewScheduler(Options{Instances: 1, MaxBatch: 1, MaxWait: 10 * ms})
	s.Learn(0, 1, ms)
	n := 0
	for ; n < 100; n++ {
		j := &Job{}
		if r := s.Admit(0, j); r != nil {
			if r.Why != Overload {
				t.Errorf("refused because %s", r.Why)
			}
			break
		}
		s.Push(0, j)
		s.Next(0, &d)
	}
	if n < 10 || n > 13 {
		t.Errorf("%d jobs of 1 ms were taken where 10 ms of waiting are allowed", n)
	}
	s.Close()
	if r := s.Admit(0, &Job{}); r == nil || r.Why != Closed {
		t.Errorf("a closed scheduler: %v", r)
	}
}

// TestDeadlineOfTheClient: less time than a run takes is no overload, whether instances are free or not; a queue that
// is too long for it, and an SLO that cannot be held, are.
func TestDeadlineOfTheClient(t *testing.T) {
	for _, c := range []struct {
		name           string
		slo, left      time.Duration
		busy           int // jobs before it
		want           Why
		comeAgain, has bool
	}{
		{"free", 0, ms, 0, Late, false, true},
		{"free and over", 0, -ms, 0, Late, false, true},
		{"free, under an SLO", 50 * ms, ms, 0, Late, false, true},
		{"busy", 0, ms, 3, Late, false, true},
		{"busy and over", 0, -ms, 3, Late, false, true},
		{"the queue", 0, 15 * ms, 3, Overload, true, true},
		{"the queue and the SLO", 20 * ms, 0, 3, Overload, true, false},
	} {
		s := NewScheduler(Options{Instances: 1, MaxBatch: 1, SLO: c.slo})
		s.Learn(0, 1, 10*ms)
		now := time.Second
		var d Decision
		for range c.busy {
			j := &Job{}
			if r := s.Admit(now, j); r == nil {
				s.Push(now, j)
				s.Next(now, &d)
			}
		}
		j := &Job{}
		if c.has {
			j.deadline = now + c.left
		}
		r := s.Admit(now, j)
		if r == nil || r.Why != c.want || (r.RetryAfter > 0) != c.comeAgain {
			t.Errorf("%s: %+v, want %s", c.name, r, c.want)
		}
	}
}

// TestAdmitAny: a job of unknown shape is refused, and counted, only where it has no chance with any shape.
func TestAdmitAny(t *testing.T) {
	for _, c := range []struct {
		name   string
		shapes []time.Duration // what a run of each takes, the most used first
		slo    time.Duration
		left   time.Duration // 0: no deadline
		want   Why           // "": try
	}{
		{"nothing is known", nil, 0, ms, ""},
		{"one shape that is too slow", []time.Duration{200 * ms}, 0, 100 * ms, Late},
		{"one shape that is quick enough", []time.Duration{50 * ms}, 0, 100 * ms, ""},
		{"one of two that is quick enough", []time.Duration{200 * ms, 5 * ms}, 0, 100 * ms, ""},
		{"two that are too slow", []time.Duration{200 * ms, 5 * ms}, 0, ms, Late},
		{"an SLO that none can hold", []time.Duration{200 * ms, 5 * ms}, ms, 0, ""},
	} {
		s := NewScheduler(Options{Instances: 1, SLO: c.slo})
		for key, took := range c.shapes {
			s.Learn(uint64(key), 1, took)
		}
		j := Job{Rows: 1}
		if c.left > 0 {
			j.deadline = time.Second + c.left
		}
		var why Why
		var counted uint64
		if c.want != "" {
			counted = 1
		}
		if r := s.AdmitAny(time.Second, j); r != nil {
			why = r.Why
		}
		if why != c.want || s.counts.Refused[Late] != counted {
			t.Errorf("%s: %q, %d counted; want %q, %d", c.name, why, s.counts.Refused[Late], c.want, counted)
		}
	}
}

// TestSpeedChange: a machine that becomes three times slower is noticed, for those sizes too that do not run.
func TestSpeedChange(t *testing.T) {
	var c curve
	for range 50 {
		for _, n := range []int{1, 2, 4} {
			c.observe(n, float64(n)*0.001)
		}
	}
	for range 60 {
		c.observe(1, 0.003)
	}
	for n, want := range map[int]float64{1: 0.003, 2: 0.006, 4: 0.012} {
		if e, _ := c.at(n); math.Abs(e.mean-want) > 0.4*want {
			t.Errorf("%d rows: %.4f s, want about %.4f s", n, e.mean, want)
		}
	}
}

// TestNoDrift: however long one size runs, with whatever noise, what is thought of the others stays where it was.
func TestNoDrift(t *testing.T) {
	for _, cv := range []float64{0.05, 0.3, 1} {
		r := rand.New(rand.NewPCG(1, uint64(cv*100)))
		noise := func(y float64) float64 { return y * math.Exp(cv*r.NormFloat64()-cv*cv/2) } // of mean y
		var c curve
		for range 8 {
			for _, n := range []int{1, 2, 4, 8} {
				c.observe(n, noise(0.001+0.0001*float64(n)))
			}
		}
		before, _ := c.at(8)
		for range 1_000_000 {
			c.observe(1, noise(0.0011))
		}
		after, _ := c.at(8)
		one, _ := c.at(1)
		t.Logf("cv %.2f: 8 rows %.5f s before, %.5f s after, 1 row %.5f s", cv, before.mean, after.mean, one.mean)
		if f := after.mean / 0.0018; f < 1/(1.3+2*cv) || f > 1.3+2*cv {
			t.Errorf("cv %.2f: 8 rows take 0.0018 s, thought to be %.5f s after a million runs of one row", cv, after.mean)
		}
		if math.Abs(one.mean/0.0011-1) > 0.15+0.5*cv {
			t.Errorf("cv %.2f: one row takes 0.0011 s, thought to be %.5f s", cv, one.mean)
		}
	}
}

// TestDisturbedStart: sizes that were measured while something else ran are mended by exploration.
func TestDisturbedStart(t *testing.T) {
	s := NewScheduler(Options{Instances: 1})
	for range 8 {
		s.Learn(0, 1, 1200*time.Microsecond)
	}
	for _, n := range []int{2, 4, 8} {
		for range 2 {
			s.Learn(0, n, 9*ms) // really 1 + n/10 ms
		}
	}
	sim := &simulation{t: t, s: s, serve: line(ms, ms/10, 0.05), random: newRandom(), o: Options{Instances: 1}.withDefaults()}
	next := func(now time.Duration) {
		if now < 60*time.Second {
			sim.fates = append(sim.fates, fate{arrival: arrival{at: now, rows: 1}})
			sim.arrive(now, len(sim.fates)-1)
		}
	}
	sim.answered = func(now time.Duration, _ int) { sim.at(now+20*time.Microsecond, next) }
	for range 32 {
		sim.at(0, next)
	}
	sim.play()
	sum := 0
	last := sim.fates[len(sim.fates)*9/10:]
	for _, f := range last {
		sum += f.rows
	}
	if mean := float64(sum) / float64(len(last)); mean < 4 {
		t.Errorf("after a minute a request runs with %.1f rows on average, 32 wait and a row costs a fifth in a run of 8", mean)
	}
}

// TestDeadlineBehind: a deadline is kept wherever in the queue its job stands.
func TestDeadlineBehind(t *testing.T) {
	s := NewScheduler(Options{Instances: 1, MaxBatch: 1, MaxWait: time.Minute})
	s.Learn(0, 1, 10*ms)
	var d Decision
	push := func(j *Job) *Job {
		t.Helper()
		if r := s.Admit(0, j); r != nil {
			t.Fatal(r)
		}
		s.Push(0, j)
		s.Next(0, &d)
		return j
	}
	push(&Job{})
	push(&Job{})
	last := push(&Job{Priority: 16, deadline: 100 * ms})
	if d.Wake == 0 || d.Wake > 100*ms {
		t.Errorf("it wants to be woken at %v, the deadline is at 100 ms", d.Wake)
	}
	s.Next(95*ms, &d)
	if len(d.Dropped) != 1 || d.Dropped[0] != last {
		t.Errorf("dropped %d jobs at 95 ms, a run takes 10 ms", len(d.Dropped))
	}
}

// TestEarlyDropSparesThePatient: a job without a deadline is never dropped as late.
func TestEarlyDropSparesThePatient(t *testing.T) {
	trace := poisson(30000, 4000, 9)
	sim, fates := simulateWith(t, Options{Instances: 1, MaxWait: 10 * time.Second, MaxQueue: 1 << 20}, line(10*ms, ms/20, 0.05), trace, func(i int, j *Job) {
		if i%3 == 0 {
			j.deadline = trace[i].at + 60*ms
		}
	})
	for i, f := range fates {
		if i%3 != 0 && f.refusal != nil {
			t.Fatalf("request %d has no deadline and was refused: %v (%+v)", i, f.refusal, sim.s.counts)
		}
	}
}

// TestLargeJobs: a request whose run would block an instance for longer than others may wait is refused for good.
func TestLargeJobs(t *testing.T) {
	s := NewScheduler(Options{Instances: 1, MaxWait: 100 * ms})
	for range 10 {
		s.Learn(0, 1, ms)
		s.Learn(0, 2, 2*ms)
	}
	if r := s.Admit(0, &Job{Rows: 1000}); r == nil || r.Why != Large {
		t.Errorf("1000 rows of 1 ms each: %v", r)
	}
	if r := s.Admit(0, &Job{Rows: 50}); r != nil {
		t.Errorf("50 rows of 1 ms each: %v", r)
	}
}

// TestCurve: between sizes a line, beyond them the line through all, never falling, the upper bound above the mean.
func TestCurve(t *testing.T) {
	var c curve
	for range 20 {
		c.observe(1, 0.010)
		c.observe(4, 0.016)
		c.observe(8, 0.0239)
		c.observe(16, 0.0235) // within noise of the size below
	}
	for n, want := range map[int]float64{1: 0.010, 2: 0.012, 4: 0.016, 8: 0.0237, 12: 0.0237, 16: 0.0237} {
		if e, _ := c.at(n); math.Abs(e.mean-want) > 1e-4 {
			t.Errorf("%d rows: %.4f s, want %.4f s", n, e.mean, want)
		}
	}
	last := estimate{}
	for n := 1; n < 64; n++ {
		e, ok := c.at(n)
		if !ok || e.mean < last.mean || e.upper < last.upper || e.upper <= e.mean {
			t.Fatalf("%d rows: %+v after %+v", n, e, last)
		}
		last = e
	}
	if c.best(16) < 15 { // the last row is worth 6 %, which is not beyond doubt
		t.Errorf("best of 16 rows is %d", c.best(16))
	}
}

// TestBorrowedForm: a new shape that has run with one row only is expected to grow as the known one does.
func TestBorrowedForm(t *testing.T) {
	s := NewScheduler(Options{Instances: 1})
	for range 20 {
		for n := 1; n <= 16; n *= 2 {
			s.Learn(1, n, 4*ms+time.Duration(n)*ms/10)
		}
	}
	s.lend(s.buckets[1])
	s.Learn(2, 1, 8200*time.Microsecond) // twice as long
	e, ok := s.buckets[2].curve.at(2)
	if want := 2 * 0.0042; !ok || math.Abs(e.mean-want) > 0.0003 {
		t.Errorf("two rows of the new shape: %.4f s, want about %.4f s", e.mean, want)
	}
}
