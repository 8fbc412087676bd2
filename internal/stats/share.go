package stats

import "gonum.org/v1/gonum/mathext"

// AtLeast returns P(Bin(n, p) ≥ hits), for n and hits that need not be whole: counts of requests that hang together
// are worth fewer independent ones. It is the regularized incomplete beta function I_p(hits, n-hits+1). hits ≤ 0 gives
// 1, hits > n gives 0 (also between n and n+1); p is in [0, 1].
func AtLeast(hits, n, p float64) float64 {
	switch {
	case hits <= 0:
		return 1
	case hits > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	return mathext.RegIncBeta(hits, n-hits+1, p)
}
