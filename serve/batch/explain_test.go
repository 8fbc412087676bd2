package batch

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// TestExplainReads holds what makes an explanation readable: keys that no JSON reader rounds, and four digits.
func TestExplainReads(t *testing.T) {
	s := NewScheduler(Options{})
	s.Learn(math.MaxUint64-1, 1, 1234567*time.Nanosecond)
	text, err := json.Marshal(s.Explain(0))
	if err != nil || !strings.Contains(string(text), `"key":"fffffffffffffffe"`) || !strings.Contains(string(text), `"mean_seconds":0.001235,`) {
		t.Errorf("%s, %v", text, err)
	}
	for v, want := range map[float64]float64{0: 0, 1234567: 1235000, -0.00012344: -0.0001234, 99995: 100000, 1e-320: 1e-320} {
		if got := digits(v); got != want {
			t.Errorf("digits(%g) = %g, want %g", v, got, want)
		}
	}
}
