package quantize

import (
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestValidate(t *testing.T) {
	if err := DefaultOptions.Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   []string // in the message, all of them; none: valid
		hint   string
	}{
		{"a misspelt mode", func(o *Options) { o.Mode = "statc" }, []string{`mode "statc" is not known`}, "did you mean static?"},
		{"a mode like none", func(o *Options) { o.Mode = "int8" }, []string{`mode "int8"`}, "use one of: auto, static, dynamic, weight-only, fp16, bf16"},
		{"no mode", func(o *Options) { o.Mode = "" }, []string{`mode "" is not known`}, "use one of"},
		{"bits", func(o *Options) { o.Bits = 2 }, []string{"weights of 2 bits are not known"}, "int8 or int4"},
		{"4 bits in another mode", func(o *Options) { o.Bits = 4 }, []string{"weights of 4 bits need --mode weight-only, not auto"}, "--mode weight-only"},
		{"4 bits in blocks", func(o *Options) { o.Bits, o.Mode = 4, WeightOnly }, nil, ""},
		{"a small block", func(o *Options) { o.Block = 8 }, []string{"--block-size 8"}, "16, 32, 64, 128 or 256"},
		{"a crooked block", func(o *Options) { o.Block = 48 }, []string{"--block-size 48"}, "16, 32, 64, 128 or 256"},
		{"a block that no kernel has", func(o *Options) { o.Block = 512 }, []string{"--block-size 512"}, "16, 32, 64, 128 or 256"},
		{"a negative block", func(o *Options) { o.Block = -16 }, []string{"--block-size -16"}, ""},
		{"a low level", func(o *Options) { o.AccuracyLevel = -1 }, []string{"--accuracy-level -1 is not one of 0 to 4"}, "4 for int8"},
		{"a high level", func(o *Options) { o.AccuracyLevel = 5 }, []string{"--accuracy-level 5"}, "4 for int8"},
		{"no memory", func(o *Options) { o.Memory = 0 }, []string{"--calib-mem must be positive"}, "1GiB"},
		{"negative samples", func(o *Options) { o.Samples = -1 }, []string{"--samples -1 is negative"}, "512"},
		{"no time to race", func(o *Options) { o.RaceTime = 0 }, []string{"--race-time 0s is not positive"}, "20s"},
		{"every fault is listed", func(o *Options) { o.Block, o.Samples, o.Mode = 3, -2, "x" }, []string{`"x"`, "--block-size 3", "--samples -2"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := DefaultOptions
			c.change(&o)
			wantUsage(t, o.Validate(), c.hint, c.want...)
		})
	}
}

// wantUsage checks that err is a usage error whose message has all of want and whose hint has hint; without want, that
// there is none.
func wantUsage(t *testing.T, err error, hint string, want ...string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("failed: %v", err)
		}
		return
	}
	if err == nil {
		t.Errorf("no error, want one with %q", want)
		return
	}
	if fault.ExitCode(err) != 2 {
		t.Errorf("exit code %d of %v, want 2", fault.ExitCode(err), err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q, want %q in it", err, w)
		}
	}
	if strings.Contains(err.Error(), "%!") {
		t.Errorf("error %q is badly formatted", err)
	}
	if got := fault.HintOf(err); !strings.Contains(got, hint) {
		t.Errorf("hint %q, want %q in it", got, hint)
	}
}
