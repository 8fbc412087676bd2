package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
)

// Machine is what a report records of the host. Sizes are in bytes; what is not known is zero or "".
type Machine struct {
	OS          string            `json:"os"`
	Arch        string            `json:"arch"`
	Kernel      string            `json:"kernel,omitempty"`
	CPUModel    string            `json:"cpu_model,omitempty"`
	Vendor      string            `json:"cpu_vendor,omitempty"`
	Cores       int               `json:"physical_cores,omitempty"`
	Threads     int               `json:"logical_cores"`
	SMT         bool              `json:"smt"`
	NUMANodes   int               `json:"numa_nodes,omitempty"`
	Caches      map[string]string `json:"caches,omitempty"` // as the kernel prints them: {"L2": "1024K"}
	ISA         []string          `json:"isa,omitempty"`    // flags that change kernels' speed, sorted
	Memory      uint64            `json:"memory,omitempty"`
	Container   bool              `json:"container"`
	Virtualised bool              `json:"virtualised"`
	Governor    string            `json:"governor,omitempty"`
	Turbo       string            `json:"turbo,omitempty"` // "on", "off"
	CPUs        CPUs              `json:"effective_cpus"`
	Fingerprint string            `json:"fingerprint"` // 12 hex digits; equal where timings may be compared
}

// Facts reads the machine.
func Facts() Machine {
	m := facts(rootFS())
	m.CPUs = EffectiveCPUs()
	platform(&m)
	m.Fingerprint = m.fingerprint()
	return m
}

// fingerprint leaves out the kernel, which changes with every update, and memory, which varies by a few pages.
func (m Machine) fingerprint() string {
	h := sha256.Sum256(fmt.Append(nil, m.OS, m.Arch, m.CPUModel, m.Cores, m.Threads, m.NUMANodes, m.ISA, m.Caches,
		m.CPUs.Count, m.CPUs.Quota, m.Virtualised, m.Governor, m.Turbo))
	return hex.EncodeToString(h[:6])
}

func facts(root fs.FS) Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Threads: runtime.NumCPU()}
	m.Kernel = strings.TrimSpace(read(root, "proc/sys/kernel/osrelease"))
	cpuinfo(root, &m)
	m.Memory = uint64(table(read(root, "proc/meminfo"))["MemTotal"]) * 1024
	nodes, _ := fs.Glob(root, "sys/devices/system/node/node[0-9]*")
	m.NUMANodes = len(nodes)
	m.Caches = caches(root)
	const cpu = "sys/devices/system/cpu"
	m.Governor = strings.TrimSpace(read(root, cpu+"/cpu0/cpufreq/scaling_governor"))
	m.Turbo = turbo(root, cpu)
	_, docker := fs.Stat(root, ".dockerenv")
	_, podman := fs.Stat(root, "run/.containerenv")
	m.Container = docker == nil || podman == nil || strings.Contains(read(root, "proc/self/cgroup"), "kubepods")
	return m
}

func turbo(root fs.FS, cpu string) string {
	switch strings.TrimSpace(read(root, cpu+"/intel_pstate/no_turbo")) + "," + strings.TrimSpace(read(root, cpu+"/cpufreq/boost")) {
	case "0,", ",1", "0,1":
		return "on"
	case ",":
		return ""
	}
	return "off"
}

// interesting maps the kernel's flag to the name that we print.
func interesting(flag string) string {
	switch flag {
	case "sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
		"asimd", "fphp", "i8mm", "bf16", "sve", "sve2":
		return flag
	case "asimddp":
		return "dotprod"
	}
	return ""
}

func cpuinfo(root fs.FS, m *Machine) {
	cores := map[string]bool{}
	threads, physical := 0, ""
	for line := range strings.Lines(read(root, "proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch key {
		case "processor":
			threads++
		case "model name":
			m.CPUModel = value
		case "vendor_id", "CPU implementer":
			m.Vendor = value
		case "physical id":
			physical = value
		case "core id":
			cores[physical+"/"+value] = true
		case "flags", "Features":
			if m.ISA == nil {
				m.ISA = []string{}
				for f := range strings.FieldsSeq(value) {
					m.Virtualised = m.Virtualised || f == "hypervisor"
					if name := interesting(f); name != "" {
						m.ISA = append(m.ISA, name)
					}
				}
				slices.Sort(m.ISA)
			}
		}
	}
	if threads > 0 {
		m.Threads = threads
	}
	m.Cores = len(cores)
	m.SMT = m.Cores > 0 && m.Threads > m.Cores
}

func caches(root fs.FS) map[string]string {
	out := map[string]string{}
	dirs, _ := fs.Glob(root, "sys/devices/system/cpu/cpu0/cache/index*")
	for _, d := range dirs {
		level, kind := strings.TrimSpace(read(root, path.Join(d, "level"))), strings.TrimSpace(read(root, path.Join(d, "type")))
		if level != "" && kind != "Instruction" {
			out["L"+level] = strings.TrimSpace(read(root, path.Join(d, "size")))
		}
	}
	return out
}
