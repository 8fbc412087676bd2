package page

import (
	"infer/serve/repository"
)

// Of returns the source of a server that serves r.
func Of(r *repository.Repository) Source { return served{r} }

type served struct{ *repository.Repository }

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
