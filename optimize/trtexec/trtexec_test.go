package trtexec

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/optimize/trtexec/fake"
)

func TestMain(m *testing.M) {
	fake.Play()
	os.Exit(m.Run())
}

var releases = []string{fake.Release10, fake.Release11}

// probe returns a stand-in that was asked what it is.
func probe(t *testing.T, release, what string) *Tool {
	t.Helper()
	tool, err := Probe(t.Context(), fake.Tool(t, release, what))
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

func TestProbe(t *testing.T) {
	for release, want := range map[string]Version{fake.Release10: {10, 16, 0}, fake.Release11: {11, 1, 0}} {
		tool := probe(t, release, fake.Works)
		if tool.Version != want {
			t.Errorf("%s: version is %s", release, tool.Version)
		}
		if tool.Has("--fp16") != (release == fake.Release10) || !tool.Has("--timingCacheFile") || tool.Has("--porridge") {
			t.Errorf("%s: flags are not those of its help", release)
		}
	}
	for what, says := range map[string]string{fake.Nothing: "no trtexec", "libraries": "libnvinfer.so.10 is not found"} {
		_, err := Probe(t.Context(), fake.Tool(t, fake.Release10, what))
		if err == nil || !strings.Contains(err.Error(), says) || fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q)", what, err, fault.HintOf(err))
		}
	}
	if _, err := Find(filepath.Join(t.TempDir(), "none")); fault.KindOf(err) != fault.Usage {
		t.Errorf("a path that is not there: %v", err)
	}
}

func TestReadVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec": {10, 13, 3},
		"&&&& RUNNING TensorRT.trtexec [TensorRT v110100] [b106] # x":     {11, 1, 0},
		"&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # x":              {8, 6, 1},
		"[11/27/2026-10:00:01] [I] TensorRT version: 10.16.1":             {10, 16, 1},
	} {
		if got, ok := readVersion(text); !ok || got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	if v, ok := readVersion("hello"); ok {
		t.Errorf("found %s in nothing", v)
	}
}

// TestGuess: without a banner the flags tell the major version.
func TestGuess(t *testing.T) {
	for _, c := range []struct {
		flags []string
		want  int
	}{{[]string{"--fp16", "--stripWeights"}, 10}, {[]string{"--stripWeights"}, 11}, {[]string{"--fp16", "--workspace", "--stripWeights"}, 8}} {
		tool := &Tool{flags: map[string]bool{}}
		for _, f := range c.flags {
			tool.flags[f] = true
		}
		if got := tool.guess(); got.Major != c.want {
			t.Errorf("%q: %d", c.flags, got.Major)
		}
	}
}

func TestArgs(t *testing.T) {
	one, _ := ParseProfile("x:1x3/8x3/32x3,m:0:1x4")
	two, _ := ParseProfile("x:64x3")
	full := Options{Model: "m.onnx", Engine: "e.plan", Layers: "l.json", Profiles: []Profile{one, two}, TimingCache: "t.cache", OptLevel: 5,
		Workspace: 4 << 30, Compat: CompatSame, VersionCompatible: true, StripWeights: true}
	plain := DefaultOptions
	plain.Model, plain.Engine = "m.onnx", "e.plan"
	for _, c := range []struct {
		name string
		o    Options
		v    Version
		want string
	}{
		{"plain 10", plain, Version{10, 0, 1}, "--onnx=m.onnx --saveEngine=e.plan --skipInference --stronglyTyped"},
		{"plain 11", plain, Version{11, 0, 0}, "--onnx=m.onnx --saveEngine=e.plan --skipInference"},
		{"full 11", full, Version{11, 1, 0}, "--onnx=m.onnx --saveEngine=e.plan --skipInference " +
			"--profile=0 --minShapes=x:1x3,m:0:1x4 --optShapes=x:8x3,m:0:1x4 --maxShapes=x:32x3,m:0:1x4 " +
			"--profile=1 --minShapes=x:64x3 --optShapes=x:64x3 --maxShapes=x:64x3 " +
			"--timingCacheFile=t.cache --builderOptimizationLevel=5 --memPoolSize=workspace:4096M --hardwareCompatibilityLevel=sameComputeCapability " +
			"--versionCompatible --stripWeights --profilingVerbosity=detailed --exportLayerInfo=l.json"},
	} {
		got := c.o.Args(c.v)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, strings.Join(got, " "), c.want)
		}
		for _, a := range got {
			for _, no := range []string{"--fp16", "--bf16", "--int8", "--fp8", "--best", "--int4"} {
				if strings.HasPrefix(a, no) {
					t.Errorf("%s: %s chooses a precision", c.name, a)
				}
			}
		}
	}
	for n, want := range map[int64]string{1: "1B", 1 << 10: "1K", 3 << 20: "3M", 1<<30 + 1: "1073741825B"} {
		if got := poolSize(n); got != want {
			t.Errorf("%d bytes are %s", n, got)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultOptions.Validate(); err != nil {
		t.Error(err)
	}
	bad := Options{OptLevel: 6, Workspace: -1, Compat: "all", Profiles: []Profile{{{Input: "a'b"}}}}
	err := bad.Validate()
	for _, want := range []string{"--opt-level 6", "--workspace", `--hw-compat "all"`, `input "a'b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestParseProfile(t *testing.T) {
	p, err := ParseProfile("serving_default_x:0:1x3/8x3/32x3, mask:1/8/32")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.String(); got != "serving_default_x:0:1x3/8x3/32x3,mask:1/8/32" {
		t.Error(got)
	}
	if got := p.Shapes(Max); got != "serving_default_x:0:32x3,mask:32" {
		t.Error(got)
	}
	for text, says := range map[string]string{
		"": "no name", "x": "no name", ":1x3": "no name", "x:1/2": "2 shapes", "x:ax3": "no shape", "x:1x3/8/8": "number of axes", "x:8/4/16": "shrinks",
		"x:1,x:2": "twice", "x:-1": "no shape", "x:99999999999": "no shape",
	} {
		if _, err := ParseProfile(text); err == nil || !strings.Contains(err.Error(), says) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBuild(t *testing.T) {
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			o := sample(t)
			o.Layers, o.TimingCache = filepath.Join(filepath.Dir(o.Engine), "layers.json"), filepath.Join(t.TempDir(), "t.cache")
			var mu sync.Mutex
			var notes []string
			run, err := probe(t, release, fake.Works).Build(t.Context(), o, func(e progress.Event) {
				mu.Lock()
				defer mu.Unlock()
				notes = append(notes, e.Note)
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(notes, "parsing the model") || !slices.Contains(notes, "looking for kernels") {
				t.Errorf("progress told %q", notes)
			}
			s := run.Summary
			if s.GPU != "NVIDIA L4" || s.Compute != "8.9" || s.BuildTime != 30.2517 || s.EngineBytes != 12.5039*(1<<20) || s.Outcome != "PASSED" {
				t.Errorf("summary is %+v", s)
			}
			plan, err := ReadPlan(o.Engine)
			if err != nil || plan.Version != s.Version || plan.Bytes != 64 {
				t.Errorf("the engine says %+v, %v", plan, err)
			}
			layers, bindings, err := ReadLayers(o.Layers)
			if err != nil || len(layers) == 0 || !slices.Equal(bindings, []string{"x", "y"}) {
				t.Errorf("%d layers, bindings %q, %v", len(layers), bindings, err)
			}
		})
	}
}

// sample is the options of a build in a folder of its own.
func sample(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	o := DefaultOptions
	o.Model, o.Engine = filepath.Join(dir, "m.onnx"), filepath.Join(dir, "m.plan")
	if err := os.WriteFile(o.Model, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestBuildFails: one line with the cause, a hint, and nothing left behind.
func TestBuildFails(t *testing.T) {
	for _, release := range releases {
		for what, want := range map[string]struct {
			says string
			kind fault.Kind
		}{
			"unsupported": {"build the engine: TensorRT does not take operator ReduceMean: inputAxes.is_weights(): Axis input must be an initializer!", fault.Unsupported},
			"memory":      {"build the engine: the GPU or the machine ran out of memory", fault.Internal},
			"kernel":      {"build the engine: TensorRT has no kernel for {ForeignNode[or_constant_out + ONNXTRT_Broadcast...node_of_output]}", fault.Unsupported},
			"types":       {"build the engine: add: IElementWiseLayer with operation SUM must have same types for its inputs, got Half and Float", fault.Unsupported},
			"device":      {"build the engine: Cuda failure at sampleDevice.cpp:107: no CUDA-capable device is detected", fault.Unsupported},
			fake.Silent:   {"build the engine: trtexec said that it had one: read engine", fault.Usage},
			fake.Half:     {"build the engine: trtexec was ended by the system: signal: killed", fault.Internal},
		} {
			o := sample(t)
			o.Layers = filepath.Join(filepath.Dir(o.Engine), "layers.json")
			_, err := probe(t, release, what).Build(t.Context(), o, nil)
			if err == nil || !strings.HasPrefix(err.Error(), want.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s %s: %v", release, what, err)
				continue
			}
			if what != fake.Silent && (fault.KindOf(err) != want.kind || fault.HintOf(err) == "") {
				t.Errorf("%s %s: kind %v, hint %q", release, what, fault.KindOf(err), fault.HintOf(err))
			}
			onlyModel(t, o)
		}
	}
}

// onlyModel fails the test where anything but the model lies in its folder.
func onlyModel(t *testing.T, o Options) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(o.Engine))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(o.Model) {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

// TestBuildCancelled: the tool and what it started are gone, and so is what it wrote.
func TestBuildCancelled(t *testing.T) {
	tool := probe(t, fake.Release11, fake.Hangs)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := sample(t)
	_, err := tool.Build(ctx, o, func(e progress.Event) {
		if e.Note == "parsing the model" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	onlyModel(t, o)
}

// TestUnknownFlag: a flag that the tool does not list is refused before it runs.
func TestUnknownFlag(t *testing.T) {
	tool := probe(t, fake.Release11, fake.Works)
	delete(tool.flags, "--stripWeights")
	o := sample(t)
	o.StripWeights = true
	if _, err := tool.Build(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "trtexec of TensorRT 11.1.0 does not know --stripWeights") {
		t.Error(err)
	}
}

func TestBenchArgs(t *testing.T) {
	o := DefaultBench
	o.Shapes = "x:8x3"
	off := BenchOptions{Duration: 1500 * time.Millisecond}
	for _, c := range []struct {
		o    BenchOptions
		v    Version
		want string
	}{
		{o, Version{10, 16, 0}, "--loadEngine=e --shapes=x:8x3 --warmUp=200 --duration=3 --percentile=50,90,95,99 --useCudaGraph --useSpinWait"},
		{o, Version{11, 1, 0}, "--loadEngine=e --shapes=x:8x3 --warmUp=200 --duration=3 --percentile=50,90,95,99 --includeDataTransfers"},
		{off, Version{10, 16, 0}, "--loadEngine=e --warmUp=0 --duration=2 --percentile=50,90,95,99 --noDataTransfers"},
		{off, Version{11, 1, 0}, "--loadEngine=e --warmUp=0 --duration=2 --percentile=50,90,95,99 --noCudaGraph --noSpinWait"},
	} {
		if got := strings.Join(c.o.Args(c.v, "e"), " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.v, got, c.want)
		}
	}
}

func TestBench(t *testing.T) {
	for _, release := range releases {
		tool := probe(t, release, fake.Works)
		o := sample(t)
		if _, err := tool.Build(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
		b, err := tool.Bench(t.Context(), o.Engine, DefaultBench, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Queries) != 4 || b.Queries[1].Latency != 0.00825 || b.Queries[1].Enqueue != 0.00025 || b.Queries[0].Start != 0.2005 {
			t.Errorf("%s: queries are %+v", release, b.Queries)
		}
		if len(b.Layers) != 4 || b.Runs != 4 || b.Layers[1].Seconds != 0.0015 || b.Layers[1].Share != 0.6 || b.Layers[2].Name != `a "quoted" name \ slash` && b.Layers[2].Name != `a \"quoted" name \ slash` {
			t.Errorf("%s: layers are %+v", release, b.Layers)
		}
		s := b.Run.Summary
		if s.Throughput != 130.298 || s.Queries != 4 || s.Latency == nil || !near(s.Latency.Mean, 0.00760628) || !near(s.OnGPU.Max, 0.0133388) ||
			len(s.Latency.Percentiles) != 4 || s.Latency.Percentiles[3].Percent != 99 || !near(s.Latency.Percentiles[3].Seconds, 0.0129675) {
			t.Errorf("%s: summary is %+v", release, s)
		}
		if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], "GPU compute time is unstable") {
			t.Errorf("%s: warnings are %q", release, s.Warnings)
		}
		if v, err := tool.PlanVersion(t.Context(), o.Engine); err != nil || v != tool.Version {
			t.Errorf("%s: the plan is of %s, %v", release, v, err)
		}
		if err := os.WriteFile(o.Engine, fake.Engine(10, 3, 0, 26), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := tool.Bench(t.Context(), o.Engine, DefaultBench, nil); err == nil || !strings.Contains(err.Error(), "built by another release") {
			t.Errorf("%s: an engine of 10.3: %v", release, err)
		}
	}
}

func near(x, y float64) bool { return math.Abs(x-y) < 1e-12 }

func TestReadPlan(t *testing.T) {
	dir := t.TempDir()
	write := func(b []byte) string {
		path := filepath.Join(dir, "e.plan")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	p, err := ReadPlan(write(fake.Engine(10, 16, 1, 11)))
	if err != nil || p.Version != (Version{10, 16, 1}) || p.Build != 11 {
		t.Errorf("%+v, %v", p, err)
	}
	later := fake.Engine(12, 0, 0, 1)
	later[4] = 1 // another layout: nobody knows where its version is
	if p, err := ReadPlan(write(later)); err != nil || p.Version != (Version{}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, b := range [][]byte{nil, []byte("ftrt"), make([]byte, 100)} {
		if _, err := ReadPlan(write(b)); !errors.Is(err, ErrNoPlan) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestReadLayers(t *testing.T) {
	l, _, err := parseLayers(fake.Recording(t, fake.Release10, "layers.json"))
	if err != nil || len(l) != 3 || l[1].Name != "conv + relu" || l[1].Type != "" {
		t.Errorf("%+v, %v", l, err)
	}
	l, _, err = parseLayers(fake.Recording(t, fake.Release11, "layers.json"))
	if err != nil || len(l) != 2 || l[0].Type != "gemm" || l[0].Metadata != "[ONNX Layer: conv] + [ONNX Layer: relu]" || !slices.Equal(l[1].Inputs, []string{"relu_out"}) {
		t.Errorf("%+v, %v", l, err)
	}
	for _, bad := range []string{"", "[]", `{"Layers":[3]}`, "not json"} {
		if _, _, err := parseLayers([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzSummary(f *testing.F) {
	for _, name := range []string{"build.txt", "bench.txt"} {
		for _, r := range releases {
			f.Add(string(fake.Recording(f, r, name)))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := ParseSummary(text)
		if s.Queries < 0 {
			t.Errorf("%d queries", s.Queries)
		}
	})
}

func FuzzFailure(f *testing.F) {
	for _, name := range []string{"unsupported.txt", "memory.txt", "mismatch.txt", "libraries.txt"} {
		f.Add(string(fake.Recording(f, fake.Release10, name)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := explain(strings.Split(text, "\n"), errors.New("exit status 1"), "build")
		if err == nil || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("no one line: %v", err)
		}
	})
}

func FuzzExports(f *testing.F) {
	for _, r := range releases {
		for _, name := range []string{"times.json", "profile.json", "layers.json"} {
			f.Add(fake.Recording(f, r, name))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parseTimes(b)
		_, _, _ = parseProfile(b)
		_, _, _ = parseLayers(b)
	})
}

func FuzzProfileFlag(f *testing.F) {
	f.Add("x:1x3x224x224/8x3x224x224/32x3x224x224,m:1x128")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProfile(text)
		if err != nil {
			return
		}
		q, err := ParseProfile(p.String())
		if err != nil || q.String() != p.String() {
			t.Errorf("%q became %q, then %q, %v", text, p, q, err)
		}
	})
}
