package page

import (
	"infer/serve/observe"
	"infer/serve/repository"
)

// Of returns the source of a server that serves r and is watched by o.
func Of(r *repository.Repository, o *observe.Observe) Source { return served{r, o} }

type served struct {
	*repository.Repository
	observe *observe.Observe
}

// Infos describes every loaded version.
func (s served) Infos() []*repository.Info {
	var list []*repository.Info
	for _, row := range s.Index() {
		h, err := s.Acquire(row.Name, row.Version, "")
		if err != nil {
			continue // it is not loaded, or not any more
		}
		list = append(list, h.Info())
		h.Release()
	}
	return list
}

// Gain is that of the most used shape of a version.
func (s served) Gain(model, version string) (g Gain) {
	h, err := s.Acquire(model, version, "")
	if err != nil {
		return g
	}
	defer h.Release()
	shapes := h.Explain().Shapes
	if len(shapes) == 0 || len(shapes[0].Curve) < 2 || shapes[0].Curve[0].Rows != 1 {
		return g
	}
	best, curve := shapes[0].Best, shapes[0].Curve
	g = Gain{Rows: 1, Together: curve[0].Mean, Alone: curve[0].Mean}
	for _, c := range curve[1:] { // best itself may be larger than every run so far
		if row := c.Mean / float64(c.Rows); c.Rows <= best && row < g.Together {
			g.Rows, g.Together = c.Rows, row
		}
	}
	return g
}

// Live returns the figures of the last minute.
func (s served) Live() []observe.Live { return s.observe.Live() }
