#!/bin/sh
# Compares infer quantize with the official Python quantizer and prints Markdown tables; see quantize-bench/run.py --help.
# The official side lives in a virtual environment in the user's cache. --system-python as the first argument takes the
# packages of plain python3 instead.
set -eu
here=$(dirname "$0")/quantize-bench
if [ "${1-}" = --system-python ]; then
	shift
	exec python3 "$here/run.py" "$@"
fi
venv=${XDG_CACHE_HOME:-$HOME/.cache}/infer/quantize-bench-1.30.0
if ! "$venv/bin/python" -c 'import onnxruntime.quantization, onnx_ir, sympy' 2>/dev/null; then
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet onnxruntime==1.30.0 onnx==1.23.2 onnx-ir sympy numpy
fi
exec "$venv/bin/python" "$here/run.py" "$@"
