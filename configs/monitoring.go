// Package configs owns the checked-in files that infer hands to others: example configuration, dashboards, alert rules
// and deployment templates. It has no logic.
package configs

import "embed"

// Monitoring holds what watches a server: grafana/infer.json (the dashboard), prometheus/rules.yaml (alerts, with their
// tests in prometheus/rules_test.yaml) and prometheus/prometheus.yml (a scrape configuration for both).
//
//go:embed grafana prometheus
var Monitoring embed.FS
