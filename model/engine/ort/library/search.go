package library

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// explicit returns the library that the user named.
func (o Options) explicit() []Library {
	if o.Path == "" {
		return nil
	}
	path := o.Path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if inside := o.in(path); len(inside) > 0 {
			path = inside[0]
		}
	}
	l := o.probe(path, SourceFlag)
	if l.Problem == unknownVersion {
		l.Problem = "" // whoever names a file vouches for it; the engine still asks the loaded library
	}
	return []Library{l}
}

// cached returns the copy that infer installed.
func (o Options) cached() []Library {
	if o.CacheDir == "" {
		return nil
	}
	path := filepath.Join(o.home(), fileName(o.goos))
	if _, err := os.Lstat(path); err != nil {
		return nil
	}
	l := o.probe(path, SourceCache)
	if err := checkMarker(o.home(), o); err != nil {
		l.Problem = err.Error()
	} else if l.Problem == unknownVersion { // a Windows library, vouched for by its record
		l.Version, l.API, l.Problem = Pinned, apiOf(Pinned), ""
	}
	return []Library{l}
}

// system returns the copies in the folders of the dynamic loader.
func (o Options) system() []Library {
	return o.probeAll(o.loaderDirs(), SourceSystem)
}

// loaderDirs returns the folders in which the dynamic loader looks, in its order.
func (o Options) loaderDirs() []string {
	var dirs []string
	switch o.goos {
	case "windows":
		return unique(filepath.SplitList(o.env("PATH")))
	case "darwin":
		dirs = append(dirs, filepath.SplitList(o.env("DYLD_LIBRARY_PATH"))...)
		dirs = append(dirs, filepath.SplitList(o.env("DYLD_FALLBACK_LIBRARY_PATH"))...)
	default:
		dirs = append(dirs, filepath.SplitList(o.env("LD_LIBRARY_PATH"))...)
		dirs = append(dirs, o.loaderConf("etc/ld.so.conf", 0)...)
		triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[o.goarch]
		if triplet != "" {
			dirs = append(dirs, o.rooted("lib", triplet), o.rooted("usr/lib", triplet))
		}
		dirs = append(dirs, o.rooted("lib64"), o.rooted("usr/lib64"), o.rooted("lib"), o.rooted("usr/lib"))
	}
	return unique(append(dirs, o.rooted("usr/local/lib"), o.rooted("opt/onnxruntime/lib")))
}

// loaderConf returns the folders that an ld.so.conf lists, its includes followed (ldconfig(8)).
func (o Options) loaderConf(file string, depth int) []string {
	text, err := os.ReadFile(filepath.Join(o.root, file))
	if err != nil || depth > 4 {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "hwcap":
		case fields[0] == "include":
			for _, pattern := range fields[1:] {
				if !filepath.IsAbs(pattern) {
					pattern = filepath.Join("/", filepath.Dir(file), pattern)
				}
				included, _ := filepath.Glob(filepath.Join(o.root, pattern))
				for _, f := range included {
					rel, _ := filepath.Rel(o.root, f)
					dirs = append(dirs, o.loaderConf(rel, depth+1)...)
				}
			}
		default:
			dirs = append(dirs, o.rooted(fields[0]))
		}
	}
	return dirs
}

// homebrew returns the copies under Homebrew's prefixes.
func (o Options) homebrew() []Library {
	var dirs []string
	for _, prefix := range unique([]string{o.env("HOMEBREW_PREFIX"), o.rooted("opt/homebrew"), o.rooted("usr/local"), o.rooted("home/linuxbrew/.linuxbrew")}) {
		dirs = append(dirs, filepath.Join(prefix, "opt", "onnxruntime", "lib"), filepath.Join(prefix, "lib"))
	}
	return o.probeAll(dirs, SourceHomebrew)
}

// python returns the copies in Python environments that can be found without running Python.
func (o Options) python() []Library {
	prefixes := []string{o.env("VIRTUAL_ENV"), o.env("CONDA_PREFIX")}
	for _, name := range []string{"python3", "python"} {
		if exe := o.lookPath(name); exe != "" {
			// the unresolved path leads to a virtual environment, the resolved one to an installation
			prefixes = append(prefixes, filepath.Dir(filepath.Dir(exe)), filepath.Dir(filepath.Dir(realPath(exe))))
		}
	}
	if home := o.env("HOME"); home != "" {
		prefixes = append(prefixes, filepath.Join(home, ".local"), filepath.Join(home, "Library", "Python", "*"))
	}
	prefixes = append(prefixes, o.rooted("usr"), o.rooted("usr/local"))
	var dirs []string
	for _, prefix := range unique(prefixes) {
		for _, packages := range []string{"lib/python3*/site-packages", "lib/python3*/dist-packages", "lib64/python3*/site-packages", "Lib/site-packages"} {
			match, _ := filepath.Glob(filepath.Join(prefix, packages, "onnxruntime", "capi"))
			dirs = append(dirs, match...)
		}
	}
	return o.probeAll(unique(dirs), SourcePython)
}

// askPython asks the python3 of the path where its packages lie: the answer for wrappers such as pyenv's, whose file
// tells nothing. It is the last look before an install.
func (o Options) askPython(ctx context.Context) ([]Library, error) {
	exe := o.lookPath("python3")
	if exe == "" {
		return nil, ctx.Err()
	}
	ctx2, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx2, exe, "-I", "-c", "import sysconfig; print(sysconfig.get_path('platlib'))")
	c.Env = o.Environ
	c.WaitDelay = time.Second
	runtime.LockOSThread() // see runClient
	defer runtime.UnlockOSThread()
	ownGroup(c)
	text, err := c.Output()
	if err != nil {
		return nil, ctx.Err() // a Python that does not work has no library to offer
	}
	dir := string(bytes.TrimSpace(text))
	if !filepath.IsAbs(dir) {
		return nil, nil
	}
	return o.probeAll([]string{filepath.Join(dir, "onnxruntime", "capi")}, SourcePython), nil
}

// node returns the copies in the node_modules folders from the working folder upwards.
func (o Options) node() []Library {
	arch := map[string]string{"amd64": "x64"}[o.goarch]
	if arch == "" {
		arch = o.goarch
	}
	system := map[string]string{"windows": "win32"}[o.goos]
	if system == "" {
		system = o.goos
	}
	var dirs []string
	for dir := o.dir; dir != ""; dir = filepath.Dir(dir) {
		match, _ := filepath.Glob(filepath.Join(dir, "node_modules", "onnxruntime-node", "bin", "napi-v*", system, arch))
		dirs = append(dirs, match...)
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return o.probeAll(dirs, SourceNode)
}

// in returns the files in dir that are named like the library, the most precisely named first.
func (o Options) in(dir string) []string {
	var patterns []string
	switch o.goos {
	case "darwin":
		patterns = []string{"libonnxruntime.*.*.*.dylib", "libonnxruntime.*.dylib", "libonnxruntime.dylib"}
	case "windows":
		patterns = []string{"onnxruntime.dll"}
	default:
		patterns = []string{"libonnxruntime.so.*.*.*", "libonnxruntime.so.*", "libonnxruntime.so"}
	}
	var files []string
	for _, p := range patterns {
		match, _ := filepath.Glob(filepath.Join(dir, p))
		files = append(files, match...)
	}
	return unique(files)
}

// probeAll returns one Library for each real file in dirs that is named like the library.
func (o Options) probeAll(dirs []string, source string) []Library {
	var out []Library
	seen := map[string]bool{}
	for _, dir := range dirs {
		for _, path := range o.in(dir) {
			if real := realPath(path); !seen[real] {
				seen[real] = true
				out = append(out, o.probe(path, source))
			}
		}
	}
	return out
}

// rooted returns the path of a folder of the machine.
func (o Options) rooted(elem ...string) string {
	return filepath.Join(append([]string{o.root}, elem...)...)
}

// lookPath returns the program that PATH leads to, "" where there is none. Entries that are not absolute are passed
// over: what lies in the working folder must not decide what is run.
func (o Options) lookPath(name string) string {
	if o.goos == "windows" {
		name += ".exe"
	}
	for _, dir := range filepath.SplitList(o.env("PATH")) {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if filepath.IsAbs(dir) && err == nil && !info.IsDir() && (o.goos == "windows" || info.Mode()&0o111 != 0) {
			return path
		}
	}
	return ""
}

// size prints a number of bytes the way downloads are spoken of.
func size(n uint64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
