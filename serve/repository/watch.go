package repository

import (
	"context"
	"time"
)

// follow looks at the sources again and again until ctx ends.
func (r *Repository) follow(ctx context.Context) {
	tick := time.NewTicker(r.o.Watch)
	defer tick.Stop()
	w := watcher{looked: time.Now(), seen: map[string]string{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if r.take(ctx) != nil {
			return
		}
		r.refresh(ctx, &w)
		r.leave()
	}
}

// refresh takes in what changed on disk since the last look.
func (r *Repository) refresh(ctx context.Context, w *watcher) {
	begin := time.Now()
	err := r.look(w.complete)
	w.looked = begin
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != w.fault {
		r.log.Error("the models cannot be looked at", "err", err)
	}
	w.fault = text
	r.depart()
	for _, s := range r.all() {
		if s.absent == 0 {
			r.bring(ctx, s) // logs what fails
		}
	}
}

// watcher remembers the last look at the files.
type watcher struct {
	looked time.Time
	seen   map[string]string // fingerprints by path
	fault  string
}

// complete reports whether nobody is writing a version any more: its files are as they were at the last look, or none
// has changed since then, as when a finished folder was renamed or a link was switched.
func (w *watcher) complete(f file) bool {
	same := w.seen[f.path] == f.print
	w.seen[f.path] = f.print
	return same || f.newest.Before(w.looked)
}
