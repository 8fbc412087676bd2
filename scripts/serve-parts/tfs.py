"""infer serve through a TensorFlow Serving client with TensorFlow's own messages (min-tfs-client), over gRPC."""
import grpc
import numpy as np
from min_tfs_client.requests import TensorServingClient
from min_tfs_client.tensors import ndarray_to_tensor_proto, tensor_proto_to_ndarray
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

import check
import samples
from check import must

TIMEOUT = 30


def predict(c, model, **inputs):
    return {k: tensor_proto_to_ndarray(v) for k, v in c.predict_request(model, inputs, TIMEOUT).outputs.items()}


def refused(call, code, *names):
    try:
        call()
    except grpc.RpcError as e:
        must(e.code() == code and all(n in e.details() for n in names), e)
        return
    raise AssertionError("a bad request was answered")


@check.check
def dtypes(o, c, stub):
    for name, values in samples.arrays():
        if name not in ("id_fp16", "id_bytes"):  # which the client's conversions do not know
            samples.equal(predict(c, name, X=values)["Y"], values, name)


@check.check
def strings(o, c, stub):
    r = c.predict_request("id_bytes", {"X": np.array([["a", "", "bc"]])}, TIMEOUT)
    must(list(r.outputs["Y"].string_val) == [b"a", b"", b"bc"] and r.outputs["Y"].dtype == types_pb2.DT_STRING, r)


@check.check
def typed_and_content(o, c, stub):
    """The two ways to fill a TensorProto: values in their field, one for all included, and bytes in tensor_content."""
    values = np.array([[1.5, -2, 3]], np.float32)
    typed = ndarray_to_tensor_proto(values)
    content = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=typed.tensor_shape, tensor_content=values.tobytes())
    same = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=typed.tensor_shape, float_val=[7])
    for tensor, want in ((typed, values), (content, values), (same, np.full((1, 3), 7, np.float32))):
        r = PredictRequest(inputs={"X": tensor})
        r.model_spec.name = "id_fp32"
        samples.equal(tensor_proto_to_ndarray(stub.Predict(r, TIMEOUT).outputs["Y"]), want, "a TensorProto")


@check.check
def versions_and_outputs(o, c, stub):
    v = np.array([[1, 2, 3]], np.float32)
    must(sorted(predict(c, "add", A=v, B=v)) == ["DIFFERENCE", "SUM"], "both outputs")
    r = PredictRequest(inputs={n: ndarray_to_tensor_proto(v) for n in "AB"}, output_filter=["SUM"])
    r.model_spec.name, r.model_spec.version.value = "add", 1
    answer = stub.Predict(r, TIMEOUT)
    must(list(answer.outputs) == ["SUM"] and answer.model_spec.name == "add" and answer.model_spec.version.value == 1, answer)


@check.check
def errors(o, c, stub):
    v = np.ones((1, 3), np.float32)
    code = grpc.StatusCode
    refused(lambda: predict(c, "nope", X=v), code.NOT_FOUND, "nope")
    refused(lambda: c.predict_request("add", {"A": v, "B": v}, TIMEOUT, model_version=99), code.NOT_FOUND, "99")
    refused(lambda: predict(c, "add", A=v), code.INVALID_ARGUMENT, "B")
    refused(lambda: predict(c, "add", A=v, B=v.astype(np.float64)), code.INVALID_ARGUMENT, "B")
    refused(lambda: predict(c, "add", A=v, B=np.ones((1, 4), np.float32)), code.INVALID_ARGUMENT, "B")
    refused(lambda: stub.Classify(ClassificationRequest(), TIMEOUT), code.UNIMPLEMENTED)
    short = ndarray_to_tensor_proto(v)
    short.ClearField("float_val")
    short.tensor_content = b"\0" * 11
    r = PredictRequest(inputs={"X": short})
    r.model_spec.name = "id_fp32"
    refused(lambda: stub.Predict(r, TIMEOUT), code.INVALID_ARGUMENT, "X")


if __name__ == "__main__":
    o = check.options()
    host, port = o.grpc.split(":")
    with grpc.insecure_channel(o.grpc) as channel:
        check.run("tensorflow serving client", o, TensorServingClient(host, int(port)), PredictionServiceStub(channel))
