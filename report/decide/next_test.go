package decide

import (
	"strings"
	"testing"

	"infer/report"
)

// TestNext: the one command worth trying, and what may help.
func TestNext(t *testing.T) {
	tail := func(m made, queue, compute float64) made {
		x := report.LoadDetails{Target: report.LoadTarget{URL: "http://localhost:8000", Options: "--model m"}, Schedule: report.LoadSchedule{Stages: []report.LoadStage{{From: 500, To: 500}}},
			Tail: &report.LoadTail{Queue: &queue, Compute: &compute}}
		return m.details(x)
	}
	for _, c := range []struct {
		name    string
		slo     []string
		in      []Input
		command string
		lever   string // part of the first
	}{
		{"a bound", []string{"p99<200ms", "accuracy_top1>=10%"}, []Input{in("a=l.json", load(t, 500, 100, 90, 110).of("a.onnx", "a")), in("p.json", predicted(t, 9, 10, "a.onnx", "a"))},
			"infer loadtest http://localhost:8000 --find-max-rps --slo 'p99<200ms'", ""},
		{"a profile alone", []string{"p99<200ms"}, []Input{in("p.json", doc(t, "profile").of("my model.onnx", "a").with("latency_p99", 0.01, 1000, 0.009, 0.011).with("throughput", 9, 9).details(report.ProfileDetails{}))},
			"infer loadtest 'my model.onnx' --find-max-rps --slo 'p99<200ms'", ""},
		{"inconclusive", []string{"p99<100ms"}, []Input{in("a=l.json", load(t, 500, 100, 90, 110))}, "infer loadtest http://localhost:8000 --rps 500 --duration 60s --slo 'p99<100ms'", ""},
		{"no accuracy", []string{"accuracy_top1>=90%"}, []Input{in("a=l.json", load(t, 500, 100, 90, 110).of("a.onnx", "a"))},
			"infer predict a.onnx --input DATA --labels LABELS.npy -o ANSWERS --report accuracy.json", ""},
		{"missed, in the model", []string{"p99<50ms"}, []Input{in("a=l.json", tail(load(t, 500, 100, 90, 110), 0.1, 0.8).of("a.onnx", "a"))}, "infer quantize a.onnx --int8", "80 % of their time in the model"},
		{"missed, in the queue", []string{"p99<50ms"}, []Input{in("a=l.json", tail(load(t, 500, 100, 90, 110), 0.8, 0.1))}, "infer loadtest http://localhost:8000 --model m --find-max-rps --slo 'p99<50ms'", "80 % of their time in the queue"},
		{"missed accuracy", []string{"accuracy_top1>=99%"}, []Input{in("p.json", predicted(t, 90, 100, "a.onnx", "a"))}, "", "accuracy budget"},
		{"missed size", []string{"model_bytes<=100B"}, []Input{in("q.json", int8Of(t))}, "", "smaller constants"},
		{"not to be believed", []string{"p99<50ms"}, []Input{in("a=l.json", load(t, 500, 10, 9, 11).invalid("late"))}, "infer loadtest 'x y'", ""},
		{"a limit is known", []string{"p99<50ms"}, []Input{in("a=l.json", search(t, 50, 100))}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, x := decided(t, Options{SLO: gates(t, c.slo...)}, c.in...)
			got := ""
			if x.Next != nil {
				got = x.Next.Command
			}
			if got != c.command {
				t.Errorf("next is %q, want %q", got, c.command)
			}
			if levers := strings.Join(x.Levers, "; "); !strings.Contains(levers, c.lever) || (c.lever == "") != (levers == "") {
				t.Errorf("levers are %q, want %q", levers, c.lever)
			}
		})
	}
}

// TestNextServes: the address of a server that was started for the measurement leads nowhere.
func TestNextServes(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:36065":  "infer serve models/int8.onnx",
		"grpc://localhost:36066":  "infer serve models/int8.onnx",
		"http://localhost:8000":   "infer loadtest http://localhost:8000 --find-max-rps --slo 'p99<50ms'",
		"https://example.com:444": "infer loadtest https://example.com:444 --find-max-rps --slo 'p99<50ms'",
	} {
		m := load(t, 500, 10, 9, 11).of("models/int8.onnx", "b").details(report.LoadDetails{Target: report.LoadTarget{URL: url, Rows: 1}, Schedule: report.LoadSchedule{Stages: []report.LoadStage{{From: 500, To: 500}}}})
		_, x := decided(t, Options{SLO: gates(t, "p99<50ms")}, in("a=l.json", m))
		if x.Next == nil || x.Next.Command != want {
			t.Errorf("%s: %+v", url, x.Next)
		} else if served := strings.HasPrefix(want, "infer serve"); served != strings.Contains(x.Next.Why, "://localhost:80") {
			t.Errorf("%s: %s", url, x.Next.Why)
		}
	}
}
