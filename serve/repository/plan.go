package repository

import (
	"context"
	"fmt"
	"time"

	"infer/model/engine"
)

const (
	planKey  = "plan"                 // of Info.Metadata
	patience = 100 * time.Millisecond // a run on one thread that takes longer is given more, where there is no SLO
	speedup  = 0.8                    // of a run by two threads for one, and so on: what is hoped for
	worth    = 1.2                    // times faster that a run must become to be worth more threads
)

// plan chooses threads and instances, opens the sessions and warms them. A session takes runs from many goroutines at
// once, so that instances of one thread each share one session and one copy of the weights: no thread waits for another,
// which is the best throughput. Only where a run on one thread is too long for a client are there more threads and fewer
// instances, each with its session, for the threads of a session are one pool.
func (l *loader) plan(ctx context.Context) error {
	threads, why := l.fixedThreads()
	s, err := l.start(ctx, threads)
	if err != nil {
		return err
	}
	single := l.trial.single
	if want := l.wantThreads(single); why == "" && want > 1 {
		wide, err := l.start(ctx, want)
		if err != nil {
			return err
		}
		if l.trial.single > 0 && single.Seconds() > worth*l.trial.single.Seconds() {
			why = fmt.Sprintf("a run on one thread takes %s", round(single))
			s, wide, threads = wide, s, want
		} else {
			why = fmt.Sprintf("%d threads were not faster", want)
			l.trial.single = single
		}
		if err := l.discard(wide); err != nil {
			return err
		}
	}
	return l.instances(ctx, s, threads, why)
}

// fixedThreads returns the threads of the first session and, where they are not to be changed, why.
func (l *loader) fixedThreads() (threads int, why string) {
	cpus := l.r.o.CPUs
	switch {
	case l.o.Threads > 0:
		return l.o.Threads, "threads as asked for"
	case l.r.o.Config.Threads > 0:
		return l.r.o.Config.Threads, "threads as asked for"
	case l.o.Instances > 0:
		return max(cpus/l.o.Instances, 1), "instances as asked for"
	case l.device():
		return max(cpus, 1), "the provider is no CPU"
	}
	return 1, ""
}

// device reports whether runs happen somewhere else than on the CPUs.
func (l *loader) device() bool {
	for _, p := range l.r.o.Config.Providers {
		return p.Name != "cpu"
	}
	name := l.r.o.Provider.Name()
	return name != "cpu" && name != "fake"
}

// wantThreads returns how many threads a run of one row should have that takes single on one.
func (l *loader) wantThreads(single time.Duration) int {
	limit := patience
	if l.o.SLO > 0 {
		limit = l.o.SLO / 2
	}
	threads := 1
	for threads < l.r.o.CPUs && single.Seconds() > limit.Seconds()*max(1, speedup*float64(threads)) {
		threads = min(2*threads, l.r.o.CPUs)
	}
	return threads
}

// start opens a session, which the handle owns from now on, and warms it.
func (l *loader) start(ctx context.Context, threads int) (engine.Session, error) {
	s, err := l.open(ctx, threads)
	if err != nil {
		return nil, err
	}
	l.h.sessions = append(l.h.sessions, s)
	if l.trial.rows == nil {
		if err := l.trial.find(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, l.trial.warm(ctx, s)
}

// discard closes a session that was not chosen.
func (l *loader) discard(s engine.Session) error {
	for i, o := range l.h.sessions {
		if o == s {
			l.h.sessions = append(l.h.sessions[:i], l.h.sessions[i+1:]...)
			break
		}
	}
	return s.Close()
}

// instances fixes how many runs there are at a time, and opens their sessions.
func (l *loader) instances(ctx context.Context, first engine.Session, threads int, why string) error {
	n := l.o.Instances
	switch {
	case n > 0:
	case l.device():
		n = 1
	default:
		n = max(l.r.o.CPUs/threads, 1)
	}
	l.h.info.Instances, l.h.info.Threads = n, threads
	shared := threads == 1 || n == 1
	for i := 1; i < n && !shared; i++ {
		s, err := l.open(ctx, threads)
		if err != nil {
			return err
		}
		l.h.sessions = append(l.h.sessions, s)
	}
	l.h.info.Metadata[planKey] = l.planText(shared, why)
	return nil
}

// planText explains the plan in a line.
func (l *loader) planText(shared bool, why string) string {
	i := &l.h.info
	text := fmt.Sprintf("%s of %s on %s", count(i.Instances, "instance"), count(i.Threads, "thread"), count(l.r.o.CPUs, "CPU"))
	if shared && i.Instances > 1 {
		text += ", one session for all"
	}
	if l.trial.err == nil {
		text += fmt.Sprintf(": a run of one row takes %s", round(l.trial.single))
	}
	if why != "" {
		text += " (" + why + ")"
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// round leaves three digits or so of a time.
func round(d time.Duration) time.Duration {
	unit := time.Nanosecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// warmOthers runs the sessions of the other instances.
func (l *loader) warmOthers(ctx context.Context) error {
	if l.trial.err != nil {
		return nil
	}
	for _, s := range l.h.sessions[1:] {
		for range 2 {
			if _, _, err := l.trial.run(ctx, s, l.trial.rows[0]); err != nil {
				return fmt.Errorf("run on made-up inputs: %w", err)
			}
		}
	}
	return nil
}
