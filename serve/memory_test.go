package serve

import (
	"testing"

	"infer/internal/host"
)

// TestBudget holds that requests may take half of what there is, and no more than a GiB.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		limit uint64
		want  int64
	}{{0, 1 << 30}, {512 << 20, 256 << 20}, {64 << 30, 1 << 30}} {
		if got := budget(host.MemoryUse{Limit: c.limit}); got != c.want {
			t.Errorf("of %d bytes: %d, want %d", c.limit, got, c.want)
		}
	}
}
