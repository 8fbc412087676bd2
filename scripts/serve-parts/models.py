"""Writes small models three times over: for infer, for Triton's Python backend, for Triton's ONNX Runtime backend.

    python models.py FOLDER    FOLDER/infer-models, FOLDER/triton-python, FOLDER/triton-onnxruntime, each NAME/1/…

id_T gives its input back; add gives sum and difference; flat has no batch axis. Needs the onnx package.
"""
import pathlib
import sys

import onnx
from onnx import TensorProto, helper

# Triton's name of a dtype: (ONNX's, the name that Triton's configuration uses, the shape of a row).
TYPES = {
    "FP32": (TensorProto.FLOAT, "TYPE_FP32", [-1]),
    "FP16": (TensorProto.FLOAT16, "TYPE_FP16", [4]),
    "FP64": (TensorProto.DOUBLE, "TYPE_FP64", [4]),
    "INT8": (TensorProto.INT8, "TYPE_INT8", [4]),
    "INT64": (TensorProto.INT64, "TYPE_INT64", [4]),
    "UINT8": (TensorProto.UINT8, "TYPE_UINT8", [4]),
    "UINT64": (TensorProto.UINT64, "TYPE_UINT64", [4]),
    "BOOL": (TensorProto.BOOL, "TYPE_BOOL", [4]),
    "BYTES": (TensorProto.STRING, "TYPE_STRING", [-1]),
}
ROWS = 64  # max_batch_size of those that have a batch axis

PYTHON = {
    "identity": '''import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        return [utils.InferenceResponse([utils.Tensor("Y", utils.get_input_tensor_by_name(r, "X").as_numpy())]) for r in requests]
''',
    "add": '''import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for r in requests:
            a, b = (utils.get_input_tensor_by_name(r, name).as_numpy() for name in ("A", "B"))
            outputs = [utils.Tensor("SUM", a + b), utils.Tensor("DIFFERENCE", a - b)]
            answers.append(utils.InferenceResponse([o for o in outputs if o.name() in r.requested_output_names()]))
        return answers
''',
}


class Model:
    """One model: inputs and outputs are {name: Triton's dtype}, row is the shape without the batch axis."""

    def __init__(self, name, code, nodes, inputs, outputs, row, rows=ROWS):
        self.name, self.code, self.nodes, self.inputs, self.outputs, self.row, self.rows = name, code, nodes, inputs, outputs, row, rows

    def onnx(self):
        axes = [f"d{i}" if d < 0 else d for i, d in enumerate(self.row)]
        shape = ["n", *axes] if self.rows else axes
        values = [[helper.make_tensor_value_info(n, TYPES[t][0], shape) for n, t in ports.items()] for ports in (self.inputs, self.outputs)]
        nodes = [helper.make_node(op, list(inputs), [output]) for op, inputs, output in self.nodes]
        graph = helper.make_graph(nodes, self.name, *values)
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        onnx.checker.check_model(model)
        return model

    def config(self, backend):
        """Triton's configuration. One instance; a batch is what came as one request, unless batching is asked for."""
        kinds = {"input": self.inputs, "output": self.outputs}
        ports = [f'{kind} {{ name: "{n}" data_type: {TYPES[t][1]} dims: {self.row} }}' for kind, of in kinds.items() for n, t in of.items()]
        head = [f'name: "{self.name}"', f'backend: "{backend}"', f"max_batch_size: {self.rows}", "instance_group { count: 1 kind: KIND_CPU }"]
        return "\n".join(head + ports) + "\n"

    def write(self, folder):
        for kind, file in (("infer-models", "model.onnx"), ("triton-onnxruntime", "model.onnx"), ("triton-python", "model.py")):
            home = folder / kind / self.name
            (home / "1").mkdir(parents=True)
            if file == "model.py":
                (home / "1" / file).write_text(PYTHON[self.code])
            else:
                onnx.save(self.onnx(), home / "1" / file)
            if kind != "infer-models":
                (home / "config.pbtxt").write_text(self.config(kind.removeprefix("triton-")))


def models():
    for t, (_, _, row) in TYPES.items():
        yield Model(f"id_{t.lower()}", "identity", [("Identity", "X", "Y")], {"X": t}, {"Y": t}, row)
    yield Model("add", "add", [("Add", "AB", "SUM"), ("Sub", "AB", "DIFFERENCE")],
                {"A": "FP32", "B": "FP32"}, {"SUM": "FP32", "DIFFERENCE": "FP32"}, [3])
    yield Model("flat", "identity", [("Identity", "X", "Y")], {"X": "FP32"}, {"Y": "FP32"}, [4], rows=0)


def main(folder):
    for model in models():
        model.write(pathlib.Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])
