//go:build linux && (amd64 || arm64)

package http1

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bufio"
)

// nullServer is the environment variable that makes the test binary a server that does nothing, for benchmarks: it
// prints its port and answers until its standard input ends.
const nullServer = "INFER_TEST_NULL_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(nullServer) != "" {
		go serveNull()
		bufio.NewReader(os.Stdin).ReadByte()
		return
	}
	m.Run()
}

// startNull starts a server in a process of its own and returns its address. cpu ≥ 0 pins it.
func startNull(t testing.TB, cpu int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if cpu >= 0 {
		cmd = exec.Command("taskset", "-c", strconv.Itoa(cpu), os.Args[0])
	}
	cmd.Env = append(os.Environ(), nullServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

const nullAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\nServer: null\r\n\r\n{\"outputs\":[1.25,0.5,0.25]}"

// serveNull answers every request, all of one size on a connection, from one epoll loop.
func serveNull() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		panic(err)
	}
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		panic(err)
	}
	type state struct{ size, have int }
	states := map[int32]*state{}
	unix.SetNonblock(int(f.Fd()), true)
	unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, int(f.Fd()), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(f.Fd())})
	buf, events, answer := make([]byte, 64<<10), make([]unix.EpollEvent, 128), []byte(nullAnswer)
	for {
		n, _ := sleep(ep, events, longSleep)
		for _, e := range events[:n] {
			if int(e.Fd) == int(f.Fd()) {
				if fd, _, err := unix.Accept4(int(f.Fd()), unix.SOCK_NONBLOCK); err == nil {
					unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
					states[int32(fd)] = &state{}
				}
				continue
			}
			s := states[e.Fd]
			got, errno := receive(int(e.Fd), buf)
			if got <= 0 || errno != 0 {
				unix.Close(int(e.Fd))
				continue
			}
			if s.size == 0 {
				end := bytes.Index(buf[:got], []byte("\r\n\r\n")) + 4
				_, after, _ := strings.Cut(strings.ToLower(string(buf[:end])), "content-length: ")
				length, _ := strconv.Atoi(strings.SplitN(after, "\r", 2)[0])
				s.size = end + length
			}
			for s.have += got; s.have >= s.size; s.have -= s.size {
				send(int(e.Fd), answer)
			}
		}
	}
}
