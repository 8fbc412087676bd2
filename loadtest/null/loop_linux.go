package null

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop is one thread with its connections.
type loop struct {
	*loops
	epoll, wake int
	timed       bool
	start       time.Time
	line        line
	queue       []departure // in the order of leaving, from first on
	first       int
	conns       map[int32]*socket
	buf         []byte
}

// departure is an answer that has to wait.
type departure struct {
	leave time.Duration
	to    *socket
}

// socket is a connection.
type socket struct {
	fd       int
	requests requests
	owed     int  // answers that may leave and have not left whole
	sent     int  // bytes of the first of them that have left
	waiting  int  // answers in the queue
	full     bool // the socket takes no more for now
	gone     bool // closed
}

func newLoop(s *loops, o Options) (*loop, error) {
	p := &loop{loops: s, timed: o.timed(), start: time.Now(), line: line{o: o}, conns: map[int32]*socket{}, buf: make([]byte, chunk)}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(p.epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err = p.watch(unix.EPOLL_CTL_ADD, p.wake, unix.EPOLLIN); err != nil {
		unix.Close(p.wake)
		unix.Close(p.epoll)
		return nil, err
	}
	return p, nil
}

func (p *loop) watch(op, fd int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

// run serves until the server is over. Its system calls do not block but for the waits, so that the scheduler of Go
// need not hear of them.
func (p *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, 256)
	dealt := 0
	for !p.over.Load() {
		for _, e := range events[:p.wait(events)] {
			switch e.Fd {
			case int32(p.fd):
				p.accept(&dealt)
			case int32(p.wake):
			default:
				p.event(e)
			}
		}
		p.depart()
	}
	for fd := range p.conns {
		unix.Close(int(fd))
	}
}

// wait waits for events, or until an answer is to leave.
func (p *loop) wait(events []unix.EpollEvent) int {
	if p.first == len(p.queue) {
		n, _ := unix.EpollWait(p.epoll, events, -1)
		return max(0, n)
	}
	if n := poll(p.epoll, events); n > 0 {
		return n
	}
	if d := p.queue[p.first].leave - time.Since(p.start) - spin; d > 0 {
		ts := unix.NsecToTimespec(int64(d)) // finer than the milliseconds of epoll_wait
		unix.Ppoll([]unix.PollFd{{Fd: int32(p.epoll), Events: unix.POLLIN}}, &ts, nil)
	}
	return 0
}

// event reads what has come on a connection, and writes what is owed to it.
func (p *loop) event(e unix.EpollEvent) {
	c := p.conns[e.Fd]
	if c == nil {
		c = &socket{fd: int(e.Fd)}
		p.conns[e.Fd] = c
	}
	if e.Events&unix.EPOLLOUT != 0 && !p.write(c) {
		return
	}
	if e.Events&^unix.EPOLLOUT == 0 {
		return
	}
	n := read(c.fd, p.buf)
	if n == -int(unix.EAGAIN) || n == -int(unix.EINTR) {
		return
	}
	if n <= 0 {
		p.drop(c)
		return
	}
	whole, err := c.requests.feed(p.buf[:n])
	if err != nil {
		unix.Write(c.fd, refused(err)) // all or nothing: the connection ends
		p.drop(c)
		return
	}
	if whole == 0 {
		return
	}
	if !p.timed {
		c.owed += whole
		p.write(c)
		return
	}
	now := time.Since(p.start)
	for range whole {
		p.queue = append(p.queue, departure{p.line.leave(now), c})
	}
	c.waiting += whole
}

// depart writes the answers whose time has come.
func (p *loop) depart() {
	if p.first == len(p.queue) {
		return
	}
	now := time.Since(p.start)
	for p.first < len(p.queue) && p.queue[p.first].leave <= now {
		c := p.queue[p.first].to
		p.queue[p.first].to = nil
		p.first++
		c.waiting--
		c.owed++
		if !c.gone {
			p.write(c)
		}
	}
	if p.first == len(p.queue) || p.first > 1<<16 {
		n := copy(p.queue, p.queue[p.first:])
		p.queue, p.first = p.queue[:n], 0
	}
}

// write writes what is owed as far as the socket takes it. It returns false when it has closed the connection.
func (p *loop) write(c *socket) bool {
	for c.owed > 0 {
		n := write(c.fd, p.reply[c.sent:])
		if n == -int(unix.EINTR) {
			continue
		}
		if n == -int(unix.EAGAIN) {
			return p.block(c, true)
		}
		if n < 0 {
			p.drop(c)
			return false
		}
		if c.sent += n; c.sent == len(p.reply) {
			c.sent = 0
			c.owed--
		}
	}
	if c.requests.last && c.waiting == 0 {
		p.drop(c)
		return false
	}
	return p.block(c, false)
}

// block says whether the connection is to be written to as soon as it takes more. It is not read meanwhile.
func (p *loop) block(c *socket, full bool) bool {
	if c.full == full {
		return true
	}
	c.full = full
	events := uint32(unix.EPOLLIN)
	if full {
		events = unix.EPOLLOUT
	}
	if p.watch(unix.EPOLL_CTL_MOD, c.fd, events) != nil {
		p.drop(c)
		return false
	}
	return true
}

func (p *loop) drop(c *socket) {
	c.gone = true
	delete(p.conns, int32(c.fd))
	unix.Close(c.fd)
}

// The calls below do not block, so they spare the scheduler of Go, which costs as much as they do.

// poll returns the events that there are.
func poll(epoll int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// read returns how much came, 0 at the end, or less than 0 and minus it the errno.
func read(fd int, b []byte) int { return call(unix.SYS_READ, fd, b) }

// write returns how much left, or less than 0 and minus it the errno.
func write(fd int, b []byte) int { return call(unix.SYS_WRITE, fd, b) }

func call(number uintptr, fd int, b []byte) int {
	n, _, errno := unix.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return -int(errno)
	}
	return int(n)
}
