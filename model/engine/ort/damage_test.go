//go:build cgo && !windows

package ort_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// damagedCopies is how many damaged models the library sees.
const damagedCopies = 500

// TestDamagedModels opens damaged copies of models and runs with zeros what opens. Nothing may crash or print a stack;
// the work is done in a child process, which notes the copy that it is at.
func TestDamagedModels(t *testing.T) {
	if dir := os.Getenv("INFER_TEST_DAMAGE"); dir != "" {
		damageAll(t, dir)
		return
	}
	enginetest.Runtime(t)
	dir := t.TempDir()
	c := exec.Command(os.Args[0], "-test.run=^TestDamagedModels$", "-test.v")
	c.Env = append(os.Environ(), "INFER_TEST_DAMAGE="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		at, _ := os.ReadFile(filepath.Join(dir, "at"))
		t.Fatalf("at %s: %v\n%.4000s", at, err, out)
	}
	t.Log(lastLine(string(out), "copies:"))
}

func lastLine(text, with string) string {
	for _, line := range slices.Backward(strings.Split(text, "\n")) {
		if strings.Contains(line, with) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// damageAll damages each model in turn. Half of the copies go through model.Load, as in the program; the others are
// given to the library as they are.
func damageAll(t *testing.T, dir string) {
	models := damageSeeds(t)
	p := enginetest.CPU(t)
	refused, failed, ran := 0, 0, 0
	for i := range damagedCopies {
		seed := models[i%len(models)]
		r := rand.New(rand.NewPCG(uint64(i), 7))
		note := fmt.Sprintf("copy %d of model %d", i, i%len(models))
		if err := os.WriteFile(filepath.Join(dir, "at"), []byte(note), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "damaged.onnx")
		if err := os.WriteFile(path, damage(r, seed), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := model.Load(path)
		if err != nil && r.IntN(2) == 0 {
			refused++
			continue
		}
		if err != nil {
			clean, err := onnx.Decode(seed)
			if err != nil {
				t.Fatal(err)
			}
			m = &model.Model{Path: path, Proto: clean}
		}
		if runZeros(p, m) == nil {
			ran++
		} else {
			failed++
		}
		m.Close()
	}
	t.Logf("copies: %d refused by model.Load, %d failed, %d ran", refused, failed, ran)
	if failed == 0 || ran == 0 {
		t.Error("the damage is too great or too small to test anything")
	}
}

// damageSeeds returns the files of small models, those of the shared models among them where they are.
func damageSeeds(t *testing.T) [][]byte {
	var seeds [][]byte
	for _, m := range []*model.Model{
		enginetest.Add("n", 2), enginetest.Endless(), enginetest.Identity(tensor.String, "n"), convolution(),
	} {
		b, err := m.Serialize()
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	shared, _ := filepath.Glob("../../../../shared/models/*/*.onnx")
	for _, path := range shared {
		if info, err := os.Stat(path); err == nil && info.Size() < 1<<20 {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := onnx.Decode(b); err == nil && len(b) > 0 {
				seeds = append(seeds, b)
			}
		}
	}
	return seeds
}

// convolution is a small Conv, MaxPool, Reshape, MatMul.
func convolution() *model.Model {
	weights := func(name string, dims ...int64) *onnx.Tensor {
		v, _ := tensor.New(name, tensor.Float32, dims)
		for i := range v.Data {
			v.Data[i] = byte(i % 61)
		}
		return enginetest.Initializer(v)
	}
	ints := func(name string, v ...int64) *onnx.Attribute {
		return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
	}
	names := enginetest.Names
	return enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 1, 8, 8)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 10)),
		[]*onnx.Node{
			enginetest.Node("Conv", names("x", "w"), names("a"), ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1)),
			enginetest.Node("MaxPool", names("a"), names("b"), ints("kernel_shape", 2, 2), ints("strides", 2, 2)),
			enginetest.Node("Reshape", names("b", "shape"), names("c")),
			enginetest.Node("MatMul", names("c", "m"), names("y")),
		},
		weights("w", 4, 1, 3, 3), weights("m", 64, 10), enginetest.Initializer(enginetest.Int64s("shape", nil, -1, 64)))
}

// damage returns a copy of b with some bytes changed, cut out, repeated or put in.
func damage(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		if r.IntN(2) == 0 {
			at = r.IntN(min(len(b), 600)) // where the structure is, in most files
		}
		n := min(1+r.IntN(16), len(b)-at)
		switch r.IntN(8) {
		case 0:
			b = slices.Delete(b, at, at+n)
		case 1:
			b = slices.Insert(b, at, b[at:at+n]...)
		case 2:
			b = slices.Insert(b, at, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
		default:
			b[at] = byte(r.Uint32())
		}
		if len(b) == 0 {
			return []byte{0}
		}
	}
	if r.IntN(20) == 0 {
		b = b[:r.IntN(len(b))]
	}
	return b
}

// runZeros opens m and runs it once on zeros, dynamic axes set to 1.
func runZeros(p engine.Provider, m *model.Model) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := p.Open(ctx, m, engine.Config{Threads: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	var in []tensor.Tensor
	for _, p := range s.Inputs() {
		var shape tensor.Shape
		for _, d := range p.Type.Dims {
			shape = append(shape, max(d.Size, 1))
		}
		if n, err := tensor.ByteSize(p.Type.DType, shape); err != nil || n > 1<<28 {
			return fmt.Errorf("input %q is too large to try", p.Name)
		}
		t, err := tensor.New(p.Name, p.Type.DType, shape)
		if err != nil {
			return err
		}
		in = append(in, t)
	}
	return s.Run(ctx, in, make([]tensor.Tensor, len(s.Outputs())))
}
