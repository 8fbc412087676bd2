package search

import (
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestParseSweep(t *testing.T) {
	for text, want := range map[string][]float64{
		"rps=100..400:100":      {100, 200, 300, 400},
		"rps=100..450:100":      {100, 200, 300, 400},
		"rps=0.1..0.3:0.1":      {.1, .2, .3},
		"rps=0.05,0.1,0.15":     {.05, .1, .15},
		"rps=100,200.5, 400":    {100, 200.5, 400},
		"rps=5":                 {5},
		"rps=5..5:1":            {5},
		" concurrency=1,2,4,8 ": {1, 2, 4, 8},
		"batch=1..4:1":          {1, 2, 3, 4},
	} {
		s, err := ParseSweep(text)
		if err != nil || !slices.Equal(s.Values, want) || !strings.Contains(text, s.Axis+"=") {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"":                    "not AXIS=VALUES",
		"rps":                 "not AXIS=VALUES",
		"rps=":                "not AXIS=VALUES",
		"rate=1,2":            `"rate" is none of rps, concurrency, batch`,
		"rps=1,,2":            `rate "" is not a number`,
		"rps=0":               "is not a number from 0.01 to 10000000",
		"rps=-5":              "is not a number",
		"rps=NaN":             "is not a number",
		"rps=1e12":            "is not a number",
		"rps=200,100":         "100 does not come after 200",
		"rps=100,100":         "100 does not come after 100",
		"rps=1,1.0000000001":  "does not come after 1",
		"rps=100..1000":       "has no step",
		"rps=100..1000:0":     "is not a number",
		"rps=1000..100:100":   "1000 is above 100",
		"rps=1..100000:1":     "100000 values are more than 1000",
		"concurrency=1.5":     "is not a whole number",
		"concurrency=0":       "is not a whole number",
		"batch=99999999":      "is not a whole number from 1 to 1048576",
		"rps=1" + many(",1"):  "values are more than 1000",
		"batch=1..2..3:1":     "is not a whole number",
		"concurrency=1..4:.5": "is not a whole number",
	} {
		if _, err := ParseSweep(text); err == nil || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

func many(s string) string { return strings.Repeat(s, maxPoints) }

func TestParseRange(t *testing.T) {
	if lo, hi, err := ParseRange("50:5000"); lo != 50 || hi != 5000 || err != nil {
		t.Errorf("%v:%v, %v", lo, hi, err)
	}
	if lo, hi, err := ParseRange(" 0.5 : 0.5 "); lo != .5 || hi != .5 || err != nil {
		t.Errorf("%v:%v, %v", lo, hi, err)
	}
	for text, want := range map[string]string{
		"": "not LO:HI", "50": "not LO:HI", "50:": "not a number", ":50": "not a number", "0:50": "not a number",
		"500:50": "500 is above 50", "1:1e9": "not a number", "1:2:3": "not a number",
	} {
		if _, _, err := ParseRange(text); err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseSweep(f *testing.F) {
	for _, s := range []string{"rps=100..1000:100", "rps=100,200", "concurrency=1,2", "batch=1..8:1", "rps=1..2:1e-300", "rps=..:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSweep(text)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Fatalf("%q: %v is no usage error", text, err)
			}
			return
		}
		if len(s.Values) == 0 || len(s.Values) > maxPoints {
			t.Fatalf("%q: %d values", text, len(s.Values))
		}
		for i, v := range s.Values {
			if !(v >= MinRate && v <= MaxRate) || i > 0 && v <= s.Values[i-1] {
				t.Fatalf("%q: %v", text, s.Values)
			}
		}
	})
}

func FuzzParseRange(f *testing.F) {
	f.Add("50:5000")
	f.Add("1e-2:1e7")
	f.Fuzz(func(t *testing.T, text string) {
		lo, hi, err := ParseRange(text)
		if err == nil && !(lo >= MinRate && lo <= hi && hi <= MaxRate) || err != nil && fault.KindOf(err) != fault.Usage {
			t.Fatalf("%q: %v:%v, %v", text, lo, hi, err)
		}
	})
}
