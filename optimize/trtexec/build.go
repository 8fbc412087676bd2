package trtexec

import (
	"context"
	"os"
	"regexp"
	"strings"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/internal/progress"
)

// Run is one run of the tool.
type Run struct {
	Command []string
	Seconds float64  // from start to end
	Lines   []string // what it printed, the last ones of very many
	Summary Summary  // what of it is figures
}

// maxLines is how many lines of a run are kept; a --verbose build prints more.
const maxLines = 20000

// Build builds the engine of o with the tool. It reports phases and elapsed seconds: trtexec tells no share of its work
// that is done. When anything fails, and when ctx ends, the engine and the layers file are gone and the tool and all
// that it started have ended; the timing cache stays. Errors carry the cause that trtexec told.
func (t *Tool) Build(ctx context.Context, o Options, report progress.Func) (run *Run, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	args := o.Args(t.Version)
	if err := t.check(args); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(o.Engine)
			if o.Layers != "" {
				_ = os.Remove(o.Layers)
			}
		}
	}()
	run, err = t.run(ctx, args, "build the engine", report)
	if err != nil {
		return run, err
	}
	if _, err := ReadPlan(o.Engine); err != nil { // it has been seen to end well without one
		return run, fault.Wrap(err, "build the engine: trtexec said that it had one")
	}
	return run, nil
}

// run runs the tool, and explains how it failed. what is what is tried, in words.
func (t *Tool) run(ctx context.Context, args []string, what string, report progress.Func) (*Run, error) {
	r := &Run{Command: append([]string{t.Path}, args...)}
	w := newWatch(what, report)
	begin := time.Now()
	err := child.Lines(ctx, r.Command, nil, func(line string) {
		if len(r.Lines) >= maxLines {
			r.Lines = append(r.Lines[:0], r.Lines[maxLines/2:]...)
		}
		r.Lines = append(r.Lines, line)
		w.line(line)
	})
	w.close()
	r.Seconds = time.Since(begin).Seconds()
	r.Summary = ParseSummary(strings.Join(r.Lines, "\n"))
	if r.Summary.Version == (Version{}) {
		r.Summary.Version = t.Version
	}
	if err != nil {
		return r, explain(r.Lines, err, what)
	}
	if r.Summary.Outcome == "FAILED" {
		return r, explain(r.Lines, fault.New(fault.Internal, "", "trtexec says that it failed"), what)
	}
	return r, nil
}

// stages are lines that begin a stage of the work.
var stages = []struct {
	match *regexp.Regexp
	name  string
}{
	{regexp.MustCompile(`Start parsing network model`), "parsing the model"},
	{regexp.MustCompile(`Finished parsing network model`), "looking for kernels"},
	{regexp.MustCompile(`(?i)Engine generation completed|Total Host Persistent Memory`), "putting the engine together"},
	{regexp.MustCompile(`Engine built in|Engine loaded in|Engine deserialized in`), "loading the engine"},
	{regexp.MustCompile(`Starting inference`), "running the engine"},
}

// watch turns lines into progress events. Between lines, of which a build may print none for minutes, it tells once a
// second that time goes by.
type watch struct {
	send  func(progress.Event)
	what  string
	begin time.Time
	stage chan string
	done  chan struct{}
}

func newWatch(what string, report progress.Func) *watch {
	w := &watch{send: report.Send, what: what, begin: time.Now(), stage: make(chan string), done: make(chan struct{})}
	go w.tick()
	return w
}

func (w *watch) tick() {
	defer close(w.done)
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	note := "starting"
	for {
		select {
		case s, more := <-w.stage:
			if !more {
				return
			}
			note = s
		case <-clock.C:
		}
		w.send(progress.Event{Phase: w.what, Done: time.Since(w.begin).Seconds(), Unit: "s", Note: note})
	}
}

func (w *watch) line(text string) {
	for _, s := range stages {
		if s.match.MatchString(text) {
			w.stage <- s.name
			return
		}
	}
}

func (w *watch) close() {
	close(w.stage)
	<-w.done
}
