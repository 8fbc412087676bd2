package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"infer/report"
	"infer/report/compare"
)

// study is how the simulation is made.
type study struct {
	trials  int
	ratios  []float64
	rps     int
	block   time.Duration
	maxTime time.Duration
	only    string
	options compare.Options
}

// noises are the machines of the study. The three deviations are those of a p99 from job to job, from pair to pair and
// from block to block.
func (s study) noises() ([]noise, error) {
	rate := func(x noise, rps int) noise {
		x.requests, x.run = int(float64(rps)*s.block.Seconds()), 30*rps
		return x
	}
	with := func(x noise, name string, change func(x *noise)) noise {
		x.name += name
		change(&x)
		return x
	}
	none := func(*noise) {}
	quiet := rate(noise{name: "quiet host (2/1/1 %)", job: 0.02, pair: 0.01, block: 0.01, spread: 0.5}, s.rps)
	ci := rate(noise{name: "CI machine (10/5/2 %)", job: 0.10, pair: 0.05, block: 0.02, spread: 0.5}, s.rps)
	noisy := rate(noise{name: "noisy machine (15/8/5 %)", job: 0.15, pair: 0.08, block: 0.05, spread: 0.5}, s.rps)
	often := 10 * s.rps
	list := []noise{
		quiet, ci, noisy,
		with(rate(quiet, often), fmt.Sprintf(", %d/s", often), none),
		with(rate(ci, often), fmt.Sprintf(", %d/s", often), none),
		with(rate(noisy, often), fmt.Sprintf(", %d/s", often), none),
		with(ci, ", a tenth of the blocks hit", func(x *noise) { x.hits, x.hit = 0.1, 0.3 }),
		with(noisy, ", a tenth of the blocks hit", func(x *noise) { x.hits, x.hit = 0.1, 0.3 }),
		with(ci, ", gusts of 4 s", func(x *noise) { x.gust, x.hit = 4, 0.3 }),
		with(ci, ", drifts by 30 %", func(x *noise) { x.drift = 0.3 }),
		with(ci, ", M/D/1 at 50 %", func(x *noise) { x.queue = &queue{load: 0.5} }),
		with(ci, ", M/D/1 at 80 %", func(x *noise) { x.queue = &queue{load: 0.8} }),
		with(ci, ", M/G/1 at 50 %", func(x *noise) { x.queue = &queue{load: 0.5, spread: 0.3} }),
	}
	if s.block != time.Second {
		return list, nil // of which recordings are
	}
	recorded, err := recordedNoise()
	return append(list, recorded...), err
}

// cell is one machine at one true ratio, by every method.
type cell struct {
	noise                              noise
	ratio                              float64
	infer, single, stored, interleaved shares
	err                                error
}

// simulate prints the table of the study.
func simulate(out io.Writer, s study) error {
	machines, err := s.noises()
	if err != nil {
		return err
	}
	var cells []*cell
	for _, x := range machines {
		if !strings.Contains(x.name, s.only) {
			continue
		}
		for _, ratio := range s.ratios {
			if x.queue != nil {
				x.queue.scale(ratio) // before it is shared
			}
			cells = append(cells, &cell{noise: x, ratio: ratio})
		}
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, c := range cells {
		wait.Go(func() {
			slots <- struct{}{}
			c.run(s)
			<-slots
		})
	}
	wait.Wait()
	most, pair := s.fits()
	fmt.Fprintf(out, "Blocks of %v, %d requests a second where nothing else is said: at most %d pairs in %v. %d trials a row.\n\n", s.block, s.rps, most, s.maxTime, s.trials)
	fmt.Fprintln(out, "| noise | true ratio | infer compare: regressed | ok | inconclusive | pairs, mean | time, mean | one run each, over +10 % | 8 stored runs a side, Mann-Whitney | 8 blocks a side in turns, Mann-Whitney |")
	fmt.Fprintln(out, "|"+strings.Repeat(" --- |", 10))
	for _, c := range cells {
		if c.err != nil {
			return c.err
		}
		i := c.infer
		mean := float64(i.pairs) / float64(i.trials)
		fmt.Fprintf(out, "| %s | %.2f | %s | %s | %s | %.1f | %.0f s | %s | %s | %s |\n", c.noise.name, c.ratio,
			percent(i.regressed, i.trials), percent(i.ok, i.trials), percent(i.trials-i.regressed-i.ok, i.trials), mean, mean*pair.Seconds(),
			percent(c.single.regressed, c.single.trials), percent(c.stored.regressed, c.stored.trials), percent(c.interleaved.regressed, c.interleaved.trials))
	}
	fmt.Fprintln(out)
	return nil
}

func percent(k, n int) string { return fmt.Sprintf("%.1f %%", 100*float64(k)/float64(max(1, n))) }

// fits returns how many pairs there are time for, as the command finds them, and how long one takes: a block begins with
// a quarter of warm-up, a second at most.
func (s study) fits() (most int, pair time.Duration) {
	pair = 2 * (s.block + min(s.block/4, time.Second))
	return int(s.maxTime / pair), pair
}

// run makes the trials of c. They follow from its name and ratio, so that every cell can be made again by itself.
func (c *cell) run(s study) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %v", c.noise.name, c.ratio)
	most, pair := s.fits()
	for trial := range s.trials {
		r := rand.New(rand.NewPCG(h.Sum64(), uint64(trial)))
		pairs := c.noise.live(r, c.ratio, most, pair.Seconds()/2)
		if c.err = c.infer.infer(pairs, s.options); c.err != nil {
			return
		}
		c.single.single(c.noise.stored(r, 1, 1)[0], c.noise.stored(r, c.ratio, 1)[0])
		c.stored.mannWhitney(c.noise.stored(r, 1, 8), c.noise.stored(r, c.ratio, 8))
		c.interleaved.mannWhitney(sides(pairs[:min(8, len(pairs))]))
	}
}

// sides returns the p99s of both sides of pairs.
func sides(pairs []report.ComparePair) (base, head []float64) {
	for _, p := range pairs {
		base, head = append(base, p.Base.Values["latency_p99"]), append(head, p.Head.Values["latency_p99"])
	}
	return base, head
}
