#!/bin/sh
# Measures infer loadtest beside other load generators and prints Markdown: scripts/loadtest-bench.sh [flags] [SCENARIO]…
# The other generators are installed in the user's cache; one that is not to be had is skipped by name.
# "scripts/loadtest-bench.sh -h" lists the flags and scenarios.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 scripts/serve-parts/parts.py wrk oha bombardier fortio vegeta hey perf_analyzer locust >"$work/parts.json"
go build -o "$work/loadbench" ./scripts/loadbench
"$work/loadbench" -parts "$work/parts.json" "$@"
