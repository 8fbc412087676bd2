package tensor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"infer/internal/atomicfile"
	"infer/internal/fault"
)

// npyReserve is the least size of a header whose row count is filled in later.
const npyReserve = 128

// EncodeNpy writes t as a .npy file. Types that NumPy lacks are stored in the next one that holds them exactly: 2- and
// 4-bit integers as 8-bit ones, float8 and float4 as float32; bfloat16 has the type "V2", as ml_dtypes writes it.
// Sequences and maps are errors.
func EncodeNpy(w io.Writer, t Tensor) error {
	descr, data, err := npyData(t)
	if err != nil {
		return err
	}
	if _, err = w.Write(npyHeaderBytes(descr, t.Shape, 0)); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// WriteNpy writes t to a .npy file, as EncodeNpy, whole or not at all.
func WriteNpy(path string, t Tensor) error {
	return atomicfile.Write(path, func(w io.Writer) error { return EncodeNpy(w, t) })
}

// npyData returns the type string and the bytes of t's elements.
func npyData(t Tensor) (descr string, data []byte, err error) {
	if err = t.Check(); err != nil {
		return "", nil, err
	}
	if t.DType == String {
		descr, data = encodeStrings(t.Strings)
		return descr, data, nil
	}
	descr, stored, err := npyDescr(t.DType)
	if err != nil || stored == t.DType {
		return descr, t.Data, err
	}
	if stored == Float32 {
		f, err := Floats(t)
		return descr, bytesOf(f), err
	}
	n, _ := t.Shape.Elements()
	v := UnpackInts(t.DType, t.Data, int(n))
	data = make([]byte, n)
	for i, x := range v {
		data[i] = byte(x)
	}
	return descr, data, nil
}

// encodeStrings returns the "<U" type of the longest string and all of them in UTF-32, padded with zeros.
func encodeStrings(v []string) (descr string, data []byte) {
	width := 1
	runes := make([][]rune, len(v))
	for i, s := range v {
		runes[i] = []rune(s)
		width = max(width, len(runes[i]))
	}
	data = make([]byte, 4*width*len(v))
	for i, r := range runes {
		for j, c := range r {
			binary.LittleEndian.PutUint32(data[4*(i*width+j):], uint32(c))
		}
	}
	return fmt.Sprintf("<U%d", width), data
}

// NpyWriter writes an array row by row to PATH.partial, which becomes PATH when it is closed. A process that stops
// before that leaves the partial file, and ResumeNpy goes on after its last whole row. Strings, whose width the
// longest one decides, stay in memory until Close or Suspend. It is for one goroutine at a time.
type NpyWriter struct {
	path  string
	dtype DType
	row   Shape
	f     *os.File
	w     *bufio.Writer
	descr string
	width int64 // stored bytes of a row
	head  int64 // bytes of the header
	rows  int64
	texts []string
}

// CreateNpy starts the file of an array of shape [rows, row…]. A partial file of that name is overwritten.
func CreateNpy(path string, d DType, row Shape) (*NpyWriter, error) {
	w, err := newNpyWriter(path, d, row, os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, fault.Wrap(err, "write %q", path)
	}
	if _, err := w.f.Write(npyHeaderBytes(w.descr, w.shape(), int(w.head))); err != nil {
		return nil, fault.Wrap(errors.Join(err, w.Abort()), "write %q", path)
	}
	return w, nil
}

// ResumeNpy goes on with a partial file after its last whole row (Rows says how many there are). Where there is none,
// or it holds another dtype or shape, the file is started anew.
func ResumeNpy(path string, d DType, row Shape) (*NpyWriter, error) {
	w, err := newNpyWriter(path, d, row, 0)
	if errors.Is(err, os.ErrNotExist) {
		return CreateNpy(path, d, row)
	}
	if err != nil {
		return nil, fault.Wrap(err, "write %q", path)
	}
	if !w.recover() {
		w.f.Close()
		return CreateNpy(path, d, row)
	}
	return w, nil
}

func newNpyWriter(path string, d DType, row Shape, flags int) (*NpyWriter, error) {
	w := &NpyWriter{path: path, dtype: d, row: row.Clone(), descr: "<U1"}
	n, err := row.Elements()
	if err != nil {
		return nil, err
	}
	if d != String {
		descr, stored, err := npyDescr(d)
		if err != nil {
			return nil, err
		}
		w.descr, w.width = descr, n*int64(stored.Bits()/8)
	}
	w.head = int64(len(npyHeaderBytes(w.descr, append(Shape{1<<63 - 1}, row...), npyReserve)))
	if w.f, err = os.OpenFile(path+".partial", os.O_RDWR|flags, 0o644); err != nil {
		return nil, err
	}
	w.w = bufio.NewWriterSize(w.f, 1<<16)
	return w, nil
}

// recover reads the partial file's header, cuts off a row that was not written whole and sets rows.
func (w *NpyWriter) recover() bool {
	st, err := w.f.Stat()
	if err != nil {
		return false
	}
	h, err := readNpyHeader(w.f, st.Size())
	if err != nil || h.fortran || len(h.shape) == 0 || !h.shape[1:].Equal(w.row) {
		return false
	}
	if w.dtype == String {
		a, err := NewNpy(w.f, st.Size())
		if err != nil || a.DType != String {
			return false
		}
		t, err := a.All()
		w.rows, w.texts = a.Rows(), t.Strings
		return err == nil
	}
	if h.descr != w.descr || h.size != w.head || w.width == 0 {
		return false
	}
	return w.Truncate((st.Size()-w.head)/w.width) == nil
}

func (w *NpyWriter) shape() Shape { return append(Shape{w.rows}, w.row...) }

// Rows returns how many rows there are.
func (w *NpyWriter) Rows() int64 { return w.rows }

// Append adds the rows of t, of shape [n, row…] and the writer's dtype.
func (w *NpyWriter) Append(t Tensor) error {
	if len(t.Shape) == 0 || t.DType != w.dtype || !t.Shape[1:].Equal(w.row) {
		return fmt.Errorf("write %q: %s of shape %s among rows of %s of shape %s", w.path, t.DType, t.Shape, w.dtype, w.row)
	}
	if w.dtype == String {
		if err := t.Check(); err != nil {
			return fault.Wrap(err, "write %q", w.path)
		}
		w.texts = append(w.texts, t.Strings...)
		w.rows += t.Shape[0]
		return nil
	}
	_, data, err := npyData(t)
	if err == nil {
		_, err = w.w.Write(data)
	}
	if err != nil {
		return fault.Wrap(err, "write %q", w.path)
	}
	w.rows += t.Shape[0]
	return nil
}

// Truncate keeps the first rows rows. It fails where there are fewer.
func (w *NpyWriter) Truncate(rows int64) error {
	if w.dtype == String {
		n, _ := w.row.Elements()
		if rows < 0 || rows > w.rows {
			return fmt.Errorf("write %q: cut to %d of %d rows", w.path, rows, w.rows)
		}
		w.texts, w.rows = w.texts[:rows*n], rows
		return nil
	}
	if err := w.w.Flush(); err != nil {
		return fault.Wrap(err, "write %q", w.path)
	}
	st, err := w.f.Stat()
	if err != nil {
		return fault.Wrap(err, "write %q", w.path)
	}
	end := w.head + rows*w.width
	if rows < 0 || end > st.Size() {
		return fmt.Errorf("write %q: cut to %d of %d rows", w.path, rows, w.rows)
	}
	if err := w.f.Truncate(end); err != nil {
		return fault.Wrap(err, "write %q", w.path)
	}
	w.rows = rows
	_, err = w.f.Seek(end, io.SeekStart)
	return fault.Wrap(err, "write %q", w.path)
}

// Flush hands every appended row to the system, so that a killed process loses none; strings stay in memory.
func (w *NpyWriter) Flush() error { return fault.Wrap(w.w.Flush(), "write %q", w.path) }

// finish writes what is missing and the header with the row count.
func (w *NpyWriter) finish() error {
	head := npyHeaderBytes(w.descr, w.shape(), int(w.head))
	if w.dtype == String {
		descr, data := encodeStrings(w.texts)
		head = npyHeaderBytes(descr, w.shape(), npyReserve)
		if err := w.f.Truncate(0); err != nil {
			return err
		}
		if _, err := w.f.WriteAt(data, int64(len(head))); err != nil {
			return err
		}
	} else if err := w.w.Flush(); err != nil {
		return err
	}
	_, err := w.f.WriteAt(head, 0)
	return err
}

// Suspend closes the partial file, complete in itself, and leaves it for ResumeNpy. Close and Abort do nothing then.
func (w *NpyWriter) Suspend() error {
	if w.f == nil {
		return nil
	}
	err := errors.Join(w.finish(), w.f.Close())
	w.f = nil
	return fault.Wrap(err, "write %q", w.path)
}

// Close completes the file and gives it its name. A second Close is a no-op.
func (w *NpyWriter) Close() error {
	if w.f == nil {
		return nil
	}
	if err := w.finish(); err != nil {
		return fault.Wrap(errors.Join(err, w.Abort()), "write %q", w.path)
	}
	err := w.f.Close()
	w.f = nil
	if err == nil {
		err = os.Rename(w.path+".partial", w.path)
	}
	if err != nil {
		return fault.Wrap(errors.Join(err, os.Remove(w.path+".partial")), "write %q", w.path)
	}
	return nil
}

// Abort removes the partial file. It does nothing after Close or Suspend.
func (w *NpyWriter) Abort() error {
	if w.f == nil {
		return nil
	}
	err := errors.Join(w.f.Close(), os.Remove(w.path+".partial"))
	w.f = nil
	return err
}
