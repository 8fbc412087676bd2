package repository

import (
	"fmt"

	"infer/internal/wire"
	"infer/model/tensor"
	"infer/serve/batch"
)

// bench is where an instance puts calls together and takes the answers apart. Its memory is used again and again.
type bench struct {
	in     []tensor.Tensor // the rows of all calls
	out    []tensor.Tensor // those of the outputs that some call wants
	index  []int           // of out in the outputs of the model
	at     []int           // of the outputs of the model in out; -1: not wanted
	memory []tensor.Tensor // of the outputs of the model: empty slices
}

// alike reports whether the calls have the same shapes but for their rows: calls of one key, unless two shapes share it.
func (b *bench) alike(jobs []*batch.Job) bool {
	first := jobs[0].Value.(*Call).in
	for _, j := range jobs[1:] {
		for i, t := range j.Value.(*Call).in {
			if !t.Shape[1:].Equal(first[i].Shape[1:]) {
				return false
			}
		}
	}
	return true
}

// join puts the rows of the calls one after the other and finds which of the outputs of the model are wanted. It returns
// the number of rows.
func (b *bench) join(jobs []*batch.Job, outputs int) int {
	first := jobs[0].Value.(*Call).in
	for len(b.in) < len(first) {
		b.in = append(b.in, tensor.Tensor{})
	}
	rows := 0
	for i := range b.in {
		t := &b.in[i]
		clear(t.Strings)
		t.Name, t.DType, t.Shape = first[i].Name, first[i].DType, append(t.Shape[:0], first[i].Shape...)
		t.Data, t.Strings = t.Data[:0], t.Strings[:0]
		rows = 0
		for _, j := range jobs {
			c := j.Value.(*Call)
			t.Data = append(t.Data, c.in[i].Data...)
			t.Strings = append(t.Strings, c.in[i].Strings...)
			rows += c.Rows
		}
		t.Shape[0] = int64(rows)
	}
	b.choose(jobs, outputs)
	return rows
}

// choose finds the outputs that some call wants.
func (b *bench) choose(jobs []*batch.Job, outputs int) {
	for len(b.at) < outputs {
		b.at = append(b.at, 0)
		b.memory = append(b.memory, tensor.Tensor{})
	}
	for i := range b.at {
		b.at[i] = -1
	}
	b.index = b.index[:0]
	for _, j := range jobs {
		for _, w := range j.Value.(*Call).want {
			if b.at[w] < 0 {
				b.at[w] = len(b.index)
				b.index = append(b.index, w)
			}
		}
	}
}

// receive makes the outputs that the run is to fill.
func (b *bench) receive(outputs []wire.Port) {
	b.out = b.out[:0]
	for _, w := range b.index {
		t := b.memory[w]
		t.Name = outputs[w].Name
		b.out = append(b.out, t)
	}
}

func (b *bench) remember() {
	for i, w := range b.index {
		b.memory[w] = emptied(b.out[i])
	}
}

// part copies to each call its rows of the outputs. An output with another number of rows is an error: the rows cannot
// be told apart.
func (b *bench) part(jobs []*batch.Job, rows int) error {
	for _, t := range b.out {
		if len(t.Shape) == 0 || t.Shape[0] != int64(rows) {
			return fmt.Errorf("output %q has shape %s for %d rows", t.Name, t.Shape, rows)
		}
	}
	lo := 0
	for _, j := range jobs {
		c := j.Value.(*Call)
		c.receive(nil)
		for i, w := range c.want {
			copyRows(&c.Outputs[i], &b.out[b.at[w]], lo, lo+c.Rows, rows)
		}
		c.remember()
		lo += c.Rows
	}
	return nil
}

// copyRows puts the rows lo to hi of all rows of src to dst, in the memory that it has.
func copyRows(dst, src *tensor.Tensor, lo, hi, rows int) {
	dst.Name, dst.DType = src.Name, src.DType
	dst.Shape = append(dst.Shape[:0], src.Shape...)
	dst.Shape[0] = int64(hi - lo)
	if src.DType == tensor.String {
		n := len(src.Strings) / rows
		dst.Strings = append(dst.Strings[:0], src.Strings[lo*n:hi*n]...)
		return
	}
	n := len(src.Data) / rows
	dst.Data = append(dst.Data[:0], src.Data[lo*n:hi*n]...)
}

// emptied is the memory of a tensor.
func emptied(t tensor.Tensor) tensor.Tensor {
	return tensor.Tensor{Shape: t.Shape[:0], Data: t.Data[:0], Strings: t.Strings[:0]}
}
