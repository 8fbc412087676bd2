"""infer serve through NVIDIA's asyncio clients, HTTP and gRPC: many requests at a time on one connection pool."""
import asyncio

import numpy as np
import tritonclient.grpc.aio as grpc_client
import tritonclient.http.aio as http_client

import check
import samples
from check import must

REQUESTS = 64


async def many(kind, url):
    async with kind.InferenceServerClient(url) as c:
        must(await c.is_server_ready() and await c.is_model_ready("add"), "not ready")

        async def one(i):
            v = np.full((1 + i % 3, 3), i, np.float32)
            inputs = [kind.InferInput(n, list(v.shape), "FP32") for n in "AB"]
            for t in inputs:
                t.set_data_from_numpy(v)
            samples.equal((await c.infer("add", inputs, request_id=str(i))).as_numpy("SUM"), 2 * v, i)

        await asyncio.gather(*(one(i) for i in range(REQUESTS)))


@check.check
def http(o):
    asyncio.run(many(http_client, o.http))


@check.check
def grpc(o):
    asyncio.run(many(grpc_client, o.grpc))


if __name__ == "__main__":
    check.run("tritonclient aio", check.options())
