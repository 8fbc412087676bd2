"""Writes the models of onnx's own tests of nodes and small graphs with the shapes of their inputs and what their outputs have to be.

  node.py DIR  writes DIR/tests.json, and for each test the model as it is and with its small inputs as initializers

No model states the types of its outputs or of values in between: what inference says of them is its own.
"""
import copy
import json
import pathlib
import sys
import warnings

import numpy as np
from onnx import OptionalProto, SequenceProto, TensorProto, helper, load, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests

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


def tensors(folder, kind, infos):
    """The first stored inputs or outputs of a model on disk; None for what is no tensor."""
    out = []
    for i, info in enumerate(infos):
        path = folder / "test_data_set_0" / f"{kind}_{i}.pb"
        if info.type.HasField("tensor_type") and path.exists():
            out.append(TensorProto.FromString(path.read_bytes()))
        else:
            out.append(None)
    return out


def cases():
    """Name, model, inputs and outputs of every test."""
    for case in collect_testcases(""):
        if case.model is not None and case.data_sets:
            yield case.name, copy.deepcopy(case.model), *case.data_sets[0]
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            folder = pathlib.Path(case.model_dir)
            model = load(folder / "model.onnx")
            stored = {t.name for t in model.graph.initializer}
            inputs = [i for i in model.graph.input if i.name not in stored]
            del model.graph.input[:]
            model.graph.input.extend(inputs)
            yield f"{kind}_{case.name}", model, tensors(folder, "input", inputs), tensors(folder, "output", model.graph.output)


def main(folder):
    warnings.simplefilter("ignore")
    tests = []
    for name, model, inputs, outputs in cases():
        names = [[i.name for i in model.graph.input], [o.name for o in model.graph.output]]
        del model.graph.value_info[:]
        for o in model.graph.output:
            o.ClearField("type")
        (folder / (name + ".onnx")).write_bytes(model.SerializeToString())
        (folder / (name + ".const.onnx")).write_bytes(constant(model, inputs).SerializeToString())
        tests.append({
            "name": name,
            "inputs": {n: value(v) for n, v in zip(names[0], inputs)},
            "outputs": {n: value(v) for n, v in zip(names[1], outputs)},
        })
    (folder / "tests.json").write_text(json.dumps(tests))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
