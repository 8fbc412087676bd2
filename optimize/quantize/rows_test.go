package quantize

import (
	"slices"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// counted is a data set whose row i is the number i, beside a scalar that every row shares.
type counted struct {
	rows, batch int64
	reads       *[][2]int64 // what was asked for
}

func (c counted) Rows() int64      { return c.rows }
func (c counted) BatchSize() int64 { return c.batch }

func (c counted) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	if c.reads != nil {
		*c.reads = append(*c.reads, [2]int64{lo, hi})
	}
	var v []int64
	for i := lo; i < hi; i++ {
		v = append(v, i)
	}
	return []tensor.Tensor{enginetest.Int64s("x", nil, v...), enginetest.Int64s("shared", tensor.Shape{}, 7)}, nil
}

// numbers returns the rows of src, read step at a time.
func numbers(t *testing.T, src Rows, step int64) []int64 {
	t.Helper()
	var all []int64
	for lo := int64(0); lo < src.Rows(); lo += step {
		in, err := src.Batch(lo, min(lo+step, src.Rows()))
		if err != nil {
			t.Fatal(err)
		}
		v, err := tensor.Int64s(in[0])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v...)
		if shared, err := tensor.Int64s(in[1]); err != nil || len(shared) != 1 || in[1].Name != "shared" || in[0].Name != "x" {
			t.Fatalf("inputs are %v, %v", in, err)
		}
	}
	return all
}

func TestTake(t *testing.T) {
	for _, c := range []struct {
		rows, n int64
		want    []int64
	}{
		{10, 0, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{4, 4, []int64{0, 1, 2, 3}},
		{4, 9, []int64{0, 1, 2, 3}},
		{10, 3, []int64{0, 3, 6}}, // i·10/3
		{7, 5, []int64{0, 1, 2, 4, 5}},
		{5, 1, []int64{0}},
	} {
		if got := numbers(t, take(counted{rows: c.rows}, c.n), 2); !slices.Equal(got, c.want) {
			t.Errorf("%d of %d rows are %v, want %v", c.n, c.rows, got, c.want)
		}
	}
}

// TestHoldOut: each row is in one half and in no other, also when rows were taken before.
func TestHoldOut(t *testing.T) {
	fit, held := holdOut(counted{rows: 11})
	if a, b := numbers(t, fit, 3), numbers(t, held, 2); !slices.Equal(a, []int64{0, 1, 2, 3, 5, 6, 7, 8, 10}) || !slices.Equal(b, []int64{4, 9}) {
		t.Errorf("11 rows are split to %v and %v", a, b)
	}
	if fit, held := holdOut(counted{rows: 3}); !slices.Equal(numbers(t, fit, 1), []int64{0, 1}) || !slices.Equal(numbers(t, held, 1), []int64{2}) {
		t.Errorf("3 rows are split to %v and %v", fit, held)
	}
	for _, c := range []counted{{rows: 1}, {rows: 7, batch: 4}} { // not two runs
		if fit, held := holdOut(c); held != nil || fit.Rows() != c.rows {
			t.Errorf("%v is split to %v and %v", c, fit, held)
		}
	}
	for _, rows := range []int64{5, 17, 100, 513} {
		src := take(counted{rows: rows}, 60)
		fit, held := holdOut(src)
		all := append(numbers(t, fit, 7), numbers(t, held, 7)...)
		slices.Sort(all)
		if want := numbers(t, src, 9); !slices.Equal(all, want) {
			t.Errorf("%d rows become %v, want %v", rows, all, want)
		}
		if fit.BatchSize() != 0 || held.Rows() != src.Rows()/5 {
			t.Errorf("%d rows: %d held out of %d", rows, held.Rows(), src.Rows())
		}
	}
}

// TestPartBatch: rows that follow each other are read in one go, a fixed batch size stays, and no row beyond the end is
// given.
func TestPartBatch(t *testing.T) {
	var reads [][2]int64
	fit, held := holdOut(counted{rows: 12, batch: 4, reads: &reads})
	if fit.BatchSize() != 4 || held.BatchSize() != 4 {
		t.Errorf("batch sizes %d and %d, want 4", fit.BatchSize(), held.BatchSize())
	}
	in, err := fit.Batch(2, 7) // every third row is held out: rows 3, 4, 6, 7, 9
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := tensor.Int64s(in[0]); !slices.Equal(v, []int64{3, 4, 6, 7, 9}) {
		t.Errorf("rows are %v", v)
	}
	if want := [][2]int64{{3, 5}, {6, 8}, {9, 10}}; !slices.Equal(reads, want) {
		t.Errorf("%v was read, want %v", reads, want)
	}
	for _, span := range [][2]int64{{-1, 1}, {0, fit.Rows() + 1}, {3, 3}, {4, 2}} {
		if _, err := fit.Batch(span[0], span[1]); err == nil {
			t.Errorf("rows %v were given", span)
		}
	}
}

// TestRandomRows: the same seed gives the same rows, and a row is not the next one.
func TestRandomRows(t *testing.T) {
	m := enginetest.Identity(tensor.Float32, "batch", 5)
	make := func(seed uint64) Rows {
		t.Helper()
		r, err := NewRandomRows(m, map[string]tensor.Shape{"x": {3, 5}}, seed, 4)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	row := func(r Rows, i int64) tensor.Tensor {
		t.Helper()
		in, err := r.Batch(i, i+1)
		if err != nil {
			t.Fatal(err)
		}
		return in[0]
	}
	a, b := make(7), make(7)
	if a.Rows() != 4 || a.BatchSize() != 1 {
		t.Errorf("%d rows, %d a run", a.Rows(), a.BatchSize())
	}
	for i := range a.Rows() {
		x := row(a, i)
		if !tensor.Equal(x, row(b, i)) || !x.Shape.Equal(tensor.Shape{3, 5}) || x.Name != "x" {
			t.Errorf("row %d differs from itself, or is %s %q", i, x.Shape, x.Name)
		}
		if i > 0 && tensor.Equal(x, row(a, i-1)) {
			t.Errorf("rows %d and %d are the same", i-1, i)
		}
	}
	if tensor.Equal(row(a, 0), row(make(1000), 0)) {
		t.Error("another seed gives the same rows")
	}
	if _, err := a.Batch(0, 2); err == nil {
		t.Error("two made-up rows at once")
	}
}
