package cmd

import (
	"math"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// byteUnits are the units of a size, in bytes.
var byteUnits = []struct {
	name string
	size float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// parseBytes reads a size with its unit, such as 512MiB or 1.5GB; a bare number is bytes.
func parseBytes(text string) (int64, error) {
	number, size := strings.TrimSpace(text), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || f*size < 1 || f*size >= math.MaxInt64 {
		return 0, fault.New(fault.Usage, "write a size such as 512MiB or 1.5GB", "%q is no size in bytes", text)
	}
	return int64(f * size), nil
}
