#!/bin/sh
# The files of infer profile --export, judged by the real tools: speedscope's published schema (npm), go tool pprof
# and a strict reader of Chrome traces. What is not to be had is skipped by name.
set -eu
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/infer

version=1.25.0
speedscope=$cache/speedscope-$version
schema=$speedscope/node_modules/speedscope/dist/release/file-format-schema.json
if [ ! -f "$schema" ]; then
	rm -rf "$speedscope"
	mkdir -p "$speedscope"
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$speedscope" speedscope@$version >/dev/null 2>&1 || { rm -rf "$speedscope"; echo "skipped: speedscope: npm has none"; }
fi
if [ -f "$schema" ]; then
	INFER_TEST_SPEEDSCOPE_SCHEMA=$schema
	export INFER_TEST_SPEEDSCOPE_SCHEMA
fi

go test -count=1 -v -run 'Speedscope|Pprof|Chrome' ./profile/export
