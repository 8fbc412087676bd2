// Package baseline owns stores of accepted runs: a file, a folder or a git ref from which a comparison takes its base, and
// to which it adds the run that passed. It keeps documents; what they say together is for package compare.
package baseline

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// Keep is how many runs a store holds: Add drops older ones.
const Keep = 20

// Run is an accepted run.
type Run struct {
	Path     string // where it is: a file, "FILE:LINE" of JSON lines, and with "git:REF:" before it of a git ref
	SHA256   string // hex, of the document's bytes as they are stored
	Document *report.Document

	raw []byte // as stored
}

// Store is a place of accepted runs, as it was when it was read. For one goroutine; several programs may add to the same
// place.
type Store struct {
	Spec string // as typed
	Kind string // "file", "folder" or "git"

	place   place
	keep    int
	runs    []Run
	missing error
}

// place is where documents are kept.
type place interface {
	// read returns the runs in the order in which they were stored; an absent error says that there are none yet.
	read() ([]Run, error)
	// add stores a run beside those that are there, and drops the oldest but keep.
	add(r Run, keep int) error
}

// absent is the reason why a store has nothing: none was added yet.
type absent struct{ why string }

func (a absent) Error() string { return a.why }

// Open reads the store that spec names:
//
//   - a file of one document, or of one a line where its name ends in .jsonl
//   - a folder with documents in files that end in .json
//   - git:REF or git:REF:PATH, such a file in the tree of a ref of the repository around the current folder; PATH is
//     baseline.jsonl where it is not given
//
// A path that is not there yet is a file where it ends in .json or .jsonl, and a folder where it has no ending.
//
// A store without runs is no error: see Missing. A document in it that is damaged, incomplete or none is a fault.Usage
// error that names it, as is a spec that is none.
func Open(spec string) (*Store, error) {
	kind, p, err := placeOf(spec)
	if err != nil {
		return nil, err
	}
	s := &Store{Spec: spec, Kind: kind, place: p, keep: Keep}
	return s, s.load()
}

// load reads the runs.
func (s *Store) load() error {
	runs, err := s.place.read()
	err = fault.Wrap(err, "baseline %q", s.Spec)
	if errors.As(err, &absent{}) {
		s.runs, s.missing = nil, err
		return nil
	}
	s.runs, s.missing = newestFirst(runs), nil
	return err
}

// newestFirst sorts runs by when they were made; of two from the same moment the one stored later comes first.
func newestFirst(runs []Run) []Run {
	runs = slices.Clone(runs)
	slices.Reverse(runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return b.Document.Created.Compare(a.Document.Created) })
	return runs
}

// Runs returns the accepted runs, newest first. The documents are the store's.
func (s *Store) Runs() []Run { return s.runs }

// Many reports whether the store keeps more than one run: all do but a file of one document, which Add replaces.
func (s *Store) Many() bool {
	switch p := s.place.(type) {
	case file:
		return manyIn(p.path)
	case gitFile:
		return manyIn(p.path)
	}
	return true
}

// Holds reports whether the store has d, whatever was accepted with it.
func (s *Store) Holds(d *report.Document) bool {
	r, err := newRun(d, nil)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(s.runs, func(o Run) bool {
		plain, err := newRun(o.Document, nil)
		return err == nil && plain.SHA256 == r.SHA256
	})
}

// Missing says why there are no runs, a fault.Usage error with a hint, and is nil where there are. A caller that will Add
// says it as a note: the first run has nothing to be compared with. Any other fails with it.
func (s *Store) Missing() error { return s.missing }

// Add stores what comparisons need of d (see Slim) with the regressions that were accepted together with it, and drops all
// but the newest Keep runs. Nothing half-written is left, whenever it is interrupted. A document that the store holds
// already is not added again; of a file of one document, and of one older than all that are kept, see the errors.
//
// Two that add at the same moment: a folder and a git ref keep both runs, a file the one that was written last.
//
// A document that fails Validate or is not to be trusted is an error, and so is one that is too old to be kept.
func (s *Store) Add(d *report.Document, accepted []report.Acceptance) error {
	r, err := newRun(d, accepted)
	if err == nil {
		err = s.place.add(r, s.keep)
	}
	if err != nil {
		return fault.Wrap(err, "baseline %q", s.Spec)
	}
	return s.load()
}

// Accepted returns the regressions that are accepted at present, newest first, one a metric with its labels. An acceptance
// comes with the run for which it was given and is in force as long as the store holds that run, or until a later one of the
// same metric replaces it: by the time that Keep further runs were accepted, all of the base has the accepted level.
func (s *Store) Accepted() []report.Acceptance {
	var out []report.Acceptance
	for _, r := range s.runs {
		for _, a := range acceptances(r.Document) {
			if !slices.ContainsFunc(out, func(o report.Acceptance) bool { return o.Metric == a.Metric && maps.Equal(o.Labels, a.Labels) }) {
				out = append(out, a)
			}
		}
	}
	return out
}

// Stale is the age from which on a baseline is worth a warning.
const Stale = 30 * 24 * time.Hour

// Age returns a warning where the newest run is older than Stale, "" otherwise.
func (s *Store) Age(now time.Time) string {
	if len(s.runs) == 0 {
		return ""
	}
	age := now.Sub(s.runs[0].Document.Created)
	if age <= Stale {
		return ""
	}
	return fmt.Sprintf("the newest accepted run of %q is %d days old: the machine and its libraries may have changed since; --update-baseline on-pass keeps it fresh",
		s.Spec, int(age.Hours()/24))
}

// Machines returns a warning where runs were measured on another machine than head, by the fingerprints of their
// manifests, "" otherwise.
func (s *Store) Machines(head *report.Document) string {
	here, others := machine(head), map[string]int{}
	n := 0
	for _, r := range s.runs {
		if m := machine(r.Document); m != here {
			others[m]++
			n++
		}
	}
	if n == 0 {
		return ""
	}
	names := slices.Sorted(maps.Keys(others))
	return fmt.Sprintf("%d of the %d accepted runs of %q are of another machine: theirs is %s, this one is %s",
		n, len(s.runs), s.Spec, strings.Join(names, " or "), here)
}

// machine is the fingerprint of the machine on which d was measured.
func machine(d *report.Document) string {
	if f, ok := d.Manifest.Host["fingerprint"].(string); ok && f != "" {
		return f
	}
	return "unknown"
}
