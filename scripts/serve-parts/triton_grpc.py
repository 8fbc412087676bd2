"""infer serve through NVIDIA's gRPC client: the same as triton_http.py, and streams."""
import queue

import grpc
import numpy as np
import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import check
import samples
from check import must, refused


def tensor(name, values):
    t = client.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    t.set_data_from_numpy(values)
    return t


def wanted(name, classes=0):
    return client.InferRequestedOutput(name, class_count=classes)


@check.check
def health(c, server):
    must(c.is_server_live() and c.is_server_ready(), "not ready")
    must(c.is_model_ready("add") and c.is_model_ready("add", "1"), "add is not ready")
    must(not c.is_model_ready("nope"), "a model that is not there is ready")


@check.check
def metadata(c, server):
    must("model_repository" in c.get_server_metadata().extensions, "model_repository is no extension")
    m = c.get_model_metadata("add")
    must([(i.name, i.datatype, list(i.shape)) for i in m.inputs] == [("A", "FP32", [-1, 3]), ("B", "FP32", [-1, 3])], m)
    must([o.name for o in m.outputs] == ["SUM", "DIFFERENCE"] and list(m.versions) == ["1"], m)


@check.check
def configuration(c, server):
    must(c.get_model_config("add").config.name == "add", "the configuration names another model")


@check.check
def dtypes(c, server):
    for name, values in samples.arrays():
        samples.equal(c.infer(name, [tensor("X", values)], outputs=[wanted("Y")]).as_numpy("Y"), values, name)


@check.check
def batches(c, server):
    for rows in (1, 2, 7, 64):
        a, b = np.random.default_rng(rows).random((2, rows, 3), np.float32)
        r = c.infer("add", [tensor("A", a), tensor("B", b)], compression_algorithm="gzip" if rows == 7 else None)
        samples.equal(r.as_numpy("SUM"), a + b, rows)
        samples.equal(r.as_numpy("DIFFERENCE"), a - b, rows)


@check.check
def large(c, server):
    values = np.arange(2 << 20, dtype=np.float32).reshape(1, -1)  # 8 MiB: twice what gRPC for Go takes by default
    samples.equal(c.infer("id_fp32", [tensor("X", values)]).as_numpy("Y"), values, "8 MiB")


@check.check
def identifier(c, server):
    r = c.infer("id_fp32", [tensor("X", np.ones((1, 4), np.float32))], request_id="a-1").get_response()
    must(r.id == "a-1" and r.model_version == "1" and r.model_name == "id_fp32", r)


@check.check
def classification(c, server):
    got = c.infer("id_fp32", [tensor("X", np.array([[1, 4, 3, 2]], np.float32))], outputs=[wanted("Y", 2)]).as_numpy("Y")
    must(got.tolist() == [[b"4.000000:1", b"3.000000:2"]], got)


@check.check
def asynchronous(c, server):
    answers = queue.Queue()
    for i in range(32):
        c.async_infer("id_fp32", [tensor("X", np.full((1, 4), i, np.float32))], lambda result, error: answers.put(error or result.as_numpy("Y")[0, 0]))
    must(sorted(answers.get(timeout=30) for _ in range(32)) == list(range(32)), "answers are missing")


@check.check
def stream(c, server):
    answers = queue.Queue()
    c.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(8):
        c.async_stream_infer("id_fp32", [tensor("X", np.full((1, 4), i, np.float32))], request_id=str(i))
    c.async_stream_infer("nope", [tensor("X", np.ones((1, 4), np.float32))])
    got = [answers.get(timeout=30) for _ in range(9)]
    c.stop_stream()
    must(sorted(r.as_numpy("Y")[0, 0] for r, error in got if error is None) == list(range(8)), got)
    must(["nope" in str(error) for r, error in got if error is not None] == [True], got)


@check.check
def deadline(c, server):
    values = np.ones((1, 1 << 20), np.float32)
    text = refused(lambda: c.infer("id_fp32", [tensor("X", values)], client_timeout=1e-4), error=InferenceServerException)
    must("DEADLINE_EXCEEDED" in text or "Deadline" in text, text)
    samples.equal(c.infer("id_fp32", [tensor("X", values)]).as_numpy("Y"), values, "after a deadline")


@check.check
def statistics(c, server):
    before = c.get_inference_statistics("add").model_stats[0]
    v = np.ones((3, 3), np.float32)
    c.infer("add", [tensor("A", v), tensor("B", v)])
    after = c.get_inference_statistics("add").model_stats[0]
    must(after.inference_count - before.inference_count == 3 and after.execution_count - before.execution_count == 1, before, after)
    must(after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns, "compute_infer.ns stands still")


@check.check
def repository(c, server):
    index = {m.name: m.state for m in c.get_model_repository_index().models}
    must(index["add"] == "READY", index)
    c.unload_model("flat")
    samples.until(lambda: not c.is_model_ready("flat"), "unloaded, and ready")
    c.load_model("flat")
    must(c.is_model_ready("flat"), "loaded, and not ready")
    refused(lambda: c.load_model("nope"), "nope", error=InferenceServerException)


@check.check
def errors(c, server):
    v = np.ones((1, 3), np.float32)
    for call, name, code in ((lambda: c.infer("nope", [tensor("X", v)]), "nope", "NOT_FOUND"),
                             (lambda: c.infer("add", [tensor("A", v), tensor("B", v)], model_version="99"), "99", "NOT_FOUND"),
                             (lambda: c.infer("add", [tensor("A", v)]), "B", "INVALID_ARGUMENT"),
                             (lambda: c.infer("add", [tensor("A", v), tensor("B", np.ones((1, 4), np.float32))]), "B", "INVALID_ARGUMENT"),
                             (lambda: c.infer("add", [tensor("A", v), tensor("B", v.astype(np.float64))]), "B", "INVALID_ARGUMENT"),
                             (lambda: c.get_model_metadata("nope"), "nope", "NOT_FOUND")):
        must(code in refused(call, name, error=InferenceServerException), code)


@check.check
def standard_health(c, server):
    """grpc.health.v1.Health, by its wire form: the answer SERVING is field 1 with the value 1."""
    health = c._channel.unary_unary("/grpc.health.v1.Health/Check", lambda m: m, lambda m: m)
    must(health(b"", timeout=10) == b"\x08\x01", "not SERVING")
    if server == "triton":
        return  # every service that it is asked for serves
    try:
        health(b"\x0a\x04nope", timeout=10)
        raise AssertionError("a service that is not there has a health")
    except grpc.RpcError as e:
        must(e.code() == grpc.StatusCode.NOT_FOUND, e)


if __name__ == "__main__":
    o = check.options()
    with client.InferenceServerClient(o.grpc) as c:
        check.run("tritonclient grpc", c, o.server)
