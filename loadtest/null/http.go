package null

import (
	"net"
	"strconv"
	"sync"
	"time"
)

// chunk is how much is read at a time.
const chunk = 256 << 10

// refusal answers what is no request that can be read.
const refusal = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "

// HTTP starts a server that answers every HTTP/1.1 request with status 200 and the same body, and keeps connections
// open. Requests may be pipelined; bodies are read by Content-Length and thrown away. On Linux it is one thread an
// event loop and makes no garbage. It listens when HTTP returns. Errors are fault.Usage.
func HTTP(o Options) (*Server, error) {
	l, err := o.listen()
	if err != nil {
		return nil, err
	}
	return serveHTTP(l, o)
}

// answer is the answer to every request.
func (o *Options) answer() []byte {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(len(o.Body)) + "\r\n\r\n"
	return append([]byte(head), o.Body...)
}

// refused is the answer to bytes that are no request.
func refused(err error) []byte {
	return []byte(refusal + strconv.Itoa(len(err.Error())) + "\r\n\r\n" + err.Error())
}

// plain is the server where there is no event loop: a goroutine a connection. Requests that are pipelined are read, and
// so come, one after the other when they have to wait.
type plain struct {
	listener net.Listener
	reply    []byte
	gate     *gate // nil: no answer waits

	work  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool // nil when closed
}

func servePlain(l net.Listener, o Options) (*Server, error) {
	p := &plain{listener: l, reply: o.answer(), conns: map[net.Conn]bool{}}
	if o.timed() {
		p.gate = newGate(o)
	}
	p.work.Go(p.accept)
	return &Server{addr: l.Addr().String(), close: p.close}, nil
}

func (p *plain) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil && p.over() {
			return
		}
		if err != nil { // no file descriptor is free, most likely
			time.Sleep(time.Millisecond)
			continue
		}
		p.mu.Lock()
		if p.conns == nil {
			c.Close()
		} else {
			p.conns[c] = true
			p.work.Go(func() { p.serve(c) })
		}
		p.mu.Unlock()
	}
}

func (p *plain) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns == nil
}

func (p *plain) serve(c net.Conn) {
	defer func() {
		c.Close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	buf := make([]byte, chunk)
	var r requests
	for !r.last {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		whole, err := r.feed(buf[:n])
		for range whole {
			if p.gate != nil {
				p.gate.wait()
			}
			if _, err := c.Write(p.reply); err != nil {
				return
			}
		}
		if err != nil {
			c.Write(refused(err))
			return
		}
	}
}

func (p *plain) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	if p.gate != nil {
		p.gate.close()
	}
	p.work.Wait()
	return err
}
