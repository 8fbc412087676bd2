package batch

import (
	"math"
	"slices"
	"time"
)

// curve is what is known of the time of a run by its rows, for one shape. The time is modelled as the speed of the
// machine, which changes for all sizes at once (throttling, neighbours, runs beside each other), times what a size costs,
// which hardly changes: so sizes that do not run now keep their proportion to those that do, which the choice of a size
// depends on. Both are means of logarithms: the speed forgets, with weight alpha a run; the costs settle, with weights
// that fall so fast that noise cannot carry them away however long they run (the sum of their squares is finite).
//
// Between two sizes that were seen lies a straight line, beyond the last one the line through all; the costs are made
// monotone over the sizes. Sources of the idea: Clockwork (OSDI '20) for predictable runs, Clipper (NSDI '17) for latency
// by batch size.
type curve struct {
	cells []cell  // ascending by rows
	like  *curve  // of another shape, whose form is borrowed as long as this one knows one size only
	speed float64 // logarithm of the seconds of a run of cost 1
	lift  float64 // the mean of runs to the mean of their logarithms; 0: not known
	scale float64 // e^speed · lift: what the table is multiplied by

	table    []estimate // by rows, from 1 on (index 0 unused), in costs; made anew when stale
	cheapest []int      // by rows: the size up to there at which a row is cheapest
	stale    int        // observations since they were made
	slope    float64    // cost of a row beyond the table
	total    int        // observations in all
}

type cell struct {
	rows     int
	count    int
	cost     float64 // logarithm
	variance float64 // of a run's time, relative to its mean
}

// estimate is the time of a run: what is expected, the standard error of that, and what is rarely exceeded.
type estimate struct{ mean, err, upper float64 }

func (e estimate) times(f float64) estimate { return estimate{e.mean * f, e.err * f, e.upper * f} }

const (
	alpha     = 0.1  // weight of one run for the speed and for spreads
	trusted   = 5    // runs of a size from which on it tells of the speed
	quick     = 0.05 // least weight of a run for the cost of its size until that settles
	settling  = 200  // runs of a size after which its cost settles
	z         = 2.33 // standard deviations above the mean that a run rarely exceeds: 99 % of a normal distribution
	minSpread = 0.05 // of the mean: what is assumed of a size that was seen once
	refresh   = 16   // observations after which the table is made anew
)

// outlier bounds the logarithm of what one run counts with: a run that was held up for many times its length says little
// about the next ones.
var outlier = math.Log(4)

// observe takes in a run of rows that took y seconds.
func (c *curve) observe(rows int, y float64) {
	if !(y > 0) || math.IsInf(y, 0) || rows < 1 {
		return
	}
	if rows > largestBatch { // no run that the scheduler makes, but a request can be so large
		rows, y = largestBatch, y*largestBatch/float64(rows)
	}
	e := c.cell(rows, y)
	e.count++
	c.total++
	d := min(max(math.Log(y)-c.speed-e.cost, -outlier), outlier)
	e.cost += settle(e.count) * d
	off := math.Exp(d)/c.lift - 1
	a := max(alpha, 1/float64(e.count))
	e.variance = (1 - a) * (e.variance + a*off*off)
	if e.count > trusted {
		c.speed += alpha * d
		c.lift = max(c.lift*(1+alpha/4*off), 1) // the mean of logarithms is never above the logarithm of the mean
	}
	c.scale = math.Exp(c.speed) * c.lift
	if c.stale++; e.count < refresh {
		c.stale = refresh
	}
}

// cell returns the cell of a size; a new one costs what its first run says.
func (c *curve) cell(rows int, y float64) *cell {
	i, known := slices.BinarySearchFunc(c.cells, rows, func(c cell, rows int) int { return c.rows - rows })
	if !known {
		if len(c.cells) == 0 {
			c.speed, c.lift = math.Log(y), 1
		}
		c.cells = slices.Insert(c.cells, i, cell{rows: rows, cost: math.Log(y) - c.speed})
	}
	return &c.cells[i]
}

// settle is the weight of the run of a number for the cost of its size: a plain mean at first, quick to mend what a
// disturbed start has taught, then falling with the number.
func settle(n int) float64 {
	if n <= settling {
		return max(1/float64(n), quick)
	}
	return quick * settling / float64(n)
}

// known is how many independent runs the cost of a size is worth after n of them, by the weights of settle.
func known(n int) float64 {
	const c = quick * settling // weights c/k leave a variance of c²/(2c-1)/n of that of one run
	return max(math.Min(float64(n), 2/quick-1), float64(n)*(2*c-1)/(c*c))
}

// at returns the estimate for a run of rows in seconds, and whether anything is known at all.
func (c *curve) at(rows int) (estimate, bool) {
	if len(c.cells) == 0 {
		if c.like != nil {
			return c.like.at(rows)
		}
		return estimate{}, false
	}
	if c.stale >= refresh {
		c.build()
	}
	if rows < len(c.table) {
		return c.table[rows].times(c.scale), true
	}
	last := c.table[len(c.table)-1]
	more := float64(rows-len(c.table)+1) * c.slope
	return estimate{last.mean + more, last.err + more*minSpread, last.upper + more*(1+z*2*minSpread)}.times(c.scale), true
}

// build makes the table from the cells.
func (c *curve) build() {
	c.stale = 0
	last := c.cells[len(c.cells)-1].rows
	means := c.monotone()
	c.table = slices.Grow(c.table[:0], last+1)[:last+1]
	c.table[0] = estimate{}
	c.slope = c.beyond(means)
	prev := 0
	for i, e := range c.cells {
		spread := max(math.Sqrt(e.variance), minSpread) * means[i]
		here := estimate{means[i], spread / math.Sqrt(known(e.count)), means[i] + z*spread}
		c.table[e.rows] = here
		// Below the smallest size seen: in proportion, which is too little where runs have a fixed cost.
		for n := prev + 1; n < e.rows; n++ {
			f := float64(n-prev) / float64(e.rows-prev)
			from := c.table[prev]
			c.table[n] = estimate{from.mean + f*(here.mean-from.mean), from.err + f*(here.err-from.err), from.upper + f*(here.upper-from.upper)}
		}
		prev = e.rows
	}
	c.cheapest = append(c.cheapest[:0], 1, 1)
	for n := 2; n <= last; n++ {
		c.table[n].upper = max(c.table[n].upper, c.table[n-1].upper)
		best := c.cheapest[n-1]
		if cheaper(c.table[n], n, c.table[best], best) {
			best = n
		}
		c.cheapest = append(c.cheapest, best)
	}
}

// monotone returns the costs of the cells, pooled where a larger size seems to be quicker (isotonic regression by
// pooling adjacent violators, weighted by how often a size was seen).
func (c *curve) monotone() []float64 {
	type block struct{ mean, weight, size float64 }
	var blocks []block
	for _, e := range c.cells {
		b := block{math.Exp(e.cost), math.Min(float64(e.count), 2/alpha), 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].mean > b.mean {
			p := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			w := p.weight + b.weight
			b = block{(p.mean*p.weight + b.mean*b.weight) / w, w, p.size + b.size}
		}
		blocks = append(blocks, b)
	}
	means := make([]float64, 0, len(c.cells))
	for _, b := range blocks {
		for range int(b.size) {
			means = append(means, b.mean)
		}
	}
	return means
}

// beyond returns what one row more costs beyond the largest size seen: the slope of the line through all sizes, the
// borrowed form where there is one size only, else in proportion.
func (c *curve) beyond(means []float64) float64 {
	last := c.cells[len(c.cells)-1]
	if len(c.cells) > 1 {
		var w, sx, sy, sxx, sxy float64
		for i, e := range c.cells {
			x, y := float64(e.rows), means[i]
			w, sx, sy, sxx, sxy = w+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		}
		return max((w*sxy-sx*sy)/(w*sxx-sx*sx), 0)
	}
	mean := means[0]
	if c.like != nil {
		here, ok := c.like.at(last.rows)
		more, _ := c.like.at(2 * last.rows)
		if ok && here.mean > 0 {
			return max(more.mean/here.mean-1, 0) * mean / float64(last.rows)
		}
	}
	return mean / float64(last.rows)
}

// leastKnown returns the size among 2, 4, 8, … up to limit that was seen least, and how often; 1 where there is none.
func (c *curve) leastKnown(limit int) (rows, seen int) {
	at, fewest := 1, math.MaxInt
	for n := 2; n <= limit; n *= 2 {
		count := 0
		if i, ok := slices.BinarySearchFunc(c.cells, n, func(c cell, rows int) int { return c.rows - rows }); ok {
			count = c.cells[i].count
		}
		if count < fewest {
			at, fewest = n, count
		}
	}
	return at, fewest
}

// best returns the rows up to limit at which a row is cheapest.
func (c *curve) best(limit int) int {
	if _, ok := c.at(1); !ok || limit <= 1 {
		return 1
	}
	if len(c.cells) == 0 {
		return c.like.best(limit)
	}
	if limit < len(c.table) {
		return c.cheapest[limit]
	}
	// Beyond the table the cost of a row falls or rises all the way: the last size is the only other candidate.
	at := c.cheapest[len(c.table)-1]
	from, _ := c.at(at)
	if to, _ := c.at(limit); cheaper(to, limit, from, at) {
		return limit
	}
	return at
}

// cheaper reports whether a row of a run of n rows costs less than one of a smaller run of m: by the gain, and by more
// than chance may make it seem: a standard error.
func cheaper(e estimate, n int, than estimate, m int) bool {
	if e.mean <= 0 || than.mean <= 0 {
		return false
	}
	doubt := math.Hypot(e.err/e.mean, than.err/than.mean)
	return e.mean/float64(n) < than.mean/float64(m)*(1-gain-doubt)
}

// seconds is s as a Duration, at most a century.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 3e9) * float64(time.Second))
}
