package quantize

import (
	"math"
	"testing"

	"infer/report"
)

func TestParseBudget(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  Budget
		expr  string
		wrong string // in the error; "" for none
	}{
		{"top1:0.5", Budget{Kind: "top1", Limit: 0.005}, "accuracy_drop<=0.5%", ""}, // points are hundredths
		{"top1:0.5pt", Budget{Kind: "top1", Limit: 0.005}, "accuracy_drop<=0.5%", ""},
		{"top1:0", Budget{Kind: "top1", Limit: 0}, "accuracy_drop<=0%", ""},
		{"agreement:99%", Budget{Kind: "agreement", Limit: 0.99}, "agreement_top1>=99%", ""},
		{"agreement:0.995", Budget{Kind: "agreement", Limit: 0.995}, "agreement_top1>=99.5%", ""},
		{"agreement: 97 %", Budget{Kind: "agreement", Limit: 0.97}, "agreement_top1>=97%", ""},
		{"agreement:99.99999%", Budget{Kind: "agreement", Limit: 0.9999999}, "agreement_top1>=99.99999%", ""},
		{"sqnr:30dB", Budget{Kind: "sqnr", Limit: 30}, "sqnr_db>=30", ""},
		{"sqnr:30", Budget{Kind: "sqnr", Limit: 30}, "sqnr_db>=30", ""},
		{"sqnr:0x1p-10dB", Budget{Kind: "sqnr", Limit: 1.0 / 1024}, "sqnr_db>=0.0009765625", ""},
		{"cosine:0.999", Budget{Kind: "cosine", Limit: 0.999}, "cosine>=0.999", ""},
		{"cosine:1", Budget{Kind: "cosine", Limit: 1}, "cosine>=1", ""},

		{text: "", wrong: `accuracy budget "" is not KIND:LIMIT`},
		{text: "1%", wrong: `accuracy budget "1%" is not KIND:LIMIT`},
		{text: "mse:0.1", wrong: `accuracy budget "mse:0.1": "mse" is not known`},
		{text: "Top1:0.5", wrong: `"Top1" is not known`},
		{text: ":0.5", wrong: `"" is not known`},
		{text: "top1:", wrong: `"" is no number`},
		{text: "top1:half", wrong: `"half" is no number`},
		{text: "top1:0.5%", wrong: `"0.5%" is no number`}, // points or per cent of what? points have no sign
		{text: "top1:NaN", wrong: `"NaN" is no number`},
		{text: "top1:101", wrong: `accuracy budget "top1:101" is not between 0 and 100 points`},
		{text: "top1:-0.5", wrong: `accuracy budget "top1:-0.5" is not between 0 and 100 points`},
		{text: "sqnr:-3dB", wrong: "is not between 0 and 300 dB"},
		{text: "sqnr:301", wrong: "is not between 0 and 300 dB"},
		{text: "sqnr:Inf", wrong: `"Inf" is no number`},
		{text: "sqnr:1e999dB", wrong: `"1e999dB" is no number`},
		{text: "agreement:99", wrong: `accuracy budget "agreement:99" is not between 0 and 1`}, // not silently 9900 %
		{text: "agreement:101%", wrong: "is not between 0 and 1"},
		{text: "cosine:-0.1", wrong: "is not between 0 and 1"},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := ParseBudget(c.text)
			if c.wrong != "" {
				wantUsage(t, err, budgetHint, c.wrong)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != c.want.Kind || math.Abs(got.Limit-c.want.Limit) > 1e-15 {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if got.Expr() != c.expr {
				t.Errorf("as a gate it is %q, want %q", got.Expr(), c.expr)
			}
		})
	}
}

// FuzzParseBudget: a budget that parses is a finite limit of a known kind, and its gate is one that the report knows.
func FuzzParseBudget(f *testing.F) {
	for _, s := range []string{"top1:0.5", "agreement:99%", "sqnr:30dB", "cosine:0.999", "sqnr:-0x1p-3", "cosine:1e-9", "top1: 1 pt", "sqnr:-0", "agreement:%", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBudget(text)
		if err != nil {
			wantUsage(t, err, budgetHint, "accuracy budget")
			return
		}
		if math.IsNaN(b.Limit) || math.IsInf(b.Limit, 0) {
			t.Errorf("%q has the limit %g", text, b.Limit)
		}
		if _, err := report.ParseGate(b.Expr()); err != nil {
			t.Errorf("%q gives the gate %q: %v", text, b.Expr(), err)
		}
	})
}
