#!/usr/bin/env bash
# fuzz.sh [SECONDS]: runs every fuzz target of the module for SECONDS (default 5). What one finds is written below its
# package's testdata/fuzz: commit it, it is a test from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-5}
grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
  package=$(dirname "$file")
  grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | while read -r target; do
    echo "-- $package $target"
    go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" </dev/null
  done
done
