"""The one model of these checks, in numpy: Y = X W + B, and C, the column of the largest Y. Every server runs this file,
but those that run the ONNX file that models.py writes of it."""
import numpy as np

NAME = "affine"
INPUTS, OUTPUTS = 16, 4
W = np.array([[(7 * i + 3 * j) % 11 - 5 for j in range(OUTPUTS)] for i in range(INPUTS)], np.float32) / 8
B = np.array([0.125, -0.25, 0.5, 0], np.float32)
SLEEP = 0.002  # seconds that a run takes at least, where it is told
WRONG = 0.5  # what a server that answers wrongly adds


def run(x, wrong=False):
    """Y and C of rows x."""
    y = x.astype(np.float32) @ W + B
    return y + np.float32(WRONG) if wrong else y, y.argmax(1).astype(np.int64)[:, None]


def nested(body, wrong=False):
    """The answer to a body of TensorFlow Serving's REST protocol, rows or columns, with one input or named ones."""
    row = "instances" in body
    given = body["instances"] if row else body["inputs"]
    if row and given and isinstance(given[0], dict):
        given = [r["X"] for r in given]
    elif isinstance(given, dict):
        given = given["X"]
    y, c = (a.tolist() for a in run(np.array(given, np.float32), wrong))
    return {"predictions": [{"Y": a, "C": b} for a, b in zip(y, c)]} if row else {"outputs": {"Y": y, "C": c}}
