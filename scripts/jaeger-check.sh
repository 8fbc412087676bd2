#!/bin/sh
# jaeger-check.sh: sends traces to the real Jaeger and reads them back through its query API. scripts/jaeger.sh builds it.
set -eu
cd "$(dirname "$0")/.."
jaeger=$(scripts/jaeger.sh)
[ -n "$jaeger" ] || exit 0
INFER_TEST_JAEGER=$jaeger go test -count=1 -run TestJaeger -v ./serve/observe
