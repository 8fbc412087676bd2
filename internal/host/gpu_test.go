package host

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestNVIDIA(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in of nvidia-smi is a shell script")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	play := func(script string) {
		if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(says string) {
		t.Helper()
		if _, err := NVIDIA(t.Context()); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), says) || fault.HintOf(err) == "" {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	refused("there is no nvidia-smi")
	play("echo NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.; exit 9")
	refused("could not communicate with the NVIDIA driver")
	play("exit 0")
	refused("lists none")
	play("echo 'NVIDIA L4, 8.9, 580.95.05, 23034 MiB'; echo 'NVIDIA H100 80GB HBM3, 9.0, 580.95.05, [N/A]'")
	got, err := NVIDIA(t.Context())
	want := []GPU{{"NVIDIA L4", "8.9", "580.95.05", 23034 << 20}, {"NVIDIA H100 80GB HBM3", "9.0", "580.95.05", 0}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzGPUs(f *testing.F) {
	f.Add("NVIDIA L4, 8.9, 580.95.05, 23034 MiB\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, g := range parseGPUs(text) {
			if g.Name == "" {
				t.Error("a GPU without a name")
			}
		}
	})
}
