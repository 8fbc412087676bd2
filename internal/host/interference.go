package host

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// Sample is the state of the counters at one moment; two of them give an Interference.
type Sample struct {
	at       time.Time
	threads  map[string]thread // by id
	usage    usage
	throttle map[string][2]float64 // by cgroup: count, seconds
	steal    float64               // seconds, all CPUs
	busy     float64               // seconds, all CPUs, without steal
	pressure float64               // seconds
	cpus     int
}

// thread is what the scheduler accounts to one thread, in seconds.
type thread struct{ ran, waited float64 }

// usage is what the kernel accounts to this process.
type usage struct {
	cpu                     float64 // seconds, user and system
	involuntary, majorFault int64
}

// Interference is what disturbed this process between two samples. Times are in seconds.
type Interference struct {
	Wall                float64 `json:"wall_s"`
	SelfCPU             float64 `json:"self_cpu_s"`
	RunQueueDelay       float64 `json:"run_queue_delay_s"` // our working threads ready but not running, summed over them
	InvoluntarySwitches int64   `json:"involuntary_switches"`
	MajorFaults         int64   `json:"major_faults"`
	ThrottledCount      int64   `json:"throttled_count"` // periods, over all ancestor cgroups
	Throttled           float64 `json:"throttled_s"`
	Steal               float64 `json:"steal_s"`        // taken by the hypervisor, summed over CPUs
	OtherCPU            float64 `json:"other_cpu"`      // share in [0, 1] of the machine used by others
	Pressure            float64 `json:"cpu_pressure_s"` // some task of the machine waited for a CPU
}

// Snapshot reads the counters, in well under a millisecond (0.6 ms on two busy virtual CPUs). What the system lacks stays zero.
func Snapshot() Sample {
	s := snapshot(rootFS())
	s.at, s.usage = time.Now(), processUsage()
	return s
}

func snapshot(root fs.FS) Sample {
	s := Sample{threads: map[string]thread{}, throttle: map[string][2]float64{}}
	tasks, _ := fs.ReadDir(root, "proc/self/task")
	for _, t := range tasks {
		if f := strings.Fields(read(root, "proc/self/task/"+t.Name()+"/schedstat")); len(f) >= 2 {
			s.threads[t.Name()] = thread{number(f[0]) / 1e9, number(f[1]) / 1e9}
		}
	}
	for _, dir := range cgroupDirs(root, "cpu") {
		kv := table(read(root, path.Join(dir, "cpu.stat")))
		s.throttle[dir] = [2]float64{kv["nr_throttled"], kv["throttled_usec"]/1e6 + kv["throttled_time"]/1e9}
	}
	m, cpus := machineTime(root)
	s.busy, s.steal, s.pressure, s.cpus = m.Busy.Seconds(), m.Steal.Seconds(), m.Pressure.Seconds(), cpus
	return s
}

// working is the share of the span that a thread must have run to count as one that does the work. The others are the
// language runtime's own: they wake up for microseconds and, beside threads that spin on every CPU, wait for
// milliseconds, which delays nobody's work.
const working = 0.02

// Diff returns what happened from a to b. Threads that ended in between are left out.
func Diff(a, b Sample) Interference {
	i := Interference{
		Wall:                b.at.Sub(a.at).Seconds(),
		SelfCPU:             b.usage.cpu - a.usage.cpu,
		InvoluntarySwitches: b.usage.involuntary - a.usage.involuntary,
		MajorFaults:         b.usage.majorFault - a.usage.majorFault,
		Steal:               max(0, b.steal-a.steal),
		Pressure:            max(0, b.pressure-a.pressure),
	}
	for id, v := range b.threads {
		if old := a.threads[id]; v.ran-old.ran >= working*i.Wall {
			i.RunQueueDelay += max(0, v.waited-old.waited)
		}
	}
	for dir, v := range b.throttle {
		if old, ok := a.throttle[dir]; ok {
			i.ThrottledCount += int64(max(0, v[0]-old[0]))
			i.Throttled += max(0, v[1]-old[1])
		}
	}
	if i.Wall > 0 && b.cpus > 0 {
		i.OtherCPU = min(1, max(0, (b.busy-a.busy-i.SelfCPU)/(i.Wall*float64(b.cpus))))
	}
	return i
}

// Add returns the sum of two spans; OtherCPU is weighted by wall time.
func (i Interference) Add(o Interference) Interference {
	if w := i.Wall + o.Wall; w > 0 {
		i.OtherCPU = (i.OtherCPU*i.Wall + o.OtherCPU*o.Wall) / w
	}
	i.Wall += o.Wall
	i.SelfCPU += o.SelfCPU
	i.RunQueueDelay += o.RunQueueDelay
	i.InvoluntarySwitches += o.InvoluntarySwitches
	i.MajorFaults += o.MajorFaults
	i.ThrottledCount += o.ThrottledCount
	i.Throttled += o.Throttled
	i.Steal += o.Steal
	i.Pressure += o.Pressure
	return i
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return 0
	}
	return v
}

// table parses lines of "key value".
func table(s string) map[string]float64 {
	t := map[string]float64{}
	for line := range strings.Lines(s) {
		if f := strings.Fields(line); len(f) >= 2 {
			t[strings.TrimSuffix(f[0], ":")] = number(f[1])
		}
	}
	return t
}
