package deploy

import (
	"debug/elf"
	"errors"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// programHint says where a program comes from that an image can run.
const programHint = "name a build of infer for Linux with --binary FILE"

// Program is the infer that goes into the image: an ELF program for the architecture of one of the wheels, which needs
// no newer C library than glibc ("2.41"). Errors are of kind fault.Usage.
func Program(path, glibc string, wheels []Wheel) (File, error) {
	f, err := elf.Open(path)
	if err != nil {
		return File{}, fault.New(fault.Usage, programHint, "%q is no Linux program: %w", path, err)
	}
	defer f.Close()
	arch := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine]
	if !slices.ContainsFunc(wheels, func(w Wheel) bool { return w.Platform == "linux/"+arch }) {
		return File{}, fault.New(fault.Usage, programHint, "%q is a program for %s, which no pinned ONNX Runtime is for", path, f.Machine)
	}
	needs, err := f.ImportedSymbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return File{}, fault.New(fault.Usage, programHint, "%q was built without cgo: it cannot load ONNX Runtime", path)
	}
	if err != nil {
		return File{}, fault.New(fault.Usage, programHint, "%q: %w", path, err)
	}
	for _, s := range needs {
		if v, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && newer(v, glibc) {
			return File{}, fault.New(fault.Usage, "build infer on a machine with an older C library and name it with --binary",
				"%q needs glibc %s for %s, and the image has %s", path, v, s.Name, glibc)
		}
	}
	return File{Path: "infer", From: path}, nil
}

// newer reports whether version a ("2.38") is after b. What is no number counts as 0.
func newer(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range x {
		m, _ := strconv.Atoi(x[i])
		n := 0
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m > n
		}
	}
	return false
}
