package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/progress"
)

const (
	stagePrefix = ".install-" // a folder of an install that is under way, or was killed
	markerName  = "installed.json"
)

// marker records what was installed, so that a later use can check it without reading the whole library.
type marker struct {
	Version string `json:"version"`
	Flavor  string `json:"flavor"`
	Through string `json:"through"` // the client that it came through
	File    string `json:"file"`
	SHA256  string `json:"sha256"`
	Bytes   int64  `json:"bytes"`

	// of a flavor: the sums of its wheels, and every file that came out of them
	Wheels []string   `json:"wheels,omitempty"`
	Files  []unpacked `json:"files,omitempty"`
}

// unpacked is a file that came out of a wheel.
type unpacked struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// install puts the pinned release into the cache folder, under a lock, and returns it.
func install(ctx context.Context, o Options) (Library, error) {
	if o.Offline {
		return Library{}, fault.New(fault.Internal, "unset INFER_OFFLINE for one run, or "+helpYourself,
			"no usable ONNX Runtime library on this machine, and INFER_OFFLINE forbids installing %s", Pinned)
	}
	if _, ok := o.pins[o.platform()]; !ok {
		return Library{}, fault.New(fault.Unsupported, "build ONNX Runtime for this platform and pass it with --ort-library FILE",
			"there is no ONNX Runtime %s to install for %s", Pinned, o.platform())
	}
	if o.CacheDir == "" {
		return Library{}, cacheError(errors.New("neither XDG_CACHE_HOME nor HOME is set"))
	}
	root := filepath.Join(o.CacheDir, "onnxruntime")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return Library{}, cacheError(err)
	}
	unlock, err := o.lock(ctx, filepath.Join(root, ".lock"), released)
	if err != nil {
		return Library{}, err
	}
	defer unlock()
	// whoever held the lock before may have installed it
	if l := o.cached(); len(l) > 0 && l[0].Problem == "" && checkSum(l[0].Path, o) == nil {
		l[0].Selected = true
		return l[0], nil
	}
	removeLeftovers(root)
	stage, err := os.MkdirTemp(root, stagePrefix)
	if err != nil {
		return Library{}, cacheError(err)
	}
	defer removeLeftovers(root) // the stage, and what the client of a killed install wrote since
	if err := o.fill(ctx, stage); err != nil {
		return Library{}, err
	}
	l := o.cached()
	if len(l) == 0 || l[0].Problem != "" {
		return Library{}, fault.New(fault.Internal, helpYourself, "ONNX Runtime %s was installed and cannot be used: %s", Pinned, problemOf(l))
	}
	l[0].Selected = true
	return l[0], nil
}

const helpYourself = "install it into your Python environment (pip install onnxruntime==" + Pinned +
	") or pass a copy with --ort-library FILE or INFER_ORT_LIBRARY"

func problemOf(l []Library) string {
	if len(l) == 0 {
		return "it is not there"
	}
	return l[0].Problem
}

// cacheError says that the cache folder cannot be used. The path is part of err.
func cacheError(err error) error {
	hint := "set XDG_CACHE_HOME to a folder that can be written, or pass --ort-library FILE"
	if errors.Is(err, syscall.ENOSPC) {
		hint = "free some disk space, set XDG_CACHE_HOME to a folder on another disk, or pass --ort-library FILE"
	}
	return fault.New(fault.Internal, hint, "cannot install ONNX Runtime to the cache folder: %w", err)
}

// lock takes the lock file of the cache folder and waits while another process has it. The kernel frees the lock of a
// process that was killed.
func (o Options) lock(ctx context.Context, path, what string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, cacheError(err)
	}
	for {
		busy, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, cacheError(fmt.Errorf("lock %s: %w", path, err))
		}
		if !busy {
			return func() { f.Close() }, nil // closing frees the lock; the file stays, or two could lock two files
		}
		o.Progress.Send(progress.Event{Phase: what, Note: "another process is installing it"})
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the install of another process: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// removeLeftovers removes what killed installs left. Only the holder of the lock may call it.
func removeLeftovers(root string) {
	match, _ := filepath.Glob(filepath.Join(root, stagePrefix+"*"))
	for _, dir := range match {
		_ = os.RemoveAll(dir) // what cannot be removed takes space and nothing else
	}
}

// fill tries the sources in order until one gives the library, and publishes that.
func (o Options) fill(ctx context.Context, stage string) error {
	return firstOf(ctx, "ONNX Runtime "+Pinned, helpYourself, o.sources(), func(i int, s source) error {
		return o.try(ctx, filepath.Join(stage, fmt.Sprint(i)), s)
	})
}

// firstOf tries sources in order until one gives what is wanted. A file with another sum than the pinned one ends it
// (see mismatch), and so does the end of ctx; any other failure leads to the next source.
func firstOf(ctx context.Context, what, hint string, sources []source, try func(i int, s source) error) error {
	var failed []string
	settled := map[string]bool{}
	for i, s := range sources {
		if settled[s.group] {
			continue
		}
		err := try(i, s)
		var bad *mismatch
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("install %s: %w", what, ctx.Err())
		case errors.As(err, &bad):
			return fault.New(fault.Internal, "the index or mirror that "+s.name+" uses does not give the published file, so infer did not use it: ask whoever "+
				"runs it, or pass a library you trust with --ort-library FILE", "%s through %s: wrong checksum: %w", what, s.name, bad)
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, errPublish):
			return cacheError(err)
		}
		settled[s.group] = isVerdict(err)
		failed = append(failed, s.name+": "+err.Error())
	}
	return fault.New(fault.Internal, hint, "cannot install %s: %s", what, strings.Join(failed, "; "))
}

var errPublish = errors.New("publish")

// try gets the download of one source into the folder work, which it makes and removes, checks, unpacks and publishes it.
func (o Options) try(ctx context.Context, work string, s source) error {
	if s.d.sum == "" {
		return fmt.Errorf("no pinned checksum for %s", s.d.name)
	}
	if s.missing != "" {
		return errors.New(s.missing)
	}
	out := filepath.Join(work, "out")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("%w: %w", errPublish, err)
	}
	defer os.RemoveAll(work)
	need := s.d.room()
	if free, err := host.FreeDisk(work); err == nil && free < need {
		return fmt.Errorf("%w: %s: %s free, about %s needed", syscall.ENOSPC, o.CacheDir, size(free), size(need))
	}
	file, err := s.get(ctx, work)
	if err != nil {
		return err
	}
	if err := verify(ctx, file, s.d); err != nil {
		return err
	}
	if err := unpack(ctx, file, out, s.d); err != nil {
		return err
	}
	m := s.d.files[0]
	if err := writeMarker(out, marker{Version: Pinned, Flavor: "cpu", Through: s.name, File: m.name, SHA256: m.sum, Bytes: m.bytes}); err != nil {
		return err
	}
	return publish(out, o.home(), filepath.Join(work, "old"))
}

func writeMarker(dir string, m marker) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, markerName), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("%w: %w", errPublish, err)
	}
	return nil
}

func readMarker(dir string) (m marker, err error) {
	text, err := os.ReadFile(filepath.Join(dir, markerName))
	if err != nil {
		return m, errors.New("its install record cannot be read")
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, errors.New("its install record is damaged")
	}
	return m, nil
}

// publish renames the finished folder to its place; what lay there before moves to old.
func publish(out, home, old string) error {
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return fmt.Errorf("%w: %w", errPublish, err)
	}
	if _, err := os.Lstat(home); err == nil {
		if err := os.Rename(home, old); err != nil {
			return fmt.Errorf("%w: %w", errPublish, err)
		}
	}
	if err := os.Rename(out, home); err != nil {
		return fmt.Errorf("%w: %w", errPublish, err)
	}
	return nil
}

// checkMarker checks the installed library by its record: the size is right and the sum is one that this build of infer
// pins. The library itself is not read.
func checkMarker(home string, o Options) error {
	m, err := readMarker(home)
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(home, fileName(o.goos)))
	if err != nil {
		return errors.New(cause(err))
	}
	for _, l := range o.libraries() {
		if l.sum == m.SHA256 && l.bytes == m.Bytes {
			if info.Size() != m.Bytes {
				return fmt.Errorf("damaged: %d bytes, %d were installed", info.Size(), m.Bytes)
			}
			return nil
		}
	}
	return errors.New("its install record names a file that this infer does not know")
}

// checkSum reads the installed library and compares its sum with the pinned ones of its platform.
func checkSum(path string, o Options) error {
	got, err := sumOf(context.Background(), path)
	if err != nil {
		return err
	}
	var want []string
	for _, l := range o.libraries() {
		if l.sum == got {
			return nil
		}
		want = append(want, l.sum)
	}
	return &mismatch{name: filepath.Base(path), want: strings.Join(want, " or "), got: got}
}
