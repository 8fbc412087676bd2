// Package guard owns who may talk to the server: TLS certificates and API keys with scopes, both read again when their
// files change; and how many bytes all requests may hold together. What is wrong with a new file is logged, and the old one stays in force.
package guard

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// interval is how often files are looked at, at most. It happens when somebody asks, so that nothing runs while nobody
// does.
const interval = time.Second

// files is a value made of files, made again when one of them has changed. Safe for concurrent use.
type files[T any] struct {
	paths []string
	make  func() (*T, error)
	log   *slog.Logger
	now   func() time.Time

	value atomic.Pointer[T]
	next  atomic.Int64 // when the files are to be looked at again, in Unix nanoseconds

	mu   sync.Mutex
	seen []os.FileInfo // of what was made last, or tried to
}

// openFiles makes the value for the first time. log may be nil.
func openFiles[T any](paths []string, log *slog.Logger, make func() (*T, error)) (*files[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &files[T]{paths: paths, make: make, log: log, now: time.Now}
	f.seen, _ = stat(paths)
	v, err := make()
	if err != nil {
		return nil, err
	}
	f.value.Store(v)
	f.next.Store(f.now().Add(interval).UnixNano())
	return f, nil
}

// get returns the value of the files as they are, or were an interval ago.
func (f *files[T]) get() *T {
	if now := f.now(); now.UnixNano() >= f.next.Load() && f.mu.TryLock() {
		f.look()
		f.next.Store(now.Add(interval).UnixNano())
		f.mu.Unlock()
	}
	return f.value.Load()
}

// look makes the value again where a file has changed. A change that cannot be used is tried once. The caller holds mu.
func (f *files[T]) look() {
	found, err := stat(f.paths)
	if err != nil {
		if f.seen != nil {
			f.log.Error("a file is gone; what it said stays in force", "err", err)
			f.seen = nil
		}
		return
	}
	if same(f.seen, found) {
		return
	}
	f.seen = found
	v, err := f.make()
	if err != nil {
		f.log.Error("a changed file cannot be used; what it said before stays in force", "err", err)
		return
	}
	f.value.Store(v)
	f.log.Info("read again", "files", f.paths)
}

func stat(paths []string) ([]os.FileInfo, error) {
	list := make([]os.FileInfo, len(paths))
	for i, p := range paths {
		var err error
		if list[i], err = os.Stat(p); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func same(a, b []os.FileInfo) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}
