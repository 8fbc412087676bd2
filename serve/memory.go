package serve

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"infer/internal/host"
	"infer/serve/guard"
)

// budget is how many bytes requests may hold on a machine or in a cgroup with this much memory: half of it, and no more
// than guard.DefaultBudget.
func budget(m host.MemoryUse) int64 {
	if m.Limit == 0 {
		return guard.DefaultBudget
	}
	return int64(min(m.Limit/2, guard.DefaultBudget))
}

// bound lets Go collect earlier when its heap comes near the limit of the cgroup. A GOMEMLIMIT of the environment stays,
// and a machine that is not divided is left to the system.
func bound(m host.MemoryUse) {
	if os.Getenv("GOMEMLIMIT") == "" && m.Source == "cgroup" && m.Limit > 0 && m.Limit < math.MaxInt64 {
		debug.SetMemoryLimit(int64(m.Limit / 10 * 9))
	}
}

// How memory goes back to the system after large requests: no more often than every pause, and only where the heap is
// larger by growth than it was at its smallest. Go gives memory back by itself over minutes, and what lies in pools only
// after two collections.
const (
	pause  = 30 * time.Second
	growth = 64 << 20
)

// release gives memory back until ctx ends. least is the heap as it was before there were requests.
func release(ctx context.Context, pause time.Duration, least uint64) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if heap() > least+growth {
				runtime.GC()
				debug.FreeOSMemory()
			}
			least = min(least, heap())
		}
	}
}

// heap is how many bytes of the heap the system has given: what is in use, and what could be given back.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64()
}
