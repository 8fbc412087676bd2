#!/bin/sh
# Measures infer profile and prints Markdown: scripts/profile-bench.sh [flags]
# It writes generated models (0.5 GB) to a temporary folder. "scripts/profile-bench.sh -h" lists the flags.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/infer" .
go build -o "$work/profilebench" ./scripts/profilebench
go run ./scripts/archmodels "$work/models" resnet50 bert-base mobilenetv2 chain-300 >/dev/null
"$work/profilebench" -infer "$work/infer" -models "$work/models" "$@"
