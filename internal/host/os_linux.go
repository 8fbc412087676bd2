package host

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func rootFS() fs.FS { return os.DirFS("/") }

func affinity() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 0
	}
	return set.Count()
}

func platform(*Machine) {}

func processMemory() Memory { return parseStatus(read(rootFS(), "proc/self/status")) }

// ResetPeak makes PeakRSS start again from the present RSS; an error where the kernel does not allow it.
func ResetPeak() error {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return fmt.Errorf("reset peak memory: %w", err)
	}
	return nil
}
