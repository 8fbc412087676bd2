#!/usr/bin/env bash
# gpu-check.sh [MODEL…]: what needs an NVIDIA GPU, tried on one: the cuda flavor, every MODEL on CUDA beside the CPU, TensorRT
# through ONNX Runtime's provider and, where there is one, through trtexec. Without models it takes those of ../shared/models.
# It says ok, FAILED or skipped a line, and ends with 1 where something failed. Without a GPU it skips all, and ends with 0.
# PROVIDER names another provider than cuda for the comparison, to try the script itself.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
provider=${PROVIDER:-cuda}
if ! command -v nvidia-smi >/dev/null; then
	echo "skipped: no nvidia-smi, so no NVIDIA GPU"
	exit 0
fi
nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader || { echo "skipped: nvidia-smi finds no GPU"; exit 0; }

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
failed=0
ok() { echo "ok       $*"; }
bad() { echo "FAILED   $*"; sed 's/^/         /' "$work/log" | tail -n 8; failed=1; }
skip() { echo "skipped  $*"; }
# try NAME COMMAND…: runs a command whose output is shown where it fails.
try() {
	local name=$1
	shift
	if "$@" >"$work/log" 2>&1; then ok "$name"; else bad "$name"; return 1; fi
}

infer=$work/infer
try "build infer" go build -o "$infer" . || exit 1
if [ "$provider" = cuda ]; then
	try "install the cuda flavor" "$infer" runtime install --flavor cuda || exit 1
	"$infer" runtime doctor || true
fi

if [ $# -gt 0 ]; then models=("$@"); else
	models=()
	for m in ../shared/models/*/*.onnx; do
		case $m in */odd/*) ;; *) models+=("$m") ;; esac
	done
fi

# shellcheck disable=SC2317 # try calls it
# beside MODEL: a server on the provider answers like the CPU does, within what TF32 leaves of float32.
beside() {
	local model=$1 port=$((20000 + RANDOM % 20000)) status
	"$infer" serve "$model" --provider "$provider" --provider cpu --http "127.0.0.1:$port" --grpc off --metrics off >"$work/serve" 2>&1 &
	server=$!
	for _ in $(seq 240); do
		curl -fsS "http://127.0.0.1:$port/v2/health/ready" >/dev/null 2>&1 && break
		kill -0 "$server" 2>/dev/null || break
		sleep 0.5
	done
	"$infer" loadtest "http://127.0.0.1:$port" --concurrency 1 --requests 20 --expect-from "$model" --rtol 0.02 --atol 0.02
	status=$?
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	server=
	[ "$status" -ne 4 ] || status=0 # the answers were right, the timing not trustworthy
	! grep -E 'cannot be used|not in this build' "$work/serve" || status=1 # it ran on the CPU
	[ "$status" -eq 0 ] || tail -n 5 "$work/serve"
	return "$status"
}
# shellcheck disable=SC2317 # try calls it
# profiled MODEL: the provider ran it, not the CPU in its place.
profiled() {
	"$infer" profile "$1" --provider "$provider" --provider cpu --runs 100 --cold 0 --format json >"$work/profile" || return 1
	! grep -oE '"[^"]*(cannot be used|not in this build)[^"]*"' "$work/profile"
}
for m in "${models[@]}"; do
	try "$(basename "$m") answers on $provider like on the cpu" beside "$m"
	try "$(basename "$m") is profiled on $provider" profiled "$m"
done

# TensorRT's libraries: those that the provider of the installed library asks for.
libraries=$("$infer" runtime list --format json | python3 -c 'import json,sys; print("\n".join(l["path"] for l in json.load(sys.stdin)["details"]["libraries"] if "tensorrt" in l.get("providers", [])))' | head -n 1)
if [ -z "$libraries" ]; then
	skip "TensorRT: no library here has its provider"
else
	file=$(dirname "$(readlink -f "$libraries")")/libonnxruntime_providers_tensorrt.so
	major=$(grep -aoE 'libnvinfer\.so\.[0-9]+' "$file" | head -n 1 | grep -oE '[0-9]+$')
	cuda=$(grep -aoE 'libcudart\.so\.[0-9]+' "$file" | head -n 1 | grep -oE '[0-9]+$')
	if python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet "tensorrt-cu$cuda-libs==$major.*" >"$work/log" 2>&1; then
		ok "install TensorRT $major for CUDA $cuda"
		tensorrt=$(echo "$work"/venv/lib/python*/site-packages/tensorrt_libs)
		export LD_LIBRARY_PATH=$tensorrt:${LD_LIBRARY_PATH:-}
	else
		skip "install TensorRT $major for CUDA $cuda: $(tail -n 1 "$work/log")"
	fi
fi

# twice NAME OUT FLAGS…: a conversion, the same again, which must be cached, and what --check says of it.
twice() {
	local name=$1 out=$2
	shift 2
	try "$name" "$infer" convert "$@" -o "$out" || return 0
	if "$infer" convert "$@" -o "$out" --format json 2>"$work/log" | grep -q '"cached": true'; then ok "$name: the same again is cached"; else bad "$name: the same again is not cached"; fi
	try "$name: it would load here" "$infer" convert --check "$out"
}
small=testdata/digits/digits-cnn.onnx
profile='image:1x1x8x8/8x1x8x8/32x1x8x8'
if [ -n "$libraries" ]; then
	twice "TensorRT by the provider" "$work/digits.onnx" "$small" --to tensorrt --profile "$profile"
	twice "TensorRT by the provider, inside the file" "$work/inside.onnx" "$small" --to tensorrt --profile "$profile" --embed
	if "$infer" convert "$small" --to fp16 -o "$work/half.onnx" >"$work/log" 2>&1; then
		twice "TensorRT of half precision" "$work/half.trt.onnx" "$work/half.onnx" --to tensorrt --profile "$profile"
	else bad "half precision of $small"; fi
fi
if command -v trtexec >/dev/null || [ -x /usr/src/tensorrt/bin/trtexec ]; then
	twice "TensorRT by trtexec" "$work/digits.plan" "$small" --to tensorrt --via trtexec --profile "$profile" --timing-cache "$work/kernels.cache"
else
	skip "TensorRT by trtexec: it is not here"
fi
exit $failed
