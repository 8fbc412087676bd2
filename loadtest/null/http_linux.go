package null

import (
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// loops are the threads of one server. The first of them takes the connections and deals them out.
type loops struct {
	listener *os.File
	fd       int // of the listener; File.Fd would make it blocking each time
	reply    []byte
	list     []*loop
	over     atomic.Bool
	work     sync.WaitGroup
}

// serveHTTP serves HTTP on l, which it closes.
func serveHTTP(l net.Listener, o Options) (*Server, error) {
	addr := l.Addr().String()
	file, err := l.(*net.TCPListener).File() // listens on when l is closed
	l.Close()
	if err != nil {
		return nil, err
	}
	s := &loops{listener: file, reply: o.answer()}
	for range max(1, o.Threads) {
		p, err := newLoop(s, o)
		if err != nil {
			s.free()
			return nil, err
		}
		s.list = append(s.list, p)
	}
	s.fd = int(file.Fd())
	err = unix.SetNonblock(s.fd, true)
	if err == nil {
		err = s.list[0].watch(unix.EPOLL_CTL_ADD, s.fd, unix.EPOLLIN)
	}
	if err != nil {
		s.free()
		return nil, err
	}
	for _, p := range s.list {
		s.work.Go(p.run)
	}
	return &Server{addr: addr, close: s.close}, nil
}

func (s *loops) close() error {
	s.over.Store(true)
	one := [8]byte{1}
	for _, p := range s.list {
		unix.Write(p.wake, one[:])
	}
	s.work.Wait()
	s.free()
	return nil
}

func (s *loops) free() {
	for _, p := range s.list {
		unix.Close(p.wake)
		unix.Close(p.epoll)
	}
	s.listener.Close()
}

// accept takes all connections that wait.
func (s *loops) accept(dealt *int) {
	for {
		fd, _, err := unix.Accept4(s.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		p := s.list[*dealt%len(s.list)]
		*dealt++
		if p.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) != nil {
			unix.Close(fd)
		}
	}
}
