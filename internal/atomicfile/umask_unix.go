//go:build unix

package atomicfile

import (
	"os"
	"sync"
	"syscall"
)

// umask returns the process's file mode mask. Reading it means setting it for a moment, so it is read once.
var umask = sync.OnceValue(func() os.FileMode {
	m := syscall.Umask(0)
	syscall.Umask(m)
	return os.FileMode(m)
})
