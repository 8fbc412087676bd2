package child

import (
	"os"
	"syscall"
)

func maxRSS(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss // bytes here
	}
	return 0
}
