"""One user of Locust sends its share of a rate to a model, binary tensors of random numbers.

The environment says MODEL and RATE, requests a second of one user.
"""
import array
import json
import os
import random

from locust import FastHttpUser, constant_throughput, task


class Client(FastHttpUser):
    wait_time = constant_throughput(float(os.environ["RATE"]))

    def on_start(self):
        self.path = f"/v2/models/{os.environ['MODEL']}/infer"
        with self.client.get(f"/v2/models/{os.environ['MODEL']}", name="metadata") as answer:
            port = answer.json()["inputs"][0]
        shape = [max(1, d) for d in port["shape"]]
        size = 1
        for d in shape:
            size *= d
        data = array.array("f", (random.random() for _ in range(size))).tobytes()
        tensor = {"name": port["name"], "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": len(data)}}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        self.body = head + data
        self.headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}

    @task
    def infer(self):
        self.client.post(self.path, self.body, headers=self.headers, name="infer")
