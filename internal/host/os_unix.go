//go:build linux || darwin

package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func processUsage() usage {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return usage{}
	}
	return usage{
		cpu:         float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9,
		involuntary: int64(r.Nivcsw),
		majorFault:  int64(r.Majflt),
	}
}

// FreeDisk returns the bytes that an unprivileged user can still write to the file system of path.
func FreeDisk(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", path, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
