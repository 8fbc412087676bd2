"""Writes the model of affine.py as ONNX, its data set, and repositories of it for Triton.

    python models.py FOLDER    FOLDER/affine.onnx, FOLDER/data/X.npy, FOLDER/triton-python, …, FOLDER/row.bin, …

Needs the onnx package.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import affine

ROWS = 32  # of the data set
PYTHON = '''

import time

import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        time.sleep(SLEEP)
        answers = []
        for r in requests:
            y, c = run(utils.get_input_tensor_by_name(r, "X").as_numpy(), {wrong})
            answers.append(utils.InferenceResponse([o for o in (utils.Tensor("Y", y), utils.Tensor("C", c)) if o.name() in r.requested_output_names()]))
        return answers
'''
CONFIG = '''name: "{name}"
backend: "{backend}"
max_batch_size: 8
input {{ name: "X" data_type: TYPE_FP32 dims: [{inputs}] }}
output {{ name: "Y" data_type: TYPE_FP32 dims: [{outputs}] }}
output {{ name: "C" data_type: TYPE_INT64 dims: [1] }}
instance_group {{ count: 1 kind: KIND_CPU }}
{more}
'''


def model():
    nodes = [helper.make_node("MatMul", ["X", "W"], ["XW"]), helper.make_node("Add", ["XW", "B"], ["Y"]),
             helper.make_node("ArgMax", ["Y"], ["C"], axis=1, keepdims=1)]
    ports = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", affine.INPUTS])], [
        helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["n", affine.OUTPUTS]), helper.make_tensor_value_info("C", TensorProto.INT64, ["n", 1])]
    constants = [numpy_helper.from_array(affine.W, "W"), numpy_helper.from_array(affine.B, "B")]
    made = helper.make_model(helper.make_graph(nodes, affine.NAME, *ports, constants), ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(made)
    return made


def repository(folder, backend, name, wrong=False):
    """A model in a repository of Triton. Its Python stops for SLEEP; rows of several requests run together."""
    home = folder / name
    (home / "1").mkdir(parents=True)
    (home / "config.pbtxt").write_text(CONFIG.format(name=name, backend=backend, inputs=affine.INPUTS, outputs=affine.OUTPUTS, more="dynamic_batching { }"))
    if backend == "python":
        (home / "1" / "model.py").write_text(pathlib.Path(affine.__file__).read_text() + PYTHON.replace("{wrong}", str(wrong)))
    else:
        onnx.save(model(), home / "1" / "model.onnx")


def bodies(folder, x):
    """Bodies of requests that are no tensors to infer, and what is answered: a row for TorchServe, rows for FastAPI."""
    y, c = (a.tolist() for a in affine.run(x))
    (folder / "row.bin").write_bytes(x[:1].tobytes())
    (folder / "row.json").write_text(json.dumps({"Y": y[:1], "C": c[:1]}))
    (folder / "rows.json").write_text(json.dumps({"rows": x.tolist()}))
    (folder / "scores.json").write_text(json.dumps({"scores": y, "classes": c}))
    (folder / "body.json.tmpl").write_text('{"inputs": {"X": {{.Input "X"}}}}')


def main(folder):
    folder = pathlib.Path(folder)
    onnx.save(model(), folder / f"{affine.NAME}.onnx")
    (folder / "data").mkdir()
    x = np.random.default_rng(1).standard_normal((ROWS, affine.INPUTS), np.float32)
    np.save(folder / "data" / "X.npy", x)
    bodies(folder, x)
    repository(folder / "triton-python", "python", affine.NAME)
    repository(folder / "triton-python", "python", "wrong", wrong=True)
    repository(folder / "triton-onnxruntime", "onnxruntime", affine.NAME)


if __name__ == "__main__":
    main(sys.argv[1])
