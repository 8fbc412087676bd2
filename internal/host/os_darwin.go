package host

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

func rootFS() fs.FS { return emptyFS{} }

func affinity() int { return 0 }

func platform(m *Machine) {
	m.Kernel, _ = unix.Sysctl("kern.osrelease")
	m.CPUModel, _ = unix.Sysctl("machdep.cpu.brand_string")
	m.Memory, _ = unix.SysctlUint64("hw.memsize")
	if n, err := unix.SysctlUint32("hw.physicalcpu"); err == nil {
		m.Cores = int(n)
	}
	m.SMT = m.Cores > 0 && m.Threads > m.Cores
}

func processMemory() Memory {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return Memory{}
	}
	return Memory{PeakRSS: uint64(r.Maxrss)} // bytes on macOS
}

// ResetPeak is not possible on macOS.
func ResetPeak() error { return errors.New("reset peak memory: macOS has no way to") }
