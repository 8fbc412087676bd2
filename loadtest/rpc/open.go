package rpc

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"infer/internal/fault"
)

// maxMessage is the largest message that is sent or taken.
const maxMessage = 256 << 20

// What makes a small call cheap. Windows of a fixed size spare the pings by which gRPC sizes them, one and its answer a
// call; an answer larger than the window of its stream widens it.
const (
	streamWindow = 256 << 10
	connWindow   = 16 << 20
)

// Times of connecting.
const (
	connectTimeout = 10 * time.Second // for a connection until HTTP/2 is spoken on it
	leastBackoff   = 100 * time.Millisecond
	mostBackoff    = time.Second
)

// Open implements drive.Target: it waits until there are n connections on which the server speaks HTTP/2, each for
// StreamsPerConnection calls at a time; those there are count. Errors have a hint at what stands in the way.
func (t *Target) Open(ctx context.Context, n int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return fault.New(fault.Internal, "", "connect to %s: closed", t.o.Addr)
	}
	var had []*grpc.ClientConn
	if l := t.lines.Load(); l != nil {
		had = l.list
	}
	if n = max(1, n) - len(had); n <= 0 {
		return nil
	}
	list, err := t.dial(ctx, n)
	if err != nil {
		(&lines{list: list}).close()
		return err
	}
	t.lines.Store(newLines(slices.Concat(had, list)))
	return nil
}

// dial makes n connections, at least one. The first goes ahead, so that a server that takes none is asked once. With an
// error it returns those that there are.
func (t *Target) dial(ctx context.Context, n int) (list []*grpc.ClientConn, err error) {
	options := t.options()
	for i := range n {
		c, err := grpc.NewClient("passthrough:///"+t.o.Addr, options...)
		if err != nil {
			return list, fault.New(fault.Usage, "give the address as host:port", "connect to %s: %w", t.o.Addr, err)
		}
		list = append(list, c)
		c.Connect()
		if i > 0 {
			continue
		}
		if err := t.ready(ctx, c); err != nil {
			return list, err
		}
	}
	for _, c := range list[1:] {
		if err := t.ready(ctx, c); err != nil {
			return list, err
		}
	}
	return list, nil
}

func (t *Target) options() []grpc.DialOption {
	secure := insecure.NewCredentials()
	if t.o.TLS != nil {
		secure = credentials.NewTLS(t.o.TLS)
	}
	slow := backoff.Config{BaseDelay: leastBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: mostBackoff}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.StaticMethod(),
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithNoProxy(), // what is measured is the server
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithDisableHealthCheck(),
		grpc.WithIdleTimeout(0),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: slow, MinConnectTimeout: connectTimeout}),
		grpc.WithUserAgent(t.agent),
	}
	if t.authority != "" {
		options = append(options, grpc.WithAuthority(t.authority))
	}
	return options
}

// ready waits until a connection is there, or says why it is not.
func (t *Target) ready(ctx context.Context, c *grpc.ClientConn) error {
	for {
		s := c.GetState()
		switch s {
		case connectivity.Ready:
			return nil
		case connectivity.Idle: // the server has ended it, or will
			c.Connect()
		case connectivity.TransientFailure:
			if why := reason(ctx, c); why != "" {
				return fault.New(fault.Unavailable, t.hint(why), "connect to %s: %s", t.o.Addr, why)
			}
		}
		if !c.WaitForStateChange(ctx, s) {
			return fault.New(fault.Unavailable, "is anything there, and does it speak gRPC? check host, port and firewall",
				"connect to %s: no answer: %w", t.o.Addr, ctx.Err())
		}
	}
}

// reason returns why a connection failed. gRPC tells it only to calls, which fail at once; should the connection be
// there after all, the call asks for the server's health, and reason is "".
func reason(ctx context.Context, c *grpc.ClientConn) string {
	err := c.Invoke(ctx, "/grpc.health.v1.Health/Check", &message{mem.BufferSlice{}}, new(answer))
	if err == nil || c.GetState() == connectivity.Ready {
		return ""
	}
	return plain(status.Convert(err).Message())
}

// mostText is how much of what a server says of a failure is told.
const mostText = 300

// plain takes the wrapping off an error of a connection and makes it one line.
func plain(text string) string {
	for _, wrap := range []string{"last connection error: ", "latest balancer error: "} {
		if i := strings.LastIndex(text, wrap); i >= 0 {
			text = text[i+len(wrap):]
		}
	}
	if inner, ok := strings.CutPrefix(text, connectionError); ok {
		text = strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `\"`, `"`)
	}
	for _, wrap := range []string{"transport: ", "Error while dialing: "} {
		text = strings.TrimPrefix(text, wrap)
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	return text
}

// hint says what to do about a connection that cannot be made.
func (t *Target) hint(why string) string {
	has := func(text string) bool { return strings.Contains(why, text) }
	switch {
	case has("HTTP/1.1"):
		return "the server speaks HTTP/1.1 here: use http:// for this port, or the port of its gRPC front end"
	case has("does not look like a TLS handshake"):
		return "the server does not speak TLS here: connect in plain text"
	case has("ALPN"), has("no application protocol"):
		return "the server's TLS does not offer HTTP/2, which gRPC needs: use the port of its gRPC front end"
	case has("x509:"), has("certificate"):
		return "the server's certificate is not trusted: give the authority that signed it, and the name that it is for"
	case has("connection refused"):
		return "start the server, or check host and port: no program listens there"
	case has("no such host"), has("lookup "):
		return "check the name of the host"
	case t.o.TLS == nil:
		return "does the server speak TLS here, or another protocol than gRPC? check scheme and port"
	}
	return "check host, port and the server's log"
}
