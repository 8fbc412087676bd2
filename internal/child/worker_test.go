package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// TestWorker: commands of every sort do the work that they are given, and whether they go on is found out.
func TestWorker(t *testing.T) {
	if len(shell()) == 0 {
		t.Skip("no shell on this system")
	}
	log := filepath.Join(t.TempDir(), "log")
	for name, c := range map[string]struct {
		command string
		anew    bool
		pieces  string // that the command saw, of 2 more; "": it does not look
	}{
		"echoes":                   {"cat", false, ""},
		"loop":                     {"while read n; do echo $n >> LOG; echo done $n; done", false, "1 2 3 4"},
		"long answers":             {"while read n; do echo $n >> LOG; printf '%010000d\\n' 7; done", false, "1 2 3 4"},
		"reads nothing":            {"echo x >> LOG", true, "x x x x"},
		"answers once":             {"read n; echo $n >> LOG; echo done", true, "1 2 3 4"},
		"answers once, ends later": {"read n; echo $n >> LOG; echo done; sleep 0.3", true, "1 3 4 5"},
		"much output":              {"echo x >> LOG; seq 1 9", true, "x x x x"},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(log)
			w, err := NewWorker(t.Context(), Spec{Command: strings.ReplaceAll(c.command, "LOG", log)})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for range 2 {
				if err := w.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if w.Anew() != c.anew {
				t.Errorf("started anew: %v", w.Anew())
			}
			if c.pieces == "" {
				return
			}
			seen, err := os.ReadFile(log)
			if got := strings.Join(strings.Fields(string(seen)), " "); err != nil || got != c.pieces {
				t.Errorf("it saw %q, %v", got, err)
			}
		})
	}
}

// TestWorkerFails: what fails, at once or later, is said with the last words of the command.
func TestWorkerFails(t *testing.T) {
	if len(shell()) == 0 {
		t.Skip("no shell on this system")
	}
	for name, c := range map[string]struct {
		command, want string
		kind          fault.Kind
	}{
		"no program":     {"no-such-program-of-infer", "start command", fault.Usage},
		"empty":          {" ", "it is empty", fault.Usage},
		"at once":        {"echo no such model >&2; exit 3", `run 1: command "echo no such model >&2; exit 3" ended: exit status 3: no such model`, fault.Internal},
		"second piece":   {"read n; echo ok; read n; echo broken >&2; exit 1", "run 2: command", fault.Internal},
		"anew, later":    {"read n; [ $n -lt 4 ] || { echo broken >&2; exit 9; }", "exit status 9: broken", fault.Internal},
		"ends too early": {"for i in 1 2 3; do read n; echo $i; done; echo enough >&2", "run 4: command", fault.Internal},
		"talks":          {"while read n; do echo a; echo b; done", "more than one line", fault.Usage},
		"silent":         {"cat > /dev/null", "did not answer within", fault.Deadline},
		"killed":         {"kill -9 $$", "signal: killed", fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group int
			timeout := 20 * time.Second
			if c.kind == fault.Deadline {
				timeout = time.Second
			}
			w, err := NewWorker(t.Context(), Spec{Command: c.command, Timeout: timeout})
			if err == nil {
				defer w.Close()
				for range 3 {
					if w.p != nil {
						group = w.p.cmd.Process.Pid
					}
					if err = w.Work(t.Context()); err != nil {
						break
					}
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != c.kind {
				t.Errorf("error is %v of kind %v", err, fault.KindOf(err))
			}
			if w != nil {
				w.Close()
				w.Close()
			}
			if group != 0 && !gone(group) {
				t.Error("it outlives Close")
			}
		})
	}
}

// TestWorkerCancelled: neither the command nor what it started outlives a cancelled context, in either way of working.
func TestWorkerCancelled(t *testing.T) {
	if !counts {
		t.Skip("this system does not list the processes of a group")
	}
	for name, c := range map[string]struct {
		command string
		starts  int // in LOG, with the one to cancel
	}{
		"goes on": {"read n; echo ok; read n; echo ok; sleep 600 & wait", 0},
		"anew":    {"read n; echo $$ >> LOG; [ $n -lt 3 ] || { sleep 600 & wait; }", 3},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen := func() []string {
				b, err := os.ReadFile(log)
				if err != nil {
					return nil
				}
				return strings.Fields(string(b))
			}
			w, err := NewWorker(ctx, Spec{Command: strings.ReplaceAll(c.command, "LOG", log)})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			time.AfterFunc(100*time.Millisecond, func() {
				for len(seen()) < c.starts && ctx.Err() == nil {
					time.Sleep(10 * time.Millisecond)
				}
				cancel()
			})
			if err := w.Work(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
			group := 0
			if w.p != nil {
				group = w.p.cmd.Process.Pid
			} else if pids := seen(); len(pids) == c.starts {
				_, _ = fmt.Sscan(pids[c.starts-1], &group)
			}
			w.Close()
			waitFor(t, func() bool { return group != 0 && gone(group) })
			if err := w.Work(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// TestWorkerPython: the answers of a Python that does not flush them come all the same.
func TestWorkerPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	w, err := NewWorker(t.Context(), Spec{Command: python + ` -c 'import sys
for line in sys.stdin: print("done", line, end="")'`})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Work(t.Context()); err != nil || w.Anew() {
		t.Errorf("started anew: %v, %v", w.Anew(), err)
	}
}
