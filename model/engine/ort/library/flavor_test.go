//go:build unix

package library

import (
	"archive/zip"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"infer/internal/fault"
	"infer/internal/progress"
)

// wheelPip is a pip that gives the made-up wheel of a project from the folder WHEELS, and logs what it was asked for.
const wheelPip = `[ "$1" = -I ] && exit 1
for a; do :; done
echo "$a" >> "$LOG.asked"
[ -f "$WHEELS/$a.whl" ] || { echo "ERROR: No matching distribution found for $a"; exit 1; }
cp "$WHEELS/$a.whl" "$(echo "${a%%==*}" | tr - _)-1-py3-none-any.whl"`

// addFlavor puts a flavor of two wheels on the machine: the library with a provider, and a library that the provider
// needs.
func (m *machine) addFlavor() flavor {
	m.t.Helper()
	m.mkdir("wheels")
	so := "libonnxruntime.so." + Pinned
	made := func(project, version string, take []string, files map[string][]byte) wheel {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		size := int64(0)
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for n := range files {
				if !yield(n) {
					return
				}
			}
		}) {
			f, err := z.Create(name)
			m.must(err)
			_, err = f.Write(files[name])
			m.must(err)
			size += int64(len(files[name]))
		}
		m.must(z.Close())
		m.write("wheels/"+project+"=="+version+".whl", b.Bytes())
		return wheel{project, version, "any", sha(b.Bytes()), int64(b.Len()), size, take}
	}
	f := flavor{"cuda", "onnxruntime-gpu", Pinned, map[string][]wheel{"linux/amd64": {
		made("onnxruntime-gpu", Pinned, []string{"onnxruntime/capi/" + so, "onnxruntime/capi/libonnxruntime_providers_*.so"}, map[string][]byte{
			"onnxruntime/capi/" + so:                              fakeELF(elf.EM_X86_64),
			"onnxruntime/capi/libonnxruntime_providers_shared.so": fakeELF(elf.EM_X86_64),
			"onnxruntime/capi/libonnxruntime_providers_cuda.so":   fakeELF(elf.EM_X86_64, "libcublas.so.13", "libcuda.so.1", "libm.so.6"),
			"onnxruntime/__init__.py":                             []byte("import this"),
		}),
		made("nvidia-cublas", "13.1", []string{"nvidia/*/lib/lib*.so*"}, map[string][]byte{
			"nvidia/cu13/lib/libcublas.so.13":   fakeELF(elf.EM_X86_64, "libcublasLt.so.13"),
			"nvidia/cu13/lib/libcublasLt.so.13": fakeELF(elf.EM_X86_64),
			"nvidia/cu13/lib/libcudnn.so.9":     fakeELF(elf.EM_X86_64, "libcublasLt.so.13"),
			"nvidia/cu13/include/cublas.h":      []byte("/* */"),
		}),
	}}}
	m.flavors = []flavor{f}
	return f
}

// asked returns what the pip of the machine was asked for.
func (m *machine) asked() []string {
	b, _ := os.ReadFile(m.path("log.asked"))
	return strings.Fields(string(b))
}

func TestInstallOfAFlavor(t *testing.T) {
	m := newMachine(t)
	f := m.addFlavor()
	m.program("pip", wheelPip)
	o := m.options()
	plan, err := PlanInstall(o, "cuda")
	if err != nil || len(plan.Downloads) != 2 || plan.Bytes <= 0 || plan.OnDisk <= 0 || !strings.HasPrefix(plan.Dir, m.path("cache")) {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	var mu sync.Mutex
	var phases []string
	o.Progress = func(e progress.Event) { mu.Lock(); defer mu.Unlock(); phases = append(phases, e.Phase) }
	l, err := Install(t.Context(), o, "cuda")
	if err != nil || l.Flavor != "cuda" || l.Version != Pinned || l.Selected || !slices.Equal(l.Providers, []string{"cpu", "cuda"}) {
		t.Fatalf("got %+v, %v", l, err)
	}
	var files []string
	entries, err := os.ReadDir(filepath.Dir(l.Path))
	m.must(err)
	total := int64(0)
	for _, e := range entries {
		files = append(files, e.Name())
		if info, err := e.Info(); err == nil && e.Name() != markerName {
			total += info.Size()
		}
	}
	if want := []string{markerName, "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libonnxruntime.so." + Pinned, "libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"}; !slices.Equal(files, want) || l.Bytes != total {
		t.Errorf("files %v of %d bytes, want %v; said %d", files, total, want, l.Bytes)
	}
	if !slices.ContainsFunc(phases, func(p string) bool {
		return strings.HasPrefix(p, "nvidia-cublas 13.1 (") && strings.HasSuffix(p, "through pip")
	}) {
		t.Errorf("phases %q", phases)
	}
	asked := len(m.asked())
	if again, err := Install(t.Context(), m.options(), "cuda"); err != nil || again.Path != l.Path || len(m.asked()) != asked {
		t.Errorf("a second install: %+v, %v, asked %v", again, err, m.asked())
	}
	if plan, err := PlanInstall(m.options(), "cuda"); err != nil || len(plan.Downloads) != 0 {
		t.Errorf("plan of what is there: %+v, %v", plan, err)
	}
	if leftovers, _ := filepath.Glob(m.path("cache/infer/onnxruntime/" + downloadPrefix + "*")); len(leftovers) != 0 {
		t.Errorf("leftovers %v", leftovers)
	}
	m.checkRepaired(l, f)
}

// checkRepaired damages every file in turn, behind the back of its record and not, and has them replaced.
func (m *machine) checkRepaired(l Library, f flavor) {
	m.t.Helper()
	lib := filepath.Join(filepath.Dir(l.Path), "libcudnn.so.9")
	b, err := os.ReadFile(lib)
	m.must(err)
	b[len(b)-1] ^= 1 // the size stays
	m.must(os.WriteFile(lib, b, 0o644))
	if x := findingOf(Doctor(m.t.Context(), m.options()), "integrity"); x.OK || !strings.Contains(x.Advice, "--flavor cuda") || !strings.Contains(x.Detail, "libcudnn.so.9") {
		m.t.Errorf("doctor does not see the change: %+v", x)
	}
	if _, err := Install(m.t.Context(), m.options(), "cuda"); err != nil || m.options().withDefaults().verifyFlavor(m.t.Context(), f) != nil {
		m.t.Errorf("not repaired: %v", err)
	}
	m.must(os.Remove(lib))
	o := m.options()
	o.Providers = []string{"cuda"}
	if _, err := Ensure(m.t.Context(), o); fault.KindOf(err) != fault.Unsupported {
		m.t.Errorf("a flavor without a file is used: %v", err)
	}
	found, err := Find(m.t.Context(), m.options())
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Problem, "libcudnn.so.9") {
		m.t.Errorf("found %+v, %v", found, err)
	}
}

func TestFlavorRefused(t *testing.T) {
	tests := []struct {
		name, flavor, want string
		kind               fault.Kind
		change             func(*machine, *Options)
	}{
		{"unknown", "cudda", `unknown flavor "cudda"`, fault.Usage, func(*machine, *Options) {}},
		{"offline", "cuda", "INFER_OFFLINE forbids installing onnxruntime-gpu " + Pinned, fault.Internal, func(_ *machine, o *Options) { o.Offline = true }},
		{"no build for the platform", "cuda", "no onnxruntime-gpu to install for linux/arm64", fault.Unsupported, func(_ *machine, o *Options) { o.goarch = "arm64" }},
		{"another wheel", "cuda", "nvidia-cublas 13.1 through pip: wrong checksum", fault.Internal, func(m *machine, _ *Options) { m.write("wheels/nvidia-cublas==13.1.whl", []byte("other")) }},
		{"not in the index", "cuda", "No matching distribution found for nvidia-cublas==13.1", fault.Internal, func(m *machine, _ *Options) { m.must(os.Remove(m.path("wheels/nvidia-cublas==13.1.whl"))) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			m.addFlavor()
			m.program("pip", wheelPip)
			o := m.options()
			test.change(m, &o)
			_, err := Install(t.Context(), o, test.flavor)
			if err == nil || !strings.Contains(err.Error(), test.want) || fault.KindOf(err) != test.kind || fault.HintOf(err) == "" {
				t.Errorf("error %v (kind %v, hint %q), want %q", err, fault.KindOf(err), fault.HintOf(err), test.want)
			}
			if found, _ := Find(t.Context(), m.options()); len(found) != 0 {
				t.Errorf("something was installed: %+v", found)
			}
		})
	}
}

// TestFlavorGoesOn: what was downloaded whole before an install failed is not downloaded again, unless it is damaged.
func TestFlavorGoesOn(t *testing.T) {
	m := newMachine(t)
	f := m.addFlavor()
	m.program("pip", wheelPip)
	second := m.path("wheels/nvidia-cublas==13.1.whl")
	m.must(os.Rename(second, second+".later"))
	if _, err := Install(t.Context(), m.options(), "cuda"); err == nil {
		t.Fatal("installed without its second wheel")
	}
	m.must(os.Rename(second+".later", second))
	if _, err := Install(t.Context(), m.options(), "cuda"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"onnxruntime-gpu==" + Pinned, "nvidia-cublas==13.1", "nvidia-cublas==13.1"}; !slices.Equal(m.asked(), want) {
		t.Errorf("asked for %v, want %v", m.asked(), want)
	}
	m.must(os.RemoveAll(m.path("cache")))
	o := m.options().withDefaults()
	m.write("cache/infer/onnxruntime/"+downloadPrefix+f.version+"-cuda/"+f.wheels["linux/amd64"][0].sum+".whl", []byte("half"))
	if _, err := Install(t.Context(), o, "cuda"); err != nil {
		t.Fatal(err)
	}
}

func TestTwoInstallsOfAFlavor(t *testing.T) {
	m := newMachine(t)
	m.addFlavor()
	m.program("pip", "sleep 0.2; "+wheelPip)
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			l, err := Install(context.Background(), m.options(), "cuda")
			if err == nil && l.Problem != "" {
				err = fmt.Errorf("%+v", l)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(m.asked()) != 2 {
		t.Errorf("asked for %v", m.asked())
	}
}

// TestChoiceByProvider: the first usable copy that has the asked providers, and never a flavor that nobody asked for.
func TestChoiceByProvider(t *testing.T) {
	m := newMachine(t)
	m.addFlavor()
	m.program("pip", wheelPip)
	flavored, err := Install(t.Context(), m.options(), "cuda")
	m.must(err)
	m.env["LD_LIBRARY_PATH"] = m.path("system") + ":" + m.path("intel")
	plain := m.write("system/libonnxruntime.so."+Pinned, fakeELF(elf.EM_X86_64))
	intel := m.write("intel/libonnxruntime.so.1.24.1", fakeELF(elf.EM_X86_64))
	m.write("intel/libonnxruntime_providers_openvino.so", fakeELF(elf.EM_X86_64))
	tests := []struct {
		name      string
		providers []string
		path      string // the flag
		want      string // "" is an error
		hint      string
	}{
		{"none", nil, "", plain, ""},
		{"cuda", []string{"cuda"}, "", flavored.Path, ""},
		{"upper case", []string{"CUDA"}, "", flavored.Path, ""},
		{"openvino of the system", []string{"openvino"}, "", intel, ""},
		{"both", []string{"openvino", "cuda"}, "", "", "one process has one library"},
		{"tensorrt, which is not there", []string{"tensorrt"}, "", "", "infer runtime install --flavor cuda"},
		{"one that no file tells of", []string{"xnnpack"}, "", plain, ""},
		{"the flag wins", []string{"cuda"}, plain, plain, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := m.options()
			o.Providers, o.Path = test.providers, test.path
			l, err := Ensure(t.Context(), o)
			if test.want == "" {
				if fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), test.hint) {
					t.Errorf("got %+v, %v, hint %q", l, err, fault.HintOf(err))
				}
				return
			}
			if err != nil || l.Path != test.want {
				t.Errorf("got %+v, %v, want %s", l, err, test.want)
			}
			found, err := Find(t.Context(), o)
			for _, f := range found {
				if f.Selected != (f.Path == test.want) {
					t.Errorf("Find selects otherwise: %+v", f)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	m.must(os.RemoveAll(m.path("system")))
	m.must(os.RemoveAll(m.path("intel")))
	o := m.options()
	o.Offline = true
	if l, err := Ensure(t.Context(), o); err != nil || l.Path != flavored.Path {
		t.Errorf("offline, with nothing else: %+v, %v", l, err)
	}
}

func TestDependencies(t *testing.T) {
	m := newMachine(t)
	m.addFlavor()
	m.program("pip", wheelPip)
	l, err := Install(t.Context(), m.options(), "cuda")
	m.must(err)
	dir := realPath(filepath.Dir(l.Path))
	var got []string
	for _, file := range Dependencies(l.Path, "cuda") {
		rel, _ := filepath.Rel(dir, file)
		got = append(got, rel)
	}
	if want := []string{"libcublasLt.so.13", "libcudnn.so.9", "libcublas.so.13"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: each after those that it needs", got, want)
	}
	if got := Dependencies(l.Path, "openvino"); got != nil {
		t.Errorf("of a provider that is not there: %v", got)
	}
	site := "venv/lib/python3.12/site-packages/"
	python := m.write(site+"onnxruntime/capi/libonnxruntime.so.1.30.0", fakeELF(elf.EM_X86_64))
	m.write(site+"onnxruntime/capi/libonnxruntime_providers_cuda.so", fakeELF(elf.EM_X86_64, "libcublas.so.13"))
	blas := m.write(site+"nvidia/cu13/lib/libcublas.so.13", fakeELF(elf.EM_X86_64))
	if got := Dependencies(python, "cuda"); len(got) != 1 || got[0] != realPath(blas) {
		t.Errorf("in a Python environment: %v", got)
	}
}

func TestDoctorOfAFlavor(t *testing.T) {
	m := newMachine(t)
	m.addFlavor()
	m.program("pip", wheelPip)
	_, err := Install(t.Context(), m.options(), "cuda")
	m.must(err)
	m.write("root/lib/libm.so.6", fakeELF(elf.EM_X86_64))
	o := m.options()
	o.Providers = []string{"cuda"}
	found := Doctor(t.Context(), o)
	if f := findingOf(found, "provider cuda"); f.OK || !strings.HasSuffix(f.Detail, "needs libcuda.so.1") || !strings.Contains(f.Advice, "driver") {
		t.Errorf("got %+v", f)
	}
	if f := findingOf(found, "nvidia driver"); f.OK || !strings.Contains(f.Detail, "none is loaded") {
		t.Errorf("got %+v", f)
	}
	m.write("root/lib/libcuda.so.1", fakeELF(elf.EM_X86_64))
	m.write("root/proc/driver/nvidia/version", []byte("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.20  Sun\nGCC version: 12.2.0\n"))
	provider := filepath.Join(filepath.Dir(findingPath(found)), "libonnxruntime_providers_cuda.so")
	m.must(os.WriteFile(provider, fakeELF(elf.EM_X86_64, "libcudart.so.13"), 0o644))
	if f := o.withDefaults().driver(t.Context(), provider); f.OK || !strings.Contains(f.Detail, "570.133.20 is older than 580") {
		t.Errorf("got %+v", f)
	}
	m.must(os.Remove(m.path("root/proc/driver/nvidia/version")))
	m.program("nvidia-smi", "echo 580.82.07")
	if f := o.withDefaults().driver(t.Context(), provider); !f.OK || !strings.Contains(f.Detail, "580.82.07 (needed: 580)") {
		t.Errorf("got %+v", f)
	}
}

// findingPath returns the library that a list of findings is about.
func findingPath(found []Finding) string {
	path, _, _ := strings.Cut(findingOf(found, "library").Detail, " (")
	return path
}

func TestFlavorPins(t *testing.T) {
	for _, f := range flavors() {
		for platform, wheels := range f.wheels {
			for i, w := range wheels {
				if len(w.sum) != 64 || w.bytes <= 0 || w.files <= 0 || w.tag == "" || len(w.take) == 0 {
					t.Errorf("%s for %s: %+v", f.name, platform, w)
				}
				if (i == 0) != (w.project == f.project) {
					t.Errorf("%s for %s: the library's own wheel is not the first: %s", f.name, platform, w.project)
				}
			}
		}
	}
}
