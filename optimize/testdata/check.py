"""Checks model files with the official onnx package, shapes and types too. Prints a line for each that is not valid."""

import sys

import onnx

for path in sys.argv[1:]:
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as e:
        print(f"{path}: {' '.join(str(e).split())}")
