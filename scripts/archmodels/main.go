// Command archmodels writes generated models of well-known architectures, as exporters write them, to files: their
// weights are random, so they cost what trained ones cost and answer nothing that means anything.
//
//	archmodels DIR
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"infer/model"
	"infer/model/onnx"
	"infer/testdata/arch"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("archmodels: error: ")
	if len(os.Args) != 2 {
		log.Fatal("want one argument: the folder to write to")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// small is an encoder with the graph of BERT-base and a hundredth of its weights.
var small = arch.BERT{Layers: 4, Hidden: 128, Heads: 2, FFN: 512, Vocab: 1024, Positions: 128, Classes: 10}

// models are the generated models by the name of their file. Each is made when its turn comes: one is large.
var models = []struct {
	name string
	make func() *onnx.Model
}{
	{"resnet50", func() *onnx.Model { return arch.ResNet50() }},
	{"resnet50-batch", func() *onnx.Model { return arch.ResNet50(arch.WithSymbolicBatch()) }},
	{"mobilenetv2", func() *onnx.Model { return arch.MobileNetV2() }},
	{"lstm", func() *onnx.Model { return arch.LSTM(16, 32, 64) }},
	{"encoder", func() *onnx.Model { return encoder(32) }},
	{"encoder-decomposed", func() *onnx.Model { return encoder(32, arch.WithDecomposedNorm()) }},
	{"encoder-batch", func() *onnx.Model { return encoder(32, arch.WithSymbolicBatch()) }},
	{"encoder-dynamic", func() *onnx.Model { return encoder(0, arch.WithSymbolicBatch()) }},
	{"encoder-embeddings", func() *onnx.Model { return encoder(32, arch.WithSymbolicBatch(), arch.WithEmbeddings()) }},
}

func encoder(tokens int64, opts ...arch.Option) *onnx.Model {
	return arch.Encoder("encoder", small, tokens, opts...)
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, m := range models {
		path := filepath.Join(dir, m.name+".onnx")
		if err := model.New(m.make()).Save(path, model.SaveOptions{Overwrite: true}); err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}
