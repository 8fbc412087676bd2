//go:build unix

package library

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/host"
)

func TestExplicitPath(t *testing.T) {
	good := fakeELF(elf.EM_X86_64)
	tests := []struct {
		name, file string
		content    []byte
		path       string // "" is file
		problem    string // "" can be used
		version    string
	}{
		{name: "good", file: "libonnxruntime.so.1.26.0", content: good, version: "1.26.0"},
		{name: "folder", file: "capi/libonnxruntime.so.1.30.0", content: good, path: "capi", version: "1.30.0"},
		{name: "unknown version is the user's word", file: "libonnxruntime.so", content: good},
		{name: "missing", file: "other", path: "libonnxruntime.so", problem: "no such file"},
		{name: "empty folder", file: "empty/x", path: "empty", problem: "a folder without"},
		{name: "too old", file: "libonnxruntime.so.1.23.2", content: good, problem: "version 1.23.2 is too old, 1.24 or newer is needed"},
		{name: "no library", file: "libonnxruntime.so.1.30.0", content: []byte("hello"), problem: "not a whole ELF library"},
		{name: "empty", file: "libonnxruntime.so.1.30.0", problem: "not a whole ELF library"},
		{name: "another CPU", file: "libonnxruntime.so.1.30.0", content: fakeELF(elf.EM_AARCH64), problem: "built for aarch64, this machine is amd64"},
		{name: "cut off", file: "libonnxruntime.so.1.30.0", content: good[:2000], problem: "cut off: 2000 bytes, its header promises 4096"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			m.program("pip", goodPip)
			o := m.options()
			o.Path = m.write(test.file, test.content)
			if test.path != "" {
				o.Path = m.path(test.path)
			}
			l, err := Ensure(context.Background(), o)
			if test.problem == "" {
				if err != nil || l.Source != SourceFlag || l.Version != test.version || !strings.HasPrefix(l.Path, m.dir) {
					t.Errorf("got %+v, %v", l, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.problem) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || len(m.calls()) > 0 {
				t.Errorf("error %v, kind %v, calls %v; want %q", err, fault.KindOf(err), m.calls(), test.problem)
			}
			if all, _ := Find(context.Background(), o); len(all) != 1 || all[0].Selected || all[0].Problem == "" {
				t.Errorf("found %+v", all)
			}
			if f := findingOf(Doctor(context.Background(), o), "library"); f.OK || f.Severity != SeverityError || f.Advice == "" {
				t.Errorf("doctor says %+v", f)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	good := fakeELF(elf.EM_X86_64)
	tests := []struct {
		name    string
		prepare func(*machine)
		file    string // relative to the machine
		source  string
		version string
	}{
		{"loader path", func(m *machine) { m.env["LD_LIBRARY_PATH"] = "/nowhere:" + m.path("a") }, "a/libonnxruntime.so.1.28.0", SourceSystem, "1.28.0"},
		{"ld.so.conf", func(m *machine) {
			m.write("root/etc/ld.so.conf", []byte("# folders\ninclude ld.so.conf.d/*.conf\n"))
			m.write("root/etc/ld.so.conf.d/x.conf", []byte("/opt/x/lib\n"))
		}, "root/opt/x/lib/libonnxruntime.so.1.28.0", SourceSystem, "1.28.0"},
		{"standard folder", func(*machine) {}, "root/usr/lib/x86_64-linux-gnu/libonnxruntime.so.1.24.0", SourceSystem, "1.24.0"},
		{"homebrew", func(*machine) {}, "root/home/linuxbrew/.linuxbrew/opt/onnxruntime/lib/libonnxruntime.so.1.29.1", SourceHomebrew, "1.29.1"},
		{"virtual environment", func(m *machine) {
			m.env["VIRTUAL_ENV"] = m.path("venv")
			m.mkdir("venv/lib/python3.12/site-packages/onnxruntime_gpu-1.27.3.dist-info")
		}, "venv/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so", SourcePython, "1.27.3"},
		{"user packages", func(m *machine) { m.env["HOME"] = m.path("home") }, "home/.local/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0", SourcePython, "1.30.0"},
		{"beside the Python of the path", func(m *machine) { m.program("python3", "exit 1") }, "lib/python3.13/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0", SourcePython, "1.30.0"},
		{"where Python says", func(m *machine) { m.program("python3", "echo "+m.path("far/site-packages")) }, "far/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0", SourcePython, "1.30.0"},
		{"node_modules above", func(m *machine) {
			m.write("node_modules/onnxruntime-node/package.json", []byte(`{"name": "onnxruntime-node", "version": "1.26.0"}`))
		}, "node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1", SourceNode, "1.26.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			test.prepare(m)
			file := m.write(test.file, good)
			l, err := Ensure(context.Background(), m.options())
			if err != nil || l.Path != file || l.Source != test.source || l.Version != test.version {
				t.Errorf("got %+v, %v", l, err)
			}
		})
	}
}

func TestFindOrder(t *testing.T) {
	m := newMachine(t)
	good := fakeELF(elf.EM_X86_64)
	m.env["LD_LIBRARY_PATH"] = m.path("old") + ":" + m.path("new")
	m.env["VIRTUAL_ENV"] = m.path("venv")
	old := m.write("old/libonnxruntime.so.1.20.0", good)
	recent := m.write("new/libonnxruntime.so.1.30.0", good)
	m.must(os.Symlink(recent, m.path("new/libonnxruntime.so")))
	m.write("new/libonnxruntime_providers_cuda.so", good)
	unknown := m.write("venv/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so", good)
	got, err := Find(context.Background(), m.options())
	if err != nil {
		t.Fatal(err)
	}
	want := []Library{
		{Path: old, Version: "1.20.0", API: 20, Source: SourceSystem, Flavor: "cpu", Problem: "version 1.20.0 is too old, 1.24 or newer is needed"},
		{Path: recent, Version: "1.30.0", API: 30, Source: SourceSystem, Flavor: "cuda", Selected: true},
		{Path: unknown, Source: SourcePython, Flavor: "cpu", Problem: unknownVersion},
	}
	if len(got) != len(want) {
		t.Fatalf("found %+v", got)
	}
	for i, w := range want {
		g := got[i]
		providers := strings.Join(g.Providers, " ")
		g.Providers = nil
		if g.Path != w.Path || g.Version != w.Version || g.API != w.API || g.Source != w.Source || g.Flavor != w.Flavor || g.Selected != w.Selected || g.Problem != w.Problem {
			t.Errorf("found %+v, want %+v", g, w)
		}
		if want := strings.TrimSuffix("cpu "+w.Flavor, " cpu"); providers != want {
			t.Errorf("%s: providers %q, want %q", g.Path, providers, want)
		}
	}
	// infer's own copy comes before all of them
	m.program("pip", goodPip)
	if _, err := Install(context.Background(), m.options(), "cpu"); err != nil {
		t.Fatal(err)
	}
	if got, _ := Find(context.Background(), m.options()); len(got) != 4 || got[0].Source != SourceCache || !got[0].Selected || got[2].Selected {
		t.Errorf("after an install: %+v", got)
	}
}

func TestDoctor(t *testing.T) {
	m := newMachine(t)
	m.env["LD_LIBRARY_PATH"] = m.path("lib")
	m.write("lib/libonnxruntime.so.1.30.0", fakeELF(elf.EM_X86_64, "libm.so.6"))
	m.write("lib/libonnxruntime_providers_cuda.so", fakeELF(elf.EM_X86_64, "libonnxruntime_providers_shared.so", "libcublasLt.so.12", "libm.so.6"))
	m.write("lib/libonnxruntime_providers_shared.so", fakeELF(elf.EM_X86_64))
	m.write("root/lib/libm.so.6", fakeELF(elf.EM_X86_64))
	o := m.options()
	o.facts = func() host.Machine {
		return host.Machine{ISA: []string{"avx2", "avx512_vnni", "fma"}, CPUs: host.CPUs{Count: 1, Quota: 0.5, Affinity: 4}}
	}
	found := Doctor(context.Background(), o)
	for name, want := range map[string]Finding{
		"library": fine("library", "(system)"), "version": fine("", "1.30.0, C API 30"), "integrity": fine("", "not a build that infer pins"),
		"dependencies": fine("", "everything"), "glibc": bad("", "musl", "not found"), "providers": fine("", "cpu, cuda"),
		"provider cuda": warn("", "LD_LIBRARY_PATH", "libonnxruntime_providers_cuda.so needs libcublasLt.so.12"),
		"locale":        warn("", "localedef", "en_US.UTF-8"), "cpu": fine("", "avx2 avx512_vnni fma"), "cpu quota": warn("", "limit", "0.50 CPUs"),
		"package clients": fine("", "none"), "telemetry": fine("", "off"),
	} {
		got := findingOf(found, name)
		if got.OK != want.OK || got.Severity != want.Severity || !strings.Contains(got.Detail, want.Detail) || !strings.Contains(got.Advice, want.Advice) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	archive := new(bytes.Buffer)
	_ = binary.Write(archive, binary.NativeEndian, [8]uint32{0xde020109, 0, 0, 0, 0, 32, 21, 21})
	archive.WriteString("C.utf8\x00\x00en_US.utf8\x00\x00\x00")
	m.write("root/usr/lib/locale/locale-archive", archive.Bytes())
	if f := findingOf(Doctor(context.Background(), m.options()), "locale"); !f.OK {
		t.Errorf("the locale is in the archive: %+v", f)
	}
}

func TestDoctorCPU(t *testing.T) {
	const noInt8 = "int8 models gain little"
	tests := []struct {
		name, goarch string
		isa          []string
		cpus         host.CPUs
		cpu, quota   Finding
	}{
		{"not told", "amd64", nil, host.CPUs{Affinity: 8}, fine("", "amd64, its features cannot be told"), fine("", "none; 8 CPUs")},
		{"no avx2", "amd64", []string{"avx", "sse4_1"}, host.CPUs{Quota: 0.25, Affinity: 8}, warn("", "AVX2", "without avx2"), warn("", "limit", "0.25 CPUs")},
		{"no vnni", "amd64", []string{"avx2", "avx512f"}, host.CPUs{Quota: 1, Affinity: 1}, fine("", noInt8), fine("", "1.00, 1 CPUs")},
		{"vnni", "amd64", []string{"avx2", "avx_vnni"}, host.CPUs{Quota: 2.5, Affinity: 4}, fine("", "avx2 avx_vnni"), fine("", "2.50 of 4 CPUs")},
		{"arm", "arm64", []string{"asimd"}, host.CPUs{Quota: 8, Affinity: 4}, fine("", noInt8), fine("", "8.00, 4 CPUs")},
		{"arm with dot products", "arm64", []string{"asimd", "dotprod"}, host.CPUs{Affinity: 4}, fine("", "asimd dotprod"), fine("", "none; 4 CPUs")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := newMachine(t).options()
			o.goarch = test.goarch
			o.facts = func() host.Machine { return host.Machine{ISA: test.isa, CPUs: test.cpus} }
			found := Doctor(context.Background(), o)
			for name, want := range map[string]Finding{"cpu": test.cpu, "cpu quota": test.quota} {
				got := findingOf(found, name)
				if got.OK != want.OK || got.Severity != want.Severity || !strings.Contains(got.Detail, want.Detail) || !strings.Contains(got.Advice, want.Advice) {
					t.Errorf("%s: got %+v, want %+v", name, got, want)
				}
				if want.Detail != noInt8 && strings.Contains(got.Detail, noInt8) {
					t.Errorf("%s: got %q", name, got.Detail)
				}
			}
		})
	}
}

func findingOf(found []Finding, name string) Finding {
	for _, f := range found {
		if f.Name == name {
			return f
		}
	}
	return Finding{}
}

func TestDoctorWithoutALibrary(t *testing.T) {
	o := newMachine(t).options()
	if f := findingOf(Doctor(context.Background(), o), "library"); f.OK || f.Severity != SeverityWarning || !strings.Contains(f.Advice, "infer runtime install") {
		t.Errorf("got %+v", f)
	}
	o.Offline = true
	if f := findingOf(Doctor(context.Background(), o), "library"); f.OK || f.Severity != SeverityError || !strings.Contains(f.Advice, "INFER_OFFLINE") {
		t.Errorf("offline: got %+v", f)
	}
}

func TestCondense(t *testing.T) {
	tests := []struct{ name, output, want string }{
		{"nothing", "", ""},
		{"last line", "one\ntwo\n\n", "two"},
		{"pip's error before its notes", "Looking in indexes\nERROR: No matching distribution found for onnxruntime==1.30.0\n[notice] a new release\n", "ERROR: No matching distribution found for onnxruntime==1.30.0"},
		{"addresses and hosts", "ERROR: HTTPSConnectionPool(host='index.example.org', port=443) https://u:p@index.example.org/simple a.whl", "ERROR: HTTPSConnectionPool(host='(host)', port=443) (address) a.whl"},
		{"older npm", "npm ERR! code E404\nnpm ERR! 404\n", "npm ERR! code E404"},
		{"npm", "npm error code ENOTFOUND\nnpm error network request failed\nnpm error A complete log of this run can be found in: /x\n", "npm error code ENOTFOUND"},
		{"long", strings.Repeat("é", 150), strings.Repeat("é", 100) + "…"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := condense(test.output); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPins(t *testing.T) {
	for platform, p := range pins() {
		goos, _, _ := strings.Cut(platform, "/")
		if (p.tag == "") != (p.wheel.name == "") || !strings.Contains(p.wheel.name, p.tag) {
			t.Errorf("%s: tag %q, wheel %q", platform, p.tag, p.wheel.name)
		}
		for _, d := range []download{p.wheel, p.npm} {
			for _, m := range append([]member{{sum: d.sum, bytes: d.bytes}}, d.files...) {
				if raw, err := hex.DecodeString(m.sum); d.name != "" && (err != nil || len(raw) != 32 || m.bytes <= 0) {
					t.Errorf("%s: %s %s: sum %q, %d bytes", platform, d.name, m.entry, m.sum, m.bytes)
				}
			}
			if d.name != "" && d.files[0].name != fileName(goos) {
				t.Errorf("%s: %s gives %s first", platform, d.name, d.files[0].name)
			}
		}
		if p.release.name != "" && p.release.files[0].entry != strings.TrimSuffix(p.release.name, ".tgz")+"/lib/"+fileName(goos) {
			t.Errorf("%s: release entry %q", platform, p.release.files[0].entry)
		}
	}
}

func TestDefaultCacheDir(t *testing.T) {
	o := Options{LookupEnv: func(string) (string, bool) { return "relative", true }}
	if dir := o.withDefaults().CacheDir; strings.HasPrefix(dir, "relative") {
		t.Errorf("a relative XDG_CACHE_HOME is to be ignored, got %q", dir)
	}
	o.LookupEnv = func(string) (string, bool) { return "/x", true }
	if dir := o.withDefaults().CacheDir; dir != filepath.Join("/x", "infer") {
		t.Errorf("got %q", dir)
	}
	o = newMachine(t).options()
	o.LookupEnv = func(string) (string, bool) { return "", false }
	for _, name := range []string{"HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	if _, err := Ensure(context.Background(), o); err == nil || !strings.Contains(err.Error(), "neither XDG_CACHE_HOME nor HOME is set") || !strings.Contains(fault.HintOf(err), "--ort-library") {
		t.Errorf("no home: %v", err)
	}
}
