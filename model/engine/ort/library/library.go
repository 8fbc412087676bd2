// Package library owns the ONNX Runtime shared library as a file: where copies of it may lie on this machine, which of
// them can be used, how the pinned release is installed on first use, and what would go wrong with it. It never loads
// the library, so it needs no cgo.
package library

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/progress"
)

// Pinned is the ONNX Runtime release that Ensure installs.
const Pinned = "1.30.0"

// MinAPI is the oldest C API version, and so the oldest minor release 1.x, that the engine can talk to.
const MinAPI = 24

// The sources a copy may come from, in the order in which Ensure prefers them.
const (
	SourceFlag     = "flag"     // --ort-library or INFER_ORT_LIBRARY
	SourceCache    = "cache"    // installed by infer
	SourceSystem   = "system"   // a folder of the dynamic loader
	SourceHomebrew = "homebrew" // a Homebrew prefix
	SourcePython   = "python"   // the onnxruntime package of a Python environment
	SourceNode     = "node"     // onnxruntime-node in a node_modules folder
)

// Options says where to look and how to install. The zero value looks everywhere, installs to the user's cache folder
// and reports nothing.
type Options struct {
	Path     string // the library to use, or a folder with it; "" looks for one
	CacheDir string // infer's own cache folder; "" is infer/ in XDG_CACHE_HOME or in the user's cache folder
	Offline  bool   // forbids installing
	// Providers are execution providers that the library must have, "cpu" apart. Those that come as files of their own
	// (cuda, tensorrt, openvino) decide which copy is used; whether one has another shows when it is loaded.
	Providers []string
	Progress  progress.Func // hears about downloads; may be nil

	// LookupEnv reads the environment; nil is os.LookupEnv. Package clients get the same environment in Environ;
	// nil is os.Environ().
	LookupEnv func(string) (string, bool)
	Environ   []string

	goos, goarch string              // tests: another platform than this one
	root         string              // tests: a folder in place of "/" for everything that is no setting
	dir          string              // tests: the working folder
	pins         map[string]pinned   // tests: other sums
	flavors      []flavor            // tests: other wheels
	releases     string              // tests: another address of the release archives
	client       *http.Client        // tests
	facts        func() host.Machine // tests: another machine's CPU
}

// OptionsFromEnv returns the options that INFER_ORT_LIBRARY and INFER_OFFLINE set. INFER_OFFLINE is on when it is
// neither empty nor "0".
func OptionsFromEnv() Options {
	offline := os.Getenv("INFER_OFFLINE")
	return Options{Path: os.Getenv("INFER_ORT_LIBRARY"), Offline: offline != "" && offline != "0"}
}

// Cache returns the folder for what is kept between commands: libraries, and what was measured once; "" for none.
func (o Options) Cache() string { return o.withDefaults().CacheDir }

// Library is one copy of ONNX Runtime on this machine.
type Library struct {
	Path      string   `json:"path"`
	Version   string   `json:"version,omitempty"`   // "1.30.0"; "" when it cannot be told without loading the library
	API       int      `json:"api,omitempty"`       // newest C API version that it serves; 0 when Version is ""
	Source    string   `json:"source"`              // one of the Source constants
	Flavor    string   `json:"flavor,omitempty"`    // "cpu", or the accelerator that it was built for
	Providers []string `json:"providers,omitempty"` // execution providers that the files at hand hold, "cpu" first
	Bytes     int64    `json:"bytes,omitempty"`     // of the library; of an installed flavor, with all that it needs
	Selected  bool     `json:"selected"`            // Ensure would return this one
	Problem   string   `json:"problem,omitempty"`   // why it cannot be used; "" when it can
}

// Find returns every copy that is known on this machine, in the order in which Ensure tries them, the unusable ones
// too: Problem says why. At most one is Selected. A copy that several ways lead to is listed once. Find installs nothing.
func Find(ctx context.Context, o Options) ([]Library, error) {
	o = o.withDefaults()
	var found []Library
	seen := map[string]bool{}
	for _, look := range o.places() {
		libraries, err := look(ctx)
		if err != nil {
			return found, err
		}
		for _, l := range libraries {
			real := realPath(l.Path)
			if !seen[real] {
				seen[real] = true
				found = append(found, l)
			}
		}
	}
	for i := range found {
		if o.fits(found[i]) || found[i].Source == SourceFlag && found[i].Problem == "" {
			found[i].Selected = true
			break
		}
		if found[i].Source == SourceFlag {
			return found, ctx.Err() // a path that was asked for is used or refused
		}
	}
	if i := o.lastResort(found); i >= 0 && !slices.ContainsFunc(found, func(l Library) bool { return l.Selected }) {
		found[i].Selected = true
	}
	return found, ctx.Err()
}

// Ensure returns the library to use: the one at o.Path, else infer's own, else the first usable copy of the machine,
// else the pinned release, which it installs. Where o.Providers asks for more than that has, it is the first usable copy
// that has them all, infer's own flavors among them, or fault.Unsupported. Two processes may call it at once; one installs and both get the result.
// An o.Path that cannot be used is an error (fault.Usage), never passed over. Cancelling ctx ends an install and leaves
// nothing behind.
func Ensure(ctx context.Context, o Options) (Library, error) {
	o = o.withDefaults()
	for _, look := range o.places() {
		libraries, err := look(ctx)
		if err != nil {
			return Library{}, err
		}
		for _, l := range libraries {
			if o.fits(l) || l.Source == SourceFlag && l.Problem == "" {
				l.Selected = true
				return l, nil
			}
			if l.Source == SourceFlag {
				return Library{}, fault.New(fault.Usage, "pass --ort-library FILE (or INFER_ORT_LIBRARY) with a libonnxruntime of "+
					"version 1.24 or newer, or leave both out to let infer find or install one", "ONNX Runtime library %q: %s", l.Path, l.Problem)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return Library{}, err
	}
	if len(o.asked()) > 0 {
		return Library{}, o.lacking()
	}
	if flavors := o.installed(); o.lastResort(flavors) >= 0 {
		l := flavors[o.lastResort(flavors)]
		l.Selected = true
		return l, nil
	}
	return install(ctx, o)
}

// Install installs a flavor to infer's cache folder and returns it; what is already installed and intact is returned as
// it is. "" and "cpu" are the pinned release, the others are in Flavors. A flavor's downloads that are whole survive an
// install that was cut off, and the next one goes on from there. Errors: fault.Usage for an unknown flavor,
// fault.Unsupported for one without a build for this platform.
func Install(ctx context.Context, o Options, name string) (Library, error) {
	o = o.withDefaults()
	if name != "" && name != "cpu" {
		f, err := o.flavor(name)
		if err != nil {
			return Library{}, err
		}
		return o.installFlavor(ctx, f)
	}
	if l := o.cached(); len(l) > 0 && l[0].Problem == "" && checkSum(l[0].Path, o) == nil {
		l[0].Selected = o.Path == ""
		return l[0], nil
	}
	return install(ctx, o)
}

// places returns the ways to look for a copy, cheapest and most preferred first.
func (o Options) places() []func(context.Context) ([]Library, error) {
	plain := func(look func() []Library) func(context.Context) ([]Library, error) {
		return func(context.Context) ([]Library, error) { return look(), nil }
	}
	return []func(context.Context) ([]Library, error){
		plain(o.explicit), plain(o.cached), plain(o.installed), plain(o.system), plain(o.homebrew), plain(o.python), plain(o.node), o.askPython,
	}
}

// withDefaults fills what a caller left out. CacheDir stays "" where the machine has no cache folder at all.
func (o Options) withDefaults() Options {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.goos == "" {
		o.goos, o.goarch = runtime.GOOS, runtime.GOARCH
	}
	if o.root == "" {
		o.root = "/"
	}
	if o.dir == "" {
		o.dir, _ = os.Getwd()
	}
	if o.pins == nil {
		o.pins = pins()
	}
	if o.flavors == nil {
		o.flavors = flavors()
	}
	if o.releases == "" {
		o.releases = releases
	}
	if o.client == nil {
		o.client = http.DefaultClient
	}
	if o.facts == nil {
		o.facts = host.Facts
	}
	if o.CacheDir == "" {
		o.CacheDir = defaultCacheDir(o)
	}
	return o
}

func defaultCacheDir(o Options) string {
	if dir := o.env("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "infer")
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "infer")
	}
	return ""
}

func (o Options) env(name string) string {
	v, _ := o.LookupEnv(name)
	return v
}

func (o Options) platform() string { return o.goos + "/" + o.goarch }

// home returns the folder that one installed release lies in.
func (o Options) home() string {
	return filepath.Join(o.CacheDir, "onnxruntime", Pinned+"-cpu", o.goos+"-"+o.goarch)
}

// fileName is what the pinned library is called on a platform.
func fileName(goos string) string { return libraryName(goos, Pinned) }

func libraryName(goos, version string) string {
	switch goos {
	case "darwin":
		return "libonnxruntime." + version + ".dylib"
	case "windows":
		return "onnxruntime.dll"
	}
	return "libonnxruntime.so." + version
}

func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// unique returns list without its repetitions and empty strings, in order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
