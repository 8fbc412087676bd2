package host

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// Throttling is what the CPU quotas of the cgroups of this process took, summed over all its ancestors, since these
// were made.
type Throttling struct {
	Periods   uint64        // in which a quota was in force
	Throttled uint64        // those of them in which it was used up
	Time      time.Duration // that threads were kept from running, summed over CPUs
}

// ReadThrottling reads it; zero without a quota.
func ReadThrottling() Throttling { return throttling(rootFS()) }

func throttling(root fs.FS) (t Throttling) {
	for _, dir := range cgroupDirs(root, "cpu") {
		kv := table(read(root, path.Join(dir, "cpu.stat")))
		t.Periods += uint64(kv["nr_periods"])
		t.Throttled += uint64(kv["nr_throttled"])
		t.Time += time.Duration(kv["throttled_usec"])*time.Microsecond + time.Duration(kv["throttled_time"])
	}
	return t
}

// MemoryUse is how near a limit of memory is. Sizes are in bytes; zero where the system does not tell.
type MemoryUse struct {
	Used   uint64 // without the file cache that the kernel can drop at once
	Limit  uint64
	Source string // what sets the limit: "cgroup" or "machine"
}

// ReadMemoryUse returns the use of the cgroup, of all that this process is in, that has the lowest limit; that of the
// machine where none is below its memory.
func ReadMemoryUse() MemoryUse { return memoryUse(rootFS()) }

// ReadMachineMemory returns the use of the whole machine.
func ReadMachineMemory() MemoryUse { return machineMemory(rootFS()) }

func machineMemory(root fs.FS) MemoryUse {
	kv := table(read(root, "proc/meminfo"))
	return MemoryUse{
		Used:   uint64(max(0, kv["MemTotal"]-kv["MemAvailable"])) * 1024,
		Limit:  uint64(kv["MemTotal"]) * 1024,
		Source: "machine",
	}
}

func memoryUse(root fs.FS) MemoryUse {
	m := machineMemory(root)
	for _, dir := range cgroupDirs(root, "memory") {
		// v2, then v1, where no limit is a number above any memory.
		for _, n := range [][3]string{
			{"memory.max", "memory.current", "inactive_file"},
			{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
		} {
			limit, err := strconv.ParseUint(strings.TrimSpace(read(root, path.Join(dir, n[0]))), 10, 64)
			if err != nil || m.Limit > 0 && limit >= m.Limit {
				continue
			}
			used := number(read(root, path.Join(dir, n[1]))) - table(read(root, path.Join(dir, "memory.stat")))[n[2]]
			m = MemoryUse{Used: uint64(max(0, used)), Limit: limit, Source: "cgroup"}
		}
	}
	return m
}

// cgroupDirs returns, for the v2 hierarchy and v1's hierarchy of controller, the directory of this process and of each
// of its ancestors, relative to root, up to the mount point. Mount points come from mountinfo: v1 is not always mounted
// at the usual place, and in a container the mount shows only part of the hierarchy.
func cgroupDirs(root fs.FS, controller string) []string {
	var dirs []string
	for line := range strings.Lines(read(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !(f[0] == "0" && f[1] == "" || hasItem(f[1], controller)) {
			continue
		}
		v1 := ""
		if f[1] != "" {
			v1 = controller
		}
		base, point, ok := cgroupMount(root, v1)
		if !ok {
			continue
		}
		rel, inside := strings.CutPrefix(path.Clean("/"+f[2]), strings.TrimSuffix(base, "/"))
		if !inside || strings.HasPrefix(f[2], "/..") {
			rel = "/"
		}
		for p := path.Clean("/" + rel); ; p = path.Dir(p) {
			dirs = append(dirs, strings.TrimPrefix(path.Join(point, p), "/"))
			if p == "/" {
				break
			}
		}
	}
	return dirs
}

// cgroupMount finds the mount of v1's hierarchy of a controller, or of cgroup v2 where that is "": the root it shows
// and where.
func cgroupMount(root fs.FS, v1 string) (base, point string, ok bool) {
	for line := range strings.Lines(read(root, "proc/self/mountinfo")) {
		left, right, found := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !found || len(l) < 5 || len(r) < 3 {
			continue
		}
		if v1 == "" && r[0] == "cgroup2" || v1 != "" && r[0] == "cgroup" && hasItem(r[2], v1) {
			return l[3], l[4], true
		}
	}
	return "", "", false
}

func hasItem(list, item string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == item {
			return true
		}
	}
	return false
}
