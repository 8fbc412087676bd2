"""Whether two models answer alike on the same inputs."""
import numpy
import onnxruntime

TOLERANCE = 1e-5
DTYPES = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16, "tensor(double)": numpy.float64, "tensor(int64)": numpy.int64,
          "tensor(int32)": numpy.int32, "tensor(uint8)": numpy.uint8, "tensor(int8)": numpy.int8, "tensor(bool)": numpy.bool_}

# Sizes that a model needs and does not declare, by the folder of the file.
SHAPES = {"silero-vad": {"input": [1, 576], "state": [2, 1, 128]}}
VALUES = {"silero-vad": {"sr": 16000}}


def infer_flags(model):
    flags = []
    for name, shape in SHAPES.get(model.parent.name, {}).items():
        flags += ["--shape", f"{name}:{'x'.join(map(str, shape))}"]
    return flags


def session(path):
    o = onnxruntime.SessionOptions()
    o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), o, providers=["CPUExecutionProvider"])


def inputs(s, folder):
    """Seeded inputs of a session: dynamic axes are 2, integers are 0 or 1, which are in the range of every embedding."""
    rng = numpy.random.default_rng(7)
    made = {}
    for i in s.get_inputs():
        shape = SHAPES.get(folder, {}).get(i.name) or [d if isinstance(d, int) else 2 for d in i.shape]
        dtype = DTYPES.get(i.type)
        if dtype is None:
            raise ValueError(f"input {i.name} is {i.type}")
        x = rng.standard_normal(shape) if numpy.issubdtype(dtype, numpy.floating) else rng.integers(0, 2, shape)
        if i.name in VALUES.get(folder, {}):
            x = numpy.full(shape, VALUES[folder][i.name])
        made[i.name] = x.astype(dtype)
    return made


def said(e, path):
    """What the runtime says of a model, without where that lies."""
    return str(e).splitlines()[0].replace(str(path), path.name)[:200]


class Reference:
    """What a model answers; why says what keeps it from that."""

    def __init__(self, model):
        self.why = ""
        try:
            s = session(model)
            self.names = [o.name for o in s.get_outputs()]
            self.inputs = inputs(s, model.parent.name)
            self.outputs = s.run(self.names, self.inputs)
        except Exception as e:  # the runtime has one class for everything that it refuses
            self.why = said(e, model)

    def drift(self, path):
        """How another model answers differently, "" where it does not or nothing can be said."""
        if self.why:
            return ""
        try:
            got = session(path).run(self.names, self.inputs)
        except Exception as e:
            return said(e, path)
        for name, a, b in zip(self.names, self.outputs, got):
            if not isinstance(a, numpy.ndarray) or not numpy.issubdtype(a.dtype, numpy.number):
                if not (numpy.array_equal(a, b) if isinstance(a, numpy.ndarray) else a == b):
                    return f"{name} differs"
                continue
            if a.shape != b.shape:
                return f"{name} has shape {b.shape} instead of {a.shape}"
            x, y = a.astype(numpy.float64), b.astype(numpy.float64)
            size = max(1, numpy.abs(x[numpy.isfinite(x)]).max(initial=0))
            if not numpy.allclose(x, y, rtol=0, atol=TOLERANCE * size, equal_nan=True):
                return f"{name} differs by {numpy.nanmax(numpy.abs(x - y)) / size:.2g} of its size"
        return ""
