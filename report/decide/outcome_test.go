package decide

import (
	"math"
	"os"
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestOutcomes(t *testing.T) {
	list, err := ParseOutcomes(strings.NewReader("\ufeffMetric, variant,n,value,lo,hi,sd\nclicks,fp32,10000,0.0321,,,\n\"basket, EUR\",fp32,800,41.2,40,42,\nbasket,fp32,10,5,,,2\nrank,fp32,5,7,,,\nsure,fp32,9,1,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		metric, method string
		lo, hi         float64 // NaN: none
	}{
		{"clicks", "wilson", 0.02882, 0.03574}, // (321+z²/2 ± z√(321·0.9679+z²/4))/(10000+z²), z = 1.95996
		{"basket, EUR", "given", 40, 42},
		{"basket", "t", 3.5693, 6.4307}, // t(9, 0.975) = 2.2622
		{"rank", "", math.NaN(), math.NaN()},
		{"sure", "wilson", 0.70085, 1}, // n/(n+z²)
	} {
		o := list[i]
		if o.Metric != c.metric || o.Variant != "fp32" || o.Method != c.method || (o.Lo == nil) != math.IsNaN(c.lo) {
			t.Errorf("%d: %+v", i, o)
		} else if o.Lo != nil && (math.Abs(*o.Lo-c.lo) > 6e-5 || math.Abs(*o.Hi-c.hi) > 6e-5) {
			t.Errorf("%s: [%v, %v], want [%v, %v]", o.Metric, *o.Lo, *o.Hi, c.lo, c.hi)
		}
	}
}

func TestOutcomesRefused(t *testing.T) {
	head := "variant,metric,value,n,lo,hi,sd\n"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "it is empty"},
		{"no rows", head, "no row below"},
		{"no column", "variant,metric,value\na,b,1\n", "line 1: the column n is missing"},
		{"an unknown column", "variant,metric,value,n,p\n", `line 1: there is no column "p"`},
		{"a column twice", "variant,metric,value,n,n\n", "line 1: the column n is there twice"},
		{"lo alone", "variant,metric,value,n,lo\n", "line 1: lo and hi go together"},
		{"too few cells", head + "a,b,1,2,,,\na,c,1\n", "line 3: wrong number of fields"},
		{"a quote", head + "a,\"b,1,2,,,\n", "line 2"},
		{"no number", head + "a,b,x,2,,,\n", `line 2: value "x" is no number`},
		{"NaN", head + "a,b,NaN,2,,,\n", `value "NaN" is no number`},
		{"a hexadecimal number", head + "a,b,0x1p3,2,,,\n", `value "0x1p3" is no number`},
		{"a number in groups", head + "a,b,1_0,2,,,\n", `value "1_0" is no number`},
		{"infinity", head + "a,b,1e400,2,,,\n", "is no number"},
		{"empty value", head + "a,b,,2,,,\n", "the value is empty"},
		{"n of zero", head + "a,b,1,0,,,\n", `n "0" is no whole number`},
		{"n with a point", head + "a,b,1,1.5,,,\n", `n "1.5" is no whole number`},
		{"no variant", head + ",b,1,2,,,\n", "the variant is empty"},
		{"an interval beside the value", head + "a,b,1,2,2,3,\n", "the value 1 is not between lo and hi"},
		{"upside down", head + "a,b,1,2,3,0,\n", "is not between"},
		{"lo without hi", head + "a,b,1,2,0,,\n", "lo and hi go together"},
		{"both", head + "a,b,1,2,0,2,1\n", "not both"},
		{"negative sd", head + "a,b,1,2,,,-1\n", "sd -1 is negative"},
		{"twice", head + "a,b,1,2,,,\n\na,c,1,2,,,\na,b,2,2,,,\n", `line 5: b of "a" is there already, in line 2`},
		{"binary", "variant\x00", "not text"},
		{"too long", strings.Repeat("x", maxOutcomeBytes+1), "larger than 1 MiB"},
		{"too many", head + rowsOfOutcomes(maxOutcomes+1), "more than 1000 outcomes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseOutcomes(strings.NewReader(c.text))
			if err == nil || fault.ExitCode(err) != 2 || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := ParseOutcomes(badReader{}); err == nil {
		t.Error("a file that cannot be read is fine")
	}
}

func rowsOfOutcomes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("a,m" + strings.Repeat("i", i/100) + string(rune('a'+i%26)) + strings.Repeat("j", i%100) + ",1,2,,,\n")
	}
	return b.String()
}

type badReader struct{}

func (badReader) Read([]byte) (int, error) { return 0, os.ErrClosed }

func FuzzParseOutcomes(f *testing.F) {
	f.Add("variant,metric,value,n\nfp32,clicks,0.03,1000\n")
	f.Add("variant,metric,value,n,lo,hi,sd\nfp32,\"a\nb\",-3e9,2,,,4\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseOutcomes(strings.NewReader(text))
		if err != nil {
			if fault.ExitCode(err) != 2 {
				t.Fatal(err)
			}
			return
		}
		for _, o := range list {
			if o.Variant == "" || o.Metric == "" || o.N < 1 || math.IsNaN(o.Value) || math.IsInf(o.Value, 0) || (o.Lo == nil) != (o.Hi == nil) {
				t.Errorf("%+v", o)
			}
			if o.Lo != nil && !(*o.Lo <= o.Value && o.Value <= *o.Hi) {
				t.Errorf("%v is outside of [%v, %v]", o.Value, *o.Lo, *o.Hi)
			}
		}
	})
}
