package wire

import (
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

// TestOutputs holds that outputs over the limit are refused, strings counted.
func TestOutputs(t *testing.T) {
	l := Limits{Bytes: 100}
	if n, err := l.Outputs([]tensor.Tensor{{Data: make([]byte, 60)}, {Data: make([]byte, 40)}}); n != 100 || err != nil {
		t.Error(n, err)
	}
	for _, out := range [][]tensor.Tensor{{{Data: make([]byte, 101)}}, {{Strings: make([]string, 7)}}} {
		if _, err := l.Outputs(out); fault.KindOf(err) != fault.TooLarge {
			t.Error(err)
		}
	}
}
