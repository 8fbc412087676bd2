package profile

import (
	"context"

	"infer/profile/roofline"
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
	resolution := 0.0
	if x := r.details.Correction; x != nil {
		resolution = x.Resolution
	}
	for i := range r.details.ByNode {
		roofline.Classify(c, &r.details.ByNode[i], resolution)
	}
	return nil
}
