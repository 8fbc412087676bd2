"""Arrays of every dtype for the identity models of models.py, and how they are compared."""
import time

import numpy as np

DATATYPES = {"id_fp32": "FP32", "id_fp16": "FP16", "id_fp64": "FP64", "id_int8": "INT8", "id_int64": "INT64",
             "id_uint8": "UINT8", "id_uint64": "UINT64", "id_bool": "BOOL", "id_bytes": "BYTES"}


def arrays():
    """Pairs of a model and an array that it must give back, the extremes of the dtype in it."""
    yield "id_fp32", np.array([[1.5, -0.0, 3e38, 1e-45]], np.float32)
    yield "id_fp16", np.array([[1.5, -65504, np.inf, 6e-8]], np.float16)
    yield "id_fp64", np.array([[0.1, -1e300, 5e-324, 3]], np.float64)
    yield "id_int8", np.array([[-128, 127, 0, -1]], np.int8)
    yield "id_int64", np.array([[-2**63, 2**63 - 1, 2**53 + 1, 0]], np.int64)
    yield "id_uint8", np.array([[0, 255, 1, 128]], np.uint8)
    yield "id_uint64", np.array([[0, 2**64 - 1, 2**53 + 1, 1]], np.uint64)
    yield "id_bool", np.array([[True, False, True, True]])
    yield "id_bytes", np.array([[b"a", b"", "\u00e4\u4e2d".encode()]], np.object_)


def equal(got, want, what):
    """Same shape, same values, no tolerance: the models copy, or add small integers."""
    if got is None or got.shape != want.shape or not np.array_equal(got, want, equal_nan=want.dtype.kind == "f"):
        raise AssertionError(f"{what}: {got}, not {want}")


def until(condition, otherwise, seconds=10):
    """Waits for what a server does a moment after it has answered."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)
