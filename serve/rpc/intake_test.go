package rpc

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"

	"infer/internal/pb"
	"infer/serve/guard"
	"infer/serve/repository"
)

// wireClient speaks HTTP/2 by hand, to stop where it likes.
type wireClient struct {
	net.Conn
	t *testing.T
}

func byHand(t *testing.T, addr string) *wireClient {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	w := &wireClient{c, t}
	w.frame(4, 0, 0, nil)
	return w
}

func (w *wireClient) frame(kind, flags byte, stream uint32, payload []byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[5:], stream)
	if _, err := w.Write(append(head, payload...)); err != nil {
		w.t.Log(err)
	}
}

// begin opens a call of a method.
func (w *wireClient) begin(stream uint32, method string) {
	var block []byte
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		block = append(append(append(block, 0, byte(len(f[0]))), f[0]...), byte(len(f[1])))
		block = append(block, f[1]...)
	}
	w.frame(1, 4, stream, block)
}

// send sends n bytes of a message that is announced to have more.
func (w *wireClient) send(stream uint32, announced, n int) {
	b := make([]byte, 5, 5+n)
	binary.BigEndian.PutUint32(b[1:], uint32(announced))
	for b = b[:5+n]; len(b) > 0; {
		part := b[:min(len(b), 10<<10)]
		w.frame(0, 0, stream, part)
		b = b[len(part):]
	}
}

// ended waits until the server has ended a stream, by RST_STREAM or trailers.
func (w *wireClient) ended(stream uint32) bool {
	w.SetReadDeadline(time.Now().Add(3 * time.Second))
	for {
		var head [9]byte
		if _, err := io.ReadFull(w, head[:]); err != nil {
			return false
		}
		n := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, w, n); err != nil {
			return false
		}
		if binary.BigEndian.Uint32(head[5:]) == stream && (head[3] == frameReset || head[4]&flagEnd != 0) {
			return true
		}
	}
}

// TestIntake holds that a message that stops coming is given up, on a unary call, on a stream, and where the message is
// one that gRPC decodes by itself; and that its bytes are not counted afterwards.
func TestIntake(t *testing.T) {
	h := serve(t, sums("sum"), Options{Budget: guard.NewBudget(1 << 20)}, repository.Options{})
	h.server.stall = 200 * time.Millisecond
	for _, method := range []string{
		pb.GRPCInferenceService_ModelInfer_FullMethodName, pb.GRPCInferenceService_ModelStreamInfer_FullMethodName,
		pb.GRPCInferenceService_ServerMetadata_FullMethodName,
	} {
		w := byHand(t, h.addr)
		w.begin(1, method)
		w.send(1, 200<<10, 150<<10)
		if !w.ended(1) {
			t.Errorf("%s waits for a message that does not come", method)
		}
		if n := h.server.budget.Held(); n != 0 {
			t.Errorf("%s: %d bytes are still counted", method, n)
		}
	}
}

// TestBudget holds that unfinished messages share a budget: the one that goes over it is refused, the others stay, and
// a small call goes through.
func TestBudget(t *testing.T) {
	h := serve(t, sums("sum"), Options{Budget: guard.NewBudget(400 << 10)}, repository.Options{})
	w := byHand(t, h.addr)
	for stream := uint32(1); stream <= 7; stream += 2 {
		w.begin(stream, pb.GRPCInferenceService_ModelInfer_FullMethodName)
		w.send(stream, 200<<10, 150<<10)
	}
	if !w.ended(5) {
		t.Error("a message over the budget is taken")
	}
	if n := h.server.budget.Held(); n == 0 || n > 400<<10 {
		t.Errorf("%d bytes are counted", n)
	}
	if _, err := h.oip.ModelInfer(t.Context(), one("sum")); err != nil {
		t.Error(err)
	}
	w.Close()
	for range 100 {
		if h.server.budget.Held() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d bytes are counted for a connection that is closed", h.server.budget.Held())
}

// TestRatio holds that a message that unpacks to far more than its size is refused, as over HTTP.
func TestRatio(t *testing.T) {
	h := serve(t, sums("sum"), Options{}, repository.Options{})
	r := one("sum")
	r.Id = string(make([]byte, 20<<20))
	_, err := h.oip.ModelInfer(t.Context(), r, grpc.UseCompressor(gzip.Name))
	if err == nil || !strings.Contains(err.Error(), errRatio.Error()) {
		t.Error(err)
	}
}
