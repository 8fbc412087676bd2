// Package payload owns what requests carry and what their answers should be: the inputs of a number of distinct
// requests, made up, read from a data set or from a file of NVIDIA's perf_analyzer; the bodies that each protocol makes
// of them; and the comparison of answers with what a local run or golden files say.
package payload

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"sync"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/tensor"
)

// What a set holds at most.
const (
	madeUp      = 16        // payloads that are made up
	maxPayloads = 1000      // payloads of a data set, a file or a folder
	maxBytes    = 256 << 20 // bytes of all tensors or bodies
)

// Options are the choices of what makes a Set. The zero value is usable.
type Options struct {
	Zeros    bool           // made-up values are zeros where zero suits: one payload, as all would be the same
	Seed     uint64         // of made-up values: payload i is that of Seed + i
	Bindings model.Bindings // of FromPorts and FromPerfAnalyzer: shapes by input, and the size of the axis "batch"

	most  int   // payloads at most; 0: madeUp of made-up ones, maxPayloads of others
	limit int64 // bytes of tensors or bodies at most, one payload excepted; 0: maxBytes
}

// count returns how many payloads there may be.
func (o Options) count(made bool) int {
	if o.most > 0 {
		return o.most
	}
	if made {
		return madeUp
	}
	return maxPayloads
}

// bytes returns how many bytes of tensors there may be.
func (o Options) bytes() int64 {
	if o.limit > 0 {
		return o.limit
	}
	return maxBytes
}

// Payload is what one request carries.
type Payload struct {
	Inputs []tensor.Tensor // Name set; not to be written to: payloads may share memory
	Lo, Hi int64           // the rows of the data set that it carries, Hi exclusive; 0, 0 of others
}

// Set is a number of payloads, one at least. Requests carry them in turn. It is immutable once made.
type Set struct {
	Source   string    // "random", "zeros" or the path of what was read
	Payloads []Payload //
	Rows     int64     // of a request: the size of the batch axis, 1 where there is none
	Notes    []string  // what was bound to what and how values were made, one line each

	rows     int64     // of the data set that it was made of; 0 of others
	expected *Expected // that came with the inputs; nil: none did

	digesting sync.Once
	digest    string
}

// Len returns the number of payloads.
func (s *Set) Len() int { return len(s.Payloads) }

// Expected returns the outputs that came with the inputs (perf_analyzer's validation_data), nil where none did.
func (s *Set) Expected() *Expected { return s.expected }

// Digest returns the SHA-256 over names, dtypes, shapes and elements of all payloads, in hex. The first call reads them
// all.
func (s *Set) Digest() string {
	s.digesting.Do(func() { s.digest = digestOf(s.Payloads) })
	return s.digest
}

func digestOf(payloads []Payload) string {
	h := sha256.New()
	for i := range payloads {
		writeInt(h, int64(len(payloads[i].Inputs)))
		for j := range payloads[i].Inputs {
			t := &payloads[i].Inputs[j]
			writeText(h, t.Name)
			writeText(h, t.DType.String())
			writeInt(h, int64(len(t.Shape)))
			for _, d := range t.Shape {
				writeInt(h, d)
			}
			writeInt(h, int64(len(t.Data)))
			h.Write(t.Data)
			for _, v := range t.Strings {
				writeText(h, v)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writeInt(h hash.Hash, v int64) { h.Write(binary.LittleEndian.AppendUint64(nil, uint64(v))) }

func writeText(h hash.Hash, v string) {
	writeInt(h, int64(len(v)))
	io.WriteString(h, v)
}

// Bytes returns how many bytes the tensors of all payloads take.
func (s *Set) Bytes() int64 {
	n := int64(0)
	for i := range s.Payloads {
		n += bytesOf(s.Payloads[i].Inputs)
	}
	return n
}

// stringBytes is what a string costs beside its bytes.
const stringBytes = 16

func bytesOf(list []tensor.Tensor) int64 {
	n := int64(0)
	for i := range list {
		n += int64(len(list[i].Data))
		for _, v := range list[i].Strings {
			n += int64(len(v)) + stringBytes
		}
	}
	return n
}

// Check refuses, before any load, payloads that do not match the inputs that a server says it takes: names, dtypes,
// ranks and fixed sizes. Errors are fault.Usage and name the input. No ports: nothing is known, nothing is refused.
func (s *Set) Check(ports []wire.Port) error {
	if len(ports) == 0 {
		return nil
	}
	for i := range s.Payloads {
		if err := checkInputs(s.Payloads[i].Inputs, ports); err != nil {
			return fault.Wrap(err, "payload %d", i)
		}
	}
	return nil
}
