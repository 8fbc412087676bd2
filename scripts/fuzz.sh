#!/usr/bin/env bash
# fuzz.sh [SECONDS]: runs every fuzz target of the module for SECONDS (default 5). What one finds is written below its
# package's testdata/fuzz: commit it, it is a test from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-5}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
  package=$(dirname "$file")
  grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | sed 's/^func //' | while read -r target; do
    echo "-- $package $target"
    # Shortening one interesting document would take the whole time.
    if ! go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 10x </dev/null >"$out" 2>&1; then
      # The fuzzer's own clock may end a busy worker and call that a failure; a find names the input that it wrote.
      if grep -q 'Failing input written to' "$out" || ! grep -q 'context deadline exceeded' "$out"; then
        cat "$out"
        exit 1
      fi
      echo "   (the time ran out inside a worker; nothing was found)"
    fi
    tail -n 3 "$out" | grep -v '^PASS' || true
  done
done
