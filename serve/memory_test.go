package serve

import (
	"context"
	"sync"
	"testing"
	"time"

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

// TestRelease holds that what large requests took goes back, from pools too.
func TestRelease(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	before := heap()
	wg.Go(func() { release(ctx, 50*time.Millisecond, before) })
	var pool sync.Pool
	spike := make([]byte, 512<<20)
	pool.Put(&spike)
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		if heap() < before+growth {
			return
		}
	}
	t.Errorf("the heap has %d bytes, %d before", heap(), before)
}
