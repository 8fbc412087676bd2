"""Writes the models of onnx's own node tests with the shapes of their inputs and what their outputs have to be.

  node.py DIR  writes DIR/tests.json, and for each test the model as it is and with its small inputs as initializers

No model states the types of its outputs or of values in between: what inference says of them is its own.
"""
import copy
import json
import pathlib
import sys
import warnings

import numpy as np
from onnx import OptionalProto, SequenceProto, TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

SMALL = 64  # elements up to which a value is compared, and an input made an initializer


def value(v):
    """Dtype, shape and, where they are few and can be written, elements of a tensor; None for another kind of value."""
    if v is None or isinstance(v, (list, dict, SequenceProto, OptionalProto)):
        return None
    if isinstance(v, TensorProto):
        dtype, shape, array = v.data_type, list(v.dims), numpy_helper.to_array(v)
    else:
        array = np.asarray(v)
        dtype, shape = helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
    out = {"dtype": int(dtype), "shape": shape}
    if array.size <= SMALL and array.dtype.kind in "iub":
        out["ints"] = [int(x) for x in array.ravel()]
    elif array.size <= SMALL and array.dtype in (np.float16, np.float32, np.float64) and np.isfinite(array).all():
        out["floats"] = [float(x) for x in array.ravel()]
    return out


def constant(model, inputs):
    """The model with those of its inputs as initializers that are small tensors."""
    model = copy.deepcopy(model)
    graph = model.graph
    for info, v in zip(list(graph.input), inputs):
        if value(v) is None or not info.type.HasField("tensor_type"):
            continue
        t = TensorProto()
        t.CopyFrom(v if isinstance(v, TensorProto) else numpy_helper.from_array(np.asarray(v)))
        if np.prod(t.dims) <= SMALL:
            t.name = info.name
            graph.initializer.append(t)
            graph.input.remove(info)
    return model


def main(folder):
    warnings.simplefilter("ignore")
    tests = []
    for case in collect_testcases(""):
        if case.model is None or not case.data_sets:
            continue
        inputs, outputs = case.data_sets[0]
        model = copy.deepcopy(case.model)
        names = [[i.name for i in model.graph.input], [o.name for o in model.graph.output]]
        del model.graph.value_info[:]
        for o in model.graph.output:
            o.ClearField("type")
        (folder / (case.name + ".onnx")).write_bytes(model.SerializeToString())
        (folder / (case.name + ".const.onnx")).write_bytes(constant(model, inputs).SerializeToString())
        tests.append({
            "name": case.name,
            "inputs": {n: value(v) for n, v in zip(names[0], inputs)},
            "outputs": {n: value(v) for n, v in zip(names[1], outputs)},
        })
    (folder / "tests.json").write_text(json.dumps(tests))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
