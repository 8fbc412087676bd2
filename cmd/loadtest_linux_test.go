package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLoadtestFullDisk: the figures are told, nothing of the file is left, and the exit code says that it was asked for.
func TestLoadtestFullDisk(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Skip("no small file system can be mounted:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	r := infer(t, passedOn(), quick(digits, "--rps", "2000", "--samples-out", filepath.Join(dir, "samples.bin"))...)
	if r.code != 1 && r.code != 4 || r.code == 1 && !strings.Contains(r.err, "samples were not written") {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	value(t, d, "latency_p50", nil)
	if !strings.Contains(strings.Join(d.Warnings, " "), "samples were not written") {
		t.Errorf("warnings %q", d.Warnings)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
