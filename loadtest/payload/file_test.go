//go:build unix

package payload

import (
	"path/filepath"
	"syscall"
	"testing"

	"infer/internal/wire"
	"infer/model/tensor"
)

// TestSpecialFiles: what is no regular file is refused before it is opened: that of a pipe would wait for a writer, and
// /dev/zero has no end.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	folder := filepath.Dir(write(t, dir, "bodies/a.json", "1"))
	pipe("bodies", "b.json")
	expected := filepath.Dir(write(t, dir, "golden/expected/x", "1"))
	pipe("golden", "expected", "Y.npy")
	in := []wire.Port{{Name: "X", DType: tensor.Float32, Shape: []int64{1}}}
	set, err := FromPorts(in, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"body device":     func() error { _, _, err := ReadBodies("/dev/zero", nil, Options{}); return err },
		"body pipe":       func() error { _, _, err := ReadBodies(pipe("p"), nil, Options{}); return err },
		"body template":   func() error { _, _, err := ReadBodies(pipe("p.json.tmpl"), nil, Options{}); return err },
		"body folder":     func() error { _, _, err := ReadBodies(folder, nil, Options{}); return err },
		"body pattern":    func() error { _, _, err := ReadBodies(filepath.Join(folder, "b*"), nil, Options{}); return err },
		"golden body":     func() error { _, err := GoldenBodies("/dev/zero", 1); return err },
		"golden device":   func() error { _, err := Golden("/dev/zero", set, nil); return err },
		"golden array":    func() error { _, err := Golden(pipe("a.npy"), set, nil); return err },
		"golden archive":  func() error { _, err := Golden(pipe("a.npz"), set, nil); return err },
		"golden folder":   func() error { _, err := Golden(filepath.Dir(expected), set, nil); return err },
		"golden of perf":  func() error { _, err := Golden(pipe("a.json"), set, nil); return err },
		"perf_analyzer":   func() error { _, err := FromPerfAnalyzer(pipe("b.json"), in, nil, Options{}); return err },
		"folder for perf": func() error { _, err := FromPerfAnalyzer(dir, in, nil, Options{}); return err },
	} {
		t.Run(name, func(t *testing.T) { refuses(t, read(), "is no regular file") })
	}
	if IsPerfAnalyzer(pipe("c.json")) {
		t.Error("a pipe is a file of perf_analyzer")
	}
}

// TestEndless: a file that does not tell its size is read up to the limit.
func TestEndless(t *testing.T) {
	path := write(t, t.TempDir(), "big.json", "0123456789")
	if b, _, err := ReadBodies(path, nil, Options{limit: 10}); err != nil || len(b[0].Data) != 10 {
		t.Errorf("%v %v", b, err)
	}
	_, _, err := ReadBodies(path, nil, Options{limit: 9})
	refuses(t, err, "more memory than they may")
}
