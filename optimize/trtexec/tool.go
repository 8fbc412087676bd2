package trtexec

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
)

// installHint says where the tool comes from.
const installHint = "trtexec is part of NVIDIA's TensorRT archive and its Debian package libnvinfer-bin, not of the Python wheels; " +
	"give its place with --trtexec, or leave out --via trtexec"

// Tool is a trtexec that was found and asked what it is.
type Tool struct {
	Path    string
	Version Version
	flags   map[string]bool // that --help lists
}

// Has reports whether the tool lists a flag, such as "--timingCacheFile".
func (t *Tool) Has(flag string) bool { return t.flags[flag] }

// places are where NVIDIA's packages put the tool outside of PATH.
var places = []string{"/usr/src/tensorrt/bin/trtexec", "/opt/tensorrt/bin/trtexec"}

// Find returns the path of trtexec: the one given, else of PATH, else of where NVIDIA's packages put it.
// A missing tool is a fault.Usage error where a path was given, otherwise fault.Unsupported.
func Find(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fault.New(fault.Usage, installHint, "--trtexec %q: %w", path, bare(err))
		}
		return found, nil
	}
	for _, p := range append([]string{"trtexec"}, places...) {
		if found, err := exec.LookPath(p); err == nil {
			return found, nil
		}
	}
	return "", fault.New(fault.Unsupported, installHint, "trtexec is not on this machine")
}

// bare drops the path from an error of looking it up.
func bare(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err
}

// probeTime is how long --help may take: it loads no model, but on the first call megabytes of libraries.
const probeTime = time.Minute

var flagName = regexp.MustCompile(`(?m)^\s{0,4}(--[A-Za-z0-9]+)`)

// Probe asks the tool at path, as Find returns it, for its help, and tells its version from that. Releases before 10
// are refused (fault.Unsupported), and so is what is no trtexec or does not start.
func Probe(ctx context.Context, path string) (*Tool, error) {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var text strings.Builder
	keep := func(line string) {
		if text.Len() < 1<<20 {
			text.WriteString(line + "\n")
		}
	}
	if err := child.Lines(limited, []string{path, "--help"}, nil, keep); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, explain(strings.Split(text.String(), "\n"), err, "ask "+filepath.Base(path)+" for its help")
	}
	t := &Tool{Path: path, flags: map[string]bool{}}
	for _, m := range flagName.FindAllStringSubmatch(text.String(), -1) {
		t.flags[m[1]] = true
	}
	if !t.Has("--saveEngine") || !t.Has("--onnx") {
		return nil, fault.New(fault.Unsupported, installHint, "%q is no trtexec: its help lists no --onnx and --saveEngine", path)
	}
	known := false
	if t.Version, known = readVersion(text.String()); !known {
		t.Version = t.guess()
	}
	if t.Version.Major < 10 {
		return nil, fault.New(fault.Unsupported, "install TensorRT 10 or newer", "%q is of TensorRT %s, which is too old", path, t.Version)
	}
	return t, nil
}

// guess tells the major version from the flags: 11 took away those that choose a precision, 10 the implicit batch.
func (t *Tool) guess() Version {
	switch {
	case !t.Has("--fp16"):
		return Version{Major: 11}
	case t.Has("--stripWeights") && !t.Has("--workspace"):
		return Version{Major: 10}
	}
	return Version{Major: 8}
}

// check reports flags of a command line that the tool does not list.
func (t *Tool) check(args []string) error {
	var missing []string
	for _, a := range args {
		if name, _, _ := strings.Cut(a, "="); !t.Has(name) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.Unsupported, "leave out what needs it, or take a newer TensorRT", "trtexec of TensorRT %s does not know %s", t.Version, strings.Join(missing, ", "))
	}
	return nil
}
