//go:build unix

package sample

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"infer/internal/fault"
)

// TestOpenSpecial: a pipe is refused before it is opened, which would wait for its writer.
func TestOpenSpecial(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if IsFile(pipe) || IsFile("/dev/zero") {
		t.Error("a pipe or a device is a file of samples")
	}
	if _, err := Open(pipe); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}
