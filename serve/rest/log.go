package rest

import (
	"fmt"
	"log/slog"
)

// fastLog takes what fasthttp has to say of connections, which is about clients more than about the server.
type fastLog struct{ log *slog.Logger }

func (l fastLog) Printf(format string, args ...any) {
	if l.log != nil {
		l.log.Debug("http: " + fmt.Sprintf(format, args...))
	}
}
