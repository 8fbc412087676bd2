"""infer serve through NVIDIA's HTTP client: health, metadata, statistics, repository, infer in every form, errors."""
import concurrent.futures

import numpy as np
import tritonclient.http as client
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import check
import samples
from check import must, refused


def tensor(name, values, binary=True):
    t = client.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    t.set_data_from_numpy(values, binary_data=binary)
    return t


def wanted(name, binary=True, classes=0):
    return client.InferRequestedOutput(name, binary_data=binary, class_count=classes)


@check.check
def health(c, server):
    must(c.is_server_live() and c.is_server_ready(), "not ready")
    must(c.is_model_ready("add") and c.is_model_ready("add", "1"), "add is not ready")
    must(not c.is_model_ready("nope"), "a model that is not there is ready")


@check.check
def metadata(c, server):
    must("binary_tensor_data" in c.get_server_metadata()["extensions"], "binary_tensor_data is no extension")
    m = c.get_model_metadata("add")
    must([(i["name"], i["datatype"], i["shape"]) for i in m["inputs"]] == [("A", "FP32", [-1, 3]), ("B", "FP32", [-1, 3])], m)
    must([o["name"] for o in m["outputs"]] == ["SUM", "DIFFERENCE"] and m["versions"] == ["1"], m)
    for name, datatype in samples.DATATYPES.items():
        must(c.get_model_metadata(name)["inputs"][0]["datatype"] == datatype, name)


@check.check
def configuration(c, server):
    config = c.get_model_config("add")
    must(config["name"] == "add" and [i["data_type"] for i in config["input"]] == ["TYPE_FP32"] * 2, config)


@check.check
def dtypes_binary(c, server):
    for name, values in samples.arrays():
        got = c.infer(name, [tensor("X", values)], outputs=[wanted("Y")]).as_numpy("Y")
        samples.equal(got, values, name)


@check.check
def dtypes_json(c, server):
    for name, values in samples.arrays():
        if values.dtype != np.float16:
            got = c.infer(name, [tensor("X", values, False)], outputs=[wanted("Y", False)]).as_numpy("Y")
            samples.equal(np.char.encode(got.astype(str)).astype(object) if name == "id_bytes" else got, values, name)


@check.check
def half_in_json(c, server):
    half = np.zeros((1, 4), np.float16)
    refused(lambda: c.infer("id_fp16", [tensor("X", half, False)]), "FP16", error=InferenceServerException)
    refused(lambda: c.infer("id_fp16", [tensor("X", half)], outputs=[wanted("Y", False)]), "FP16", error=InferenceServerException)


@check.check
def not_a_number(c, server):
    values = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    for binary in (True, False):
        samples.equal(c.infer("id_fp32", [tensor("X", values, binary)], outputs=[wanted("Y", binary)]).as_numpy("Y"), values, binary)


@check.check
def compression(c, server):
    values = np.arange(4000, dtype=np.float32).reshape(1, -1)
    for asked in ("gzip", "deflate"):
        for answered in ("gzip", "deflate", None):
            for binary in (True, False):
                r = c.infer("id_fp32", [tensor("X", values, binary)], outputs=[wanted("Y", binary)],
                            request_compression_algorithm=asked, response_compression_algorithm=answered)
                samples.equal(r.as_numpy("Y"), values, f"{asked}, {answered}")


@check.check
def batches(c, server):
    for rows in (1, 2, 7, 64):
        a, b = np.random.default_rng(rows).random((2, rows, 3), np.float32)
        r = c.infer("add", [tensor("A", a), tensor("B", b)])
        samples.equal(r.as_numpy("SUM"), a + b, rows)
        samples.equal(r.as_numpy("DIFFERENCE"), a - b, rows)


@check.check
def identifier(c, server):
    r = c.infer("id_fp32", [tensor("X", np.ones((1, 4), np.float32))], request_id="a-1")
    must(r.get_response()["id"] == "a-1" and r.get_response()["model_version"] == "1", r.get_response())


@check.check
def classification(c, server):
    values = np.array([[1, 4, 3, 2]], np.float32)
    got = c.infer("id_fp32", [tensor("X", values)], outputs=[wanted("Y", classes=2)]).as_numpy("Y")
    must(got.tolist() == [[b"4.000000:1", b"3.000000:2"]], got)


@check.check
def asynchronous(c, server):
    values = [np.full((1, 4), i, np.float32) for i in range(32)]
    pending = [c.async_infer("id_fp32", [tensor("X", v)]) for v in values]
    for v, p in zip(values, pending):
        samples.equal(p.get_result().as_numpy("Y"), v, "async_infer")


@check.check
def many_threads(c, server):
    def one(i):
        v = np.full((1 + i % 5, 3), i, np.float32)
        with client.InferenceServerClient(c._parsed_url.netloc) as own:
            samples.equal(own.infer("add", [tensor("A", v), tensor("B", v)]).as_numpy("SUM"), 2 * v, i)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(200)))


@check.check
def statistics(c, server):
    before = c.get_inference_statistics("add")["model_stats"][0]
    v = np.ones((3, 3), np.float32)
    c.infer("add", [tensor("A", v), tensor("B", v)])
    after = c.get_inference_statistics("add")["model_stats"][0]
    must(after["inference_count"] - before["inference_count"] == 3, "inference_count counts rows:", before, after)
    must(after["execution_count"] - before["execution_count"] == 1, "execution_count counts runs:", before, after)
    for kind in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        must(after["inference_stats"][kind]["count"] > before["inference_stats"][kind]["count"], kind)
    must(len(c.get_inference_statistics()["model_stats"]) >= len(samples.DATATYPES), "statistics of all models")


@check.check
def repository(c, server):
    index = {m["name"]: m["state"] for m in c.get_model_repository_index()}
    must(index["add"] == "READY", index)
    c.unload_model("flat")
    samples.until(lambda: not c.is_model_ready("flat"), "unloaded, and ready")
    refused(lambda: c.infer("flat", [tensor("X", np.ones(4, np.float32))]), "flat", error=InferenceServerException)
    c.load_model("flat")
    must(c.is_model_ready("flat"), "loaded, and not ready")
    samples.equal(c.infer("flat", [tensor("X", np.ones(4, np.float32))]).as_numpy("Y"), np.ones(4, np.float32), "flat")
    refused(lambda: c.load_model("nope"), "nope", error=InferenceServerException)


@check.check
def errors(c, server):
    v = np.ones((1, 3), np.float32)
    for call, name in ((lambda: c.infer("nope", [tensor("X", v)]), "nope"),
                       (lambda: c.infer("add", [tensor("A", v), tensor("B", v)], model_version="99"), "99"),
                       (lambda: c.infer("add", [tensor("A", v)]), "B"),
                       (lambda: c.infer("add", [tensor("A", v), tensor("B", np.ones((1, 4), np.float32))]), "B"),
                       (lambda: c.infer("add", [tensor("A", v), tensor("B", v.astype(np.float64))]), "B"),
                       (lambda: c.infer("add", [tensor("A", v), tensor("B", v)], outputs=[wanted("Z")]), "Z"),
                       (lambda: c.get_model_metadata("nope"), "nope")):
        refused(call, name, error=InferenceServerException)


if __name__ == "__main__":
    o = check.options()
    with client.InferenceServerClient(o.http, concurrency=8) as c:
        check.run("tritonclient http", c, o.server)
