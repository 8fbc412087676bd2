#!/bin/sh
# Measures how often infer compare errs and what it finds, and prints Markdown:
# scripts/compare-bench.sh simulate|real [flags]; "scripts/compare-bench.sh real -h" lists the flags.
# simulate takes a few minutes, real 42 at most (-max-time 70s: 26), on two CPUs that nothing else uses.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/comparebench" ./scripts/comparebench
mode=${1:-simulate}
[ $# -eq 0 ] || shift
if [ "$mode" = real ]; then
	go build -o "$work/infer" .
	go build -o "$work/encoder" ./scripts/encoder
	set -- -infer "$work/infer" -encoder "$work/encoder" "$@"
fi
"$work/comparebench" "$mode" "$@"
