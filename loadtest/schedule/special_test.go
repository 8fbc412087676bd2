//go:build unix

package schedule

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"infer/internal/fault"
)

// TestReadTraceSpecial: what is no regular file is refused before it is opened: that of a pipe would wait for a writer.
func TestReadTraceSpecial(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, "/dev/zero"} {
		if _, err := ReadTrace(path, 1); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
