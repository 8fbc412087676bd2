//go:build cgo && !windows

package ort_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/engine/ort"
	"infer/model/tensor"
)

func TestLoad(t *testing.T) {
	rt := enginetest.Runtime(t)
	if !strings.HasPrefix(rt.Version(), "1.") || !slices.Contains(rt.Providers(), "cpu") {
		t.Fatalf("version %q, providers %q", rt.Version(), rt.Providers())
	}
	again, err := ort.Load(ort.LoadOptions{Path: rt.Path()})
	if err != nil || again != rt {
		t.Fatalf("second load: got %v, want the same runtime", err)
	}
	other := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(other, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{other, filepath.Join(t.TempDir(), "none.so")} {
		if _, err := ort.Load(ort.LoadOptions{Path: path}); fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, hint %q", path, err, fault.HintOf(err))
		}
	}
	if os.Getenv("ORT_DISABLE_TELEMETRY") != "1" {
		t.Error("telemetry is not off")
	}
}

// TestLoadNoLibrary loads, in a process that has no library yet, a file that is none.
func TestLoadNoLibrary(t *testing.T) {
	if path := os.Getenv("INFER_TEST_LOAD"); path != "" {
		_, err := ort.Load(ort.LoadOptions{Path: path})
		if fault.KindOf(err) != fault.Unsupported || strings.Contains(err.Error(), "\n") {
			t.Fatalf("got %v", err)
		}
		return
	}
	file := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(file, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := []string{file, t.TempDir()}
	if libc, err := filepath.EvalSymlinks("/lib/x86_64-linux-gnu/libm.so.6"); err == nil {
		paths = append(paths, libc)
	}
	for _, path := range paths {
		c := exec.Command(os.Args[0], "-test.run=^TestLoadNoLibrary$")
		c.Env = append(os.Environ(), "INFER_TEST_LOAD="+path)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
}

func TestProviders(t *testing.T) {
	rt := enginetest.Runtime(t)
	if _, err := rt.Provider("warp"); fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "openvino") {
		t.Errorf("unknown provider: got %v, hint %q", err, fault.HintOf(err))
	}
	absent := ""
	for _, name := range []string{"cuda", "openvino", "coreml", "qnn"} {
		if !slices.Contains(rt.Providers(), name) {
			absent = name
		}
	}
	spec := func(names ...string) (specs []engine.ProviderSpec) {
		for _, n := range names {
			specs = append(specs, engine.ProviderSpec{Name: n})
		}
		return specs
	}
	for _, test := range []struct {
		name      string
		providers []engine.ProviderSpec
		kind      fault.Kind // of the error; Gate for none
		warnings  int
	}{
		{"cpu", spec("cpu"), fault.Gate, 0},
		{"absent", spec(absent), fault.Unsupported, 0},
		{"absent, then cpu", spec(absent, "cpu"), fault.Gate, 1},
		{"cpu, then absent", spec("cpu", absent), fault.Gate, 1},
		{"unknown, then cpu", spec("warp", "cpu"), fault.Usage, 0},
		{"options of cpu", []engine.ProviderSpec{{Name: "cpu", Options: map[string]string{"x": "y"}}}, fault.Usage, 0},
		{"azure alone", spec("azure"), fault.Unsupported, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cpu, err := rt.Provider("cpu")
			if err != nil {
				t.Fatal(err)
			}
			s, err := cpu.Open(t.Context(), enginetest.Add(2), engine.Config{Providers: test.providers, Threads: 1})
			if test.kind != fault.Gate {
				if err == nil || fault.KindOf(err) != test.kind || fault.HintOf(err) == "" {
					t.Fatalf("got %v, hint %q", err, fault.HintOf(err))
				}
				t.Logf("error: %v; hint: %s", err, fault.HintOf(err))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if w := s.(ort.Session).Warnings(); len(w) != test.warnings {
				t.Fatalf("warnings: %q", w)
			}
		})
	}
}

// TestBuffers counts the C buffers of bound runs: reused by size class, all freed in the end.
func TestBuffers(t *testing.T) {
	rt := enginetest.Runtime(t)
	before := rt.Buffers()
	s, err := enginetest.CPU(t).Open(t.Context(), enginetest.Add("n"), engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	bind := func(n int64) engine.Bound {
		x, err := tensor.New("", tensor.Float32, tensor.Shape{n})
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.(engine.Binder).Bind(t.Context(), []tensor.Tensor{x, x})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for n := range int64(10) { // 4·9 bytes and less: one class
		bind(n).Close()
	}
	if got := rt.Buffers() - before; got != 3 {
		t.Errorf("after ten bound runs: %d buffers, want those of one", got)
	}
	late := bind(1000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rt.Buffers() - before; got != 3 {
		t.Errorf("after Close: %d buffers, want those of the open bound run", got)
	}
	late.Close()
	if got := rt.Buffers() - before; got != 0 {
		t.Errorf("in the end: %d buffers are left", got)
	}
	last := 0
	for n := range 1 << 14 {
		c := ort.SizeClass(n)
		if c < n || c%64 != 0 || c < last || n > 256 && 4*c > 5*n+256 {
			t.Fatalf("size class of %d is %d", n, c)
		}
		last = c
	}
}

// TestShimIndices compiles a check of shim.c's places in the function table against the header that onnxruntime_go
// pins. It needs the module and a C compiler.
func TestShimIndices(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler cc")
	}
	shim, err := os.ReadFile("shim.c")
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(string(shim), "};")
	places := regexp.MustCompile(`(?m)^\t(\w+) = (\d+),$`).FindAllStringSubmatch(list, -1)
	if len(places) < 30 {
		t.Fatalf("found %d places in shim.c", len(places))
	}
	var check strings.Builder
	check.WriteString("#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n")
	for _, p := range places {
		check.WriteString("_Static_assert(offsetof(OrtApi, " + p[1] + ") == " + p[2] + " * sizeof(void *), \"" + p[1] + "\");\n")
	}
	c := exec.Command(cc, "-std=c11", "-fsyntax-only", "-I", strings.TrimSpace(string(dir)), "-xc", "-")
	c.Stdin = strings.NewReader(check.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
