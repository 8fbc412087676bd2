// Command encoder writes a generated text classifier: a BERT encoder of any size with seeded random weights, which costs
// what a trained one costs and answers nothing that means anything. Its inputs are int64 input_ids and attention_mask of
// shape batch x tokens, its output is logits of shape batch x classes.
//
//	encoder -o encoder.onnx [-layers 4] [-hidden 256] [-tokens 16] [-classes 77] [-batch 0] [-seed 1]
package main

import (
	"flag"
	"fmt"
	"log"

	"infer/model"
	"infer/testdata/arch"
)

// head is the width of an attention head in the encoders of BERT's paper, whatever their size.
const head = 64

// vocab and positions are the rows of the embeddings: a vocabulary for one language and the sentences of one domain.
const (
	vocab     = 8192
	positions = 512
)

// encoder is what the flags say.
type encoder struct {
	layers                  int
	hidden, tokens, classes int64
	batch                   int64 // 0: the dynamic axis "batch"
	seed                    uint64
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("encoder: error: ")
	var e encoder
	flag.IntVar(&e.layers, "layers", 4, "layers")
	flag.Int64Var(&e.hidden, "hidden", 256, "width of a token, a multiple of 64")
	flag.Int64Var(&e.tokens, "tokens", 16, "tokens of a row, 512 at most")
	flag.Int64Var(&e.classes, "classes", 77, "classes")
	flag.Int64Var(&e.batch, "batch", 0, "rows that the batch axis is fixed to; 0 leaves it dynamic")
	flag.Uint64Var(&e.seed, "seed", 1, "seed of the weights; equal seeds give equal bytes")
	out := flag.String("o", "encoder.onnx", "the model to write")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	if err := e.write(*out); err != nil {
		log.Fatal(err)
	}
}

// check says what is wrong with the flags.
func (e encoder) check() error {
	switch {
	case e.layers < 1 || e.classes < 1:
		return fmt.Errorf("-layers %d, -classes %d: at least one of each", e.layers, e.classes)
	case e.hidden < head || e.hidden%head != 0:
		return fmt.Errorf("-hidden %d is not a multiple of %d", e.hidden, head)
	case e.tokens < 1 || e.tokens > positions:
		return fmt.Errorf("-tokens %d is not between 1 and %d", e.tokens, positions)
	case e.batch < 0:
		return fmt.Errorf("-batch %d is negative", e.batch)
	}
	return nil
}

func (e encoder) write(path string) error {
	if err := e.check(); err != nil {
		return err
	}
	size := arch.BERT{
		Layers: e.layers, Hidden: e.hidden, Heads: e.hidden / head, FFN: 4 * e.hidden,
		Vocab: vocab, Positions: positions, Classes: e.classes,
	}
	batch := arch.WithSymbolicBatch()
	if e.batch > 0 {
		batch = arch.WithBatch(e.batch)
	}
	m := arch.Encoder("encoder", size, e.tokens, arch.WithEmbeddings(), batch, arch.WithSeed(e.seed))
	return model.New(m).Save(path, model.SaveOptions{})
}
