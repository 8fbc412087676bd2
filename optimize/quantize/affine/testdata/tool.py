"""Writes random arrays and what ONNX Runtime's quantizers make of them: tool.py DIR

ranges.npz, weights.npz, biases.npz, blocks.npz; the name of each array is CASE.PART, a CASE being its settings and
its number, joined by "_".
"""
import logging
import pathlib
import sys
import types

import numpy as np
import onnx
from onnx import TensorProto as T
from onnxruntime.capi import _pybind_state as native  # what matmul_nbits_quantizer calls
from onnxruntime.quantization import quant_utils as qu
from onnxruntime.quantization.base_quantizer import BaseQuantizer
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

DTYPES = {"uint8": T.UINT8, "int8": T.INT8, "uint16": T.UINT16, "int16": T.INT16, "uint4": T.UINT4, "int4": T.INT4}
rng = np.random.default_rng(1)


def floats(*shape):
    """Numbers of one magnitude; some arrays lie on one side of zero, some on a lattice, where ties are common."""
    x = rng.standard_normal(shape) * 10 ** rng.uniform(-4, 4)
    kind = rng.integers(5)
    if kind == 0:
        x = np.abs(x)
    elif kind == 1:
        x = -np.abs(x)
    elif kind == 2:
        x = np.round(rng.standard_normal(shape) * 8) * 0.125
    return x.astype(np.float32)


def grids():
    for name, dtype in DTYPES.items():
        for symmetric in (0, 1):
            for reduced in (0, 1):
                yield name, dtype, symmetric, reduced


def ranges(out):
    edges = [(0, 0), (0, 1e-40), (-1e-36, 1e-36), (0, 255), (-128, 127), (-1, 0), (-0.5, 254.5), (-1.5, 253.5), (2, 3), (-3, -2)]
    for name, dtype, symmetric, reduced in grids():
        los, his = [e[0] for e in edges], [e[1] for e in edges]
        for _ in range(200):
            a, b = floats(2)
            los.append(min(a, b))
            his.append(max(a, b))
        los, his = np.array(los, np.float32), np.array(his, np.float32)
        qmin, qmax = qu.get_qmin_qmax_for_qType(dtype, bool(reduced), bool(symmetric))
        fits = [qu.compute_scale_zp(np.array(a), np.array(b), qmin, qmax, bool(symmetric)) for a, b in zip(los, his)]
        case = f"{name}_{symmetric}_{reduced}_0"
        out[case + ".lo"], out[case + ".hi"] = los, his
        out[case + ".scale"] = np.array([s for _, s in fits], np.float32)
        out[case + ".zero"] = np.array([int(z) for z, _ in fits], np.int64)


def weight(x, dtype, axis, symmetric, reduced):
    """Scales, zero points and elements as quantize_static makes them of a constant."""
    if axis < 0:
        zero, scale, q = qu.quantize_data(x.flatten(), dtype, bool(symmetric), bool(reduced))
        return np.atleast_1d(scale), np.atleast_1d(zero).astype(np.int64), q.astype(np.int64).reshape(x.shape)
    scales, zeros, parts = [], [], []
    for c in range(x.shape[axis]):
        part = x.take(c, axis)
        zero, scale, q = qu.quantize_data(part.flatten(), dtype, bool(symmetric), bool(reduced))
        scales.append(scale)
        zeros.append(int(zero))
        parts.append(q.astype(np.int64).reshape(part.shape))
    return np.array(scales, np.float32), np.array(zeros, np.int64), np.stack(parts, axis)


def weights(out):
    for name, dtype, symmetric, reduced in grids():
        for i in range(12):
            x = floats(*rng.integers(1, 9, size=1 + i % 4))
            axis = i % (x.ndim + 1) - 1
            if i % 5 == 4:
                x.reshape(-1)[:] = 0
            case = f"{name}_{symmetric}_{reduced}_{axis}_{i}"
            scales, zeros, q = weight(x, dtype, axis, symmetric, reduced)
            out[case + ".x"], out[case + ".scales"], out[case + ".zeros"], out[case + ".q"] = x, scales, zeros, q


def bias_of(bias, input_scale, weight_scale):
    """Scale and elements of a bias; the method needs of its object what is here."""
    proto = onnx.numpy_helper.from_array(bias, "bias")
    model = ONNXModel(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [proto])))
    stub = types.SimpleNamespace(weight_qType=T.INT8, model=model)
    BaseQuantizer.quantize_bias_static_impl(stub, "bias", input_scale, weight_scale)
    made = {t.name: onnx.numpy_helper.to_array(t) for t in model.initializer()}
    return made["bias_quantized_scale"], made["bias_quantized"]


def biases(out):
    for name in ("int8", "int16", "uint8"):
        for i in range(100):
            axis = i % 3 - 1
            x = floats(*rng.integers(1, 7, size=2))
            channels = x.shape[axis] if axis >= 0 else 4
            input_scale = np.float32(10 ** rng.uniform(-9, 0))
            bias = (rng.standard_normal(channels) * 10 ** rng.uniform(-3, 6)).astype(np.float32)
            scales, zeros, q = weight(x, DTYPES[name], axis, 1, 0)
            adjusted = 0
            if name != "uint8" and not zeros.any():
                before = scales.copy()
                given = scales if axis >= 0 else scales.reshape(())
                _, given = QDQQuantizer._adjust_weight_scale_for_int32_bias(
                    None, np.array(input_scale), given, "w", onnx.numpy_helper.from_array(bias, "bias"), axis >= 0)
                scales = np.atleast_1d(given)
                adjusted = int((scales != before).sum())
                shape = [-1 if d == axis else 1 for d in range(x.ndim)]
                each = np.broadcast_to(scales.reshape(shape), x.shape)
                q = np.array([int(qu.quantize_nparray(DTYPES[name], v, s, np.array(0, np.int8)))
                              for v, s in zip(x.flat, each.flat)], np.int64).reshape(x.shape)
            case = f"{name}_1_0_{axis}_{i}"
            out[case + ".x"], out[case + ".bias"], out[case + ".input"] = x, bias, np.array([input_scale])
            out[case + ".scales"], out[case + ".q"] = scales, q
            out[case + ".adjusted"] = np.array([adjusted], np.int64)
            out[case + ".bias_scales"], out[case + ".bias_q"] = bias_of(bias, input_scale, scales)


def blocks(out):
    i = 0
    for bits in (4, 8):
        for symmetric in (0, 1):
            for size in (16, 32, 64, 128, 256):
                for _ in range(12):
                    k, n = int(rng.integers(1, 3 * size + 2)), int(rng.integers(1, 80))
                    w = floats(k, n)
                    w[:, 0] = 0
                    count = -(-k // size)
                    packed = np.zeros((n, count, size * bits // 8), np.uint8)
                    scales = np.zeros((n, count), np.float32)
                    zeros = np.zeros((n, -(-count * bits // 8)), np.uint8)
                    quantize = native.quantize_matmul_4bits if bits == 4 else native.quantize_matmul_8bits
                    padded = np.pad(w, ((0, count * size - k), (0, 0)))
                    quantize(packed, padded, scales, zeros, size, n, k, bool(symmetric))
                    case = f"{bits}_{size}_{symmetric}_{i}"
                    out[case + ".w"], out[case + ".packed"], out[case + ".scales"] = w, packed, scales
                    if not symmetric:
                        out[case + ".zeros"] = zeros
                    i += 1


def main():
    logging.disable()
    np.seterr(all="ignore")
    folder = pathlib.Path(sys.argv[1])
    for make in (ranges, weights, biases, blocks):
        out = {}
        make(out)
        np.savez(folder / (make.__name__ + ".npz"), **out)


main()
