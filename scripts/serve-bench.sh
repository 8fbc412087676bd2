#!/bin/sh
# Measures infer serve beside other servers of models and prints Markdown: scripts/serve-bench.sh [flags] [SCENARIO]…
# The other servers are installed in the user's cache; one that is not to be had is skipped by name. Triton's ONNX
# Runtime backend comes in no package: it is measured where it was built into the cache before.
# "scripts/serve-bench.sh -h" lists the flags and scenarios.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 scripts/serve-parts/parts.py triton triton-onnxruntime pytriton fastapi mlserver litserve >"$work/parts.json"
go build -o "$work/servebench" ./scripts/servebench
"$work/servebench" -parts "$work/parts.json" "$@"
