package calibrate

import (
	"maps"
	"math"
	"slices"

	"infer/internal/fault"
)

// Table is what calibration saw of every value. Reading it is safe for concurrent use.
type Table struct {
	Key     string   // identity of model, data and options, as the caller gave it
	Rows    int64    // rows seen
	Bins    int      // least number of bins of a histogram; 0: no histograms
	Notes   []string // values that were left out and why, and the like; one line each
	Groups  int      // parts in which Run collected the values; not in files
	Resumed int64    // rows that a checkpoint had of every value; not in files

	parts  []int64 // rows of each of the tables that were merged into this one: held counts anew in each
	values map[string]*Observation
}

func newTable(key string, bins int) *Table {
	return &Table{Key: key, Bins: bins, values: map[string]*Observation{}}
}

// Values returns the names of all values, sorted.
func (t *Table) Values() []string { return slices.Sorted(maps.Keys(t.values)) }

// Observation returns what was seen of a value. It must not be changed.
func (t *Table) Observation(value string) (*Observation, bool) {
	o, ok := t.values[value]
	return o, ok
}

// Merge returns what both tables saw, which stay as they are. They are of the same values, of different rows, and those
// of b come after those of a; the order matters to moving averages and to Settled alone. Extremes, counts, histograms
// and means are bit for bit those of one calibration over all rows. The Key is a's.
// Tables of different values, or with different bins, are fault.Usage errors.
func Merge(a, b *Table) (*Table, error) {
	if a.Bins != b.Bins {
		return nil, fault.New(fault.Usage, "calibrate both with the same number of bins", "merge calibrations: %d bins and %d bins", a.Bins, b.Bins)
	}
	for _, pair := range [][2]*Table{{a, b}, {b, a}} {
		for _, v := range pair[0].Values() {
			if pair[1].values[v] == nil {
				return nil, fault.New(fault.Usage, "calibrate the same values of the same model",
					"merge calibrations: value %q is in one of them only", v)
			}
		}
	}
	t := newTable(a.Key, a.Bins)
	t.Rows = a.Rows + b.Rows
	t.parts = slices.Concat(a.parts, b.parts)
	t.Notes = slices.Clone(a.Notes)
	for _, n := range b.Notes {
		if !slices.Contains(t.Notes, n) {
			t.Notes = append(t.Notes, n)
		}
	}
	for v, o := range a.values {
		t.values[v] = o.clone()
		t.values[v].merge(b.values[v])
	}
	return t, nil
}

// held returns for each of the first n rows whether it was kept apart.
func (t *Table) held(n int64) []bool {
	list := make([]bool, 0, n)
	for _, rows := range t.parts {
		for i := int64(0); i < rows && int64(len(list)) < n; i++ {
			list = append(list, held(i))
		}
	}
	return list
}

// Settled returns after how many rows no range grew any more by over 1 % in all: a small part of Rows says that there
// were enough rows, nearly all of them that there were not.
func (t *Table) Settled() int64 {
	last := int64(0)
	for _, o := range t.values {
		last = max(last, o.settled())
	}
	return last
}

// settled is Table.Settled for one value.
func (o *Observation) settled() int64 {
	lo, hi, ok := o.Extremes()
	if !ok {
		return 0
	}
	enough := (hi - lo) / 1.01
	lo, hi = math.Inf(1), math.Inf(-1)
	for i := range o.lo {
		if v := float64(o.lo[i]); v < lo {
			lo = v
		}
		if v := float64(o.hi[i]); v > hi {
			hi = v
		}
		if hi >= lo && hi-lo >= enough {
			return int64(i + 1)
		}
	}
	return o.Rows()
}
