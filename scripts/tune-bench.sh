#!/bin/sh
# Measures infer tune and prints Markdown: scripts/tune-bench.sh [-t TIME] [-n SEARCHES] [MODEL]…
# Every setting of a model is measured in rounds for TIME (default 5m), and infer tune gets 15 % of that; then it chooses
# SEARCHES times (default 20; 0: not at all) between a model and itself, in 15 s each. The models are mnist-cnn (of
# ../shared), encoder and mobilenetv2 (made here); one that is not to be had is skipped by name. Leave the machine alone.
set -eu
cd "$(dirname "$0")/.."
time=5m searches=20
while getopts t:n: flag; do
	case $flag in
	t) time=$OPTARG ;;
	n) searches=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- mnist-cnn encoder mobilenetv2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go run ./scripts/archmodels "$work" >/dev/null
list=
for name in "$@"; do
	case $name in
	mnist-cnn) file=$PWD/../shared/models/mnist-cnn/mnist-cnn.onnx ;;
	encoder) file=$work/encoder-batch.onnx ;;
	*) file=$work/$name.onnx ;;
	esac
	if [ -f "$file" ]; then
		list="$list$name=$file
"
	else
		echo "skipped: $name: $file is not there" >&2
	fi
done
[ -n "$list" ] || exit 1
export INFER_TUNE_BENCH="$list" INFER_TUNE_BENCH_TIME="$time" INFER_TUNE_BENCH_SAME="$searches"
run=TestTuneBench
[ "$searches" = 0 ] || run='TestTuneBench|TestTuneSame'
if ! go test -count=1 -timeout 0 -v -run "^($run)\$" ./cmd >"$work/out" 2>&1; then
	cat "$work/out" >&2
	exit 1
fi
sed -n '/^|/p;/^$/p' "$work/out"
