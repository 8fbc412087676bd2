//go:build unix

package convert

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"infer/internal/progress"
)

// fullDisk is the environment variable of the process in which the disk is full.
const fullDisk = "INFER_TEST_FULL_DISK"

// TestDiskFull: a file that may not grow any further, as on a full disk, leaves nothing behind and the old file as it
// was.
func TestDiskFull(t *testing.T) {
	if os.Getenv(fullDisk) == "" { // in a process of its own: the limit would hit the log that go test keeps, too
		c := exec.Command(os.Args[0], "-test.run=^TestDiskFull$")
		c.Env = append(os.Environ(), fullDisk+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	k := on(t, load(t, digits), "external-data")
	if err := os.WriteFile(k.Output, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Skip(err)
	}
	signal.Ignore(syscall.SIGXFSZ) // so that the write fails instead of the process
	defer signal.Reset(syscall.SIGXFSZ)
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) }()
	k.Progress = func(e progress.Event) {
		if e.Phase == "convert" {
			small := before
			small.Cur = 4096 // the model has some 20 kB
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
				t.Error(err)
			}
		}
	}
	_, _, err := convert(t, k, quick())
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)
	if err == nil {
		t.Error("no error")
	}
	if files, _ := os.ReadDir(filepath.Dir(k.Output)); len(files) != 1 || !isOld(k.Output) {
		t.Errorf("the folder holds %v", files)
	}
}

func isOld(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && string(b) == "old"
}
