package render

import (
	"strings"
	"testing"

	"infer/report"
)

// TestAdvice: the finding, the bound and the command stand in every format, the evidence where it can be folded.
func TestAdvice(t *testing.T) {
	d := report.New("profile")
	if err := d.SetDetails(report.ProfileDetails{Advice: []report.Advice{
		{Rule: "LAYOUT", What: "a tenth goes into Transpose", Evidence: []string{"Transpose t: 10 %"}, Bound: 1.111, Try: "export in NCHW", Command: "infer optimize m.onnx --level full"},
		{Rule: "CAP", What: "the trace is cut", Evidence: []string{"1000000 events"}, Try: "trace less"},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "markdown", "html"} {
		var b strings.Builder
		if err := Render(&b, d, format, Options{Width: 80}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"What to do", "LAYOUT", "a tenth goes into Transpose", "1.11×", "export in NCHW", "infer optimize m.onnx --level full", "CAP", "trace less"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s lacks %q:\n%s", format, want, b.String())
			}
		}
		if n := strings.Count(b.String(), "at most"); n != 1 {
			t.Errorf("%s has %d bounds", format, n)
		}
		if has := strings.Contains(b.String(), "Transpose t: 10 %"); has != (format != "text") {
			t.Errorf("%s has the evidence: %v", format, has)
		}
	}
}
