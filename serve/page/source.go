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
	if len(shapes) == 0 {
		return g
	}
	var alone, together float64
	for _, c := range shapes[0].Curve {
		if c.Rows == 1 {
			alone = c.Mean
		}
		if c.Rows == shapes[0].Best {
			together = c.Mean / float64(c.Rows)
		}
	}
	if alone == 0 || together == 0 || len(shapes[0].Curve) < 2 {
		return g
	}
	return Gain{Rows: shapes[0].Best, Together: together, Alone: alone}
}

// Live returns the figures of the last minute.
func (s served) Live() []observe.Live { return s.observe.Live() }
