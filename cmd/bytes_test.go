package cmd

import (
	"testing"

	"infer/internal/fault"
)

func TestParseBytes(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64 // 0: refused
	}{
		{"1", 1}, {"4096", 4096}, {"1B", 1}, {"1 B", 1}, {" 2KiB ", 2048}, {"512MiB", 512 << 20}, {"1GiB", 1 << 30}, {"2TiB", 2 << 40},
		{"1kB", 1000}, {"1KB", 1000}, {"1.5MB", 1_500_000}, {"1.5GB", 1_500_000_000}, {"3TB", 3_000_000_000_000}, {"1e3", 1000}, {"0.5KiB", 512},
		{"1.9B", 1}, // no half bytes
		{"8388607TiB", 8388607 << 40},

		{"", 0}, {"B", 0}, {"MiB", 0}, {"0", 0}, {"0GiB", 0}, {"0.4B", 0}, {"-1", 0}, {"-1GiB", 0}, {"NaN", 0}, {"NaNGiB", 0}, {"Inf", 0}, {"1e400", 0},
		{"8388608TiB", 0}, // 2^63
		{"1G", 0}, {"1gib", 0}, {"1 GiB GiB", 0}, {"one", 0}, {"1,5GB", 0},
	} {
		got, err := parseBytes(c.text)
		if got != c.want || (err != nil) != (c.want == 0) || err != nil && fault.KindOf(err) != fault.Usage {
			t.Errorf("%q is %d, %v; want %d", c.text, got, err, c.want)
		}
	}
}

// FuzzParseBytes: a size is at least one byte, and one with a unit is that many times the bare number.
func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"512MiB", "1.5GB", "0x1p10", "1e18", "9223372036854775807", " 1 ", "-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseBytes(text)
		if err != nil {
			if n != 0 || fault.KindOf(err) != fault.Usage {
				t.Errorf("%q is %d with %v", text, n, err)
			}
			return
		}
		if n < 1 {
			t.Errorf("%q is %d bytes", text, n)
		}
		if k, err := parseBytes(text + "KiB"); err == nil && k/1024 != n { // ⌊⌊1024·f⌋/1024⌋ = ⌊f⌋
			t.Errorf("%q is %d, with KiB %d", text, n, k)
		}
	})
}
