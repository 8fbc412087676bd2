package onnx

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"infer/model/tensor"
)

// sharedPages returns how many pages of files this process holds.
func sharedPages(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(b))[2])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRelease: what was read of a mapped tensor leaves memory, and can be read again.
func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux gives pages back")
	}
	const size = 32 << 20
	data := make([]byte, size+3)
	for i := range data {
		data[i] = byte(i % 251)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "w.data"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	m := outside(External{Location: "w.data", Offset: 3, Length: size}) // not at a page
	w := m.Graph.Initializers[0]
	w.DType, w.Dims = tensor.Uint8, tensor.Shape{size}
	files, err := ResolveExternal(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	sum := func() (s int) {
		v, err := w.Value()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range v.Data {
			s += int(b)
		}
		return s
	}
	before := sharedPages(t)
	first := sum()
	read := sharedPages(t)
	w.Release()
	after := sharedPages(t)
	pages := size / os.Getpagesize()
	if read-before < pages*9/10 || read-after < pages*9/10 {
		t.Errorf("%d pages before, %d when read, %d when released, of %d", before, read, after, pages)
	}
	if again := sum(); again != first {
		t.Errorf("the bytes add up to %d, and then to %d", first, again)
	}
	if err := w.SetValue(tensor.Tensor{DType: tensor.Uint8, Shape: tensor.Shape{2}, Data: []byte{1, 2}}); err != nil {
		t.Fatal(err)
	}
	w.Release() // bytes of our own stay
	if got := sum(); got != 3 {
		t.Errorf("released bytes of our own: they add up to %d", got)
	}
}
