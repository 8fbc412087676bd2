"""Write numpy.npz, the arrays that TestReadNumPy reads: python3 model/tensor/testdata/make.py (numpy, ml_dtypes)."""
import pathlib

import ml_dtypes
import numpy as np

a = {}
for t in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"):
    a[t] = np.arange(6).reshape(2, 3).astype(t)
    a[t + "_big"] = np.arange(6).reshape(2, 3).astype(">" + t)
    a[t + "_fortran"] = np.asfortranarray(np.arange(6).reshape(2, 3).astype(t))
a["bf16"] = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
a["cube_fortran"] = np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4))
a["scalar"] = np.float32(1.5)
a["empty"] = np.zeros((0, 3), np.float32)
a["bytes"] = np.array([b"ab", b"c", b""])
a["text"] = np.array(["größe", "", "日本"])
a["text_big"] = a["text"].astype(">U5")
np.savez_compressed(pathlib.Path(__file__).with_name("numpy.npz"), **a)
