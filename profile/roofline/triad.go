package roofline

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"infer/internal/host"
)

// triad is a[i] = b[i] + s·c[i] over three arrays that no cache holds, one part of them a thread. It is plain Go:
// one core waits for its memory long before it is short of instructions.
// Ref: J. D. McCalpin, "Memory Bandwidth and Machine Balance in Current High Performance Computers", 1995.
type triad struct {
	a, b, c []float64
	threads int
	size    int // elements that are used
}

// word is the bytes of an element.
const word = 8

// triadBytes is what one step is counted as: it reads two words and writes one, as the bytes of a node are counted. That
// a store first reads the line that it writes to is in neither.
const triadBytes = 3 * word

const (
	enough    = 2        // each array is so many times the last cache, all three together so many times three
	mostArray = 64 << 20 // bytes of one, whatever the caches are: a larger one takes more time than it tells
)

// newTriad makes arrays of enough times the last cache each, but of no more than is fit for maxTime, mostArray and a quarter
// of the free memory for all three, and fills them. It is nil where that leaves next to nothing.
func newTriad(threads int, caches map[string]string, maxTime time.Duration) *triad {
	bytes := int64(mostArray)
	if last := lastCache(caches); last > 0 {
		bytes = min(bytes, enough*last)
	}
	bytes = min(bytes, int64(slowest*maxTime.Seconds()/passes)/3)
	if m := host.ReadMemoryUse(); m.Limit > 0 {
		bytes = min(bytes, int64(m.Limit-min(m.Used, m.Limit))/4/3)
	}
	n := int(bytes / word)
	if n < threads<<10 {
		return nil
	}
	t := &triad{a: make([]float64, n), b: make([]float64, n), c: make([]float64, n), threads: threads, size: n}
	// The thread that writes a page first decides to which memory it belongs where there are several.
	t.each(func(a, b, c []float64) {
		for i := range a {
			a[i], b[i], c[i] = 0, 1, 2
		}
	})
	return t
}

const (
	slowest = 5e9 // bytes a second of a machine on which the time shall suffice
	passes  = 30  // over the largest arrays for which it shall
)

// each calls f with the part of every thread, on threads of their own.
func (t *triad) each(f func(a, b, c []float64)) {
	var all sync.WaitGroup
	for i := range t.threads {
		from, to := i*t.size/t.threads, (i+1)*t.size/t.threads
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			f(t.a[from:to], t.b[from:to], t.c[from:to])
		})
	}
	all.Wait()
}

// run does one pass.
func (t *triad) run(context.Context) error {
	t.each(func(a, b, c []float64) {
		b, c = b[:len(a)], c[:len(a)]
		for i := range a {
			a[i] = b[i] + 3*c[i]
		}
	})
	return nil
}

// plateau says by how much the rate may still fall from one size of the sweep to the largest.
const plateau = 0.1

// sweep measures sizes up to the whole arrays and keeps the smallest from which on the rate does not fall any more:
// virtual machines tell of caches that they have no share of, so a size alone does not say what is memory. settled is
// false where the rate still fell at the end.
func (t *triad) sweep() (settled bool) {
	whole := t.size
	sizes := []int{whole / 8, whole / 4, whole / 2, whole}
	rates := make([]float64, len(sizes))
	for range 3 {
		for i, n := range sizes {
			t.size = n
			begin := time.Now()
			_ = t.run(context.Background())
			rates[i] = max(rates[i], float64(n)/max(time.Since(begin).Seconds(), 1e-9))
		}
	}
	last := rates[len(rates)-1]
	for i, r := range slices.Backward(rates) {
		if r > (1+plateau)*last {
			t.size = sizes[i+1]
			return i+1 < len(sizes)-1
		}
	}
	t.size = sizes[0]
	return true
}

// probe returns t as a probe. Its arrays go back to the system on release.
func (t *triad) probe() *probe {
	name := fmt.Sprintf("triad of 3 × %d MiB", t.size*word>>20)
	p := &probe{plan: plan{name: name, roof: roofMemory, amount: triadBytes * float64(t.size)}, run: t.run}
	p.release = func() {
		t.a, t.b, t.c = nil, nil, nil
		debug.FreeOSMemory()
	}
	return p
}

// lastCache is the bytes of the last cache as the system tells it, 0 where it does not.
func lastCache(caches map[string]string) int64 {
	for _, level := range []string{"L4", "L3", "L2"} {
		if n := cacheBytes(caches[level]); n > 0 {
			return n
		}
	}
	return 0
}

// cacheBytes reads a size as the kernel prints it, such as "1024K".
func cacheBytes(text string) int64 {
	for suffix, unit := range map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			if n, err := strconv.ParseInt(digits, 10, 32); err == nil && n > 0 {
				return n * unit
			}
		}
	}
	return 0
}
