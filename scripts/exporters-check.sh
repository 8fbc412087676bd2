#!/bin/sh
# Converts real models of PyTorch and TensorFlow by infer and compares what the ONNX models answer with what PyTorch and
# TensorFlow computed. PyTorch is Debian's python3-torch, or the one of EXPORTERS_TORCH_PYTHON, which is needed for .pt2
# files (PyTorch 2.5 or later with onnxscript). TensorFlow and tf2onnx are installed in a virtual environment in the user's
# cache, of half a gigabyte; where pip has no index, that part is skipped and said to be.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
here=$root/scripts/exporters-check
venv=${XDG_CACHE_HOME:-$HOME/.cache}/infer/exporters-check-2.21.0-1.17.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/infer" .
cd "$work"

# convert PYTHON SOURCE OUT [FLAGS]: the model is made, and infer says that it agrees with the original.
convert() {
	python=$1 source=$2 out=$3
	shift 3
	if ! ./infer convert "$source" --python "$python" -o "$out" --report "$out.json" "$@" >log 2>&1; then
		cat log
		exit 1
	fi
	"$python" - "$out.json" <<'END'
import json, sys
v = json.load(open(sys.argv[1]))["details"]["verification"]
assert v["verdict"] in ("equal", "within") and v["sets"] >= 3, v
END
}

# answers PYTHON MODEL INPUTS EXPECTED: infer predict gives what the framework gave.
answers() {
	./infer predict "$2" --input "$3" -o "$2.predicted" --quiet >/dev/null
	"$1" "$here/compare.py" "$4" "$2.predicted"
}

# refused TEXT COMMAND…: the command fails with the text, and writes nothing.
refused() {
	text=$1
	shift
	if "$@" -o refused.onnx >log 2>&1 || ! grep -qF -- "$text" log || ls refused.onnx .infer-* >/dev/null 2>&1; then
		echo "not refused with \"$text\": $*"
		cat log
		exit 1
	fi
	echo "refused as it should be: $text"
}

script_models() {
	"$1" "$here/torch_models.py" .
	convert "$1" cnn.pt cnn.onnx --to onnx --shape image:2x3x16x16 --dynamic image:0=batch
	answers "$1" cnn.onnx cnn/inputs cnn/expected
	convert "$1" tagger.pt tagger.onnx --to onnx:opset=13 --shape ids:2x9 --dtype ids=int64 --dynamic ids:0=batch,1=words
	answers "$1" tagger.onnx tagger/inputs tagger/expected
	refused "it does not say the shapes of its inputs: image" ./infer convert cnn.pt --to onnx --python "$1"
	refused "weights without a program" ./infer convert weights.pt --to onnx --python "$1"
}

program_models() {
	for name in cnn tagger mlp; do
		convert "$1" $name-pt2.pt2 $name-pt2.onnx --to onnx
		answers "$1" $name-pt2.onnx $name-pt2/inputs $name-pt2/expected
	done
	"$1" "$here/hostile.py" cnn-pt2.pt2 hostile.pt2 "$work/marker"
	refused "may run code when they are read" ./infer convert hostile.pt2 --to onnx --python "$1"
	if [ -e marker ]; then
		echo "a hostile .pt2 ran code"
		exit 1
	fi
}

tensorflow_models() {
	"$1" "$here/tensorflow_models.py" . 2>/dev/null >&2
	convert "$1" ranker ranker.onnx --to onnx
	answers "$1" ranker.onnx ranker.inputs ranker.expected
	convert "$1" ranker double.onnx --to onnx:opset=15 --signature-def double
	convert "$1" picture.keras keras.onnx --to onnx
	answers "$1" keras.onnx picture.inputs picture.expected
	convert "$1" picture.tflite lite.onnx --to onnx
	refused "the exporter does not support BesselI0" ./infer convert unknown --to onnx --python "$1"
	refused "it has no signature 'triple'" ./infer convert ranker --to onnx --python "$1" --signature-def triple
}

torch=${EXPORTERS_TORCH_PYTHON:-/usr/bin/python3}
if "$torch" -c 'import torch, numpy' 2>/dev/null; then
	"$torch" -c 'import sys, torch; print("PyTorch", torch.__version__, "of", sys.executable)'
	script_models "$torch"
	if "$torch" -c 'import torch.export, onnxscript' 2>/dev/null; then
		program_models "$torch"
	else
		echo "skipped: .pt2: $torch has no torch.export or no onnxscript"
	fi
else
	echo "skipped: PyTorch: $torch has no torch (install python3-torch, or name one with EXPORTERS_TORCH_PYTHON)"
fi
if ! "$venv/bin/python" -c 'import tf2onnx' 2>/dev/null; then
	rm -rf "$venv"
	if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 tf2onnx==1.17.0; } >/dev/null 2>&1; then
		rm -rf "$venv"
		echo "skipped: TensorFlow: pip has no index"
		exit 0
	fi
fi
echo "TensorFlow 2.21.0, tf2onnx 1.17.0"
tensorflow_models "$venv/bin/python"
