package sample

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"infer/internal/atomicfile"
)

// A file of samples is the magic, blocks of records, and the header, all little-endian:
//
//	magic    16 bytes, the last one the version
//	block    count uint32 (1 to blockRecords), CRC-32C of the records uint32, count records of recordBytes
//	header   JSON
//	footer   length of the header uint32, CRC-32C of it uint32, samples uint64, the magic again
//
// The header is last since most of it is not known before the load has ended; the footer, since a file that was cut
// off is then known at once.
const (
	magic        = "infer samples\r\n\x01"
	blockRecords = 1024
	recordBytes  = 76
	blockHead    = 8
	footerBytes  = 16 + len(magic)
	maxHeader    = 64 << 20
)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Header is what a file of samples says beside them: all that it takes to fold them again into the same figures.
type Header struct {
	Fold        FoldOptions     `json:"fold"`               // of the fold that made the figures
	Interrupted bool            `json:"interrupted"`        // the load was cut short
	Document    json.RawMessage `json:"document,omitempty"` // the report: its manifest, and what cannot be had from samples
	Samples     int64           `json:"-"`                  // how many there are; Open fills it in
}

// Writer writes a file of samples, which stands at its path once Close has returned nil. For one goroutine.
type Writer struct {
	file   *atomicfile.File
	block  []byte
	n      int64
	err    error
	closed bool
}

// Create begins a file. It fails where the folder cannot be written to.
func Create(path string) (*Writer, error) {
	f, err := atomicfile.Create(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: f, block: make([]byte, blockHead, blockHead+blockRecords*recordBytes)}
	_, w.err = f.Write([]byte(magic))
	return w, w.err
}

// Add appends samples. After a failure, such as a full disk, nothing is left of the file, and Add and Close return
// that failure.
func (w *Writer) Add(samples []Sample) error {
	for i := range samples {
		if w.err != nil {
			return w.err
		}
		w.block = appendRecord(w.block, &samples[i])
		if len(w.block) == cap(w.block) {
			w.flush()
		}
	}
	return w.err
}

func (w *Writer) flush() {
	records := w.block[blockHead:]
	if len(records) == 0 || w.err != nil {
		return
	}
	count := len(records) / recordBytes
	binary.LittleEndian.PutUint32(w.block, uint32(count))
	binary.LittleEndian.PutUint32(w.block[4:], castagnoli(records))
	_, w.err = w.file.Write(w.block)
	w.n += int64(count)
	w.block = w.block[:blockHead]
}

// Close writes h and puts the file in its place. A second Close returns what the first did.
func (w *Writer) Close(h Header) error {
	if w.flush(); w.err != nil || w.closed {
		return w.err
	}
	w.closed = true
	header, err := json.Marshal(h)
	if err == nil && len(header) > maxHeader {
		err = fmt.Errorf("it has %d bytes", len(header))
	}
	if err != nil {
		w.Abort()
		w.err = fmt.Errorf("write samples: header: %w", err)
		return w.err
	}
	end := binary.LittleEndian.AppendUint32(header, uint32(len(header)))
	end = binary.LittleEndian.AppendUint32(end, castagnoli(header))
	end = binary.LittleEndian.AppendUint64(end, uint64(w.n))
	if _, w.err = w.file.Write(append(end, magic...)); w.err == nil {
		w.err = w.file.Commit()
	}
	return w.err
}

// Abort removes the file. After Close or a failure it does nothing.
func (w *Writer) Abort() { w.file.Abort() }

func appendRecord(b []byte, s *Sample) []byte {
	var r [recordBytes]byte
	for i, v := range [...]int64{
		s.Index, int64(s.Due), int64(s.Woke), int64(s.Sent), int64(s.Done), int64(s.Queue), int64(s.Compute), s.Bytes,
	} {
		binary.LittleEndian.PutUint64(r[8*i:], uint64(v))
	}
	binary.LittleEndian.PutUint32(r[64:], uint32(s.Payload))
	binary.LittleEndian.PutUint32(r[68:], uint32(s.Batch))
	binary.LittleEndian.PutUint16(r[72:], s.Code)
	r[74] = uint8(s.Outcome)
	if s.Checked {
		r[75] = 1
	}
	return append(b, r[:]...)
}

// parseRecord is the inverse of appendRecord; false where no Sample has these bytes.
func parseRecord(r []byte, s *Sample) bool {
	word := func(i int) int64 { return int64(binary.LittleEndian.Uint64(r[8*i:])) }
	*s = Sample{
		Index: word(0), Due: time.Duration(word(1)), Woke: time.Duration(word(2)), Sent: time.Duration(word(3)),
		Done: time.Duration(word(4)), Queue: time.Duration(word(5)), Compute: time.Duration(word(6)), Bytes: word(7),
		Payload: int32(binary.LittleEndian.Uint32(r[64:])), Batch: int32(binary.LittleEndian.Uint32(r[68:])),
		Code: binary.LittleEndian.Uint16(r[72:]), Outcome: Outcome(r[74]), Checked: r[75] == 1,
	}
	return s.Outcome < Outcomes && r[75] <= 1
}
