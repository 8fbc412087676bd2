// Package host owns the facts about the machine: its CPUs and the share of them that this process may use, memory,
// and what else disturbed a measurement. Linux is read in full, macOS in part, elsewhere the numbers are zero.
package host

import (
	"io/fs"
	"math"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// CPUs says how many CPUs this process can use.
type CPUs struct {
	Count    int     `json:"count"`           // threads worth starting, at least 1: ⌊min(affinity, quota)⌋
	Quota    float64 `json:"quota,omitempty"` // CPUs that the tightest cgroup grants, 0 for no limit
	Affinity int     `json:"affinity"`        // CPUs that the scheduler may place us on
	Source   string  `json:"source"`          // what set Count: "affinity" or "cgroup quota"
}

// EffectiveCPUs returns the CPUs of this process: the smaller of its affinity mask (which cpusets narrow) and the
// quota of every ancestor cgroup, v1 and v2. A quota of 1.5 counts 1: a second busy thread would be throttled.
func EffectiveCPUs() CPUs { return effectiveCPUs(rootFS(), affinity()) }

func effectiveCPUs(root fs.FS, aff int) CPUs {
	if aff < 1 {
		aff = runtime.NumCPU()
	}
	c := CPUs{Count: aff, Affinity: aff, Source: "affinity"}
	for _, dir := range cgroupDirs(root, "cpu") {
		if q := quotaOf(root, dir); q > 0 && (c.Quota == 0 || q < c.Quota) {
			c.Quota = q
		}
	}
	if c.Quota > 0 && c.Quota < float64(aff) {
		c.Count, c.Source = max(1, int(math.Floor(c.Quota))), "cgroup quota"
	}
	return c
}

// quotaOf returns the limit of one cgroup directory in CPUs, 0 for none.
func quotaOf(root fs.FS, dir string) float64 {
	if f := strings.Fields(read(root, path.Join(dir, "cpu.max"))); len(f) == 2 {
		return ratio(f[0], f[1])
	}
	return ratio(read(root, path.Join(dir, "cpu.cfs_quota_us")), read(root, path.Join(dir, "cpu.cfs_period_us")))
}

func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(strings.TrimSpace(quota), 64)
	p, err2 := strconv.ParseFloat(strings.TrimSpace(period), 64)
	if err != nil || err2 != nil || !(q > 0) || !(p > 0) || math.IsInf(q/p, 0) {
		return 0 // "max", -1 or no such file
	}
	return q / p
}

// read returns a small file, "" when there is none: every fact here is optional.
func read(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(b)
}
