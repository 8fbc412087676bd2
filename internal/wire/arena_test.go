package wire

import (
	"strconv"
	"testing"
	"unsafe"

	"infer/internal/fault"
)

func TestArena(t *testing.T) {
	var a arena
	a.reset(100)
	seen := map[unsafe.Pointer]bool{}
	for _, n := range []int{1, 7, 8, 9, 1000, 3} {
		b := a.bytes(n)
		p := unsafe.Pointer(unsafe.SliceData(b))
		if len(b) != n || cap(b) != n || uintptr(p)%8 != 0 || seen[p] {
			t.Errorf("%d bytes: len %d, cap %d at %p", n, len(b), cap(b), p)
		}
		seen[p] = true
		for i := range b {
			b[i] = byte(n)
		}
	}
	if b := a.bytes(0); b == nil || len(b) != 0 {
		t.Error("no bytes are nil")
	}
	if s := a.shape(0); s == nil || len(s) != 0 {
		t.Error("no dimensions are nil")
	}
	s := a.strings(2)
	s[0] = "x"
	if a.charge(60) != nil || a.charge(40) != nil || fault.KindOf(a.charge(1)) != fault.TooLarge {
		t.Error("the budget is not 100")
	}
	a.reset(5)
	if s := a.strings(1); s[0] != "" {
		t.Error("a string is left over")
	}
	if a.charge(5) != nil {
		t.Error("the budget is not new")
	}
}

func TestArenaGrow(t *testing.T) {
	var a arena
	a.reset(0)
	var x, y []byte
	for i := range 5000 {
		x = append(a.grow(x, 1), byte(i))
		if i%7 == 0 { // another tensor grows beside it
			y = append(a.grow(y, 8), 1, 2, 3, 4, 5, 6, 7, byte(i))
		}
	}
	for i := range x {
		if x[i] != byte(i) {
			t.Fatalf("x[%d] is %d", i, x[i])
		}
	}
	for i := 0; i < len(y); i += 8 {
		if y[i] != 1 || y[i+7] != byte(i/8*7) {
			t.Fatalf("y[%d] is %v", i, y[i:i+8])
		}
	}
	a.reset(0)
	z := a.grow(nil, 1)[:1]
	for len(z) < 4096 {
		z = append(a.grow(z, 1), 0)
	}
	if cap(a.block)*8 > 1<<17 {
		t.Errorf("%d bytes for one tensor of 4096", cap(a.block)*8)
	}
}

func TestArenaLetsGo(t *testing.T) {
	var a arena
	a.bytes(keptBytes + 8)
	a.strings(keptBytes/stringSize + 1)
	a.reset(0)
	if a.block != nil || a.strs != nil {
		t.Error("an unusually large message keeps its memory")
	}
	for i := range 10 * keptNames {
		name := []byte(strconv.Itoa(i))
		s := a.intern(name)
		if name[0] = 'x'; s != strconv.Itoa(i) {
			t.Fatalf("%q is not a copy", s)
		}
	}
	if len(a.names) > keptNames {
		t.Errorf("%d names are kept", len(a.names))
	}
}
