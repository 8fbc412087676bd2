package roofline

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"infer/model"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/tensor"
)

// The roofs, as report.Probe names them.
const (
	roofFloat32 = "float32"
	roofInt8    = "int8"
	roofMemory  = "memory"
	roofCache   = "cache"
)

// plan is a probe that is not open yet.
type plan struct {
	name, roof string
	amount     float64 // operations or bytes of a run
	model      func() *model.Model
}

// hostPlans are the probes of a CPU, the most telling first: those at the end are left out where the time is short.
// The int8 products are in the two forms that were the fastest of the runtime's in our measurements; which of them is
// ahead depends on the CPU.
func hostPlans(caches map[string]string) []plan {
	const channels, side, convs = 128, 28, 2 // as in the middle of a ResNet
	vector := cacheVector(caches)
	return []plan{
		matMulPlan(512),
		{fmt.Sprintf("Conv 3x3 of %d channels float32", channels), roofFloat32, convs * 2 * 9 * channels * channels * side * side,
			func() *model.Model { return conv(channels, side, convs) }},
		matMulIntegerPlan(512),
		{fmt.Sprintf("Add of %d KiB float32", vector>>8), roofCache, adds * 12 * float64(vector), func() *model.Model { return add(vector, adds) }},
		matMulPlan(1024),
		matMulIntegerPlan(1024),
		matMulPlan(256),
		{"QLinearMatMul 512 uint8 × int8", roofInt8, float64(chain(512)) * product(512), func() *model.Model { return qLinearMatMul(512, chain(512)) }},
		matMulPlan(2048),
	}
}

func matMulPlan(n int64) plan {
	k := chain(n)
	return plan{fmt.Sprintf("MatMul %d float32", n), roofFloat32, float64(k) * product(n), func() *model.Model { return matMul(n, k) }}
}

func matMulIntegerPlan(n int64) plan {
	return plan{fmt.Sprintf("MatMulInteger %d uint8 × int8", n), roofInt8, product(n), func() *model.Model { return matMulInteger(n) }}
}

// devicePlans are the probes of a provider with memory of its own, whose matrices are as large as it takes to fill it.
func devicePlans() (list []plan) {
	for _, n := range []int64{1024, 2048, 4096} {
		list = append(list, plan{fmt.Sprintf("MatMul %d float32", n), roofFloat32, deviceChain * product(n),
			func() *model.Model { return matMulResident(n, deviceChain) }})
	}
	return list
}

const (
	deviceChain = 8
	adds        = 8
)

// product is the operations of a product of n by n matrices.
func product(n int64) float64 { return 2 * float64(n) * float64(n) * float64(n) }

// chain is how many products of n by n matrices make a run: enough that what a call costs is nothing beside them.
func chain(n int64) int { return int(min(max((1<<28)/product(n), 1), 8)) }

// cacheVector is the elements of a vector of which three fit well into the last cache and one does not into the first.
func cacheVector(caches map[string]string) int64 {
	const least, most = 1 << 18, 1 << 20 // 1 and 4 MiB
	return min(max(lastCache(caches)/64, least), most)
}

// probe is one piece of work that is measured again and again.
type probe struct {
	plan
	run     measure.Run
	timed   measure.Timed // nil: each run is timed here
	release func()
	seconds float64   // of a run, at least, as far as it is known
	rates   []float64 // a block each: the amount over its fastest run
}

// blockTime is how long a block of short runs lasts: long enough for some runs, and short enough that there are many
// blocks.
const blockTime = 5 * time.Millisecond

// open makes the session of a plan and runs it twice.
func (p plan) open(ctx context.Context, e engine.Provider, c engine.Config) (*probe, []string, error) {
	s, err := e.Open(ctx, p.model(), c)
	if err != nil {
		return nil, nil, err
	}
	var said []string
	if w, ok := s.(engine.Warner); ok {
		said = w.Warnings()
	}
	q := &probe{plan: p, release: func() { _ = s.Close() }}
	in, err := inputOf(s)
	if err == nil {
		var unbind func()
		q.run, q.timed, unbind, err = measure.Bind(ctx, s, []tensor.Tensor{in})
		if err == nil {
			q.release = func() { unbind(); _ = s.Close() }
			err = q.warm(ctx)
		}
	}
	if err != nil {
		q.release()
		return nil, nil, err
	}
	return q, said, nil
}

// inputOf returns ones for the only input of s.
func inputOf(s engine.Session) (tensor.Tensor, error) {
	port := s.Inputs()[0]
	shape := tensor.Shape{}
	for _, d := range port.Type.Dims {
		shape = append(shape, d.Size)
	}
	x, err := tensor.New(port.Name, port.Type.DType, shape)
	if err != nil {
		return x, err
	}
	if x.DType == tensor.Float32 {
		for i := 0; i < len(x.Data); i += 4 {
			binary.LittleEndian.PutUint32(x.Data[i:], math.Float32bits(1))
		}
		return x, nil
	}
	for i := range x.Data {
		x.Data[i] = 1
	}
	return x, nil
}

// warm runs p twice and learns how long that takes.
func (p *probe) warm(ctx context.Context) error {
	p.seconds = math.Inf(1)
	for range 2 {
		begin := time.Now()
		if err := p.run(ctx); err != nil {
			return err
		}
		p.seconds = max(min(p.seconds, time.Since(begin).Seconds()), 1e-9)
	}
	return nil
}

// runs is how many a block has.
func (p *probe) runs() int { return max(1, int(math.Ceil(blockTime.Seconds()/p.seconds))) }

// cost is about how long a block takes, in seconds.
func (p *probe) cost() float64 { return float64(p.runs()+p.cold()) * p.seconds }

// cold is how many untimed runs come before a block, which meet the caches as another probe left them.
func (p *probe) cold() int {
	if p.seconds < blockTime.Seconds() {
		return 1
	}
	return 0
}

// block measures a block of runs.
func (p *probe) block(ctx context.Context) error {
	row := make([]float64, p.cold()+p.runs())
	if _, err := measure.InARow(ctx, p.run, p.timed, row); err != nil {
		return err
	}
	// On a busy machine a run waits again and again for a CPU; the ceiling is what it does when it need not.
	if fastest := slices.Min(row[p.cold():]); fastest > 0 { // a coarse clock may not see a run
		p.rates = append(p.rates, p.amount/fastest)
	}
	return nil
}
