package host

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReleaseCode gives back the pages of program files and libraries that are in this process's memory, and returns how
// many bytes they were. Starting touches nearly all of them; what goes on running comes back by itself, without reading
// the disk as long as the system has the files in its cache. Only mappings of files are touched that cannot be written
// and hold no page that differs from its file.
func ReleaseCode() (bytes int64, err error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	maps, err := codeMappings(f)
	for _, m := range maps {
		// The mapping is no memory of Go's: the address is all that the system is told.
		region := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&m.start))), m.size)
		if e := unix.Madvise(region, syscall.MADV_DONTNEED); e == nil {
			bytes += m.resident
		} else if err == nil {
			err = e
		}
	}
	return bytes, err
}

// mapping is a range of this process's memory that a file lies behind.
type mapping struct {
	start    uintptr
	size     uintptr
	resident int64 // bytes in memory
	pristine bool  // read-only, and every page as in the file
}

// codeMappings reads the mappings of files that are pristine from the text of /proc/PID/smaps.
func codeMappings(r io.Reader) ([]mapping, error) {
	var list []mapping
	var m mapping
	keep := func() {
		if m.pristine && m.resident > 0 {
			list = append(list, m)
		}
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 5 && strings.Contains(f[0], "-") {
			keep()
			m = headOf(f)
			continue
		}
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		switch {
		case err != nil:
		case f[0] == "Rss:":
			m.resident = kib << 10
		case f[0] == "Anonymous:" || f[0] == "Swap:" || f[0] == "Locked:":
			m.pristine = m.pristine && kib == 0
		}
	}
	keep()
	return list, lines.Err()
}

// headOf reads the first line of a mapping: START-END PERMISSIONS OFFSET DEVICE INODE PATH.
func headOf(f []string) mapping {
	from, to, _ := strings.Cut(f[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	file := len(f) >= 6 && strings.HasPrefix(f[5], "/")
	return mapping{
		start: uintptr(start), size: uintptr(end - start),
		pristine: err1 == nil && err2 == nil && end > start && file && (f[1] == "r-xp" || f[1] == "r--p"),
	}
}
