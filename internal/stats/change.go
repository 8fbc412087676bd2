package stats

import "math"

// ChangePoints returns the indices, ascending, at which the level of the ordered series x changes. It runs PELT
// (Killick, Fearnhead, Eckley 2012) with a squared cost on block medians smoothed by a running median of three, so a
// lone outlier moves nothing, and scales the cost by the median absolute difference of neighbouring blocks. Indices
// are multiples of the block (three values in short series); below 12 values it returns none.
func ChangePoints(x []float64) []int {
	size := max(3, len(x)/200)
	m := len(x) / size
	if m < 4 {
		return nil
	}
	raw, diff := make([]float64, m), make([]float64, m-1)
	for i := range raw {
		raw[i] = Median(x[i*size : (i+1)*size])
	}
	for i := range diff {
		diff[i] = math.Abs(raw[i+1] - raw[i])
	}
	y := make([]float64, m)
	for i := range y {
		y[i] = Median([]float64{raw[max(0, i-1)], raw[i], raw[min(m-1, i+1)]})
	}
	// 1.4826/√2: from the median of absolute differences to the deviation of one block.
	sigma := max(1.0484*Median(diff), 1e-3*math.Abs(Median(raw)), math.SmallestNonzeroFloat32)
	penalty := 6 * math.Log(float64(m)) * sigma * sigma
	var out []int
	for _, c := range pelt(y, penalty) {
		out = append(out, c*size)
	}
	return out
}

// pelt returns the optimal change points of y for squared cost and a penalty for each, segments at least two long.
func pelt(y []float64, penalty float64) []int {
	n := len(y)
	s, q := make([]float64, n+1), make([]float64, n+1)
	for i, v := range y {
		v -= y[0]
		s[i+1], q[i+1] = s[i]+v, q[i]+v*v
	}
	cost := func(a, b int) float64 {
		d := s[b] - s[a]
		return q[b] - q[a] - d*d/float64(b-a)
	}
	best, from := make([]float64, n+1), make([]int, n+1)
	best[0], best[1] = -penalty, math.Inf(1)
	cand := []int{0}
	for t := 2; t <= n; t++ {
		best[t] = math.Inf(1)
		for _, a := range cand {
			if c := best[a] + cost(a, t) + penalty; c < best[t] {
				best[t], from[t] = c, a
			}
		}
		kept := cand[:0]
		for _, a := range cand {
			if best[a]+cost(a, t) <= best[t] {
				kept = append(kept, a)
			}
		}
		cand = append(kept, t-1)
	}
	var out []int
	for t := from[n]; t > 0; t = from[t] {
		out = append([]int{t}, out...)
	}
	return out
}
