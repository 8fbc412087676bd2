package calibrate

import (
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestParseMethod(t *testing.T) {
	for text, want := range map[string]Method{
		"minmax":             {Name: MinMax},
		"mean-minmax":        {Name: MeanMinMax},
		"moving-average":     {MovingAverage, 0.01},
		"moving-average=0.5": {MovingAverage, 0.5},
		"moving-average=1":   {MovingAverage, 1},
		"percentile":         {Percentile, 99.99},
		"percentile=99.9":    {Percentile, 99.9},
		"percentile=100":     {Percentile, 100},
		"entropy":            {Name: Entropy},
		"mse":                {Name: MSE},
		"auto":               {Name: Auto},
	} {
		m, err := ParseMethod(text)
		if err != nil || m != want {
			t.Errorf("%s: %v, %v; want %v", text, m, err, want)
			continue
		}
		if again, err := ParseMethod(m.String()); err != nil || again != m {
			t.Errorf("%s: its String %q gives %v, %v", text, m, again, err)
		}
	}
}

func TestParseMethodErrors(t *testing.T) {
	for _, c := range []struct{ text, message, hint string }{
		{"entropie", `unknown calibration method "entropie"`, "did you mean entropy?"},
		{"max", `unknown calibration method "max"`, "pass one of minmax, moving-average"},
		{"", `unknown calibration method ""`, "pass one of"},
		{"minmax=3", `takes no value, got "3"`, "--method minmax"},
		{"percentile=", `got ""`, ""},
		{"percentile=50", "above 50 and at most 100", ""},
		{"percentile=101", "above 50 and at most 100", ""},
		{"percentile=NaN", "above 50 and at most 100", ""},
		{"moving-average=0", "above 0 and at most 1", ""},
	} {
		_, err := ParseMethod(c.text)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.message) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%q: %v (hint %q), want a usage error with %q, %q", c.text, err, fault.HintOf(err), c.message, c.hint)
		}
	}
}
