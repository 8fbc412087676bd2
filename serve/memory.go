package serve

import (
	"context"
	"math"
	"os"
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

// How memory goes back to the system after large requests: no more often than every pause, and only where the heap
// holds more than idleKept that it does not use. Go gives it back by itself over minutes.
const (
	pause    = 30 * time.Second
	idleKept = 64 << 20
)

// release gives idle memory back until ctx ends.
func release(ctx context.Context) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if idle() > idleKept {
				debug.FreeOSMemory()
			}
		}
	}
}

// idle is how many bytes of the heap are free, or garbage since the last collection, and not given back.
func idle() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	n := s[0].Value.Uint64()
	if objects, live := s[1].Value.Uint64(), s[2].Value.Uint64(); objects > live {
		n += objects - live
	}
	return n
}
