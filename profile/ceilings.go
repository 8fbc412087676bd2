package profile

import (
	"context"

	"infer/profile/roofline"
	"infer/report"
)

// ceilings measures the roofs of this machine, or takes them from the cache, and says of each node what limits it.
func (r *runner) ceilings(ctx context.Context) error {
	if r.o.Roofline != "auto" && r.o.Roofline != "measure" || len(r.details.ByNode) == 0 || ctx.Err() != nil {
		return nil
	}
	c, err := roofline.Measure(ctx, roofline.Options{Provider: r.t.Provider, Config: r.t.Config, Runtime: r.t.Runtime, Cache: r.o.Cache,
		Fresh: r.o.Roofline == "measure", Progress: r.t.Progress})
	if err != nil {
		if ctx.Err() == nil {
			r.d.Warn("no roofline: %v", err)
		}
		return nil
	}
	if c == nil {
		return nil
	}
	r.details.Ceilings = c
	classify(&r.details)
	return nil
}

// classify says of each node what limits it, where the roofs are known.
func classify(x *report.ProfileDetails) {
	if x.Ceilings == nil {
		return
	}
	resolution := 0.0
	if x.Correction != nil {
		resolution = x.Correction.Resolution
	}
	for i := range x.ByNode {
		roofline.Classify(x.Ceilings, &x.ByNode[i], resolution)
	}
}
