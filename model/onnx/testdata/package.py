"""Writes models with the official onnx package, and checks what the codec made of them.

  package.py write DIR          writes models of every kind into DIR
  package.py check DIR SAME RAW  SAME: the same models, written by the codec; RAW: with every tensor as raw data
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import checker, helper as h, numpy_helper as nh

INTS = [T.UINT8, T.INT8, T.UINT16, T.INT16, T.INT32, T.INT64, T.UINT32, T.UINT64, T.UINT4, T.INT4, T.UINT2, T.INT2]
FLOATS = [T.FLOAT, T.DOUBLE, T.FLOAT16, T.BFLOAT16, T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2, T.FLOAT8E5M2FNUZ,
          T.FLOAT4E2M1, T.FLOAT8E8M0]


def values(dtype, n):
    """n values that the type can hold, with its extremes."""
    np_type = h.tensor_dtype_to_np_dtype(dtype)
    if dtype == T.BOOL:
        return np.arange(n) % 3 == 0
    if dtype in INTS:
        try:
            info = np.iinfo(np_type)
        except ValueError:
            import ml_dtypes
            info = ml_dtypes.iinfo(np_type)
        wide = [int(info.min), int(info.max), 0, 1]
        return np.array([wide[i % 4] for i in range(n)], dtype=object).astype(np_type)
    if dtype in (T.COMPLEX64, T.COMPLEX128):
        return (np.arange(n) - 1.5j * np.arange(n)).astype(np_type)
    base = np.array([1.0, 0.5, 2.0, 4.0]) if dtype == T.FLOAT8E8M0 else np.array([0.0, -1.5, 1.0, -0.0])
    return np.resize(base, n).astype(np.float32).astype(np_type)


def info(name, dtype=T.FLOAT, shape=(2,)):
    return h.make_tensor_value_info(name, dtype, shape)


def model(name, nodes, inputs, outputs, initializers=(), opset=21, ir=10, **extra):
    g = h.make_graph(nodes, name, inputs, outputs, list(initializers), doc_string=extra.pop("graph_doc", None))
    opsets = [h.make_opsetid("", opset)] + extra.pop("opsets", [])
    m = h.make_model(g, opset_imports=opsets, producer_name="test", **extra)
    m.ir_version = ir
    return m


def dtype_models():
    """Every data type, as typed fields and as raw data, in odd and even counts and as a scalar."""
    for raw in (False, True):
        inits = []
        for dtype in INTS + FLOATS + [T.BOOL, T.COMPLEX64, T.COMPLEX128]:
            for shape in ((), (1,), (3,), (2, 4), (0,), (5, 0)):
                a = values(dtype, int(np.prod(shape))).reshape(shape)
                name = f"{T.DataType.Name(dtype)}_{len(inits)}"
                inits.append(nh.from_array(a, name) if raw else h.make_tensor(name, dtype, shape, a.flatten().tolist()))
        if not raw:
            inits.append(h.make_tensor("strings", T.STRING, (2, 2), [b"a", b"", "ä€".encode(), b"a\x00b"]))
        yield "raw" if raw else "typed", model("dtypes", [h.make_node("Relu", ["x"], ["y"])], [info("x")], [info("y")], inits, ir=13, opset=25)


def attributes():
    """Every attribute type, with zero and empty values."""
    t = h.make_tensor("t", T.FLOAT, [2], [1, 2])
    sparse = h.make_sparse_tensor(h.make_tensor("v", T.FLOAT, [2], [1, 2]), h.make_tensor("i", T.INT64, [2], [0, 3]), [4])
    body = h.make_graph([h.make_node("Neg", ["x"], ["n"])], "body", [], [info("n")])
    kinds = {"f": 0.0, "negative_zero": -0.0, "i": 0, "big": -(2**63), "s": b"", "text": "ä", "t": t, "g": body, "floats": [0.0, 1.5],
             "ints": [0, -1, 2**62], "strings": [b"", b"x"], "tensors": [t, t], "graphs": [body, body], "sparse": sparse,
             "sparses": [sparse], "tp": h.make_tensor_type_proto(T.FLOAT, ["N", 3, None]), "tps": [h.make_tensor_type_proto(T.INT8, [])]}
    n = h.make_node("Custom", ["x", "", "x"], ["y"], domain="my.ops", name="c", doc_string="doc", **kinds)
    empty = h.make_attribute("none", [], attr_type=onnx.AttributeProto.INTS)
    n.attribute.append(empty)
    return model("attributes", [n], [info("x")], [info("y")], opsets=[h.make_opsetid("my.ops", 1)])


def types():
    """Sequences, maps, optionals, sparse tensors, unknown ranks and unnamed axes in the signature."""
    tensor = h.make_tensor_type_proto(T.FLOAT, ["N", None, 3])
    vis = [info("x"), info("rankless", T.FLOAT, None), info("scalar", T.INT64, ()),
           h.make_value_info("seq", h.make_sequence_type_proto(tensor)),
           h.make_value_info("map", h.make_map_type_proto(T.STRING, tensor)),
           h.make_value_info("opt", h.make_optional_type_proto(h.make_sequence_type_proto(tensor))),
           h.make_value_info("sparse", h.make_sparse_tensor_type_proto(T.DOUBLE, [3, "K"]))]
    vis[0].type.denotation = "IMAGE"
    vis[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    m = model("types", [h.make_node("Relu", ["x"], ["y"])], vis, [info("y", T.FLOAT, ("N",))])
    m.graph.value_info.append(info("y2"))
    return m


def functions():
    """A function with attributes, defaults, its own opsets, called with an overload; metadata everywhere."""
    f = h.make_function("my", "Scale", ["a"], ["b"], [
        h.make_node("Constant", [], ["k"], value_float=2.0), h.make_node("Mul", ["a", "k"], ["m"]), h.make_node("LeakyRelu", ["m"], ["b"])],
        [h.make_opsetid("", 21)], attributes=["alpha"], attribute_protos=[h.make_attribute("beta", 0.0)], overload="o", doc_string="doc")
    ref = f.node[2].attribute.add()
    ref.name, ref.ref_attr_name, ref.type = "alpha", "alpha", onnx.AttributeProto.FLOAT
    n = h.make_node("Scale", ["x"], ["y"], domain="my", alpha=0.25, overload="o")
    m = model("functions", [n], [info("x")], [info("y")], opsets=[h.make_opsetid("my", 1)], functions=[f])
    for i, at in enumerate((m, m.graph, n, m.graph.input[0], f)):
        h.set_model_props(m, {"k": "v", "empty": ""}) if at is m else at.metadata_props.add(key=str(i), value="")
    m.graph.node[0].metadata_props.add(key="a", value="b")
    return m


def unknown():
    """Parts that the codec carries without reading: training info, annotations, device configurations, segments."""
    m = model("unknown", [h.make_node("Relu", ["x"], ["y"])], [info("x")], [info("y")], [h.make_tensor("w", T.FLOAT, [2], [1, 2])], ir=11)
    m.training_info.add().algorithm.name = "train"
    m.training_info.add().initialization.name = "init"
    a = m.graph.quantization_annotation.add(tensor_name="y")
    a.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="w")
    d = m.configuration.add(name="two", num_devices=2)
    d.device.extend(["a", "b"])
    m.graph.node[0].device_configurations.add(configuration_id="two", pipeline_stage=1)
    return m


def control_flow():
    """If in If, capturing outer values; a sparse initializer; initializers that are inputs too."""
    inner = lambda k: h.make_graph([h.make_node(k, ["x"], [f"o_{k}"])], k, [], [info(f"o_{k}")])
    nest = h.make_graph([h.make_node("If", ["c"], ["p"], then_branch=inner("Neg"), else_branch=inner("Abs"))], "nest", [], [info("p")],
                        [h.make_tensor("inside", T.FLOAT, [1], [3])])
    n = h.make_node("If", ["c"], ["y"], then_branch=nest, else_branch=inner("Relu"))
    m = model("control", [n], [info("x"), info("c", T.BOOL, ())], [info("y")], [h.make_tensor("c", T.BOOL, [], [True])])
    m.graph.sparse_initializer.append(h.make_sparse_tensor(h.make_tensor("sp", T.FLOAT, [2], [1, 2]), h.make_tensor("at", T.INT64, [2], [0, 3]), [4]))
    return m


def write(folder):
    folder = pathlib.Path(folder)
    for name, m in list(dtype_models()) + [("attributes", attributes()), ("types", types()), ("functions", functions()),
                                           ("unknown", unknown()), ("control", control_flow())]:
        (folder / f"{name}.onnx").write_bytes(m.SerializeToString())
    big = [nh.from_array(np.arange(3000, dtype=np.float32) + i, f"w{i}") for i in range(3)]
    m = model("external", [h.make_node("Relu", ["x"], ["y"])], [info("x")], [info("y")], big)
    onnx.save(m, folder / "external.onnx", save_as_external_data=True, all_tensors_to_one_file=True, location="weights.bin", size_threshold=0)


def tensors(message):
    """Every TensorProto inside a message, in order."""
    if isinstance(message, T):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in (value if not hasattr(value, "ListFields") else [value]):
                yield from tensors(part)


def same_values(a, b, folder_a, folder_b):
    assert (a.name, a.data_type, list(a.dims)) == (b.name, b.data_type, list(b.dims)), (a.name, b.name)
    x, y = nh.to_array(a, str(folder_a)), nh.to_array(b, str(folder_b))
    assert x.dtype == y.dtype and x.shape == y.shape, a.name
    assert (x == y).all() if x.dtype == object else x.tobytes() == y.tobytes(), (a.name, x, y)


def check(original, same, raw):
    for path in sorted(pathlib.Path(original).glob("*.onnx")):
        before = onnx.load(path, load_external_data=False)
        for folder in (same, raw):
            made = pathlib.Path(folder) / path.name
            if path.stem not in ("attributes", "types"):  # custom operators and unknown ranks: the checker takes neither
                checker.check_model(str(made))
            after = onnx.load(made, load_external_data=False)
            olds, news = list(tensors(before)), list(tensors(after))
            assert len(olds) == len(news), (path.name, len(olds), len(news))
            for a, b in zip(olds, news):
                same_values(a, b, original, folder)
        after = onnx.load(pathlib.Path(same) / path.name, load_external_data=False)
        assert before == after, f"{path.name}: the codec changed the model:\n{before}\n{after}"[:4000]
        print(path.name, "ok:", len(olds), "tensors")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
