package tune

import (
	"slices"
	"strings"
	"testing"
)

func lattices(t *testing.T, s Space) *lattice {
	t.Helper()
	l, err := newLattice(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func names(l *lattice, points []point) []string {
	var out []string
	for _, p := range points {
		out = append(out, l.name(p))
	}
	return out
}

// More instances are only allowed with fewer threads: a change makes room for itself. 4 cores, threads 4, 1, 2.
func TestSingles(t *testing.T) {
	l := lattices(t, cpuSpace(4, "1", "2"))
	got := names(l, l.singles())
	want := []string{"threads=1", "threads=2", "threads=2 instances=2", "threads=1 instances=4", "batch=2", "spinning=0", "optimization=extended"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// (threads, instances) with at most 4 of both: 6, times 2 batches, 2 and 2.
	if len(l.allowed) != 48 {
		t.Errorf("%d settings are allowed, want 48", len(l.allowed))
	}
}

// Of many values the next ones are tried, then fewer, and both ends.
func TestSinglesOfMany(t *testing.T) {
	l := lattices(t, Space{Knobs: []Knob{{"batch", []string{"4", "1", "2", "8", "16", "32", "64", "128"}, true}}})
	if got, want := names(l, l.singles()), []string{"batch=1", "batch=2", "batch=8", "batch=16", "batch=64", "batch=128"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := names(l, l.moves(point{4})), []string{"batch=8", "batch=32"}; !slices.Equal(got, want) {
		t.Errorf("beside 16: %q, want %q", got, want)
	}
}

func TestPruned(t *testing.T) {
	s := Space{Knobs: []Knob{{"threads", []string{"1", "2", "8"}, true}, {"instances", []string{"1", "2"}, true}, {"spinning", []string{"1", "0"}, false}},
		Allowed: func(s Setting) string {
			switch {
			case s["threads"] == "8":
				return "there are 2 CPUs"
			case s["threads"] == "2" && s["instances"] == "2":
				return "4 threads are more than 2 CPUs"
			case s["threads"] == "2" && s["spinning"] == "0" && s["instances"] == "1":
				return "odd"
			}
			return ""
		}}
	var got []string
	for _, p := range lattices(t, s).pruned() {
		got = append(got, p.Setting+": "+p.Why)
	}
	want := []string{"threads=2 spinning=0: odd", "threads=2 instances=2: 4 threads are more than 2 CPUs", "threads=8: there are 2 CPUs"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.Knobs = append(s.Knobs, Knob{"large", slices.Collect(strings.SplitSeq(strings.Repeat("x,", 200)+"x", ",")), true})
	if _, err := newLattice(s); err == nil {
		t.Error("a value that is there twice is taken")
	}
}
