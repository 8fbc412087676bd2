package calibrate

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

func TestSettled(t *testing.T) {
	for _, c := range []struct {
		name string
		rows [][]float32
		want int64
	}{
		{"at once", [][]float32{{-1, 1}, {0}, {0.5}}, 1},
		{"grows by less than 1 %", [][]float32{{0, 1}, {0, 1.005}, {0, 1.009}}, 1},
		{"in the second row", [][]float32{{0, 1}, {0, 2}, {0, 2.01}, {0, 1}}, 2},
		{"creeps", [][]float32{{0, 1}, {0, 1.009}, {0, 1.018}, {0, 1.027}}, 3}, // 1.027/1.018 < 1.01 < 1.027/1.009
		{"to the last", [][]float32{{0}, {0}, {-1}}, 3},
		{"nothing finite", [][]float32{{nan}, {inf}}, 0},
		{"a row of NaN first", [][]float32{{nan}, {1}}, 2},
	} {
		if got := tableOf(t, 0, c.rows...).Settled(); got != c.want {
			t.Errorf("%s: %d rows, want %d", c.name, got, c.want)
		}
	}
}

// TestMergeIsOneCalibration: any way to merge tables of parts gives, bit for bit, what the others give, and all but
// which rows are kept apart is that of one calibration over all rows.
func TestMergeIsOneCalibration(t *testing.T) {
	var rows [][]float32
	for i := range 17 {
		rows = append(rows, normal(50, uint64(i)))
	}
	rows[3][4], rows[9][1] = nan, inf
	a, b, c := tableOf(t, minBins, rows[:6]...), tableOf(t, minBins, rows[6:7]...), tableOf(t, minBins, rows[7:]...)
	left := merged(t, merged(t, a, b), c)
	if right := merged(t, a, merged(t, b, c)); !bytes.Equal(written(t, left), written(t, right)) {
		t.Error("(a+b)+c differs from a+(b+c)")
	}
	whole := tableOf(t, minBins, rows...)
	o, w := left.values["v"], whole.values["v"]
	if o.Elements != w.Elements || o.NaN != 1 || o.Inf != 1 || left.Rows != 17 || left.Settled() != whole.Settled() {
		t.Errorf("merged %+v, at once %+v", o, w)
	}
	other := merged(t, c, merged(t, b, a))
	for _, text := range methods {
		m, _ := ParseMethod(text)
		lo, hi, _, err := left.Range("v", m, u8)
		if err != nil {
			t.Fatal(err)
		}
		wlo, whi, _, err := whole.Range("v", m, u8)
		if err != nil || m.Name != Auto && (lo != wlo || hi != whi) {
			t.Errorf("%s: merged [%g, %g], at once [%g, %g], %v", m, lo, hi, wlo, whi, err)
		}
		olo, ohi, _, err := other.Range("v", m, u8)
		if err != nil || m.Name != MovingAverage && (lo != olo || hi != ohi) {
			t.Errorf("%s: [%g, %g], in the other order [%g, %g], %v", m, lo, hi, olo, ohi, err)
		}
	}
	if !bytes.Equal(written(t, a), written(t, tableOf(t, minBins, rows[:6]...))) {
		t.Error("Merge changed its argument")
	}
}

func merged(t *testing.T, a, b *Table) *Table {
	t.Helper()
	m, err := Merge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// written returns what Write writes.
func written(t testing.TB, tab *Table) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tab.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMergeErrors(t *testing.T) {
	a, b := tableOf(t, minBins, []float32{1}), tableOf(t, 32, []float32{1})
	if _, err := Merge(a, b); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "16 bins and 32 bins") {
		t.Error(err)
	}
	b = tableOf(t, minBins, []float32{1})
	b.values["w"] = newObservation("w", minBins)
	for _, pair := range [][2]*Table{{a, b}, {b, a}} {
		if _, err := Merge(pair[0], pair[1]); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"w"`) {
			t.Error(err)
		}
	}
}

// TestObservationCutsABatchIntoRows: any batch gives what single rows give.
func TestObservationCutsABatchIntoRows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := normal(12*6, 3)
	single, batched := newObservation("v", minBins), newObservation("v", minBins)
	put := func(o *Observation, shape tensor.Shape, x []float32, rows int64) {
		t.Helper()
		v, err := tensor.FromFloat32("", shape, x)
		if err == nil {
			err = o.add(v, rows, &scratch{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		put(single, tensor.Shape{2, 3}, x[i*6:(i+1)*6], 1)
	}
	for at := 0; at < 12; {
		n := min(1+r.IntN(5), 12-at)
		put(batched, tensor.Shape{int64(2 * n), 3}, x[at*6:(at+n)*6], int64(n))
		at += n
	}
	sameObservation(t, batched, single)

	// A table that every batch shares counts for each of its rows.
	shared, alone := newObservation("v", minBins), newObservation("v", minBins)
	put(shared, tensor.Shape{1, 6}, x[:6], 7)
	for range 7 {
		put(alone, tensor.Shape{1, 6}, x[:6], 1)
	}
	sameObservation(t, shared, alone)
}

func sameObservation(t *testing.T, a, b *Observation) {
	t.Helper()
	tables := [2]*Table{}
	for i, o := range []*Observation{a, b} {
		tables[i] = newTable("", minBins)
		tables[i].values["v"], tables[i].Rows, tables[i].parts = o, o.Rows(), []int64{o.Rows()}
	}
	if x, y := written(t, tables[0]), written(t, tables[1]); !bytes.Equal(x, y) {
		t.Error(difference(x, y))
	}
}
