package host

import (
	"testing"
	"time"
)

func TestThrottling(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  Throttling
	}{
		{"no cgroups", nil, Throttling{}},
		{"v2, the process and an ancestor", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/b/cpu.stat": "usage_usec 7\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1500\n",
			"sys/fs/cgroup/a/cpu.stat":   "nr_periods 5\nnr_throttled 1\nthrottled_usec 500\n",
			"sys/fs/cgroup/cpu.stat":     "usage_usec 9\n", // the root has no quota
		}, Throttling{15, 5, 2 * time.Millisecond}},
		{"v1, in nanoseconds", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/x\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/cpu,cpuacct/x/cpu.stat": "nr_periods 8\nnr_throttled 2\nthrottled_time 3000000\n",
		}, Throttling{8, 2, 3 * time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := throttling(tree(tt.files)); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestMemoryUse(t *testing.T) {
	const meminfo = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n"
	const v1Memory = "34 26 0:31 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
	tests := []struct {
		name  string
		files map[string]string
		want  MemoryUse
	}{
		{"nothing known", nil, MemoryUse{Source: "machine"}},
		{"no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "5\n",
		}, MemoryUse{600 * 1024, 1000 * 1024, "machine"}},
		{"v2, the ancestor is tighter", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/b/memory.max": "900000\n", "sys/fs/cgroup/a/b/memory.current": "1000\n",
			"sys/fs/cgroup/a/memory.max": "800000\n", "sys/fs/cgroup/a/memory.current": "7000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 3000\nactive_file 9\n",
		}, MemoryUse{4000, 800000, "cgroup"}},
		{"v1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/x\n4:cpu:/y\n", "proc/self/mountinfo": v1Mount + v1Memory,
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "500000\n",
			"sys/fs/cgroup/memory/x/memory.usage_in_bytes": "300000\n",
			"sys/fs/cgroup/memory/x/memory.stat":           "inactive_file 1\ntotal_inactive_file 100000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
		}, MemoryUse{200000, 500000, "cgroup"}},
		{"more cache than use, and nonsense", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/memory.max": "10\n", "sys/fs/cgroup/memory.current": "x\n", "sys/fs/cgroup/memory.stat": "inactive_file 5\n",
		}, MemoryUse{0, 10, "cgroup"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := memoryUse(tree(tt.files)); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestMachineTime(t *testing.T) {
	got, cpus := machineTime(tree(map[string]string{
		"proc/stat":         "cpu 100 10 50 300 40 1 2 7 0 0\ncpu0 1 0 0 0 0 0 0 0\ncpu1 1 0 0 0 0 0 0 0\nintr 1\n",
		"proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500\nfull avg10=0.00 total=9\n",
	}))
	want := MachineTime{Busy: 1630 * time.Millisecond, Idle: 3400 * time.Millisecond, Steal: 70 * time.Millisecond,
		Pressure: 2500 * time.Microsecond}
	if got != want || cpus != 2 {
		t.Errorf("%+v of %d CPUs, want %+v of 2", got, cpus, want)
	}
}
