"""Data set folders, in the form that infer reads and the official side is fed from: one NAME.npy an input (input.npy
where there is one), rows along axis 0, each row a whole input of the model."""
import pathlib


class Rows:
    """The rows of a folder as the inputs of a run with one row. An array of the rank that the model declares is cut
    along its first axis; one of a rank more holds whole inputs; one without an axis is given to every row."""

    def __init__(self, folder, model, limit=0):
        import numpy as np
        import onnx

        graph = onnx.load(model, load_external_data=False).graph
        stored = {t.name for t in graph.initializer}
        inputs = [v for v in graph.input if v.name not in stored]
        self.arrays = {}
        for v in inputs:
            name = "input" if len(inputs) == 1 else v.name
            a = np.load(pathlib.Path(folder) / f"{name}.npy", mmap_mode="r")
            self.arrays[v.name] = a, len(v.type.tensor_type.shape.dim)
        self.count = max((len(a) for a, _ in self.arrays.values() if a.ndim), default=1)
        if limit:
            self.count = min(self.count, limit)
        labels = pathlib.Path(folder) / "labels.npy"
        self.labels = np.load(labels)[: self.count] if labels.exists() else None

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        import numpy as np

        if not 0 <= i < self.count:
            raise IndexError(i)
        row = {}
        for name, (a, rank) in self.arrays.items():
            row[name] = np.array(a) if a.ndim == 0 else np.array(a[i]) if a.ndim > rank else np.array(a[i : i + 1])
        return row


def save(folder, arrays, labels=None):
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    for name, a in arrays.items():
        np.save(folder / f"{name}.npy", np.asarray(a, order="C"))
    if labels is not None:
        np.save(folder / "labels.npy", labels.astype(np.int64))


def generate(out, shape, rows, seed, dtype="float32"):
    """Makes a folder of seeded normal rows for a model with one input."""
    import numpy as np

    values = np.random.default_rng(seed).standard_normal((rows, *shape), dtype=np.float32)
    save(pathlib.Path(out), {"input": values.astype(dtype)})
    return {}


def folders(models, name, out):
    """Makes calib and test folders of a shared model as its README describes the shipped files."""
    source, calib, test = pathlib.Path(models) / name, pathlib.Path(out) / "calib", pathlib.Path(out) / "test"
    RECIPES[name](source, calib, test)
    return {}


def squeezenet(source, calib, test):
    """Means of blue, green and red come off; the first ten photos calibrate."""
    import numpy as np

    x = np.load(source / "images_u8_bgr_nchw.npy").astype(np.float32)
    x -= np.array([104, 117, 124], np.float32).reshape(1, 3, 1, 1)
    save(calib, {"input": x[:10]})
    save(test, {"input": x[10:]})


def yolox(source, calib, test):
    import numpy as np

    x = np.load(source / "images_u8_bgr_nchw_416.npy").astype(np.float32)
    save(calib, {"input": x[::2]})
    save(test, {"input": x[1::2]})


def magika(source, calib, test):
    """Neighbours are files of one kind: every other one calibrates."""
    import numpy as np

    x, labels = np.load(source / "test/input.npy"), np.load(source / "test/labels.npy")
    save(calib, {"input": x[::2]})
    save(test, {"input": x[1::2]}, labels[1::2])


def keywords(source, calib, test):
    """There is no data: seeded normal rows."""
    import numpy as np

    x = np.random.default_rng(1).standard_normal((96, 1, 1960), dtype=np.float32)
    save(calib, {"input": x[:32]})
    save(test, {"input": x[32:]})


def gtcrn(source, calib, test):
    """Frames with empty caches, as at the start of a stream: every 8th for calibration, those half way for the test."""
    import numpy as np

    frames = np.load(source / "mix_spec.npy").transpose(2, 0, 1, 3)[..., None, :].astype(np.float32)
    for folder, first in ((calib, 0), (test, 4)):
        mix = frames[first::8]
        caches = {"conv_cache": (2, 1, 16, 16, 33), "tra_cache": (2, 3, 1, 1, 16), "inter_cache": (2, 1, 33, 16)}
        save(folder, {"mix": mix} | {k: np.zeros((len(mix), *shape), np.float32) for k, shape in caches.items()})


def silero(source, calib, test):
    """Frames with an empty state: every 4th for calibration, those half way for the test."""
    import numpy as np

    frames = np.load(source / "frames.npy").astype(np.float32)
    for folder, first in ((calib, 0), (test, 2)):
        x = frames[first::4]
        save(folder, {"input": x, "state": np.zeros((len(x), 2, 1, 128), np.float32), "sr": np.array(16000, np.int64)})


RECIPES = {
    "squeezenet1.1": squeezenet, "yolox-nano": yolox, "magika-v3.3": magika, "micro-kws": keywords,
    "gtcrn": gtcrn, "silero-vad": silero,
}
