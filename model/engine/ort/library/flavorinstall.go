package library

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/progress"
)

// downloadPrefix begins the folder that keeps the downloads of a flavor until it is installed.
const downloadPrefix = ".download-"

// installFlavor puts a flavor into the cache folder, under a lock of its own, and returns it.
func (o Options) installFlavor(ctx context.Context, f flavor) (Library, error) {
	l := o.cachedFlavor(f)
	if l.Path != "" && l.Problem == "" && o.verifyFlavor(ctx, f) == nil {
		return l, nil
	}
	if o.Offline {
		return Library{}, fault.New(fault.Internal, "unset INFER_OFFLINE for one run, or "+f.help(),
			"INFER_OFFLINE forbids installing %s %s", f.project, f.version)
	}
	if o.CacheDir == "" {
		return Library{}, cacheError(errors.New("neither XDG_CACHE_HOME nor HOME is set"))
	}
	stage := filepath.Join(o.CacheDir, "onnxruntime", downloadPrefix+f.version+"-"+f.name)
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return Library{}, cacheError(err)
	}
	unlock, err := o.lock(ctx, filepath.Join(o.CacheDir, "onnxruntime", ".lock-"+f.name), f.project+" "+f.version)
	if err != nil {
		return Library{}, err
	}
	defer unlock()
	// whoever held the lock before may have installed it, and removed the folder of its downloads
	if l := o.cachedFlavor(f); l.Path != "" && l.Problem == "" && o.verifyFlavor(ctx, f) == nil {
		_ = os.Remove(stage)
		return l, nil
	}
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return Library{}, cacheError(err)
	}
	if err := o.fillFlavor(ctx, f, stage); err != nil {
		_ = os.Remove(stage) // unless it holds a whole download
		return Library{}, err
	}
	_ = os.RemoveAll(stage) // what cannot be removed takes space and nothing else
	if l = o.cachedFlavor(f); l.Path == "" || l.Problem != "" {
		return Library{}, fault.New(fault.Internal, f.help(), "%s %s was installed and cannot be used: %s", f.project, f.version, l.Problem)
	}
	return l, nil
}

// help is what else whoever cannot install a flavor can do.
func (f flavor) help() string {
	return "install it into your Python environment (pip install " + f.project + "==" + f.version +
		") or pass a copy with --ort-library FILE or INFER_ORT_LIBRARY"
}

// fillFlavor gets the wheels that the stage does not hold yet, unpacks them all and publishes the result.
func (o Options) fillFlavor(ctx context.Context, f flavor, stage string) error {
	wheels := f.wheels[o.platform()]
	work := filepath.Join(stage, "work")
	_ = os.RemoveAll(work) // of an install that was killed
	defer os.RemoveAll(work)
	var left int64
	for _, w := range wheels {
		left += w.files
		if !exists(filepath.Join(stage, w.sum+".whl")) {
			left += 2 * w.bytes // clients keep a temporary copy beside the final one
		}
	}
	if free, err := host.FreeDisk(stage); err == nil && free < uint64(left) {
		return cacheError(fmt.Errorf("%w: %s: %s free, about %s needed", syscall.ENOSPC, o.CacheDir, size(free), size(uint64(left))))
	}
	through := ""
	for _, w := range wheels {
		by, err := o.getWheel(ctx, f, w, stage, work)
		if err != nil {
			return err
		}
		if by != "" {
			through = by
		}
	}
	out := filepath.Join(work, "out")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return cacheError(err)
	}
	m := marker{Version: f.version, Flavor: f.name, Through: through}
	for _, w := range wheels {
		o.Progress.Send(progress.Event{Phase: "unpacking " + w.String()})
		files, err := unzipMatching(ctx, filepath.Join(stage, w.sum+".whl"), out, w)
		if err != nil {
			return flavorError(ctx, f, err)
		}
		m.Wheels, m.Files = append(m.Wheels, w.sum), append(m.Files, files...)
	}
	first := m.Files[slices.IndexFunc(m.Files, func(u unpacked) bool { return u.Name == libraryName(o.goos, f.version) })]
	m.File, m.SHA256, m.Bytes = first.Name, first.SHA256, first.Bytes
	err := writeMarker(out, m)
	if err == nil {
		err = publish(out, o.flavorHome(f), filepath.Join(work, "old"))
	}
	return flavorError(ctx, f, err)
}

// flavorError adds to err what was being done and what can be done.
func flavorError(ctx context.Context, f flavor, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("install %s %s: %w", f.project, f.version, ctx.Err())
	case errors.Is(err, errPublish), errors.Is(err, syscall.ENOSPC):
		return cacheError(err)
	}
	return fault.New(fault.Internal, f.help(), "install %s %s: %w", f.project, f.version, err)
}

// getWheel puts a wheel into the stage, unless it is there whole, and returns the client that it came through.
func (o Options) getWheel(ctx context.Context, f flavor, w wheel, stage, work string) (through string, err error) {
	d := download{name: w.String(), sum: w.sum, bytes: w.bytes}
	place := filepath.Join(stage, w.sum+".whl")
	if exists(place) {
		if verify(ctx, place, d) == nil {
			return "", nil
		}
		if err := os.Remove(place); err != nil {
			return "", cacheError(err)
		}
	}
	err = firstOf(ctx, w.String(), f.help(), o.pips(w.project, w.version, w.tag, d), func(i int, s source) error {
		if s.missing != "" {
			return errors.New(s.missing)
		}
		dir := filepath.Join(work, fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("%w: %w", errPublish, err)
		}
		defer os.RemoveAll(dir)
		file, err := s.get(ctx, dir)
		if err != nil {
			return err
		}
		if err := verify(ctx, file, d); err != nil {
			return err
		}
		through = s.name
		if err := os.Rename(file, place); err != nil {
			return fmt.Errorf("%w: %w", errPublish, err)
		}
		return nil
	})
	return through, err
}

// unzipMatching writes the entries of a verified wheel that are asked for to dir, side by side.
func unzipMatching(ctx context.Context, file, dir string, w wheel) ([]unpacked, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", w, err)
	}
	defer z.Close()
	var out []unpacked
	for _, pattern := range w.take {
		before := len(out)
		for _, entry := range z.File {
			if ok, _ := path.Match(pattern, entry.Name); !ok {
				continue
			}
			u, err := unzipEntry(ctx, entry, dir)
			if err != nil {
				return nil, fmt.Errorf("unpack %s of %s: %w", path.Base(entry.Name), w, err)
			}
			out = append(out, u)
		}
		if len(out) == before {
			return nil, fmt.Errorf("%s has no %s", w, pattern)
		}
	}
	return out, nil
}

func unzipEntry(ctx context.Context, entry *zip.File, dir string) (unpacked, error) {
	r, err := entry.Open()
	if err != nil {
		return unpacked{}, err
	}
	defer r.Close()
	u := unpacked{Name: path.Base(entry.Name)}
	f, err := os.OpenFile(filepath.Join(dir, u.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return u, err
	}
	defer f.Close()
	h := sha256.New()
	if u.Bytes, err = io.Copy(io.MultiWriter(f, h), reader{ctx, r}); err != nil {
		return u, err
	}
	u.SHA256 = hex.EncodeToString(h.Sum(nil))
	// after a power cut the renamed folder must not hold an empty library
	if err := f.Sync(); err != nil {
		return u, err
	}
	return u, f.Close()
}

// checkFlavor checks an installed flavor by its record: it came out of the wheels that this build of infer pins, and
// every file is there with its size. The files are not read.
func (o Options) checkFlavor(f flavor) (marker, error) {
	home := o.flavorHome(f)
	m, err := readMarker(home)
	if err != nil {
		return m, err
	}
	var want []string
	for _, w := range f.wheels[o.platform()] {
		want = append(want, w.sum)
	}
	if !slices.Equal(m.Wheels, want) || len(m.Files) == 0 {
		return m, errors.New("its install record names wheels that this infer does not know")
	}
	for _, u := range m.Files {
		info, err := os.Stat(filepath.Join(home, filepath.Base(u.Name)))
		if err != nil {
			return m, fmt.Errorf("damaged: %s: %s", u.Name, cause(err))
		}
		if info.Size() != u.Bytes {
			return m, fmt.Errorf("damaged: %s has %d bytes, %d were installed", u.Name, info.Size(), u.Bytes)
		}
	}
	return m, nil
}

// verifyFlavor reads every file of an installed flavor and compares its sum with the recorded one.
func (o Options) verifyFlavor(ctx context.Context, f flavor) error {
	m, err := o.checkFlavor(f)
	if err != nil {
		return err
	}
	for _, u := range m.Files {
		got, err := sumOf(ctx, filepath.Join(o.flavorHome(f), u.Name))
		if err != nil {
			return err
		}
		if got != u.SHA256 {
			return &mismatch{name: u.Name, want: u.SHA256, got: got}
		}
	}
	return nil
}
