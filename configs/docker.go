package configs

import "embed"

// Docker holds the templates of infer deploy docker, and provisioning/, which makes Grafana know Prometheus, Jaeger and
// the dashboards.
//
//go:embed docker
var Docker embed.FS
