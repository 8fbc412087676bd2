#!/usr/bin/env bash
# Runs OpenVINO for real, on this CPU: installs the flavor into the user's cache, holds the provider to the conformance
# table of engines, and takes the model of the digits through profile, predict, quantize, convert, compare, serve and
# loadtest. Where pip has no index, it says so and exits 0.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/infer" .
infer=$work/infer
model=testdata/digits/digits-cnn.onnx
calib=testdata/digits/calib
data=testdata/digits/test

fail() {
  echo "openvino-check: error: $*" >&2
  exit 1
}

# has TEXT FILE: the result says what it must.
has() { grep -q -- "$1" "$2" || { cat "$2" >&2; fail "no \"$1\" in the result"; }; }

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "skipped: the openvino flavor is for linux/amd64"
  exit 0
fi
if ! "$infer" runtime install --flavor openvino --format json >"$work/install.json" 2>"$work/err"; then
  cat "$work/err" >&2
  grep -q 'cannot install onnxruntime-openvino\|INFER_OFFLINE' "$work/err" || fail "the install failed"
  echo "skipped: openvino: pip has no index"
  exit 0
fi
library=$("$infer" runtime list --provider openvino --format json | sed -n 's/.*"path": "\(.*-openvino.*\)".*/\1/p' | head -1)
[ -f "$library" ] || fail "the installed flavor is not listed"
"$infer" runtime doctor --provider openvino >"$work/doctor.txt" || { cat "$work/doctor.txt" >&2; fail "doctor finds faults"; }
has 'openvino devices' "$work/doctor.txt"

echo "the conformance table"
INFER_ORT_LIBRARY=$library go test -count=1 -run TestConform ./model/engine/ort

echo "profile"
"$infer" profile $model --provider openvino --by node --runs 50 --cold 1 --format json >"$work/profile.json"
has OpenVINOExecutionProvider "$work/profile.json"
has libonnxruntime_providers_openvino.so "$work/profile.json"

echo "predict, and the same classes as on the CPU provider"
"$infer" predict $model --input $data -o "$work/cpu" --format json >"$work/cpu.json"
"$infer" predict $model --input $data -o "$work/openvino" --provider openvino --format json >"$work/openvino.json"
for run in cpu openvino; do
  grep '"correct"' "$work/$run.json" | head -1 >"$work/$run.correct"
done
cmp "$work/cpu.correct" "$work/openvino.correct" || fail "the accuracy is another one"

echo "quantize, three times: sessions come and go"
for _ in 1 2 3; do
  "$infer" quantize $model --int8 --calib $calib --data $data --target openvino --provider openvino --allow-slower --race-time 500ms \
    -o "$work/int8.onnx" --format json >"$work/quantize.json"
done
"$infer" predict "$work/int8.onnx" --input $data -o "$work/int8" --provider openvino >"$work/int8.txt"

echo "convert"
"$infer" convert $model --to openvino -o "$work/converted.onnx" --format json >"$work/convert.json"
has OpenVINOExecutionProvider "$work/convert.json"

echo "compare with the CPU provider"
"$infer" compare --a $model --b $model --a-set provider=cpu --b-set provider=openvino --input $data --block 200ms --max-time 10s \
  --gate 'accuracy_top1>=-0.5pt' --format json >"$work/compare.json"
has '"what": "provider"' "$work/compare.json"

echo "serve and loadtest"
"$infer" serve $model --provider openvino --check
"$infer" loadtest $model --provider openvino --concurrency 4 --duration 2s --format json >"$work/load.json"

echo "refused: a wrong option, a device that is not here, operators that it does not have"
! "$infer" profile $model --provider openvino --provider-option device_typ=CPU >"$work/out" 2>"$work/err" || fail "a wrong option is taken"
has 'did you mean device_type?' "$work/err"
models=../shared/models
if [ -f $models/adult-gbdt/adult-gbdt.onnx ]; then
  ! "$infer" profile $models/adult-gbdt/adult-gbdt.onnx --provider openvino --cold 0 >"$work/out" 2>"$work/err" || fail "a forest runs on OpenVINO"
  has 'TreeEnsembleClassifier' "$work/err"
  has '--provider openvino --provider cpu' "$work/err"
else
  echo "skipped: openvino: no ../shared/models for the refusal of operators"
fi
echo "ok"
