//go:build unix

package deploy

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestWriteForOthers: what a container mounts is for everybody to read, whatever the umask is.
func TestWriteForOthers(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := filepath.Join(t.TempDir(), "new")
	if _, _, err := Write(dir, []File{{Path: "grafana/provisioning/x.yaml", Body: []byte("text")}}, false); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{"grafana": 0o755, "grafana/provisioning": 0o755, "grafana/provisioning/x.yaml": 0o644} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
