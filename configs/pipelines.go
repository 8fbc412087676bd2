package configs

import "embed"

// Pipelines holds what a user's repository runs for each change of a model: github/infer-compare.yml (base against head of a
// pull request, on one runner), github/infer-baseline.yml (against accepted runs, on a machine of one's own) and
// gitlab/infer-compare.yml.
//
//go:embed github gitlab
var Pipelines embed.FS
