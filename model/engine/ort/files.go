//go:build cgo && !windows

package ort

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/model/engine"
)

// files knows what was there before the library wrote files for a session.
type files struct {
	optimized string
	written   time.Time // of the optimized graph; zero where there was none
	prefix    string
	traces    map[string]bool
}

func noteFiles(c engine.Config) files {
	f := files{optimized: c.OptimizedModelPath, prefix: c.TracePrefix, traces: map[string]bool{}}
	if info, err := os.Stat(f.optimized); err == nil {
		f.written = info.ModTime()
	}
	for _, path := range f.listTraces() {
		f.traces[path] = true
	}
	return f
}

// listTraces returns the files that can be traces of the prefix: the library adds a time and ".json".
func (f files) listTraces() []string {
	if f.prefix == "" {
		return nil
	}
	dir, name := filepath.Split(f.prefix)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+"_") && strings.HasSuffix(e.Name(), ".json") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// checkWritten reports that the library did not write the optimized graph, which some of its providers do not.
func (f files) checkWritten() error {
	if f.optimized == "" {
		return nil
	}
	if info, err := os.Stat(f.optimized); err != nil || info.ModTime().Equal(f.written) {
		return fault.New(fault.Unsupported, "open the session on cpu to write the optimized graph",
			"the execution provider did not write the optimized graph to %q", f.optimized)
	}
	return nil
}

// removeNew removes what a session that could not be opened left: the library starts a trace before it reads the model.
func (f files) removeNew() {
	for _, path := range f.listTraces() {
		if !f.traces[path] {
			os.Remove(path)
		}
	}
	if info, err := os.Stat(f.optimized); f.optimized != "" && err == nil && !info.ModTime().Equal(f.written) {
		os.Remove(f.optimized)
	}
}
