"""Train a small convolutional classifier on the UCI handwritten digits and write it as ONNX.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scikit-learn==1.9.1 onnx==1.23.2
    venv/bin/python testdata/digits/make.py

Everything random comes from SEED. The same library versions on the same kind of CPU give the same file; elsewhere
the weights may differ in their last bits, and so may the accuracy by a row.
"""
import os
import pathlib

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # sums in one order, whatever the machine

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED, EPOCHS, BATCH, RATE = 7, 60, 32, 2e-3
HERE = pathlib.Path(__file__).parent


def columns(x):
    """The 3x3 neighbourhoods of x (n,c,h,w), zero-padded, as rows (n*h*w, c*9)."""
    n, c, h, w = x.shape
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    v = np.lib.stride_tricks.sliding_window_view(p, (3, 3), axis=(2, 3))
    return v.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)


def conv(x, w, b):
    n, _, h, wd = x.shape
    col = columns(x)
    y = col @ w.reshape(len(w), -1).T + b
    return y.reshape(n, h, wd, len(w)).transpose(0, 3, 1, 2), col


def conv_back(dy, col, w, shape):
    n, c, h, wd = shape
    flat = dy.transpose(0, 2, 3, 1).reshape(-1, len(w))
    dw, db = (flat.T @ col).reshape(w.shape), flat.sum(0)
    dcol = (flat @ w.reshape(len(w), -1)).reshape(n, h, wd, c, 3, 3)
    dx = np.zeros((n, c, h + 2, wd + 2), np.float32)
    for i in range(3):
        for j in range(3):
            dx[:, :, i:i + h, j:j + wd] += dcol[..., i, j].transpose(0, 3, 1, 2)
    return dx[:, :, 1:-1, 1:-1], dw, db


def pool(x):
    n, c, h, w = x.shape
    v = x.reshape(n, c, h // 2, 2, w // 2, 2)
    y = v.max((3, 5))
    mask = v == y[:, :, :, None, :, None]
    return y, mask / mask.sum((3, 5), keepdims=True)


def pool_back(dy, mask):
    n, c, h, _, w, _ = mask.shape
    return (mask * dy[:, :, :, None, :, None]).reshape(n, c, 2 * h, 2 * w).astype(np.float32)


def forward(p, x):
    a, cola = conv(x, p["conv1_w"], p["conv1_b"]); ra = np.maximum(a, 0); pa, ma = pool(ra)
    b, colb = conv(pa, p["conv2_w"], p["conv2_b"]); rb = np.maximum(b, 0); pb, mb = pool(rb)
    f = pb.reshape(len(x), -1)
    h = np.maximum(f @ p["fc1_w"].T + p["fc1_b"], 0)
    return h @ p["fc2_w"].T + p["fc2_b"], (x, a, cola, ma, pa, b, colb, mb, pb, f, h)


def gradients(p, x, labels):
    z, (x, a, cola, ma, pa, b, colb, mb, pb, f, h) = forward(p, x)
    e = np.exp(z - z.max(1, keepdims=True))
    d = e / e.sum(1, keepdims=True)
    d[np.arange(len(x)), labels] -= 1
    d /= len(x)
    g = {"fc2_w": d.T @ h, "fc2_b": d.sum(0)}
    dh = d @ p["fc2_w"] * (h > 0)
    g |= {"fc1_w": dh.T @ f, "fc1_b": dh.sum(0)}
    db = pool_back((dh @ p["fc1_w"]).reshape(pb.shape), mb) * (b > 0)
    dpa, g["conv2_w"], g["conv2_b"] = conv_back(db, colb, p["conv2_w"], pa.shape)
    da = pool_back(dpa, ma) * (a > 0)
    _, g["conv1_w"], g["conv1_b"] = conv_back(da, cola, p["conv1_w"], x.shape)
    return g


def train(x, labels):
    rng = np.random.default_rng(SEED)
    shapes = {"conv1_w": (16, 1, 3, 3), "conv2_w": (32, 16, 3, 3), "fc1_w": (64, 128), "fc2_w": (10, 64)}
    p = {}
    for name, shape in shapes.items():
        p[name] = (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        p[name[:-1] + "b"] = np.zeros(shape[0], np.float32)
    m, v, t = {k: 0 * w for k, w in p.items()}, {k: 0 * w for k, w in p.items()}, 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(x))
        rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        for i in range(0, len(x), BATCH):
            rows, t = order[i:i + BATCH], t + 1
            for k, g in gradients(p, x[rows], labels[rows]).items():  # Adam (Kingma & Ba 2015), decoupled decay
                m[k] = 0.9 * m[k] + 0.1 * g
                v[k] = 0.999 * v[k] + 0.001 * g * g
                step = (m[k] / (1 - 0.9 ** t)) / (np.sqrt(v[k] / (1 - 0.999 ** t)) + 1e-8)
                p[k] = (p[k] - rate * (step + 1e-4 * p[k])).astype(np.float32)
    return p


def graph(p):
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "conv1_w", "conv1_b"], ["conv1"], "conv1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["conv1"], ["relu1"], "relu1"),
        node("MaxPool", ["relu1"], ["pool1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pool1", "conv2_w", "conv2_b"], ["conv2"], "conv2", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["conv2"], ["relu2"], "relu2"),
        node("MaxPool", ["relu2"], ["pool2"], "pool2", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["pool2"], ["flat"], "flat", axis=1),
        node("Gemm", ["flat", "fc1_w", "fc1_b"], ["fc1"], "fc1", transB=1),
        node("Relu", ["fc1"], ["relu3"], "relu3"),
        node("Gemm", ["relu3", "fc2_w", "fc2_b"], ["logits"], "fc2", transB=1),
    ]
    g = helper.make_graph(
        nodes, "digits-cnn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(w, k) for k, w in p.items()])
    m = helper.make_model(g, producer_name="infer-testdata", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(m, full_check=True)
    return m


def main():
    digits = load_digits()
    x = (digits.images[:, None] / 16).astype(np.float32)  # 0..16 counts of set pixels to 0..1
    y = digits.target.astype(np.int64)
    xt, xh, yt, yh = train_test_split(x, y, test_size=0.2, random_state=SEED, stratify=y)
    p = train(xt, yt)
    right = int((forward(p, xh)[0].argmax(1) == yh).sum())
    print(f"held out: {right}/{len(yh)} = {right / len(yh):.2%}; trained on {len(yt)} rows")
    onnx.save(graph(p), HERE / "digits-cnn.onnx")
    for name, array in {"test/input": xh, "test/labels": yh, "calib/input": xt[:200]}.items():
        (HERE / name).parent.mkdir(exist_ok=True)
        np.save(HERE / f"{name}.npy", np.ascontiguousarray(array))


if __name__ == "__main__":
    main()
