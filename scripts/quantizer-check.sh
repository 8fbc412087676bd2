#!/bin/sh
# Compares scales, zero points, quantized weights, biases and blocks, bit for bit, with ONNX Runtime's own quantizers,
# which it installs in a virtual environment in the user's cache. Where pip cannot install it, it says so and exits 0.
set -eu
cd "$(dirname "$0")/.."
venv=${XDG_CACHE_HOME:-$HOME/.cache}/infer/quantizer-check-1.30.0
if ! "$venv/bin/python" -c 'import onnxruntime.quantization' 2>/dev/null; then
	rm -rf "$venv"
	if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet onnxruntime==1.30.0 onnx==1.23.2 sympy numpy; } >/dev/null 2>&1; then
		rm -rf "$venv"
		echo "skipped: pip has no index"
		exit 0
	fi
fi
INFER_TEST_QUANTIZER_PYTHON=$venv/bin/python go test -count=1 -run TestPythonTool -v ./optimize/quantize/affine
