package calibrate

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
)

func sampleTable(t testing.TB) *Table {
	t.Helper()
	tab := tableOf(t, minBins, []float32{-1, 0, negZ, 2.5}, []float32{nan}, []float32{1e-40, inf}, []float32{3}, []float32{-0.1, 7}, []float32{0.1})
	tab.Notes = []string{`value "w" is left out: it is of type int64`}
	empty := newObservation("empty", minBins)
	tab.values["empty"] = empty
	for range 6 {
		empty.addRow(nil, &scratch{})
	}
	empty.Shape = []int64{1, 0}
	empty.DType = 1
	return tab
}

func TestFileRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ranges.json")
	for name, tab := range map[string]*Table{
		"histograms": sampleTable(t),
		"bare":       tableOf(t, 0, []float32{1, 2}, []float32{nan}),
		"merged":     merged(t, sampleTable(t), sampleTable(t)),
	} {
		if err := tab.Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(written(t, got), written(t, tab)) {
			t.Errorf("%s: %s\nbecame\n%s", name, written(t, tab), written(t, got))
		}
		again, o := got.values["v"], tab.values["v"]
		for _, pair := range [][2]*Histogram{{again.Fit, o.Fit}, {again.Held, o.Held}} {
			if pair[1] != nil && (pair[0].First != pair[1].First || pair[0].Exp != pair[1].Exp || pair[0].Min != pair[1].Min || pair[0].Max != pair[1].Max) {
				t.Errorf("%s: histogram %+v became %+v", name, pair[1], pair[0])
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ranges.json")
	good := written(t, sampleTable(t))
	edit := func(old, new string) func() []byte {
		return func() []byte {
			if !bytes.Contains(good, []byte(old)) {
				t.Fatalf("the file has no %q:\n%s", old, good)
			}
			return bytes.Replace(good, []byte(old), []byte(new), 1)
		}
	}
	value := func(change func(v *valueFile)) func() []byte {
		return func() []byte {
			var f tableFile
			if err := json.Unmarshal(good, &f); err != nil {
				t.Fatal(err)
			}
			change(&f.Values[1])
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	for _, c := range []struct {
		name string
		file func() []byte
		want string
	}{
		{"empty", func() []byte { return nil }, "damaged or no calibration"},
		{"cut", func() []byte { return good[:len(good)/2] }, "damaged or no calibration"},
		{"another schema", edit("/v1", "/v2"), `schema is "infer.calibration/v2"`},
		{"rows", edit(`"rows": 6`, `"rows": 7`), "7 rows, and its parts have 6"},
		{"negative rows", edit(`"rows": 6`, `"rows": -6`), "-6 rows"},
		{"bins", edit(`"bins": 16`, `"bins": 3`), "3 bins"},
		{"more bins", edit(`"bins": 16`, `"bins": 17`), "histogram"},
		{"no histograms announced", edit(`"bins": 16,`, ``), "should be"},
		{"elements", edit(`"elements": 11`, `"elements": 12`), "histograms of 9 elements, want 10"},
		{"NaN", edit(`"nan": 1`, `"nan": -1`), "-1 NaN"},
		{"twice", edit(`"value": "v"`, `"value": "empty"`), "there twice"},
		{"dtype", edit(`"dtype": "float32"`, `"dtype": "real"`), `"real"`},
		{"half a row", value(func(v *valueFile) { v.Extremes = v.Extremes[:12] }), "12 bytes of extremes"},
		{"fewer rows", value(func(v *valueFile) {
			v.Extremes, v.Fit, v.Held, v.Elements, v.NaN, v.Inf = nil, &histogramFile{}, &histogramFile{}, 0, 0, 0
		}), `"v" has 0 rows of 6`},
		{"more rows", value(func(v *valueFile) { v.Extremes = append(v.Extremes, v.Extremes...) }), "12 rows of 6"},
		{"infinite extremes", value(func(v *valueFile) { v.Extremes[6], v.Extremes[7] = 0x80, 0x7f }), "row 0 has elements from"},
		{"extremes in the wrong order", value(func(v *valueFile) { copy(v.Extremes[4:], []byte{0, 0, 0, 0xc0}) }), "row 0 has elements from"},
		{"a count less", value(func(v *valueFile) { v.Fit.Counts = v.Fit.Counts[:3] }), "without a count for bin 3"},
		{"a count more", value(func(v *valueFile) { v.Fit.Counts = append(v.Fit.Counts, 0) }), "1 bytes behind"},
		{"a large count", value(func(v *valueFile) { v.Held.Counts = []byte("\xff\xff\xff\xff\xff\xff\xff\xff\x7f") }), "without a count"},
		{"zeros where none can be", value(func(v *valueFile) { v.Held.Zeros = 1 << 62 }), "zeros"},
	} {
		if err := os.WriteFile(path, c.file(), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if fault.KindOf(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, p := range []string{filepath.Join(dir, "none.json"), dir} {
		if _, err := Load(p); fault.KindOf(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(written(f, sampleTable(f)))
	f.Add(written(f, tableOf(f, 0, []float32{1, 2})))
	f.Add([]byte(`{"schema":"infer.calibration/v1","rows":4294967296,"parts":[4294967296],"values":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tab, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(written(t, tab))
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if !bytes.Equal(written(t, again), written(t, tab)) {
			t.Fatal("a second reading differs")
		}
		if tab.Bins > 64 || len(tab.values) > 4 {
			return // no more to learn, only longer
		}
		for _, v := range tab.Values() {
			for _, m := range candidates {
				if lo, hi, _, err := tab.Range(v, m, u8); err == nil && !(lo <= hi) {
					t.Fatalf("%s of %q: [%g, %g]", m, v, lo, hi)
				}
			}
		}
		if _, err := Merge(tab, tab); err != nil {
			t.Fatal(err)
		}
	})
}
