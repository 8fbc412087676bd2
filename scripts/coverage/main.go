// Command coverage measures how often the 95 % intervals of a percentile cover the truth when requests share a queue:
// those of order statistics, which take requests for independent, and those of stats.SectionQuantile. It simulates
// queues with Poisson arrivals at several loads and prints Markdown.
//
//	coverage [-p 0.99] [-n 5000,10000,30000,100000] [-loads 0.05,0.3,0.5,0.7,0.8,0.9] [-runs 500] [-seed 1]
package main

import (
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"infer/internal/host"
	"infer/internal/stats"
)

// confidence of the intervals, and how many parts a run is cut into: as in loadtest/sample.
const (
	confidence = 0.95
	sections   = 24
)

func main() {
	log.SetFlags(0)
	p := flag.Float64("p", 0.99, "the percentile")
	n := flag.String("n", "5000,10000,30000,100000", "requests of a run")
	loads := flag.String("loads", "0.05,0.3,0.5,0.7,0.8,0.9", "utilisations of the servers")
	runs := flag.Int("runs", 500, "runs behind each line")
	long := flag.Int("truth", 20_000_000, "requests that the truth is taken from")
	seed := flag.Uint64("seed", 1, "of the random numbers")
	flag.Parse()
	sizes, err := numbers(*n)
	if err != nil {
		log.Fatal(err)
	}
	utilisations, err := numbers(*loads)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, %s, %s/%s. 95 %% intervals of the %g-quantile of latency, %d runs a line, seed %d.\n\n",
		time.Now().Format("2006-01-02"), machine(), runtime.GOOS, runtime.GOARCH, *p, *runs, *seed)
	fmt.Println("| service time | servers | load | requests | order statistic covers | sections cover | truth below / above | width against order statistic | against the least possible | reliable | cover where reliable |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, s := range []struct {
		name    string
		service func(*rand.Rand) float64
	}{{"CV 0.3", steady}, {"exponential", wild}} {
		for _, servers := range []int{1, 4} {
			for _, load := range utilisations {
				q := newQueue(servers, load, s.service, *seed)
				q.settle(100_000)
				truth := q.truth(*long, *p)
				for _, size := range sizes {
					t := tryRuns(*runs, truth, *p, func(run int) []*stats.Sketch {
						q := newQueue(servers, load, s.service, *seed+1+uint64(run))
						q.settle(10_000)
						return q.run(int(size), sections)
					})
					fmt.Printf("| %s | %d | %.0f %% | %.0f | %s |\n", s.name, servers, 100*load, size, t)
				}
			}
		}
	}
}

func numbers(list string) ([]float64, error) {
	var out []float64
	for part := range strings.SplitSeq(list, ",") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func machine() string {
	return fmt.Sprintf("%s, %d CPUs", host.Facts().CPUModel, runtime.NumCPU())
}

// trial is what became of one run.
type trial struct {
	plain, e stats.Estimate // of order statistics, of sections
	reliable bool
}

// tally is what became of all.
type tally struct {
	trials []trial
	truth  float64
}

func tryRuns(runs int, truth, p float64, run func(int) []*stats.Sketch) tally {
	t := tally{trials: make([]trial, runs), truth: truth}
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				s := run(i)
				e, _, reliable := stats.SectionQuantile(s, p, confidence)
				t.trials[i] = trial{plain: plain(s, p), e: e, reliable: reliable}
			}
		})
	}
	for i := range runs {
		next <- i
	}
	close(next)
	wg.Wait()
	return t
}

// plain is the interval of order statistics.
func plain(sections []*stats.Sketch, p float64) stats.Estimate {
	var all stats.Sketch
	for _, s := range sections {
		all.Merge(s)
	}
	l, u := stats.Ranks(int(all.Count()), p, confidence)
	return stats.Estimate{Lo: all.AtRank(int64(l)), Hi: all.AtRank(int64(u))}
}

// String returns the cells of a line. The least possible width is that of an interval around the estimate by how much
// estimates really vary between runs.
func (t tally) String() string {
	var plain, below, above, reliable, good, square float64
	var widths, plains []float64
	for _, r := range t.trials {
		if r.plain.Lo <= t.truth && t.truth <= r.plain.Hi {
			plain++
		}
		covers := false
		switch {
		case t.truth < r.e.Lo:
			below++
		case t.truth > r.e.Hi:
			above++
		default:
			covers = true
		}
		if r.reliable {
			reliable++
			if covers {
				good++
			}
		}
		widths = append(widths, math.Log(r.e.Hi/r.e.Lo))
		plains = append(plains, math.Log(r.plain.Hi/r.plain.Lo))
		off := math.Log(r.e.Value / t.truth)
		square += off * off
	}
	n := float64(len(t.trials))
	width, least := stats.Median(widths), 2*1.96*math.Sqrt(square/n)
	where := "–"
	if reliable >= n/20 {
		where = fmt.Sprintf("%.0f %%", 100*good/reliable)
	}
	return fmt.Sprintf("%.0f %% | %.0f %% | %.0f / %.0f %% | %.2f× | %.2f× | %.0f %% | %s", 100*plain/n, 100*(n-below-above)/n,
		100*below/n, 100*above/n, width/stats.Median(plains), width/least, 100*reliable/n, where)
}
