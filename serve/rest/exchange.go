package rest

import (
	"fmt"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/serve/repository"
)

// exchange is one request and its answer. It is taken from a pool when a request has been read up to its body, and
// given back when the answer lies in the buffer of the connection.
type exchange struct {
	s     *Server
	ctx   *fasthttp.RequestCtx
	conn  *conn // nil where the server was not given its own
	route route
	end   *endpoint
	head  header

	handle *repository.Handle // of the model that was found; given back in finish
	call   *repository.Call
	req    wire.Request
	resp   wire.Response
	event  repository.RequestEvent

	raw                                         []byte // the body as it came
	plain                                       []byte // the body unpacked
	packed                                      []byte // scratch of the answer
	text                                        []byte // scratch of header values
	want                                        []string
	asked                                       []wire.Output
	held                                        int64 // bytes that are counted in Server.budget, the sum of:
	rawHeld, plainHeld, decodedHeld, outputHeld int64
	gone                                        func() bool // asks the connection of this exchange
}

// largeAnswer is the size from which on an answer gets more time than the timeout: a slow reader needs it.
const largeAnswer = 256 << 10

// keep is how large a buffer an exchange takes back to the pool: one large request shall not hold its memory for
// many small ones.
const keep = 4 << 20

func newExchange(s *Server) *exchange {
	x := &exchange{s: s}
	x.gone = x.clientGone
	return x
}

// clientGone reports whether nobody waits for the answer any more. The batcher asks for calls that waited.
func (x *exchange) clientGone() bool { return x.conn != nil && x.conn.gone() }

// handle answers a request. It is fasthttp's handler.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	x := s.pool.Get().(*exchange)
	defer x.finish()
	x.begin(ctx)
	if err := x.dispatch(); err != nil {
		x.fail(err)
	}
}

// begin reads the path and the header.
func (x *exchange) begin(ctx *fasthttp.RequestCtx) {
	x.ctx, x.end = ctx, &endpoints[nowhere]
	if x.conn, _ = ctx.Conn().(*conn); x.conn != nil {
		x.event.Arrived, x.event.Client = x.conn.arrived, x.conn.client
	} else {
		x.event.Arrived = time.Now()
	}
	x.head.read(&ctx.Request.Header)
	x.route = parseRoute(ctx.Path())
	x.end = &endpoints[x.route.place]
	x.event.Protocol = x.end.protocol
	x.event.ID = view(x.head.requestID)
	x.event.Trace = repository.Trace{Parent: view(x.head.traceParent), State: view(x.head.traceState)}
	if len(x.head.requestID) > 0 {
		ctx.Response.Header.SetCanonical(hRequestID, x.head.requestID)
	}
	if x.s.draining.Load() {
		ctx.SetConnectionClose()
	}
}

// dispatch finds what a request wants, asks whether it may, and does it.
func (x *exchange) dispatch() error {
	run, err := x.admit()
	if err != nil {
		return err
	}
	return run(x)
}

// admit finds what a request wants and asks whether it may, by its header alone.
func (x *exchange) admit() (run func(*exchange) error, err error) {
	if err := x.sound(); err != nil {
		return nil, err
	}
	run = x.end.get
	switch method := x.ctx.Method(); {
	case string(method) == fasthttp.MethodPost:
		run = x.end.post
	case string(method) != fasthttp.MethodGet && string(method) != fasthttp.MethodHead:
		run = nil
	}
	if run == nil {
		if x.route.place == nowhere {
			return nil, x.notFound()
		}
		return nil, x.wrongMethod()
	}
	return run, x.authorize(x.end.scope)
}

// authorize checks the key of a request where the server has keys and the scope asks for one.
func (x *exchange) authorize(scope string) error {
	if x.s.o.Authorize == nil || scope == "" {
		return nil
	}
	name, err := x.s.o.Authorize(x.head.credential(), scope)
	x.event.Key = name
	return err
}

// finish tells the observer and the log how the request ended, and gives everything back. A panic of a handler is
// answered 500 and logged: one request shall not take the others with it.
func (x *exchange) finish() {
	p := recover()
	if p != nil {
		if x.s.o.Log != nil {
			x.s.o.Log.Error("a request ended in a panic", "panic", fmt.Sprint(p), "path",
				string(x.ctx.Path()), "stack", string(debug.Stack()))
		}
		x.fail(fault.New(fault.Internal, "", "the server failed at this request"))
	}
	x.account()
	x.release()
	if p == nil {
		x.s.pool.Put(x)
	}
}

// release gives back what the exchange holds.
func (x *exchange) release() {
	if x.call != nil {
		x.call.Free()
	}
	if x.handle != nil {
		x.handle.Release()
	}
	x.reset()
}

// account fills the event of an inference and hands it out.
func (x *exchange) account() {
	o := &x.s.o
	e := &x.event
	e.Status = x.ctx.Response.StatusCode()
	e.ResponseLen = len(x.ctx.Response.Body())
	if n := e.ResponseLen; n > largeAnswer {
		_ = x.ctx.SetWriteDeadline(time.Now().Add(o.WriteTimeout + time.Duration(n/minRate)*time.Second))
	}
	if o.AccessLog == nil && (o.Observer == nil || e.Protocol == "") {
		return
	}
	e.Total = time.Since(e.Arrived)
	if e.Reason == "" {
		e.Reason = repository.OK
	}
	if x.call != nil {
		e.Rows, e.Timing, e.Batch = x.call.Rows, x.call.Timing, x.call.Batch
	}
	if o.Observer != nil && e.Protocol != "" {
		o.Observer.Request(e)
	}
	if o.AccessLog != nil {
		x.log(o.AccessLog)
	}
}

// reset makes the exchange fit for another request.
func (x *exchange) reset() {
	x.req.Reset()
	x.s.budget.Give(x.held)
	clear(x.resp.Outputs)
	*x = exchange{s: x.s, gone: x.gone, req: x.req,
		resp: wire.Response{Outputs: x.resp.Outputs[:0], Params: x.resp.Params[:0]},
		raw:  trim(x.raw), plain: trim(x.plain), packed: trim(x.packed), text: x.text[:0], want: x.want[:0], asked: x.asked[:0]}
}

// trim empties a buffer, and drops one that has grown large.
func trim(b []byte) []byte {
	if cap(b) > keep {
		return nil
	}
	return b[:0]
}

// view returns b as a string without a copy: it changes when b does.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
