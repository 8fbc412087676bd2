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

// Live returns the figures of the last minute.
func (s served) Live() []observe.Live { return s.observe.Live() }
