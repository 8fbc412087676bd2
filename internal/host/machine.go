package host

import (
	"io/fs"
	"strings"
	"time"
)

// MachineTime is what the CPUs of the machine have done since it started, summed over them.
type MachineTime struct {
	Busy     time.Duration
	Idle     time.Duration // waiting for a disk included
	Steal    time.Duration // taken by the hypervisor
	Pressure time.Duration // some task waited for a CPU; wall time, not summed
}

// ReadMachineTime reads it; zero where the system does not tell.
func ReadMachineTime() MachineTime {
	m, _ := machineTime(rootFS())
	return m
}

// tick is 1/USER_HZ, which Linux fixes at 100 for every architecture we build for.
const tick = time.Second / 100

// machineTime also returns the number of CPUs.
func machineTime(root fs.FS) (m MachineTime, cpus int) {
	for line := range strings.Lines(read(root, "proc/stat")) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") {
			break
		}
		if f[0] != "cpu" {
			cpus++
			continue
		}
		// user nice system idle iowait irq softirq steal
		sum := func(columns ...int) (d time.Duration) {
			for _, i := range columns {
				d += time.Duration(number(f[i])) * tick
			}
			return d
		}
		m.Busy, m.Idle, m.Steal = sum(1, 2, 3, 6, 7), sum(4, 5), sum(8)
	}
	for f := range strings.FieldsSeq(read(root, "proc/pressure/cpu")) {
		if v, ok := strings.CutPrefix(f, "total="); ok {
			m.Pressure = time.Duration(number(v)) * time.Microsecond
			break // the first line is "some"
		}
	}
	return m, cpus
}
