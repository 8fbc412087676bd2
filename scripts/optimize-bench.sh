#!/bin/sh
# Compares the number of nodes that infer optimize, onnxsim and onnxslim leave of every shared and generated model, and
# whether what they leave still answers alike, and prints a Markdown table; see optimizebench-parts/run.py --help.
# The other tools live in a virtual environment in the user's cache.
set -eu
here=$(dirname "$0")/optimizebench-parts
venv=${XDG_CACHE_HOME:-$HOME/.cache}/infer/optimize-bench-onnxsim-0.8.1-onnxslim-0.1.98
if ! "$venv/bin/python" -c 'import onnxsim, onnxslim, onnxruntime' 2>/dev/null; then
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet onnxsim==0.8.1 onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.32.0 numpy
fi
exec "$venv/bin/python" "$here/run.py" "$@"
