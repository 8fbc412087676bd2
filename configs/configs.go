// Package configs owns the checked-in configurations: the example of infer.yaml, dashboards and alert rules, and the
// templates of deployments.
package configs

import "embed"

// Docker holds the templates of infer deploy docker, and what lies beside them as it stands.
//
//go:embed docker
var Docker embed.FS
