package drive

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

// TestDeadline: one context serves request after request, each with its own deadline.
func TestDeadline(t *testing.T) {
	type key struct{}
	load, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	start := time.Now()
	d := &deadline{Context: load, start: start}
	defer d.close()

	d.begin(time.Hour)
	if at, ok := d.Deadline(); !ok || !at.Equal(start.Add(time.Hour)) || d.Err() != nil || d.Value(key{}) != "value" {
		t.Fatalf("deadline %v, error %v", at, d.Err())
	}
	d.finish()

	d.begin(time.Since(start) + 5*time.Millisecond) // before the timer that is set
	d.timer.Reset(0)                                // as requests of one load do, in the order of their deadlines
	<-d.Done()
	if !errors.Is(d.Err(), context.DeadlineExceeded) {
		t.Errorf("at the deadline: %v", d.Err())
	}
	d.finish()

	d.begin(time.Hour)
	select {
	case <-d.Done():
		t.Error("the next request has the end of the last")
	default:
	}
	cancel()
	d.cancel()
	<-d.Done()
	if !errors.Is(d.Err(), context.Canceled) {
		t.Errorf("cancelled: %v", d.Err())
	}
	d.finish()
	d.begin(time.Hour)
	if !errors.Is(d.Err(), context.Canceled) {
		t.Errorf("begun after the load has ended: %v", d.Err())
	}
}

// TestDeadlineFires: the timer is set once for many requests, and still ends one that takes too long.
func TestDeadlineFires(t *testing.T) {
	d := &deadline{Context: t.Context(), start: time.Now()}
	defer d.close()
	for range 100 {
		d.begin(time.Since(d.start) + 2*time.Millisecond)
		d.finish()
	}
	d.begin(time.Since(d.start) + 2*time.Millisecond)
	<-d.Done()
	if now := time.Since(d.start); now < d.at {
		t.Errorf("ended at %v, due at %v", now, d.at)
	}
}

// TestDeadlineDerived: contexts that targets derive end with it, cost no goroutine, and leave nothing behind.
func TestDeadlineDerived(t *testing.T) {
	d := &deadline{Context: t.Context(), start: time.Now()}
	defer d.close()
	d.begin(time.Hour)
	before := runtime.NumGoroutine()
	child, cancel := context.WithCancel(d)
	other, stop := context.WithTimeout(d, time.Minute)
	if n := runtime.NumGoroutine(); n > before { // those of other tests may end meanwhile
		t.Errorf("%d goroutines for two contexts", n-before)
	}
	if len(d.after) != 2 {
		t.Errorf("%d wait for the end, want 2", len(d.after))
	}
	stop()
	if len(d.after) != 1 || other.Err() == nil {
		t.Errorf("%d wait for the end after one has left", len(d.after))
	}
	d.cancel()
	<-child.Done()
	cancel()
	late := make(chan struct{})
	if undone := d.AfterFunc(func() { close(late) }); undone() {
		t.Error("what ran could be stopped")
	}
	<-late
}
