package decide

import (
	"math"
	"slices"

	"infer/report"
)

// priceOf is the price of a configuration: its own, else the common one, else nil.
func priceOf(prices []report.DecisionPrice, name string) *report.DecisionPrice {
	for _, of := range []string{name, ""} {
		if i := slices.IndexFunc(prices, func(p report.DecisionPrice) bool { return p.Config == of }); i >= 0 {
			return &prices[i]
		}
	}
	return nil
}

// plan fills what a configuration costs and how many replicas of it the demand takes, from its throughput within the
// objectives.
func plan(c *report.DecisionConfig, x *report.DecisionDetails) {
	c.Cost, c.Replicas, c.Hourly = nil, 0, nil
	if c.AtSLO == nil || c.AtSLO.Value <= 0 {
		return
	}
	price := priceOf(x.Price, c.Name)
	if price != nil {
		c.Cost = cost(*c.AtSLO, price.Hour, x.Use, rowsOf(c))
	}
	if x.Demand <= 0 {
		return
	}
	// The slack keeps 500 / (250 × 1) from rounding to three.
	n := math.Ceil(x.Demand/(c.AtSLO.Value*x.Use) - 1e-9)
	if n > maxReplicas {
		return
	}
	c.Replicas = max(1, int(n))
	if price != nil {
		hourly := float64(c.Replicas) * price.Hour
		c.Hourly = &hourly
	}
}

// maxReplicas is more than anybody has: beyond it a demand is a slip of the finger.
const maxReplicas = 1e6

// rowsOf is how many inferences a request of the configuration's load is.
func rowsOf(c *report.DecisionConfig) float64 {
	for _, p := range c.Curve {
		if len(c.Curve) == 1 || nameOf(p) == c.At {
			return rows(p)
		}
	}
	return 1
}

// cost is the price of a million inferences, 1e6 × hour / (3600 × throughput × use): high throughput is low cost, so the
// ends of the interval change places.
func cost(throughput report.Level95, hour, use, rows float64) *report.Level95 {
	of := func(v float64) float64 { return 1e6 * hour / (3600 * v * rows * use) }
	c := &report.Level95{Value: of(throughput.Value), N: throughput.N}
	if throughput.Lo != nil && throughput.Hi != nil && *throughput.Lo > 0 {
		lo, hi := of(*throughput.Hi), of(*throughput.Lo)
		c.Lo, c.Hi = &lo, &hi
	}
	return c
}
