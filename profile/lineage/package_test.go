package lineage

import (
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/testdata/arch"
)

// ran is a model after a traced run, with the graph that the runtime saved.
type ran struct {
	written, graph *onnx.Model
	trace          *trace.Trace
}

// run opens m at a level of optimization, runs it once and reads what the runtime wrote.
func run(t *testing.T, m *model.Model, level engine.OptLevel, shapes map[string]tensor.Shape) ran {
	t.Helper()
	dir := t.TempDir()
	c := engine.Config{Threads: 1, OptLevel: level, OptimizedModelPath: filepath.Join(dir, "ran.onnx"), TracePrefix: filepath.Join(dir, "trace")}
	s, err := enginetest.CPU(t).Open(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, _, err := dataset.Random(m, shapes, 1)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := s.(engine.Binder).Bind(t.Context(), in) // one run
	if err != nil {
		t.Fatal(err)
	}
	bound.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	graph, file, err := onnx.OpenFile(c.OptimizedModelPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	tr, err := trace.ReadFile(s.(engine.Tracer).TracePath(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return ran{written: m.Proto, graph: graph, trace: tr}
}

// tiny is an encoder of two layers, its norms and Gelus in pieces, with a classifier.
func tiny(opts ...arch.Option) *onnx.Model {
	size := arch.BERT{Layers: 2, Hidden: 64, Heads: 4, FFN: 128, Vocab: 100, Positions: 64, Classes: 5}
	return arch.Encoder("tiny", size, 16, opts...)
}

// nameless takes the names of all nodes away.
func nameless(m *onnx.Model) *onnx.Model {
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			n.Name = ""
		}
	})
	return m
}

// generated are models of testdata/arch with the multiply-accumulates derived there; 0: not told.
func generated() map[string]source {
	return map[string]source{
		"ResNet-50": {arch.ResNet50(), 4_089_184_256}, "MobileNetV2": {arch.MobileNetV2(), 300_774_272}, "encoder": {tiny(), 0},
		"encoder in pieces": {tiny(arch.WithDecomposedNorm(), arch.WithEmbeddings()), 0},
		"encoder, nameless": {nameless(tiny(arch.WithDecomposedNorm())), 0},
		"LSTM":              {arch.LSTM(5, 10, 20), 5 * 4 * 20 * (10 + 20)}, "chain, nameless": {nameless(arch.Chain("Add", 20, 16)), 0},
	}
}

type source struct {
	model *onnx.Model
	macs  int64
}

// shared calls f for every shared model that opens.
func shared(t *testing.T, f func(name string, m *model.Model)) {
	t.Helper()
	files, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	if len(files) == 0 {
		t.Skip("../shared/models is absent")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		m, err := model.Load(file)
		if err != nil || strings.HasPrefix(name, "custom-ops") {
			continue // of the folder of odd files
		}
		f(name, m)
		m.Close()
	}
}

// shapesOf are the inputs of models that do not run with 1 for every dynamic axis.
func shapesOf(name string) map[string]tensor.Shape {
	switch {
	case strings.HasPrefix(name, "silero"):
		return map[string]tensor.Shape{"input": {1, 512}, "state": {2, 1, 128}}
	case strings.HasPrefix(name, "banking77"):
		return map[string]tensor.Shape{"input_ids": {1, 20}}
	}
	return nil
}
