#!/usr/bin/env bash
# lint.sh: gofmt, go vet and staticcheck (pinned by go.mod's tool directive) over the whole module, and a build
# without cgo.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
  echo "gofmt would change:" >&2
  echo "$unformatted" >&2
  exit 1
fi
go vet ./... ./testdata/arch
go tool staticcheck ./... ./testdata/arch
CGO_ENABLED=0 go build -o /dev/null .
echo "lint: clean"
