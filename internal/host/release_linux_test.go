package host

import (
	"strings"
	"testing"
)

// TestReleaseCode: the program goes on after its code was given back.
func TestReleaseCode(t *testing.T) {
	n, err := ReleaseCode()
	if err != nil {
		t.Fatal(err)
	}
	if n < 1<<20 {
		t.Errorf("%d bytes given back; the code of a test is more than that", n)
	}
	if got := strings.Repeat("a", 3); got != "aaa" {
		t.Error(got)
	}
}

func TestCodeMappings(t *testing.T) {
	const smaps = `00400000-00800000 r-xp 00000000 08:01 12 /bin/infer
Size:               4096 kB
Rss:                1024 kB
Shared_Dirty:          0 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00800000-00900000 r--p 00400000 08:01 12 /bin/infer with a space
Rss:                 512 kB
Anonymous:             4 kB
00900000-00a00000 rw-p 00500000 08:01 12 /bin/infer
Rss:                 512 kB
Anonymous:             0 kB
7f0000000000-7f0000100000 r--p 00000000 00:00 0 
Rss:                 512 kB
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]
Rss:                   4 kB
7f1000000000-7f1000100000 r--p 00000000 08:01 99 /lib/libx.so
Rss:                 256 kB
`
	got, err := codeMappings(strings.NewReader(smaps))
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping{{0x400000, 0x400000, 1 << 20, true}, {0x7f1000000000, 0x100000, 256 << 10, true}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want the mapping of code and that of the library, not the one that was relocated: %+v", got, want)
	}
}
