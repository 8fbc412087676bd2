#!/usr/bin/env bash
# Runs a model with custom operators of others for real: one of ../shared/models, whose operators are those of
# onnxruntime-extensions, which it installs in a virtual environment in the user's cache. What is not here is skipped by name.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.15.2
venv=${XDG_CACHE_HOME:-$HOME/.cache}/infer/custom-ops-check-$version
model=../shared/models/odd/custom-ops-needs-ort-extensions.onnx
photo=../shared/models/squeezenet1.1/images/coral_bird.jpg

fail() {
  echo "custom-ops-check: error: $*" >&2
  exit 1
}

if [ ! -f $model ] || [ ! -f $photo ]; then
  echo "skipped: custom operators: no ../shared/models"
  exit 0
fi
if [ ! -f "$venv/done" ]; then
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --no-deps onnxruntime-extensions==$version numpy; } >/dev/null 2>&1; then
    rm -rf "$venv"
    echo "skipped: custom operators: pip has no index"
    exit 0
  fi
  touch "$venv/done"
fi
library=$(find "$venv" -path '*onnxruntime_extensions/*' -name '*.so' | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/infer" .
infer=$work/infer
bytes=$("$venv/bin/python" -c 'import sys, numpy; b = numpy.fromfile(sys.argv[1], "uint8"); numpy.save(sys.argv[2], b); print(len(b))' $photo "$work/image.npy")

! "$infer" profile $model --cold 0 >"$work/out" 2>"$work/err" || fail "the model runs without its operators"
grep -q 'DecodeImage of domain "com.microsoft.extensions"' "$work/err" || { cat "$work/err" >&2; fail "the operator is not named"; }
grep -q 'onnxruntime-extensions' "$work/err" || fail "the package is not named"

if ! "$infer" profile $model --input "$work/image.npy" --dim num_bytes="$bytes" --runs 3 --warm-up 1 --cold 1 --custom-ops "$library" --format json >"$work/profile.json" 2>"$work/err"; then
  cat "$work/err" >&2
  grep -q 'is a Python module and needs libpython' "$work/err" || fail "the model does not run"
  echo "skipped: custom operators: the library is a Python module, and libpython is not installed"
  exit 0
fi
grep -q DecodeImage "$work/profile.json" || fail "the node is not in the details"
"$infer" optimize $model -o "$work/optimized.onnx" --input "$work/image.npy" --dim num_bytes="$bytes" --custom-ops "$library" --race-time 1s --format json >"$work/optimize.json"
"$infer" inspect "$work/optimized.onnx" >"$work/inspect.txt"
grep -q 'com.microsoft.extensions.EncodeImage' "$work/inspect.txt" || fail "the custom operators are gone"
echo "ok"
