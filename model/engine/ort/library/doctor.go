package library

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"infer/internal/fault"
	"infer/internal/host"
)

// The severities of a finding that is not OK; one that is OK has SeverityInfo.
const (
	SeverityError   = "error"   // nothing will run
	SeverityWarning = "warning" // something will be missing, slow or fail later
	SeverityInfo    = "info"    // a fact
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	Name     string `json:"name"` // "library", "glibc", "provider cuda", …
	OK       bool   `json:"ok"`
	Severity string `json:"severity"`         // one of the Severity constants
	Detail   string `json:"detail"`           // what is so
	Advice   string `json:"advice,omitempty"` // what to do about it; "" where nothing needs doing
}

func fine(name, format string, args ...any) Finding {
	return Finding{Name: name, OK: true, Severity: SeverityInfo, Detail: fmt.Sprintf(format, args...)}
}

func warn(name, advice, format string, args ...any) Finding {
	return Finding{Name: name, Severity: SeverityWarning, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

func bad(name, advice, format string, args ...any) Finding {
	f := warn(name, advice, format, args...)
	f.Severity = SeverityError
	return f
}

// Doctor looks for what would go wrong with the library that Ensure would use on this machine: the file and what it
// depends on, the providers beside it, the locale, the CPU, its quota, and what an install would need. It loads and
// installs nothing, and it reads the whole library. A cancelled ctx cuts the list short.
func Doctor(ctx context.Context, o Options) []Finding {
	o = o.withDefaults()
	libraries, err := Find(ctx, o)
	if err != nil {
		return nil
	}
	var found []Finding
	selected := -1
	for i, l := range libraries {
		if l.Selected {
			selected = i
		}
	}
	if selected >= 0 {
		found = append(found, o.examine(ctx, libraries[selected])...)
	} else {
		found = append(found, o.noLibrary(libraries))
	}
	for i, l := range libraries {
		if i != selected && l.Problem == "" && l.Source == SourceCache && l.Flavor != "cpu" {
			found = append(found, fine("flavor "+l.Flavor, "%s, version %s, %s: used where its provider is asked for", l.Path, l.Version, size(uint64(l.Bytes))))
			found = append(found, o.integrity(ctx, l))
			found = append(found, o.accelerators(ctx, l)...)
		}
		if l.Problem != "" && (selected >= 0 || l.Source != SourceFlag) {
			found = append(found, warn("copy", unusableAdvice(l), "%s (%s) is not used: %s", l.Path, l.Source, l.Problem))
		}
	}
	here := o.facts()
	found = append(found, o.locale(), o.cpu(here.ISA), quota(here.CPUs))
	found = append(found, o.installing(selected >= 0)...)
	return append(found, fine("telemetry", "off: infer sets ORT_DISABLE_TELEMETRY=1 before it loads the library"))
}

func unusableAdvice(l Library) string {
	if l.Source == SourceCache && l.Flavor != "" && l.Flavor != "cpu" {
		return "run infer runtime install --flavor " + l.Flavor
	}
	if l.Source == SourceCache {
		return "run infer runtime install"
	}
	return "nothing, unless you want this copy: update it, or name a usable one with --ort-library FILE"
}

// noLibrary says what Ensure would do where nothing usable is here.
func (o Options) noLibrary(libraries []Library) Finding {
	if len(libraries) > 0 && libraries[0].Source == SourceFlag {
		return bad("library", "pass another file with --ort-library (or INFER_ORT_LIBRARY), or leave it out", "%s: %s", libraries[0].Path, libraries[0].Problem)
	}
	if asked := o.asked(); len(asked) > 0 {
		return bad("library", fault.HintOf(o.lacking()), "%v", o.lacking())
	}
	if o.Offline {
		return bad("library", "unset INFER_OFFLINE for one run, or "+helpYourself, "none that can be used, and INFER_OFFLINE forbids installing")
	}
	return warn("library", "run infer runtime install, or let the first use install it", "none that can be used on this machine yet")
}

// examine checks the library that would be used.
func (o Options) examine(ctx context.Context, l Library) []Finding {
	found := []Finding{fine("library", "%s (%s)", l.Path, l.Source)}
	if l.Version == "" {
		found = append(found, warn("version", "use a release that names its version, 1.24 or newer", "cannot be told without loading it"))
	} else {
		found = append(found, fine("version", "%s, C API %d (needed: %d)", l.Version, l.API, MinAPI))
	}
	found = append(found, o.integrity(ctx, l), fine("architecture", "built for %s", o.platform()))
	if o.goos == "linux" {
		found = append(found, o.glibc(l.Path))
		found = append(found, o.dependencies("dependencies", l.Path, SeverityError, nil))
	}
	providers := l.Providers
	if o.goos == "linux" {
		providers = unique(append(providers, builtin(ctx, l.Path)...))
	}
	found = append(found, fine("providers", "%s", strings.Join(providers, ", ")))
	return append(found, o.accelerators(ctx, l)...)
}

// integrity compares the library with the pinned sums.
func (o Options) integrity(ctx context.Context, l Library) Finding {
	if l.Source == SourceCache && l.Flavor != "cpu" {
		return o.flavorIntegrity(ctx, l)
	}
	got, err := sumOf(ctx, l.Path)
	if err != nil {
		return bad("integrity", "check the permissions of the file, or the disk", "%s cannot be read: %s", l.Path, cause(err))
	}
	for _, m := range o.libraries() {
		if m.sum == got {
			return fine("integrity", "sha256 %s… is that of the published %s", got[:12], Pinned)
		}
	}
	if l.Source == SourceCache {
		return bad("integrity", "run infer runtime install, which replaces it", "sha256 %s is not that of the published %s: the file was changed", got, Pinned)
	}
	return fine("integrity", "sha256 %s… is not a build that infer pins, which is normal for a %s copy", got[:12], l.Source)
}

// glibc compares what the library needs of the C library with what is here.
func (o Options) glibc(path string) Finding {
	need := newest(needed(path)["libc.so.6"], "GLIBC_")
	libc := o.resolve("libc.so.6", nil)
	if libc == "" {
		return bad("glibc", "use a distribution or container image with glibc, such as Debian or Ubuntu, instead of one with musl",
			"not found, and the library needs %s", orUnknown(need))
	}
	have := newest(provided(libc), "GLIBC_")
	if need != "" && have != "" && less(have, need) {
		return bad("glibc", "use a newer distribution or container image, or build ONNX Runtime here and pass --ort-library FILE", "%s, and the library needs %s", have, need)
	}
	return fine("glibc", "%s (needed: %s)", orUnknown(have), orUnknown(need))
}

func orUnknown(version string) string {
	if version == "" {
		return "an unknown version"
	}
	return version
}

// dependencies checks that the loader will find what an ELF file needs.
func (o Options) dependencies(name, path, severity string, more []string) Finding {
	missing, err := o.unresolved(path, more)
	if err != nil {
		return Finding{Name: name, Severity: severity, Detail: fmt.Sprintf("%s: %v", path, err), Advice: "replace the file"}
	}
	if len(missing) == 0 {
		return fine(name, "everything that %s needs is here", filepath.Base(path))
	}
	return Finding{
		Name: name, Severity: severity, Detail: fmt.Sprintf("%s needs %s", filepath.Base(path), strings.Join(missing, ", ")),
		Advice: "install the packages that hold them, or add their folders to LD_LIBRARY_PATH",
	}
}

// installing checks what an install needs: disk, a package client, permission. have says that none is needed now.
func (o Options) installing(have bool) []Finding {
	var found []Finding
	if o.CacheDir == "" {
		found = append(found, warn("cache", "set XDG_CACHE_HOME or HOME", "neither XDG_CACHE_HOME nor HOME is set"))
	} else {
		found = append(found, o.cache(have))
	}
	var clients []string
	for _, name := range []string{"python3", "pip3", "pip", "uvx", "npm"} {
		if o.lookPath(name) != "" {
			clients = append(clients, name)
		}
	}
	switch {
	case len(clients) > 0:
		found = append(found, fine("package clients", "%s", strings.Join(clients, ", ")))
	case have:
		found = append(found, fine("package clients", "none on the path; none is needed now"))
	default:
		found = append(found, warn("package clients", "install pip, uv or npm, or pass --ort-library FILE", "no pip, uvx or npm on the path"))
	}
	if o.Offline {
		found = append(found, fine("offline", "INFER_OFFLINE is set: infer installs nothing"))
	}
	return found
}

// cache checks that the cache folder, or the nearest folder above it that exists, can be written and has room.
func (o Options) cache(have bool) Finding {
	const advice = "set XDG_CACHE_HOME to a folder that can be written and has room"
	dir := o.CacheDir
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	probe, err := os.CreateTemp(dir, ".infer-*")
	if err == nil {
		probe.Close()
		err = os.Remove(probe.Name())
	}
	if err != nil {
		return o.cacheFinding(have, advice, fmt.Sprintf("%s cannot be written: %s", dir, cause(err)))
	}
	d := o.pins[o.platform()].wheel
	if free, err := host.FreeDisk(dir); err == nil && len(d.files) > 0 {
		if need := d.room(); free < need {
			return o.cacheFinding(have, advice, fmt.Sprintf("%s has %s free, an install needs about %s", dir, size(free), size(need)))
		}
		return fine("cache", "%s, %s free", o.CacheDir, size(free))
	}
	return fine("cache", "%s", o.CacheDir)
}

func (o Options) cacheFinding(have bool, advice, detail string) Finding {
	if have {
		return fine("cache", "%s; no install is needed now", detail)
	}
	return warn("cache", advice, "%s", detail)
}

// locale looks for en_US.UTF-8, without which the StringNormalizer operator fails.
func (o Options) locale() Finding {
	if o.goos != "linux" || o.hasLocale("en_US.utf8") {
		return fine("locale", "en_US.UTF-8 is here")
	}
	return warn("locale", "generate it (Debian: apt-get install locales, then localedef -i en_US -f UTF-8 en_US.UTF-8)",
		"en_US.UTF-8 is not here: models with StringNormalizer (text pipelines of scikit-learn) fail")
}

// cpu names the instructions that decide how fast the CPU provider is.
func (o Options) cpu(isa []string) Finding {
	if len(isa) == 0 {
		return fine("cpu", "%s, its features cannot be told", o.goarch)
	}
	text := strings.Join(isa, " ")
	switch {
	case o.goarch == "amd64" && !strings.Contains(text, "avx2"):
		return warn("cpu", "run on a CPU, or a virtual machine type, with AVX2", "%s: without avx2 everything is several times slower", text)
	case o.goarch == "amd64" && !strings.Contains(text, "vnni"), o.goarch == "arm64" && !strings.Contains(text, "dotprod"):
		return fine("cpu", "%s; without int8 dot products (VNNI, dotprod) int8 models gain little", text)
	}
	return fine("cpu", "%s", text)
}

// quota compares the CPU quota of the control group with the CPUs that the scheduler may place us on.
func quota(c host.CPUs) Finding {
	switch {
	case c.Quota == 0:
		return fine("cpu quota", "none; %d CPUs", c.Affinity)
	case c.Quota < 1:
		return warn("cpu quota", "raise the CPU limit of the container to a whole number", "%.2f CPUs: every run will be paused again and again", c.Quota)
	case c.Quota < float64(c.Affinity):
		return fine("cpu quota", "%.2f of %d CPUs; infer sets its threads by the quota", c.Quota, c.Affinity)
	}
	return fine("cpu quota", "%.2f, %d CPUs", c.Quota, c.Affinity)
}
