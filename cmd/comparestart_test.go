package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// starter is a side that notes when it is started and stopped.
type starter struct {
	name string
	took time.Duration
	fail bool
	log  *[]string
}

func (s *starter) stop()               { *s.log = append(*s.log, "stop "+s.name) }
func (s *starter) cost() time.Duration { return s.took }
func (s *starter) start(context.Context) error {
	if *s.log = append(*s.log, "start "+s.name); s.fail {
		return errors.New("no such file")
	}
	return nil
}

func TestRestarts(t *testing.T) {
	var log []string
	base, head := &starter{name: "base", log: &log}, &starter{name: "head", log: &log}
	r := restarts{base: &liveSide{again: base}, head: &liveSide{again: head}}
	for range 2 {
		if err := r.next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"stop base", "stop head", "start head", "start base", "stop base", "stop head", "start base", "start head"}
	if !slices.Equal(log, want) {
		t.Errorf("%v, want %v", log, want)
	}
	log, head.took = nil, time.Hour
	if err := r.next(t.Context()); err != nil || len(log) > 0 {
		t.Errorf("what takes longer than was measured is started again: %v %v", log, err)
	}
	r.last = time.Now().Add(-2 * time.Hour)
	head.fail = true
	if err := r.next(t.Context()); err == nil || !strings.Contains(err.Error(), "head, started afresh: no such file") {
		t.Errorf("error %v", err)
	}
	log = nil
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range []restarts{{base: &liveSide{}, head: &liveSide{again: head}}, {base: &liveSide{again: base}, head: &liveSide{}}} {
		if err := r.next(t.Context()); err != nil || len(log) > 0 {
			t.Errorf("a side that runs on, and the other is started: %v %v", log, err)
		}
	}
	if err := r.next(gone); err != nil || len(log) > 0 {
		t.Errorf("after an interrupt: %v %v", log, err)
	}
}
