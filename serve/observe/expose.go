package observe

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// Write writes the metrics as accept, the header of a scrape, asks: the text format ("" too), OpenMetrics with trace
// ids as exemplars, or protocol buffers. It returns the content type. What cannot be gathered is logged and left out.
func (b *Observe) Write(w io.Writer, accept string) (contentType string, err error) {
	b.series.tidy(b.now())
	families, err := b.registry.Gather()
	if err != nil {
		b.log.Warn("gather metrics", "error", err)
		if len(families) == 0 {
			return "", fmt.Errorf("gather metrics: %w", err)
		}
	}
	format := expfmt.NegotiateAccept(http.Header{"Accept": {accept}}, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	encoder := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return "", fmt.Errorf("write metrics: %w", err)
		}
	}
	if c, ok := encoder.(expfmt.Closer); ok { // the end mark of OpenMetrics
		if err := c.Close(); err != nil {
			return "", fmt.Errorf("write metrics: %w", err)
		}
	}
	return string(format), nil
}

// Handler answers scrapes like Write, compressed where the client takes that.
func (b *Observe) Handler() http.Handler {
	h := promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          scrapeLog{b.log},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.series.tidy(b.now())
		h.ServeHTTP(w, r)
	})
}

// scrapeLog logs what goes wrong in a scrape, but for clients that hang up in the middle of one: every metric that is
// left would be a line, about nothing that the server could mend.
type scrapeLog struct{ log *slog.Logger }

// Println is that of promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	for _, one := range v {
		err, ok := one.(error)
		if ok && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)) {
			return
		}
	}
	l.log.Warn(strings.TrimSpace(fmt.Sprintln(v...)))
}
