package sample

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"infer/internal/fault"
)

// Reader reads a file of samples. For one goroutine.
type Reader struct {
	header Header
	name   string
	file   io.Closer // nil: the caller's
	in     *bufio.Reader
	left   int64  // bytes of blocks that are still to be read
	want   int64  // samples that are still to come
	number int64  // of the block
	block  []byte // records that have not been taken
	buf    []byte
	err    error
}

// Open opens a file that Writer wrote. What is no such file, was cut off, or has another version is a Usage error.
func Open(path string) (*Reader, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // to open a pipe would wait for its writer
		return nil, fault.New(fault.Usage, "copy it into a file first", "read samples from %q: it is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		var r *Reader
		if r, err = newReader(f, info.Size(), path); err == nil {
			r.file = f
			return r, nil
		}
	}
	_ = f.Close()
	return nil, err
}

// IsFile reports whether the file at path begins as one of samples does.
func IsFile(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head[:len(magic)-1]) == magic[:len(magic)-1]
}

// newReader reads the end of the file and goes to its first block.
func newReader(f io.ReaderAt, size int64, name string) (*Reader, error) {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Usage, "give a file that --samples wrote, whole", "read samples from %q: %w", name, fmt.Errorf(format, args...))
	}
	head := make([]byte, len(magic))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read samples from %q: %w", name, err)
	}
	if string(head[:len(magic)-1]) != magic[:len(magic)-1] {
		return nil, bad("it is no file of samples")
	}
	if head[len(magic)-1] != magic[len(magic)-1] {
		return nil, bad("it has version %d, this program reads version %d", head[len(magic)-1], magic[len(magic)-1])
	}
	foot := make([]byte, footerBytes)
	body := size - int64(footerBytes) // up to the end of the header
	if body < int64(len(magic)) {
		return nil, bad("it was cut off")
	}
	if _, err := f.ReadAt(foot, body); err != nil {
		return nil, fmt.Errorf("read samples from %q: %w", name, err)
	}
	length, sum := int64(binary.LittleEndian.Uint32(foot)), binary.LittleEndian.Uint32(foot[4:])
	count := binary.LittleEndian.Uint64(foot[8:])
	if string(foot[16:]) != magic {
		return nil, bad("it was cut off")
	}
	blocks := body - length - int64(len(magic))
	if length > maxHeader || blocks < 0 || count > uint64(blocks/recordBytes) {
		return nil, bad("its end is damaged")
	}
	r := &Reader{name: name, left: blocks, want: int64(count)}
	raw := make([]byte, length)
	if _, err := f.ReadAt(raw, body-length); err != nil {
		return nil, fmt.Errorf("read samples from %q: %w", name, err)
	}
	if castagnoli(raw) != sum {
		return nil, bad("its header is damaged")
	}
	if err := json.Unmarshal(raw, &r.header); err != nil {
		return nil, bad("its header: %w", err)
	}
	r.header.Samples = r.want
	r.in = bufio.NewReaderSize(io.NewSectionReader(f, int64(len(magic)), blocks), 1<<17)
	return r, nil
}

// Header returns what the file says beside its samples.
func (r *Reader) Header() Header { return r.header }

// Next fills samples, in the order in which they were written, and returns how many it filled: more than none, or
// io.EOF at the end, or a Usage error that says what of the file is damaged.
func (r *Reader) Next(samples []Sample) (n int, err error) {
	for n < len(samples) {
		if len(r.block) == 0 {
			if r.err == nil {
				r.err = r.next()
			}
			if r.err != nil {
				break
			}
		}
		if !parseRecord(r.block[:recordBytes], &samples[n]) {
			r.err, r.block = r.damaged("it holds what is no sample"), nil
			break
		}
		r.block = r.block[recordBytes:]
		n++
	}
	if n > 0 || len(samples) == 0 {
		return n, nil
	}
	return 0, r.err
}

// next reads a block and checks it.
func (r *Reader) next() error {
	if r.left == 0 {
		if r.want != 0 {
			return r.damaged("%d samples are missing after it", r.want)
		}
		return io.EOF
	}
	r.number++
	head := make([]byte, blockHead)
	if r.left < blockHead {
		return r.damaged("it has no beginning")
	}
	if _, err := io.ReadFull(r.in, head); err != nil {
		return fmt.Errorf("read samples from %q: %w", r.name, err)
	}
	count := int64(binary.LittleEndian.Uint32(head))
	if count < 1 || count > blockRecords || count > r.want || count*recordBytes > r.left-blockHead {
		return r.damaged("it cannot have %d samples", count)
	}
	if r.buf == nil {
		r.buf = make([]byte, blockRecords*recordBytes)
	}
	records := r.buf[:count*recordBytes]
	if _, err := io.ReadFull(r.in, records); err != nil {
		return fmt.Errorf("read samples from %q: %w", r.name, err)
	}
	if castagnoli(records) != binary.LittleEndian.Uint32(head[4:]) {
		return r.damaged("its checksum is wrong")
	}
	r.block, r.left, r.want = records, r.left-blockHead-int64(len(records)), r.want-count
	return nil
}

func (r *Reader) damaged(format string, args ...any) error {
	return fault.New(fault.Usage, "the file is of no use: run the load again",
		"read samples from %q: block %d is damaged: %w", r.name, r.number, fmt.Errorf(format, args...))
}

// Close closes the file. A second Close is a no-op.
func (r *Reader) Close() error {
	f := r.file
	r.file = nil
	if f == nil {
		return nil
	}
	return f.Close()
}
