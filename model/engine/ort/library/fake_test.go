//go:build unix

package library

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a made-up linux/amd64 machine in a temporary folder: its own root, cache, working folder and programs.
type machine struct {
	t       testing.TB
	dir     string
	env     map[string]string
	pins    map[string]pinned
	flavors []flavor
	wheel   string // a made-up wheel whose sums are pinned
	npm     string // a made-up npm tarball, likewise
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := openMachine(t, t.TempDir())
	for _, d := range []string{"root", "bin", "work"} {
		m.mkdir(d)
	}
	return m
}

// openMachine opens the machine in dir, which another process may have made.
func openMachine(t testing.TB, dir string) *machine {
	t.Helper()
	m := &machine{t: t, dir: dir, env: map[string]string{"XDG_CACHE_HOME": filepath.Join(dir, "cache")}}
	library := fakeELF(elf.EM_X86_64)
	so := fileName("linux")
	m.wheel, m.npm = filepath.Join(dir, "made.whl"), filepath.Join(dir, "made.tgz")
	if _, err := os.Stat(m.wheel); err != nil {
		m.must(os.WriteFile(m.wheel, zipOf(t, "onnxruntime/capi/"+so, library), 0o644))
		m.must(os.WriteFile(m.npm, tgzOf(t, "package/bin/napi-v6/linux/x64/libonnxruntime.so.1", library), 0o644))
	}
	pin := func(file, name, entry string) download {
		b, err := os.ReadFile(file)
		m.must(err)
		return download{name, sha(b), int64(len(b)), []member{{entry, so, sha(library), int64(len(library))}}}
	}
	m.pins = map[string]pinned{"linux/amd64": {
		tag: "manylinux_2_28_x86_64", wheel: pin(m.wheel, "onnxruntime-1.30.0-x.whl", "onnxruntime/capi/"+so),
		npm:     pin(m.npm, "onnxruntime-node-1.30.0.tgz", "package/bin/napi-v6/linux/x64/libonnxruntime.so.1"),
		release: download{name: "onnxruntime-linux-x64-1.30.0.tgz", files: []member{{entry: "x", name: so}}},
	}}
	return m
}

func (m *machine) options() Options {
	env := map[string]string{"PATH": m.path("bin")}
	for k, v := range m.env {
		env[k] = v
	}
	return Options{
		LookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		// the made-up programs are shell scripts and need the real sh, cp and sleep
		Environ: []string{"PATH=/usr/bin:/bin", "WHEEL=" + m.wheel, "NPM=" + m.npm, "WHEELS=" + m.path("wheels"), "LOG=" + m.path("log")},
		goos:    "linux", goarch: "amd64", root: m.path("root"), dir: m.path("work"), pins: m.pins, flavors: m.flavors,
		releases: "http://127.0.0.1:1/",
	}
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) path(p string) string { return filepath.Join(m.dir, filepath.FromSlash(p)) }

func (m *machine) mkdir(p string) {
	m.t.Helper()
	m.must(os.MkdirAll(m.path(p), 0o755))
}

func (m *machine) write(p string, b []byte) string {
	m.t.Helper()
	m.mkdir(filepath.ToSlash(filepath.Dir(filepath.FromSlash(p))))
	m.must(os.WriteFile(m.path(p), b, 0o644))
	return m.path(p)
}

// program puts a shell script on the machine's path. It logs its name and first argument before body runs.
func (m *machine) program(name, body string) {
	m.t.Helper()
	m.must(os.WriteFile(m.path("bin/"+name), []byte("#!/bin/sh\necho "+name+" $1 >> \"$LOG\"\n"+body+"\n"), 0o755))
}

const (
	goodPip   = `[ "$1" = -I ] && exit 1; cp "$WHEEL" onnxruntime-1.30.0-cp312-x.whl`
	goodNPM   = `cp "$NPM" onnxruntime-node-1.30.0.tgz`
	brokenPip = `echo junk > onnxruntime-1.30.0-cp312-x.whl`
)

// calls returns the programs that were run.
func (m *machine) calls() []string {
	b, _ := os.ReadFile(m.path("log"))
	return strings.Fields(strings.ReplaceAll(strings.TrimSpace(string(b)), " ", "_"))
}

// cached returns the libraries in the cache, and what an install left half done.
func (m *machine) cached() (libraries, leftovers []string) {
	_ = filepath.WalkDir(m.path("cache"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(d.Name(), "libonnxruntime.so") {
			libraries = append(libraries, p)
		}
		if err == nil && strings.HasPrefix(d.Name(), stagePrefix) {
			leftovers = append(leftovers, p)
		}
		return nil
	})
	return libraries, leftovers
}

// fakeELF returns a shared library with nothing in it but one loadable segment and the names of what it needs.
func fakeELF(arch elf.Machine, needs ...string) []byte {
	const head, phdr, shdr, load = 64, 56, 64, 4096
	names := []byte{0}
	var dynamic bytes.Buffer
	put := func(b *bytes.Buffer, v any) { _ = binary.Write(b, binary.LittleEndian, v) }
	for _, n := range needs {
		put(&dynamic, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: uint64(len(names))})
		names = append(append(names, n...), 0)
	}
	put(&dynamic, elf.Dyn64{})
	namesAt := uint64(head + phdr + 3*shdr)
	dynamicAt := namesAt + uint64(len(names))
	var b bytes.Buffer
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(arch), Version: 1, Phoff: head, Shoff: head + phdr,
		Ehsize: head, Phentsize: phdr, Phnum: 1, Shentsize: shdr, Shnum: 3, Shstrndx: 1,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	put(&b, h)
	put(&b, elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: load, Memsz: load})
	put(&b, elf.Section64{})
	put(&b, elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names))})
	put(&b, elf.Section64{Type: uint32(elf.SHT_DYNAMIC), Off: dynamicAt, Size: uint64(dynamic.Len()), Link: 1, Entsize: 16})
	b.Write(names)
	b.Write(dynamic.Bytes())
	return append(b.Bytes(), make([]byte, load-b.Len())...)
}

func zipOf(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tgzOf(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sha(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
