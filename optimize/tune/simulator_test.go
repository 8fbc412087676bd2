package tune

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"infer/internal/fault"
)

// weather is how a simulated machine disturbs blocks.
type weather struct {
	name    string
	spread  float64       // of the logarithm of a block's speed
	drift   float64       // the same, of what all blocks of some seconds share
	session float64       // the same, of an opened session
	spikes  float64       // share of blocks that are 1.5 to 3 times slower
	open    time.Duration // to open a setting
}

func weathers() []weather {
	return []weather{
		{"quiet", 0.01, 0.02, 0.004, 0.002, 200 * time.Millisecond},
		{"shared", 0.03, 0.15, 0.008, 0.02, 200 * time.Millisecond},
		{"stormy", 0.08, 0.3, 0.01, 0.05, 300 * time.Millisecond},
	}
}

// machine is a simulated machine with its own clock.
type machine struct {
	weather
	now     time.Duration
	draw    *rand.Rand
	truth   func(Setting) (latency, rate float64) // of a run, seconds; rows a second
	rows    int64
	level   float64 // of the drift
	changed time.Duration
	opens   int
	blocks  int
	opened  int // now
	most    int // that were open at a time
	refuse  func(Setting) error
	cut     func() // called before every block
}

func (m *machine) clock() time.Duration { return m.now }

func (m *machine) openArm(_ context.Context, s Setting) (Arm, error) {
	m.now += m.weather.open
	if m.refuse != nil {
		if err := m.refuse(s); err != nil {
			return nil, err
		}
	}
	m.opens++
	m.opened++
	m.most = max(m.most, m.opened)
	return &arm{m: m, s: s, own: m.session * m.draw.NormFloat64()}, nil
}

// arm is an opened setting of a machine.
type arm struct {
	m      *machine
	s      Setting
	own    float64
	closed bool
}

func (a *arm) Close() error {
	if !a.closed {
		a.closed = true
		a.m.opened--
	}
	return nil
}

// Block draws up to 40 latencies around the true one.
func (a *arm) Block(ctx context.Context, d time.Duration, _ uint64) (Block, error) {
	m := a.m
	if m.cut != nil {
		m.cut()
	}
	if err := ctx.Err(); err != nil {
		return Block{}, err
	}
	if a.closed {
		return Block{}, fault.New(fault.Internal, "", "a block of a closed setting")
	}
	m.blocks++
	for ; m.changed < m.now; m.changed += 500 * time.Millisecond {
		m.level = 0.9*m.level + math.Sqrt(1-0.81)*m.drift*m.draw.NormFloat64()
	}
	slow := a.own + m.level + m.spread*m.draw.NormFloat64()
	if m.draw.Float64() < m.spikes {
		slow += math.Log(1.5 + 1.5*m.draw.Float64())
	}
	latency, rate := m.truth(a.s)
	factor := math.Exp(slow)
	n := max(1, int(d.Seconds()/(latency*factor)))
	b := Block{Rows: max(1, m.rows), Throughput: rate / factor, CPU: 1}
	for range min(n, 40) {
		b.Seconds = append(b.Seconds, latency*factor*math.Exp(0.02*m.draw.NormFloat64()))
	}
	b.Elapsed = max(d, time.Duration(latency*factor*float64(time.Second)))
	m.now += b.Elapsed
	return b, nil
}

func newMachine(w weather, seed uint64, truth func(Setting) (float64, float64)) *machine {
	return &machine{weather: w, draw: rand.New(rand.NewPCG(seed, 7)), truth: truth}
}

func num(s Setting, knob string) float64 {
	x, err := strconv.ParseFloat(s[knob], 64)
	if err != nil {
		return 1
	}
	return x
}

// cpuSpace is like the one of a model on a CPU with some cores.
func cpuSpace(cores int, batches ...string) Space {
	counts := []string{strconv.Itoa(cores)}
	for n := 1; n < cores; n *= 2 {
		counts = append(counts, strconv.Itoa(n))
	}
	instances := []string{"1"}
	for n := 2; n <= cores; n *= 2 {
		instances = append(instances, strconv.Itoa(n))
	}
	return Space{
		Knobs: []Knob{{"threads", counts, true}, {"instances", instances, true}, {"batch", batches, true},
			{"spinning", []string{"1", "0"}, false}, {"optimization", []string{"all", "extended"}, false}},
		Allowed: func(s Setting) string {
			if n := num(s, "threads") * num(s, "instances"); n > float64(cores) {
				return fmt.Sprintf("%s instances of %s threads are more than %d cores", s["instances"], s["threads"], cores)
			}
			return ""
		},
		Cost: func(s Setting) float64 { return num(s, "threads") * num(s, "instances") },
	}
}

// cpuModel is the speed of a drawn model: unimodal in every knob, with interactions.
func cpuModel(r *rand.Rand) func(Setting) (latency, rate float64) {
	serial := 0.05 + 0.4*r.Float64()      // share of a run that threads do not divide
	contention := 0.02 + 0.25*r.Float64() // what an instance more costs the others
	fixed := 0.1 + 2*r.Float64()          // work a run beside a row's, in rows
	cache := 4 + 60*r.Float64()           // rows from which on a batch is slower
	spin, extended := 0.06*r.NormFloat64(), 0.04*r.NormFloat64()
	base := 0.002 * math.Exp(r.NormFloat64())
	return func(s Setting) (float64, float64) {
		t, n, b := num(s, "threads"), num(s, "instances"), num(s, "batch")
		amdahl := serial/(1+0.3*(b-1)/(b+3)) + (1-serial)/t // larger batches are divided better
		work := fixed + b*(1+math.Max(0, math.Log2(b*n/cache))*0.15)
		latency := base * work * amdahl * (1 + contention*(n-1)/2)
		if s["spinning"] == "0" {
			latency *= math.Exp(spin + 0.05*(t-1)/t - 0.04*(n-1)/n)
		}
		if s["optimization"] == "extended" {
			latency *= math.Exp(extended)
		}
		return latency, n * b / latency
	}
}
