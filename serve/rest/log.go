package rest

import (
	"fmt"
	"log/slog"
)

// log writes a line of the access log.
func (x *exchange) log(l *slog.Logger) {
	e := &x.event
	attrs := []slog.Attr{
		slog.String("method", string(x.ctx.Method())), slog.String("path", string(x.ctx.Path())), slog.Int("status", e.Status),
		slog.Duration("total", e.Total), slog.Int("request_bytes", e.RequestLen), slog.Int("response_bytes", e.ResponseLen),
		slog.String("client", e.Client), slog.String("key", e.Key), slog.String("id", e.ID),
	}
	if e.Protocol != "" {
		attrs = append(attrs,
			slog.String("protocol", e.Protocol), slog.String("model", e.Model), slog.String("version", e.Version),
			slog.String("reason", string(e.Reason)), slog.Int("rows", e.Rows), slog.Int("batch", e.Batch.Rows),
			slog.Duration("queue", e.Timing.Queue), slog.Duration("run", e.Timing.Compute))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	l.LogAttrs(x.s.running, slog.LevelInfo, "request", attrs...)
}

// fastLog takes what fasthttp has to say of connections, which is about clients more than about the server.
type fastLog struct{ log *slog.Logger }

func (l fastLog) Printf(format string, args ...any) {
	if l.log != nil {
		l.log.Debug("http: " + fmt.Sprintf(format, args...))
	}
}
