package ortformat

import (
	"encoding/binary"
	"math"

	"infer/internal/fault"
)

// maxDepth is how deep tables may nest: graphs in attributes of nodes, types in types.
const maxDepth = 100

// perTable is what a table costs beside its size, so that the smallest ones, read again and again, come to an end soon.
const perTable = 16

// reader walks a flatbuffer: tables whose fields are found through a list of offsets (the vtable), and vectors that
// offsets lead to. Nothing in a file is trusted: every place is compared with the end of the file, and since offsets of
// a damaged one may lead to the same place again and again, all that is read together is bounded too.
// The first fault stays in err; what is read after it is empty, so that callers need to look only once.
// Ref: FlatBuffers, "FlatBuffer Internals".
type reader struct {
	b     []byte
	err   error
	left  int64 // how many bytes may still be read
	depth int
	names map[int64]string // strings read, by place: names are shared between the nodes that use them
}

// table is a table at a place of the file. The zero table has no fields.
type table struct {
	r      *reader
	at     int64
	size   int64
	fields []byte // the vtable: two bytes for each field, its distance from at, or 0
}

// fail keeps the first fault.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fault.New(fault.Internal, again, "the .ort file is damaged or cut short: "+format, args...)
	}
}

// bytes returns n bytes of the file, or nil where they are not there.
func (r *reader) bytes(at, n int64) []byte {
	size := int64(len(r.b))
	if r.err != nil {
		return nil
	}
	if at < 0 || n < 0 || at > size || n > size-at {
		r.fail("it needs %d bytes at byte %d, and has %d", n, at, size)
		return nil
	}
	return r.b[at : at+n : at+n]
}

// spend counts bytes that are read.
func (r *reader) spend(n int64) {
	if r.left -= n; r.left < 0 {
		r.fail("its parts overlap")
	}
}

// u32 reads four bytes.
func (r *reader) u32(at int64) uint32 {
	if b := r.bytes(at, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// target returns where the offset at a place leads to.
func (r *reader) target(at int64) int64 { return at + int64(r.u32(at)) }

// root returns the table that the file starts with.
func (r *reader) root() table { return r.table(r.target(0)) }

// table reads the head of a table.
func (r *reader) table(at int64) table {
	vtable := at - int64(int32(r.u32(at)))
	head := r.bytes(vtable, 4)
	if head == nil {
		return table{}
	}
	length, size := int64(binary.LittleEndian.Uint16(head)), int64(binary.LittleEndian.Uint16(head[2:]))
	if length < 4 || length%2 != 0 || size < 4 {
		r.fail("no table is at byte %d", at)
		return table{}
	}
	r.spend(size + perTable)
	fields := r.bytes(vtable+4, length-4)
	if r.bytes(at, size) == nil {
		return table{}
	}
	return table{r: r, at: at, size: size, fields: fields}
}

// field returns the place of a field that takes width bytes; false where the table leaves it out.
func (t table) field(slot int, width int64) (int64, bool) {
	if t.r == nil || t.r.err != nil || 2*slot+2 > len(t.fields) {
		return 0, false
	}
	at := int64(binary.LittleEndian.Uint16(t.fields[2*slot:]))
	if at == 0 {
		return 0, false
	}
	if at < 4 || at+width > t.size {
		t.r.fail("field %d of the table at byte %d lies outside it", slot, t.at)
		return 0, false
	}
	return t.at + at, true
}

// int8 returns a field of one byte, 0 where it is left out.
func (t table) int8(slot int) int8 {
	if at, ok := t.field(slot, 1); ok {
		return int8(t.r.b[at])
	}
	return 0
}

// int32 returns a field of four bytes, 0 where it is left out.
func (t table) int32(slot int) int32 {
	if at, ok := t.field(slot, 4); ok {
		return int32(t.r.u32(at))
	}
	return 0
}

// float32 returns a field, 0 where it is left out.
func (t table) float32(slot int) float32 { return math.Float32frombits(uint32(t.int32(slot))) }

// int64 returns a field of eight bytes, missing where it is left out.
func (t table) int64(slot int, missing int64) int64 {
	if at, ok := t.field(slot, 8); ok {
		return int64(binary.LittleEndian.Uint64(t.r.b[at:]))
	}
	return missing
}

// inner calls read with a table that a field leads to; it does nothing where the field is left out.
func (t table) inner(slot int, read func(table)) {
	if at, ok := t.field(slot, 4); ok {
		t.r.enter(t.r.target(at), read)
	}
}

// enter calls read with the table at a place.
func (r *reader) enter(at int64, read func(table)) {
	if r.depth++; r.depth > maxDepth {
		r.fail("its tables nest deeper than %d levels", maxDepth)
	}
	if in := r.table(at); r.err == nil {
		read(in)
	}
	r.depth--
}

// vector returns the place of the first element of a vector and how many there are; false where the field is left out.
func (t table) vector(slot int, width int64) (at int64, n int, ok bool) {
	field, ok := t.field(slot, 4)
	if !ok {
		return 0, 0, false
	}
	at = t.r.target(field)
	count := int64(t.r.u32(at))
	if t.r.bytes(at+4, count*width) == nil {
		return 0, 0, false
	}
	return at + 4, int(count), true
}

// tables calls read with each table of a vector, until a fault.
func (t table) tables(slot int, read func(table)) {
	at, n, _ := t.vector(slot, 4)
	for i := 0; i < n && t.r.err == nil; i++ {
		t.r.enter(t.r.target(at+4*int64(i)), read)
	}
}

// raw returns the bytes of a vector of bytes, or of a string, which aliases the file; false where it is left out.
func (t table) raw(slot int) ([]byte, bool) {
	at, n, ok := t.vector(slot, 1)
	if !ok {
		return nil, false
	}
	return t.r.bytes(at, int64(n)), true
}

// str returns a string of its own, "" where it is left out.
func (t table) str(slot int) string {
	if at, ok := t.field(slot, 4); ok {
		return t.r.str(t.r.target(at))
	}
	return ""
}

func (r *reader) str(at int64) string {
	if s, ok := r.names[at]; ok {
		return s
	}
	n := int64(r.u32(at))
	b := r.bytes(at+4, n+1) // a zero byte follows it
	if b == nil {
		return ""
	}
	r.spend(4 + n)
	s := string(b[:n])
	r.names[at] = s
	return s
}

// strs returns a vector of strings.
func (t table) strs(slot int) []string {
	at, n, _ := t.vector(slot, 4)
	list := listOf[string](t, n, 4)
	for i := range list {
		list[i] = t.r.str(t.r.target(at + 4*int64(i)))
	}
	return list
}

// rawStrs returns a vector of strings that alias the file.
func (t table) rawStrs(slot int) [][]byte {
	at, n, _ := t.vector(slot, 4)
	list := listOf[[]byte](t, n, 4)
	for i := range list {
		s := t.r.target(at + 4*int64(i))
		list[i] = t.r.bytes(s+4, int64(t.r.u32(s)))
	}
	return list
}

// int64s returns a vector.
func (t table) int64s(slot int) []int64 {
	at, n, _ := t.vector(slot, 8)
	list := listOf[int64](t, n, 8)
	for i := range list {
		list[i] = int64(binary.LittleEndian.Uint64(t.r.b[at+8*int64(i):]))
	}
	return list
}

// float32s returns a vector.
func (t table) float32s(slot int) []float32 {
	at, n, _ := t.vector(slot, 4)
	list := listOf[float32](t, n, 4)
	for i := range list {
		list[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.r.b[at+4*int64(i):]))
	}
	return list
}

// listOf returns a list for the n elements of a vector, each of width bytes in the file; nil for none and after a fault.
func listOf[T any](t table, n int, width int64) []T {
	if n == 0 {
		return nil
	}
	if t.r.spend(int64(n) * width); t.r.err != nil {
		return nil
	}
	return make([]T, n)
}
