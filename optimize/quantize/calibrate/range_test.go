package calibrate

import (
	"math"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// tableOf returns a table of the value "v" with one row for each of rows.
func tableOf(t testing.TB, bins int, rows ...[]float32) *Table {
	t.Helper()
	tab := newTable("key", bins)
	tab.Rows, tab.parts = int64(len(rows)), []int64{int64(len(rows))}
	o := newObservation("v", bins)
	tab.values["v"] = o
	for _, x := range rows {
		v, err := tensor.FromFloat32("v", tensor.Shape{1, int64(len(x))}, x)
		if err == nil {
			err = o.add(v, 1, &scratch{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return tab
}

func TestRangeOfRows(t *testing.T) {
	tab := tableOf(t, 0, []float32{-1, 2}, []float32{-3, 4}, []float32{nan}, []float32{-2, inf, 9})
	for _, c := range []struct {
		m      Method
		lo, hi float64
	}{
		{Method{Name: MinMax}, -3, 9},
		{Method{Name: MeanMinMax}, -2, 5}, // (1+3+2)/3, (2+4+9)/3: the row of NaN alone says nothing
		// From the first row on, half of the way to the next: −1, −2, −2; 2, 3, 6.
		{Method{MovingAverage, 0.5}, -2, 6},
		{Method{MovingAverage, 1}, -2, 9}, // the last row
	} {
		lo, hi, used, err := tab.Range("v", c.m, u8)
		if err != nil || lo != c.lo || hi != c.hi || used != c.m {
			t.Errorf("%s: [%g, %g] by %s, %v; want [%g, %g]", c.m, lo, hi, used, err, c.lo, c.hi)
		}
	}
}

func TestRangeErrors(t *testing.T) {
	bare := tableOf(t, 0, []float32{1})
	empty := tableOf(t, minBins, []float32{nan, inf}, nil)
	for _, c := range []struct {
		name  string
		table *Table
		value string
		m     Method
		g     affine.Grid
		kind  fault.Kind
		want  string
	}{
		{"another value", bare, "w", Method{Name: MinMax}, u8, fault.Usage, `no value "w"`},
		{"no method", bare, "v", Method{}, u8, fault.Usage, "unknown calibration method"},
		{"parameter", bare, "v", Method{Percentile, 10}, u8, fault.Usage, "above 50"},
		{"no histograms", bare, "v", Method{Name: Auto}, u8, fault.Usage, "no histograms"},
		{"no grid", bare, "v", Method{Name: MinMax}, affine.Grid{DType: tensor.Float16}, fault.Unsupported, "float16"},
		{"nothing finite", empty, "v", Method{Name: MSE}, u8, fault.Unsupported, "no finite element in 2 rows"},
	} {
		_, _, _, err := c.table.Range(c.value, c.m, c.g)
		if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, ok := bare.SQNR("v", 0, 1, u8); ok {
		t.Error("SQNR without histograms")
	}
	if _, ok := empty.SQNR("v", 0, 1, u8); ok {
		t.Error("SQNR of nothing")
	}
}

// TestEveryMethodOnOddValues: constants, zeros, one sign, far from zero: a range within what was seen and zero.
func TestEveryMethodOnOddValues(t *testing.T) {
	rows := map[string][]float32{
		"zeros": {0, negZ, 0}, "one": {3}, "minus one": {-3}, "two": {-2, 2}, "far": {1000, 1001},
		"tiny": {1e-40, -1e-40}, "huge": {-math.MaxFloat32, math.MaxFloat32}, "NaN": {nan, 1, 2},
	}
	for name, x := range rows {
		tab := tableOf(t, minBins, x, x, x, x, x, x)
		lo0, hi0, _ := tab.values["v"].Extremes()
		for _, text := range methods {
			m, err := ParseMethod(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range []affine.Grid{u8, s8, u4, s16} {
				lo, hi, used, err := tab.Range("v", m, g)
				if err != nil || !(lo <= hi) || lo < min(lo0, 0) || hi > max(hi0, 0) {
					t.Errorf("%s, %s on %v: [%g, %g] by %s, %v; seen [%g, %g]", name, m, g, lo, hi, used, err, lo0, hi0)
				}
			}
		}
	}
}

// TestAutoTakesTheBestOnRowsKeptApart: outliers in the rows that ranges are made of, which the rows kept apart do not
// have, speak for a method that cuts them; outliers in the latter for the widest.
func TestAutoTakesTheBestOnRowsKeptApart(t *testing.T) {
	var cut, whole [][]float32
	for i := range 10 {
		x, y := normal(20000, uint64(i)), normal(20000, uint64(i))
		for k := range 4 {
			x[k], y[k] = 4, 4
		}
		if held(int64(i)) {
			for k := range 200 {
				y[k] = 50
			}
		} else {
			x[7], y[7] = 50, 50
		}
		cut, whole = append(cut, x), append(whole, y)
	}
	a := tableOf(t, 2048, cut...)
	lo, hi, used, err := a.Range("v", Method{Name: Auto}, u8)
	if err != nil || used.Name == MinMax || hi > 10 {
		t.Errorf("[%g, %g] by %s, %v; want the outlier cut", lo, hi, used, err)
	}
	if again, hi2, _, err := a.Range("v", used, u8); err != nil || again != lo || hi2 != hi {
		t.Errorf("%s alone gives [%g, %g], auto [%g, %g]", used, again, hi2, lo, hi)
	}
	if _, hi, used, err := tableOf(t, 2048, whole...).Range("v", Method{Name: Auto}, u8); err != nil || hi < 45 {
		t.Errorf("ends at %g by %s, %v; want all", hi, used, err)
	}
}

// TestSQNR: the numbers are those of quantizing the rows kept apart, element by element.
func TestSQNR(t *testing.T) {
	var rows [][]float32
	var apart []float32
	for i := range 10 {
		x := normal(20000, uint64(100+i))
		if rows = append(rows, x); held(int64(i)) {
			apart = append(apart, x...)
		}
	}
	noise, signal := measured(apart, u8.Fit(-3, 3))
	got, ok := tableOf(t, 2048, rows...).SQNR("v", -3, 3, u8)
	if want := 10 * math.Log10(signal/noise); !ok || math.Abs(got-want) > 0.05 {
		t.Errorf("%g dB, %v; measured %g", got, ok, want)
	}
	// Too few rows to keep any apart: all are judged on.
	noise, signal = measured(rows[0], u8.Fit(-3, 3))
	got, ok = tableOf(t, 2048, rows[0]).SQNR("v", -3, 3, u8)
	if want := 10 * math.Log10(signal/noise); !ok || math.Abs(got-want) > 0.05 {
		t.Errorf("one row: %g dB, %v; measured %g", got, ok, want)
	}
}
