"""infer serve through KServe's own clients: InferenceRESTClient with the protocols v1 and v2, InferenceGRPCClient."""
import asyncio

import check

OPTIONS = check.options()  # before kserve is imported, which reads the command line too

import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

import samples
from check import Skip, must


def request(values, binary=True, model="id_fp32"):
    x = InferInput("X", list(values.shape), "FP32")
    x.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model, [x], request_id="a-1", request_outputs=[RequestedOutput("Y", parameters={"binary_data": binary})])


async def refused(call, status):
    try:
        await call
    except httpx.HTTPStatusError as e:
        must(e.response.status_code == status, e)
        return
    raise AssertionError(f"answered, not {status}")


async def version_2(url):
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as c:
        must(await c.is_server_live(url) and await c.is_server_ready(url), "not ready")
        must(await c.is_model_ready(url, "id_fp32"), "id_fp32 is not ready")
        for binary in (True, False):
            values = np.array([[1, 2.5, -3], [4, 5, 6]], np.float32)
            r = await c.infer(url, request(values, binary), model_name="id_fp32")
            samples.equal(r.outputs[0].as_numpy(), values, f"binary {binary}")
            must(r.id == "a-1", r.id)
        plain = {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
        samples.equal((await c.infer(url, plain, model_name="id_fp32")).outputs[0].as_numpy(), np.array([[1, 2]], np.float32), "a dict")
        await refused(c.infer(url, plain, model_name="nope"), 404)
        await refused(c.infer(url, {"inputs": []}, model_name="id_fp32"), 400)


async def version_1(url):
    async with InferenceRESTClient(RESTConfig(protocol="v1", timeout=30)) as c:
        must(await c.is_model_ready(url, "id_fp32"), "id_fp32 is not ready")
        r = await c.infer(url, {"instances": [[1, 2.5], [3, 4]]}, model_name="id_fp32")
        must(r == {"predictions": [[1, 2.5], [3, 4]]}, r)
        r = await c.infer(url, {"instances": [{"A": [1, 2, 3], "B": [10, 20, 30]}]}, model_name="add")
        must(r == {"predictions": [{"SUM": [11, 22, 33], "DIFFERENCE": [-9, -18, -27]}]}, r)
        await refused(c.infer(url, {"instances": [[1]]}, model_name="nope"), 404)
        await refused(c.infer(url, {"instances": []}, model_name="add"), 400)


async def over_grpc(address):
    async with InferenceGRPCClient(address, timeout=30) as c:
        must(await c.is_server_live() and await c.is_server_ready() and await c.is_model_ready("id_fp32"), "not ready")
        for raw in (True, False):
            values = np.array([[1, 2.5, -3], [4, 5, 6]], np.float32)
            x = InferInput("X", list(values.shape), "FP32")
            x.set_data_from_numpy(values, binary_data=raw)
            r = await c.infer(InferRequest("id_fp32", [x], request_id="a-1"))
            samples.equal(r.outputs[0].as_numpy(), values, f"raw {raw}")
            must(r.id == "a-1" and r.model_name == "id_fp32", r)


@check.check
def rest_v2(o):
    if o.server == "triton":
        raise Skip("Triton's health has no body, which this client reads")
    asyncio.run(version_2(f"http://{o.http}"))


@check.check
def rest_v1(o):
    if o.server == "triton":
        raise Skip("Triton has no protocol v1")
    asyncio.run(version_1(f"http://{o.http}"))


@check.check
def grpc_v2(o):
    asyncio.run(over_grpc(o.grpc))


if __name__ == "__main__":
    check.run("kserve", OPTIONS)
