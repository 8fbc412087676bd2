"""A handler of TorchServe: JSON as TensorFlow Serving has it, or the bytes of float32 rows."""
import json

import numpy as np

import affine


class Handler:
    def initialize(self, context):
        self.initialized = True

    def handle(self, data, context):
        return [self.one(r.get("body") or r.get("data")) for r in data]

    def one(self, body):
        if isinstance(body, dict):  # TorchServe has read it already
            return affine.nested(body)
        if bytes(body[:1]) == b"{":
            return affine.nested(json.loads(body))
        y, c = affine.run(np.frombuffer(body, np.float32).reshape(-1, affine.INPUTS))
        return {"Y": y.tolist(), "C": c.tolist()}
