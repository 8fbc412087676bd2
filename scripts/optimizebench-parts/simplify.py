"""Runs one of the other tools on a model: simplify.py onnxsim|onnxslim MODEL OUT."""
import sys

import onnx


def main(tool, model, out):
    if tool == "onnxsim":
        import onnxsim

        simple, ok = onnxsim.simplify(model)
        if not ok:
            sys.exit("onnxsim says itself that the result does not match")
    else:
        import onnxslim

        simple = onnxslim.slim(model)
    onnx.save(simple, out)


main(*sys.argv[1:])
