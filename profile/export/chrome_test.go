package export

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"unicode/utf8"
)

type readEvent struct {
	Name *string        `json:"name"`
	Ph   string         `json:"ph"`
	PID  *int           `json:"pid"`
	TID  int            `json:"tid"`
	TS   *float64       `json:"ts"`
	Dur  *float64       `json:"dur"`
	Args map[string]any `json:"args"`
}

// checkChrome reads a file as Perfetto does, which moves events that overlap without one being within the other to a track
// of their own: here that is a failure.
func checkChrome(t *testing.T, file []byte) []readEvent {
	t.Helper()
	var x struct {
		Events []readEvent `json:"traceEvents"`
	}
	if err := json.Unmarshal(file, &x); err != nil || !utf8.Valid(file) {
		t.Fatalf("%v: %q", err, file)
	}
	type end struct{ at int64 }
	open := map[int][]end{}
	last := map[int]int64{}
	for _, e := range x.Events {
		if e.Name == nil || e.PID == nil || e.TS == nil || !slices.Contains([]string{"X", "M", "C"}, e.Ph) {
			t.Fatalf("%+v lacks a field", e)
		}
		if e.Ph != "X" {
			continue
		}
		if e.Dur == nil || *e.Dur < 0 || *e.TS < 0 {
			t.Fatalf("%s has no time", *e.Name)
		}
		begin := int64(math.Round(*e.TS * 1e3)) // nanoseconds, as Perfetto keeps them
		until := begin + int64(math.Round(*e.Dur*1e3))
		if begin < last[e.TID] {
			t.Errorf("%s begins before the event before it", *e.Name)
		}
		last[e.TID] = begin
		stack := open[e.TID]
		for len(stack) > 0 && stack[len(stack)-1].at <= begin {
			stack = stack[:len(stack)-1]
		}
		if len(stack) > 0 && stack[len(stack)-1].at < until {
			t.Errorf("%s ends %d ns behind what holds it", *e.Name, until-stack[len(stack)-1].at)
		}
		open[e.TID] = append(stack, end{until})
	}
	return x.Events
}

func TestChrome(t *testing.T) {
	events := checkChrome(t, written(t, "chrome", source(odd...)))
	tracks := map[string]int{}
	where := map[string]int{}
	for _, e := range events {
		switch e.Ph {
		case "M":
			name, _ := e.Args["name"].(string)
			tracks[name] = e.TID
		case "X":
			where[*e.Name] = e.TID
			if *e.Name == "/encoder/layer.0/MatMul" {
				for key, want := range map[string]any{"op": "MatMul", "provider": "", "corrected_us_per_run": 30.0, "macs": 4e6, "class": "compute", "efficiency": 0.5, "shapes": "1x8"} {
					if got := e.Args[key]; key != "provider" && got != want {
						t.Errorf("%s is %v, want %v", key, got, want)
					}
				}
			}
		case "C":
			if e.Args["allocator peak"] != 4096.0 || e.Args["initializers"] != 1024.0 {
				t.Errorf("counter %v", e.Args)
			}
		}
	}
	if tracks["bert.onnx"] != 0 || tracks["thread 7"] != 1 || tracks["thread 8"] != 2 || tracks["thread 8, overlapping 1"] != 3 {
		t.Errorf("tracks %v", tracks)
	}
	if where["body"] != where["loop"] || where["/encoder/layer.1/MatMul"] != 2 || where["overlap"] != 3 {
		t.Errorf("events on tracks %v", where)
	}
	if _, ok := where["broken"]; ok {
		t.Error("an event without a time was written")
	}
	for _, n := range []string{`we"ird\n/é;x y`, `bad\xff\xfe/utf8`, "(Relu without a name)"} {
		if where[n] != 1 {
			t.Errorf("no event %q", n)
		}
	}
}
