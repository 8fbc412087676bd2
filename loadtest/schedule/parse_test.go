package schedule

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

func TestParseStages(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		text string
		want []Stage // nil: refused
	}{
		{"100x30s,500x60s,0..500x30s", []Stage{{100, 100, 30 * second}, {500, 500, 60 * second}, {0, 500, 30 * second}}},
		{" 1.5e2 x 1m30s ", []Stage{{150, 150, 90 * second}}},
		{"0x1s,0.5..0x2h", []Stage{{0, 0, second}, {0.5, 0, 7200 * second}}},
		{"", nil}, {"100", nil}, {"x30s", nil}, {"100x", nil}, {"100x30", nil}, {"100x-3s", nil}, {"-1x3s", nil}, {"1x3s,", nil},
		{"NaNx3s", nil}, {"infx3s", nil}, {"0x1p3x3s", nil}, {"1_0x3s", nil}, {"1e9x3s", nil}, {"1..2..3x3s", nil}, {"1..x3s", nil}, {"1x1001h", nil},
	} {
		got, err := ParseStages(c.text)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
		if err != nil && (fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "") {
			t.Errorf("%q: %v without kind or hint", c.text, err)
		}
	}
}

func TestParseArrival(t *testing.T) {
	for text, want := range map[string]string{
		"": "poisson", "poisson": "poisson", "constant": "constant", "gamma:0.50": "gamma:0.5", "gamma:2": "gamma:2", "burst:8": "burst:8",
		"poisson:1": "", "constant:2": "", "gamma": "", "gamma:": "", "gamma:0": "", "gamma:-1": "", "gamma:NaN": "", "gamma:inf": "", "gamma:1e9": "",
		"burst": "", "burst:0": "", "burst:1.5": "", "burst:99999999": "", "Poisson": "", "uniform": "",
	} {
		a, err := ParseArrival(text)
		if (err == nil) != (want != "") || err == nil && a.String() != want {
			t.Errorf("%q: %v, %v", text, a, err)
		}
		if err != nil && (fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "") {
			t.Errorf("%q: %v without kind or hint", text, err)
		}
	}
	if got := (Arrival{}).String(); got != "poisson" {
		t.Errorf("the zero value is %q", got)
	}
}

func TestParseTrace(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name, text string
		speed      float64
		want       []time.Duration
	}{
		{"seconds", "0.5\n1\n2.25\n", 1, []time.Duration{0, 500 * ms, 1750 * ms}},
		{"one", "17", 1, nil},
		{"all at once", "time\n17\n17\n", 1, nil},
		{"twice as fast", "1\n2\n4\n", 2, []time.Duration{0, 500 * ms, 1500 * ms}},
		{"first column, not sorted", "3,a\r\n1,b\r\n2,c\r\n", 1, []time.Duration{0, 1000 * ms, 2000 * ms}},
		{"header without a known name", "when,what\n1,x\n2,y\n", 1, nil},
		{"milliseconds since 1970 without a header", "1700000000500\n1700000000750.5\n", 1, []time.Duration{0, 250*ms + 500*time.Microsecond}},
		{"microseconds since 1970", "1700000000500000\n1700000000500001\n", 1, nil},
		{"a column with a name", "\ufeffid,\"Time\",x\n7,1,x\n8,\"1.5\",y\n", 1, []time.Duration{0, 500 * ms}},
		{"blank lines and comments", "# trace\n\n1\n\n2\n", 1, []time.Duration{0, 1000 * ms}},
		{"one column with a header may be anything", "time\n2\n1\n1\n", 1, []time.Duration{0, 0, 1000 * ms}},
		{"azure", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n", 1, []time.Duration{0, 52 * ms}},
		{"azure, 2024", "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:00.017335+00:00,2399,6\n", 1, []time.Duration{0, 7405 * time.Microsecond}},
		{"rfc 3339", "time,x\n2024-05-10T00:00:00.5+02:00,1\n2024-05-09T22:00:01Z,2\n", 1, []time.Duration{0, 500 * ms}},
		{"seconds since 1970", "1700000000.25\n1700000000.5\n", 1, []time.Duration{0, 250 * ms}},
		{"nanoseconds since 1970", "1700000000.000000001\n1700000000.000000003\n", 1, []time.Duration{0, 2}},
		{"milliseconds since 1970", "{\"timestamp\": 1700000000000.25}\n{\"timestamp\": 1700000000001}\n", 1, []time.Duration{0, 750 * time.Microsecond}},
		{"exponents", "-1e-3,\n+1.5e0,\n", 1, []time.Duration{0, 1501 * ms}},
		{"hexadecimal", "time\n0x1p3\n", 1, nil},
		{"mooncake", `{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}` + "\n" + `{"timestamp": 30535, "input_length": 1}`, 1, []time.Duration{0, 3053 * ms}},
		{"json seconds", "{\"time\": 2}\n{\"time\": 1.5}\n", 1, []time.Duration{0, 500 * ms}},
		{"gaps in microseconds", "100\n200\n150\n", 1, nil},
		{"equal gaps", "100\n100\n100\n", 1, nil},
		{"empty", "", 1, nil},
		{"only a header", "time,x\n", 1, nil},
		{"text", "time\nsoon\n", 1, nil},
		{"too few columns", "a,time\n1,2\n3\n", 1, nil},
		{"json without a moment", "{\"time\": 1}\n{}\n", 1, nil},
		{"json dates", "{\"timestamp\": \"2024-05-10T00:00:00Z\"}\n{\"time\": \"2024-05-10 00:00:00.5\"}\n", 1, []time.Duration{0, 500 * ms}},
		{"json numbers as text", "{\"timestamp\": \"1500\"}\n{\"timestamp\": 1750}\n", 1, []time.Duration{0, 250 * ms}},
		{"json null", "{\"timestamp\": null, \"time\": 1}\n{\"time\": 2}\n", 1, []time.Duration{0, 1000 * ms}},
		{"json of another kind", "{\"timestamp\": [1]}\n{\"timestamp\": [2]}\n", 1, nil},
		{"json text", "{\"timestamp\": \"soon\"}\n", 1, nil},
		{"broken json", "{\"time\": 1}\n{\"time\"\n", 1, nil},
		{"NaN", "time\nNaN\n", 1, nil},
		{"infinite", "time\n1\nInf\n", 1, nil},
		{"too long", "0\n3600001\n", 1, nil},
		{"too long, but fast", "0\n7200000\n", 4, []time.Duration{0, 500 * time.Hour}},
		{"far apart", "-9e9,\n9e9,\n", 1e6, []time.Duration{0, 18000 * time.Second}},
		{"no speed", "0\n1\n", 0, nil},
		{"NaN speed", "0\n1\n", math.NaN(), nil},
		{"long line", "{\"time\": 1, \"x\": \"" + strings.Repeat("x", maxTraceLine) + "\"}", 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseTrace(strings.NewReader(c.text), c.speed)
			if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
				t.Fatalf("%v, %v; want %v", got, err, c.want)
			}
			if err != nil && (fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "") {
				t.Errorf("%v without kind or hint", err)
			}
			if err == nil {
				mustNew(t, Options{Trace: got})
			}
		})
	}
}

// What is wrong is said in the words of traces, not in those of a parser.
func TestParseTraceErrors(t *testing.T) {
	for text, want := range map[string]string{
		"foo,bar\n1,2\n":              "column named time or timestamp",
		"{\"timestamp\": \"soon\"}\n": "\"soon\" is no moment",
		"{\"timestamp\"\n":            "no JSON object",
		"17\n":                        "needs two moments",
	} {
		if _, err := ParseTrace(strings.NewReader(text), 1); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "json:") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestReadTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(path, []byte("time\n1\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTrace(path, 1); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("%v, want the path and the line", err)
	}
	if _, err := ReadTrace(path+"x", 1); fault.KindOf(err) != fault.Usage {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("1\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTrace(path, 1); err != nil || !slices.Equal(got, []time.Duration{0, 2 * time.Second}) {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzParseStages: what is accepted are stages that New checks without a surprise, and walking them ends.
func FuzzParseStages(f *testing.F) {
	for _, s := range []string{"100x30s,500x60s,0..500x30s", "0x1s", "1e-6..1e7x1ns", "..x", "1x1h,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stages, err := ParseStages(text)
		if err != nil {
			return
		}
		again := ""
		for i, g := range stages {
			again += fmt.Sprintf("%s%v..%vx%v", strings.Repeat(",", min(i, 1)), g.From, g.To, g.For)
		}
		if got, err := ParseStages(again); err != nil || !slices.Equal(got, stages) {
			t.Errorf("%q: %v, as %q %v, %v", text, stages, again, got, err)
		}
		for _, arrival := range []string{"poisson", "constant", "gamma:0.1", "burst:3"} {
			s, err := New(Options{Arrival: arrival, Stages: stages, Requests: 100})
			if err != nil {
				return
			}
			_, due := walk(s.Cursor(0, 1))
			if !slices.IsSorted(due) || len(due) > 100 || len(due) > 0 && (due[0] < 0 || due[len(due)-1] >= s.Duration()) {
				t.Errorf("%q, %s: %v of %v", text, arrival, due, s.Duration())
			}
		}
	})
}

func FuzzParseArrival(f *testing.F) {
	for _, s := range []string{"poisson", "constant", "gamma:0.5", "burst:8", "gamma:0x1p-2", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseArrival(text)
		if err != nil {
			return
		}
		if again, err := ParseArrival(a.String()); err != nil || again != a {
			t.Errorf("%q: %v, then %v, %v", text, a, again, err)
		}
	})
}

// FuzzParseTrace: what is accepted is a trace that New takes.
func FuzzParseTrace(f *testing.F) {
	for _, s := range []string{"0\n1.5\n", "time,x\n1,2\n", "TIMESTAMP\n2023-11-16 18:17:03.97\n", `{"timestamp": 5}`, "{\"time\":1}\n{\"time\":2}", "-9e9\n9e9\n", "\ufeff#\n\n", "\"\n\"", "{\"timestamp\":\"2024-05-10T00:00:00Z\"}\n{\"time\":\"7\"}", "1700000000500\n1700000000501\n"} {
		f.Add(s, 1.0)
	}
	f.Add("1\n2\n", 1e6)
	f.Fuzz(func(t *testing.T, text string, speed float64) {
		moments, err := ParseTrace(strings.NewReader(text), speed)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("%q: %v is of another kind", text, err)
			}
			return
		}
		if moments[0] != 0 {
			t.Errorf("%q begins at %v", text, moments[0])
		}
		if _, err := New(Options{Trace: moments}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
