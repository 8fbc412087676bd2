package decide

import (
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestParsePrice(t *testing.T) {
	for _, c := range []struct {
		text, config, currency string
		hour                   float64
	}{
		{"0.40/h", "", "", 0.4}, {"$0.40/h", "", "$", 0.4}, {"int8=0.80/h", "int8", "", 0.8}, {"int8=€2/hour", "int8", "€", 2},
		{"EUR 1.5 / h", "", "EUR", 1.5}, {"a=b=3 USD/h", "a=b", "USD", 3}, {" x y = 1/h", "x y", "", 1},
	} {
		p, err := ParsePrice(c.text)
		if err != nil || p.Config != c.config || p.Currency != c.currency || p.Hour != c.hour || !strings.HasSuffix(c.text, p.Basis) {
			t.Errorf("%q: %+v, %v", c.text, p, err)
		}
	}
	for _, bad := range []string{"", "0.40", "/h", "0/h", "-1/h", "=1/h", "1/day", "$1EUR/h", "1e3/h", "NaN/h", "int8=", "99999999999/h", "1/h=x", "eur1/h"} {
		if p, err := ParsePrice(bad); err == nil || fault.ExitCode(err) != 2 || fault.HintOf(err) == "" {
			t.Errorf("%q is %+v, %v", bad, p, err)
		}
	}
}

func TestParseUse(t *testing.T) {
	for text, want := range map[string]float64{"70%": 0.7, "0.7": 0.7, " 100 % ": 1, "1": 1} {
		if v, err := ParseUse(text); err != nil || v != want {
			t.Errorf("%q: %v, %v", text, v, err)
		}
	}
	for _, bad := range []string{"", "0", "0%", "101%", "1.1", "-1", "NaN", "%", "x"} {
		if v, err := ParseUse(bad); err == nil || fault.ExitCode(err) != 2 {
			t.Errorf("%q is %v, %v", bad, v, err)
		}
	}
}

func TestParseAccuracyTarget(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "mlperf99": 0.99, "mlperf99.9": 0.999} {
		if v, err := ParseAccuracyTarget(text); err != nil || v != want {
			t.Errorf("%q: %v, %v", text, v, err)
		}
	}
	if _, err := ParseAccuracyTarget("99"); fault.ExitCode(err) != 2 {
		t.Error(err)
	}
}

func FuzzParsePrice(f *testing.F) {
	f.Add("int8=$0.40/h")
	f.Add("€ 1.5/hour")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePrice(text)
		if err != nil {
			if fault.ExitCode(err) != 2 {
				t.Fatal(err)
			}
			return
		}
		if again, err := ParsePrice(p.Basis); err != nil || again.Hour != p.Hour || again.Currency != p.Currency || !(p.Hour > 0) {
			t.Errorf("%q: %+v, then %+v, %v", text, p, again, err)
		}
	})
}
