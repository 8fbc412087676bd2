// Command archmodels writes generated models of well-known architectures, as exporters write them, to files: their
// weights are random, so they cost what trained ones cost and answer nothing that means anything.
//
//	archmodels DIR [NAME…]
//
// Without names it writes all but the largest.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	"infer/model"
	"infer/model/onnx"
	"infer/testdata/arch"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("archmodels: error: ")
	if len(os.Args) < 2 {
		log.Fatal("want the folder to write to, and names of models")
	}
	if err := write(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// small is an encoder with the graph of BERT-base and a hundredth of its weights.
var small = arch.BERT{Layers: 4, Hidden: 128, Heads: 2, FFN: 512, Vocab: 1024, Positions: 128, Classes: 10}

type generated struct {
	name  string
	make  func() *onnx.Model
	large bool // only by name
}

// models are the generated models by the name of their file. Each is made when its turn comes: one is large.
var models = []generated{
	{"resnet50", func() *onnx.Model { return arch.ResNet50() }, false},
	{"resnet50-batch", func() *onnx.Model { return arch.ResNet50(arch.WithSymbolicBatch()) }, false},
	{"mobilenetv2", func() *onnx.Model { return arch.MobileNetV2() }, false},
	{"lstm", func() *onnx.Model { return arch.LSTM(16, 32, 64) }, false},
	{"encoder", func() *onnx.Model { return encoder(32) }, false},
	{"encoder-decomposed", func() *onnx.Model { return encoder(32, arch.WithDecomposedNorm()) }, false},
	{"encoder-batch", func() *onnx.Model { return encoder(32, arch.WithSymbolicBatch()) }, false},
	{"encoder-dynamic", func() *onnx.Model { return encoder(0, arch.WithSymbolicBatch()) }, false},
	{"bert-base", func() *onnx.Model { return arch.BERTBase(128) }, true},
	{"chain-300", func() *onnx.Model { return arch.Chain("Abs", 300, 16) }, true},
	{"encoder-embeddings", func() *onnx.Model { return encoder(32, arch.WithSymbolicBatch(), arch.WithEmbeddings()) }, false},
}

func encoder(tokens int64, opts ...arch.Option) *onnx.Model {
	return arch.Encoder("encoder", small, tokens, opts...)
}

// write writes the models of these names; without names, all but the large ones.
func write(dir string, names []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, n := range names {
		if !slices.ContainsFunc(models, func(m generated) bool { return m.name == n }) {
			return fmt.Errorf("there is no model %q", n)
		}
	}
	for _, m := range models {
		if len(names) == 0 && m.large || len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		path := filepath.Join(dir, m.name+".onnx")
		if err := model.New(m.make()).Save(path, model.SaveOptions{Overwrite: true}); err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}
