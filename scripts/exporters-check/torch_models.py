"""Makes small models with PyTorch, and what they answer: TorchScript files, and .pt2 files where this torch has them.

usage: torch_models.py FOLDER. Beside NAME.pt or NAME.pt2 lie NAME/inputs and NAME/expected, a .npy a name.
"""

import pathlib
import sys

import numpy
import torch
from torch import nn


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.Hardswish())
        self.head = nn.Linear(16, 10)

    def forward(self, image):
        return self.head(self.body(image).mean((2, 3))).softmax(1)


class Tagger(nn.Module):
    """An embedding, an LSTM and two outputs of different types; one argument that may be left out."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 12)
        self.lstm = nn.LSTM(12, 16, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 5)

    def forward(self, ids, scale: float = 1.0):
        scores = self.head(self.lstm(self.table(ids))[0]) * scale
        return scores, scores.argmax(-1)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 32), nn.LayerNorm(32), nn.Linear(32, 4)

    def forward(self, rows, shift):
        return {"sum": self.last(self.norm(nn.functional.gelu(self.first(rows)))) + shift, "rows": rows * 2}


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in (value.values() if isinstance(value, dict) else value) for t in flat(v)]


def record(folder, name, model, inputs):
    """Writes inputs and outputs with the names that infer gives them."""
    with torch.no_grad():
        outputs = flat(model(*inputs.values()))
    for kind, values in (
        ("inputs", inputs),
        ("expected", {"output" if len(outputs) == 1 else "output_%d" % i: v for i, v in enumerate(outputs)}),
    ):
        (folder / name / kind).mkdir(parents=True, exist_ok=True)
        for key, value in values.items():
            numpy.save(folder / name / kind / (key + ".npy"), value.numpy())


def main(folder):
    torch.manual_seed(7)
    models = {
        "cnn": (Cnn(), {"image": torch.randn(6, 3, 16, 16)}),
        "tagger": (Tagger(), {"ids": torch.randint(0, 50, (6, 9))}),
        "mlp": (Mlp(), {"rows": torch.randn(6, 6), "shift": torch.randn(6, 4)}),
    }
    for name, (model, inputs) in models.items():
        model.eval()
        if name != "mlp":  # TorchScript's exporter takes no dictionaries
            record(folder, name, model, inputs)
            torch.jit.save(torch.jit.script(model), str(folder / (name + ".pt")))
    torch.save(models["cnn"][0].state_dict(), folder / "weights.pt")
    if not hasattr(torch, "export"):
        print("no .pt2: torch %s has no torch.export" % torch.__version__)
        return
    for name, (model, inputs) in models.items():
        batch = torch.export.Dim("batch", min=1, max=64)
        shapes = {key: {0: batch} for key in inputs}
        example = tuple(v[:2] for v in inputs.values())
        record(folder, name + "-pt2", model, inputs)
        torch.export.save(torch.export.export(model, example, dynamic_shapes=shapes), str(folder / (name + "-pt2.pt2")))


main(pathlib.Path(sys.argv[1]))
