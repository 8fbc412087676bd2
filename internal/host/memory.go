package host

import "strings"

// Memory is the resident memory of this process in bytes; zero where the system does not tell.
type Memory struct {
	RSS     uint64 `json:"rss"`
	PeakRSS uint64 `json:"peak_rss"` // since the start or the last ResetPeak
}

// ProcessMemory reads the resident memory now and at its peak.
func ProcessMemory() Memory {
	return processMemory()
}

// parseStatus reads /proc/self/status, whose sizes are in KiB.
func parseStatus(status string) (m Memory) {
	t := table(strings.ReplaceAll(status, "\t", " "))
	return Memory{RSS: uint64(t["VmRSS"]) * 1024, PeakRSS: uint64(t["VmHWM"]) * 1024}
}
