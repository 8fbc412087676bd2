#!/bin/sh
# Tests the ONNX codec, shape inference and the table of opset changes against the official onnx package, which it installs in a virtual
# environment in the user's cache. Where pip cannot install it, it says so and exits 0.
set -eu
cd "$(dirname "$0")/.."
venv=${XDG_CACHE_HOME:-$HOME/.cache}/infer/onnx-check-1.23.2
if ! "$venv/bin/python" -c 'import onnx' 2>/dev/null; then
	rm -rf "$venv"
	if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet onnx==1.23.2 numpy; } >/dev/null 2>&1; then
		rm -rf "$venv"
		echo "skipped: pip has no index"
		exit 0
	fi
fi
INFER_TEST_ONNX_PYTHON=$venv/bin/python go test -count=1 -run TestOfficialPackage -v ./model/onnx ./model/onnx/static ./optimize ./optimize/surgery
