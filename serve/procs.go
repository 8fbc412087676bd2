package serve

import (
	"os"
	"runtime"
)

// widen gives Go more processors than there are CPUs. A goroutine in a run of the runtime keeps its processor until Go's
// monitor takes it away, so that with one a CPU requests stand unread while runs go on, and the monitor works for every
// run. RATIONALE.md has the measurement. A GOMAXPROCS of the environment stays.
func widen(cpus int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), processors*cpus))
	}
}

// processors is how many processors Go gets for a CPU.
const processors = 4
