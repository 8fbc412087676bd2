// Package observe owns what the server tells about itself: Prometheus metrics, OpenTelemetry traces, and the figures
// of the last seconds that the built-in page shows. It is the only home of the metrics and tracing clients.
package observe
