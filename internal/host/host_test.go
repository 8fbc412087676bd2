package host

import (
	"io/fs"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

func tree(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const (
	v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	v1Mount = "33 26 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct\n"
)

func TestEffectiveCPUs(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		aff   int
		want  CPUs
	}{
		{"no cgroups", nil, 8, CPUs{8, 0, 8, "affinity"}},
		{"v2 unlimited", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/a/cpu.max": "max 100000\n",
		}, 8, CPUs{8, 0, 8, "affinity"}},
		{"v2 limit of an ancestor", map[string]string{
			"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/b/c/cpu.max": "400000 100000\n",
			"sys/fs/cgroup/a/b/cpu.max":   "max 100000\n",
			"sys/fs/cgroup/a/cpu.max":     "250000 100000\n",
		}, 8, CPUs{2, 2.5, 8, "cgroup quota"}},
		{"v2 limit at the mount of a container", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/cpu.max": "150000 100000\n",
		}, 4, CPUs{1, 1.5, 4, "cgroup quota"}},
		{"below one CPU", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/cpu.max": "10000 100000\n",
		}, 4, CPUs{1, 0.1, 4, "cgroup quota"}},
		{"quota above affinity", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/cpu.max": "800000 100000\n",
		}, 2, CPUs{2, 8, 2, "affinity"}},
		{"v1", map[string]string{
			"proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/x/y\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us":  "-1\n",
			"sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us":    "300000\n",
			"sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us":   "100000\n",
		}, 8, CPUs{3, 3, 8, "cgroup quota"}},
		{"v1 mount that is not the root", map[string]string{
			"proc/self/cgroup":    "4:cpu,cpuacct:/docker/1\n",
			"proc/self/mountinfo": "33 26 0:30 /docker/1 /cg ro - cgroup cgroup rw,cpu,cpuacct\n",
			"cg/cpu.cfs_quota_us": "200000", "cg/cpu.cfs_period_us": "100000",
		}, 8, CPUs{2, 2, 8, "cgroup quota"}},
		{"nonsense", map[string]string{
			"proc/self/cgroup": "0::/\nx\n::\n", "proc/self/mountinfo": "- \n" + v2Mount, "sys/fs/cgroup/cpu.max": "1 0\n",
		}, 3, CPUs{3, 0, 3, "affinity"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := effectiveCPUs(tree(tt.files), tt.aff); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	at := func(stat, throttled, usec, sched, psi string) Sample {
		return snapshot(tree(map[string]string{
			"proc/stat":                  stat + "\ncpu0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\nintr 1\n",
			"proc/self/cgroup":           "0::/a\n",
			"proc/self/mountinfo":        v2Mount,
			"sys/fs/cgroup/a/cpu.stat":   "nr_periods 9\nnr_throttled " + throttled + "\nthrottled_usec " + usec + "\n",
			"proc/self/task/1/schedstat": sched + " " + sched + " 7\n",
			"proc/self/task/3/schedstat": "5 " + sched + " 7\n", // runs next to nothing: its waiting does not count
			"proc/pressure/cpu":          "some avg10=0.00 total=" + psi + "\nfull avg10=0.00 total=9\n",
			"proc/self/task/2/schedstat": "garbage\n",
		}))
	}
	a := at("cpu 100 0 0 500 0 0 0 10", "1", "1000", "1000000000", "0")
	b := at("cpu 250 0 50 800 0 0 0 60", "4", "501000", "1500000000", "250000")
	b.at = a.at.Add(2 * time.Second)
	b.usage = usage{cpu: 1, involuntary: 7, majorFault: 2}
	got := Diff(a, b)
	// Busy 2 s of two CPUs × 2 s, 1 s of it ours: others a quarter.
	want := Interference{Wall: 2, SelfCPU: 1, RunQueueDelay: 0.5, InvoluntarySwitches: 7, MajorFaults: 2,
		ThrottledCount: 3, Throttled: 0.5, Steal: 0.5, OtherCPU: 0.25, Pressure: 0.25}
	if math.Abs(got.Steal-want.Steal) > 1e-9 || math.Abs(got.Throttled-want.Throttled) > 1e-9 {
		t.Errorf("steal %v, throttled %v", got.Steal, got.Throttled)
	}
	got.Steal, got.Throttled = want.Steal, want.Throttled
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if sum := got.Add(want); sum.Wall != 4 || sum.OtherCPU != 0.25 || sum.ThrottledCount != 6 {
		t.Errorf("sum %+v", sum)
	}
}

func TestFacts(t *testing.T) {
	cpu := func(n, core string) string {
		return "processor\t: " + n + "\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nphysical id\t: 0\ncore id\t\t: " + core +
			"\nflags\t\t: fpu avx2 fma hypervisor avx512_vnni\n\n"
	}
	m := facts(tree(map[string]string{
		"proc/cpuinfo":                                   cpu("0", "0") + cpu("1", "0"),
		"proc/meminfo":                                   "MemTotal:       2048 kB\n",
		"sys/devices/system/node/node0/x":                "",
		"sys/devices/system/cpu/intel_pstate/no_turbo":   "1\n",
		"sys/devices/system/cpu/cpu0/cache/index2/level": "2\n",
		"sys/devices/system/cpu/cpu0/cache/index2/type":  "Unified\n",
		"sys/devices/system/cpu/cpu0/cache/index2/size":  "1024K\n",
		".dockerenv": "",
	}))
	if m.CPUModel != "Xeon" || m.Cores != 1 || m.Threads != 2 || !m.SMT || !m.Virtualised || !m.Container ||
		m.Memory != 2<<20 || m.NUMANodes != 1 || m.Turbo != "off" || m.Caches["L2"] != "1024K" ||
		!slices.Equal(m.ISA, []string{"avx2", "avx512_vnni", "fma"}) {
		t.Errorf("%+v", m)
	}
	other := m
	other.Kernel, other.Memory = "7.0", 1
	if m.fingerprint() != other.fingerprint() {
		t.Error("kernel or memory changed the fingerprint")
	}
	other.ISA = nil
	if m.fingerprint() == other.fingerprint() {
		t.Error("other instructions, same fingerprint")
	}
}

func TestInstructions(t *testing.T) {
	tests := []struct {
		name, cpuinfo string
		want          []string
	}{
		{"no cpuinfo", "", nil},
		{"nothing of interest", "flags\t: fpu vme\n", []string{}},
		{"old", "flags\t: fpu sse4_1 avx ssse3\n", []string{"avx", "sse4_1"}},
		{"amx", "flags\t: avx_vnni amx_bf16 avx512f avx512_bf16 amx_int8 amx_tile f16c\n", []string{"amx_bf16", "amx_int8", "avx512_bf16", "avx512f", "avx_vnni", "f16c"}},
		{"arm", "Features\t: fp asimd fphp asimddp i8mm bf16 sve sve2\n", []string{"asimd", "bf16", "dotprod", "fphp", "i8mm", "sve", "sve2"}},
		{"first CPU alone", "flags\t: avx2\n\nflags\t: avx2 fma\n", []string{"avx2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := facts(tree(map[string]string{"proc/cpuinfo": tt.cpuinfo})).ISA; !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestThisMachine(t *testing.T) {
	if c := EffectiveCPUs(); c.Count < 1 || c.Count > c.Affinity {
		t.Errorf("%+v", c)
	}
	if a, b := Facts(), Facts(); a.Fingerprint != b.Fingerprint || len(a.Fingerprint) != 12 {
		t.Errorf("fingerprints %q, %q", a.Fingerprint, b.Fingerprint)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the rest is read on Linux alone")
	}
	if m := ProcessMemory(); m.RSS == 0 || m.PeakRSS < m.RSS {
		t.Errorf("%+v", m)
	}
	if n, err := FreeDisk(t.TempDir()); err != nil || n == 0 {
		t.Errorf("free %d, %v", n, err)
	}
	if _, err := FreeDisk("/no/such/path"); err == nil {
		t.Error("free space of nothing")
	}
	a := Snapshot()
	if i := Diff(a, Snapshot()); i.Wall <= 0 || i.RunQueueDelay < 0 || i.OtherCPU < 0 || i.OtherCPU > 1 {
		t.Errorf("%+v", i)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for b.Loop() {
		Snapshot()
	}
}

func BenchmarkFacts(b *testing.B) {
	for b.Loop() {
		Facts()
	}
}
