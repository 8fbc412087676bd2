"""The table of gRPC requests that infer and the real Triton both answer. Rows are as in http_requests.py; a status is
the name of a gRPC code."""
import dataclasses
import struct

import grpc
import numpy as np
from google.protobuf import json_format
from tritonclient.grpc import service_pb2 as pb

SERVICE = "/inference.GRPCInferenceService/"
TIMEOUT = 30


@dataclasses.dataclass
class Request:
    """One call. message is a protobuf message, or bytes that are sent as they are."""

    name: str
    method: str
    message: object
    answer: type
    says: str = ""
    infer: str = ""
    triton: str = ""
    why: str = ""
    ignore: tuple = ()
    alive: bool = False
    kills: bool = False
    backend: str = ""


def tensor(name, datatype, shape, **contents):
    t = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    if contents:
        t.contents.CopyFrom(pb.InferTensorContents(**contents))
    return t


def infer(name, model, inputs, raw=(), **options):
    fields = {k: options.pop(k) for k in ("id", "model_version", "outputs") if k in options}
    m = pb.ModelInferRequest(model_name=model, inputs=inputs, raw_input_contents=raw, **fields)
    for key, value in options.pop("parameters", {}).items():
        m.parameters[key].CopyFrom(value)
    return Request(name, "ModelInfer", m, pb.ModelInferResponse, **options)


def wanted(name, **parameters):
    o = pb.ModelInferRequest.InferRequestedOutputTensor(name=name)
    for key, value in parameters.items():
        o.parameters[key].int64_param = value
    return o


def floats(*values):
    return np.array(values, "<f4").tobytes()


def strings(*values):
    return b"".join(struct.pack("<I", len(v)) + v for v in values)


X = tensor("X", "FP32", [1, 4])
FOUR = floats(1, 2.5, -3, 4)


def server():
    another = dict(ignore=("name", "version", "extensions"), why="another server, with other extensions")
    platform = dict(ignore=("platform", "properties"), why="the Python backend is no ONNX Runtime; infer's properties")
    yield Request("live", "ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)
    yield Request("ready", "ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)
    yield Request("model ready", "ModelReady", pb.ModelReadyRequest(name="id_fp32"), pb.ModelReadyResponse)
    yield Request("no model ready", "ModelReady", pb.ModelReadyRequest(name="nope"), pb.ModelReadyResponse)
    yield Request("server metadata", "ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse, **another)
    yield Request("metadata", "ModelMetadata", pb.ModelMetadataRequest(name="add"), pb.ModelMetadataResponse, **platform)
    yield Request("metadata of no model", "ModelMetadata", pb.ModelMetadataRequest(name="nope"), pb.ModelMetadataResponse, says="nope")
    yield Request("metadata of no version", "ModelMetadata", pb.ModelMetadataRequest(name="add", version="99"), pb.ModelMetadataResponse, says="99")
    yield Request("config", "ModelConfig", pb.ModelConfigRequest(name="add"), pb.ModelConfigResponse, alive=True, why="Triton's has fields that mean nothing here")
    yield Request("config of no model", "ModelConfig", pb.ModelConfigRequest(name="nope"), pb.ModelConfigResponse, says="nope")
    yield Request("statistics", "ModelStatistics", pb.ModelStatisticsRequest(name="add"), pb.ModelStatisticsResponse, alive=True, why="counters of the past")
    yield Request("index", "RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse)
    yield Request("load of no model", "RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="nope"), pb.RepositoryModelLoadResponse, says="nope",
                  infer="NOT_FOUND", triton="INTERNAL", why="what is not there is not found, as elsewhere")


def tensors():
    yield infer("raw FP32", "id_fp32", [X], [FOUR])
    yield infer("a version", "id_fp32", [X], [FOUR], model_version="1")
    yield infer("an id", "id_fp32", [X], [FOUR], id="a-1")
    yield infer("a batch", "id_fp32", [tensor("X", "FP32", [2, 2])], [FOUR])
    yield infer("NaN and Infinity", "id_fp32", [X], [floats(np.nan, np.inf, -np.inf, 0)])
    typed = dict(ignore=("outputs.*.contents",))
    yield infer("typed FP32", "id_fp32", [tensor("X", "FP32", [1, 4], fp32_contents=[1, 2, 3, 4])], **typed)
    yield infer("typed FP64", "id_fp64", [tensor("X", "FP64", [1, 4], fp64_contents=[0.1, 2, 3, 4])], **typed)
    yield infer("typed INT8", "id_int8", [tensor("X", "INT8", [1, 4], int_contents=[-128, 127, 0, 1])], **typed)
    yield infer("typed INT64", "id_int64", [tensor("X", "INT64", [1, 4], int64_contents=[-2**63, 2**63 - 1, 0, 1])], **typed)
    yield infer("typed UINT8", "id_uint8", [tensor("X", "UINT8", [1, 4], uint_contents=[0, 255, 1, 2])], **typed)
    yield infer("typed UINT64", "id_uint64", [tensor("X", "UINT64", [1, 4], uint64_contents=[0, 2**64 - 1, 1, 2])], **typed)
    yield infer("typed BOOL", "id_bool", [tensor("X", "BOOL", [1, 4], bool_contents=[True, False, True, True])], **typed)
    yield infer("typed BYTES", "id_bytes", [tensor("X", "BYTES", [1, 3], bytes_contents=[b"a", b"", b"\xffb"])], **typed)
    yield infer("raw FP16", "id_fp16", [tensor("X", "FP16", [1, 4])], [np.array([1, 2, -3, np.inf], "<f2").tobytes()])
    yield infer("raw BYTES", "id_bytes", [tensor("X", "BYTES", [1, 2])], [strings(b"a", b"\xffb")])
    yield infer("raw BYTES with a zero", "id_bytes", [tensor("X", "BYTES", [1, 2])], [strings(b"a", b"b\0c")], backend="python")
    yield infer("raw BOOL", "id_bool", [tensor("X", "BOOL", [1, 4])], [b"\1\0\1\1"])
    yield infer("raw INT8", "id_int8", [tensor("X", "INT8", [1, 4])], [b"\x80\x7f\0\1"])
    both = [tensor("A", "FP32", [1, 3]), tensor("B", "FP32", [1, 3])], [floats(1, 2, 3), floats(10, 20, 30)]
    yield infer("two inputs, two outputs", "add", *both)
    yield infer("one output of two", "add", *both, outputs=[wanted("DIFFERENCE")])
    yield infer("no batch axis", "flat", [tensor("X", "FP32", [4])], [FOUR])
    yield infer("classification", "id_fp32", [X], [FOUR], outputs=[wanted("Y", classification=2)])
    yield infer("an unknown parameter", "id_fp32", [X], [FOUR], parameters={"mine": pb.InferParameter(string_param="x")})


def malformed():
    yield infer("no such model", "nope", [X], [FOUR], says="nope")
    yield infer("no such version", "id_fp32", [X], [FOUR], model_version="99", says="99")
    yield infer("a version that is no number", "id_fp32", [X], [FOUR], model_version="one", says="one",
                infer="NOT_FOUND", triton="INVALID_ARGUMENT", why="a version that is not there is not found, whatever it is called")
    yield infer("no inputs", "id_fp32", [], says="X")
    yield infer("an input missing", "add", [tensor("A", "FP32", [1, 3])], [floats(1, 2, 3)], says="B")
    yield infer("an unknown input", "id_fp32", [X, tensor("Z", "FP32", [1, 4])], [FOUR, FOUR], says="Z")
    yield infer("an input twice", "id_fp32", [X, X], [FOUR, FOUR], says="X")
    yield infer("an unknown output", "id_fp32", [X], [FOUR], outputs=[wanted("Z")], says="Z")
    yield infer("an output twice", "id_fp32", [X], [FOUR], outputs=[wanted("Y"), wanted("Y")], says="Y",
                infer="INVALID_ARGUMENT", triton="OK", why="newer Tritons refuse it too")
    yield infer("another dtype", "id_fp32", [tensor("X", "INT32", [1, 4])], [b"\0" * 16], says="X")
    yield infer("no dtype at all", "id_fp32", [tensor("X", "FLOAT", [1, 4])], [FOUR], says="FLOAT")
    yield infer("a wrong shape", "id_int64", [tensor("X", "INT64", [1, 3])], [b"\0" * 24], says="X")
    yield infer("a negative dim", "id_fp32", [tensor("X", "FP32", [-1, 4])], [FOUR], says="X")
    yield infer("a product that overflows", "id_fp32", [tensor("X", "FP32", [2**32, 2**32])], [FOUR], says="X")
    yield infer("bytes missing", "id_fp32", [X], [FOUR[:-1]], says="X")
    yield infer("bytes left over", "id_fp32", [X], [FOUR + b"\0"], says="X")
    yield infer("raw and typed", "id_fp32", [tensor("X", "FP32", [1, 4], fp32_contents=[1, 2, 3, 4])], [FOUR], says="X")
    yield infer("one raw too many", "id_fp32", [X], [FOUR, FOUR], infer="INVALID_ARGUMENT", triton="OK", why="Triton ignores what is left over")
    yield infer("one raw too few", "add", [tensor("A", "FP32", [1, 3]), tensor("B", "FP32", [1, 3])], [floats(1, 2, 3)], says="raw_input_contents")
    yield infer("no contents", "id_fp32", [X], says="X")
    yield infer("too few typed values", "id_fp32", [tensor("X", "FP32", [1, 4], fp32_contents=[1, 2, 3])], says="X")
    yield infer("contents of another type", "id_fp32", [tensor("X", "FP32", [1, 4], int64_contents=[1, 2, 3, 4])], says="X")
    yield infer("a typed INT8 out of range", "id_int8", [tensor("X", "INT8", [1, 4], int_contents=[128, 0, 0, 0])], says="X",
                infer="INVALID_ARGUMENT", triton="OK", why="Triton wraps it to -128")
    yield infer("typed FP16", "id_fp16", [tensor("X", "FP16", [1, 4], fp32_contents=[1, 2, 3, 4])], says="X")
    yield infer("BYTES with a length beyond the end", "id_bytes", [tensor("X", "BYTES", [1, 1])], [struct.pack("<I", 100) + b"abcd"], says="X")
    yield infer("BYTES, one fewer than the shape", "id_bytes", [tensor("X", "BYTES", [1, 2])], [strings(b"a")], says="X")
    yield infer("classification of BOOL", "id_bool", [tensor("X", "BOOL", [1, 4])], [b"\0" * 4], outputs=[wanted("Y", classification=1)], says="Y")
    yield infer("a trillion rows", "id_fp32", [tensor("X", "FP32", [10**12, 1])], [FOUR], says="X")
    broken = dict(infer="INVALID_ARGUMENT", triton="INTERNAL", why="a fault of the client is no internal error")
    yield Request("no message", "ModelInfer", b"\xff\xff\xff", pb.ModelInferResponse, **broken)
    yield Request("a message cut short", "ModelInfer", infer("", "id_fp32", [X], [FOUR]).message.SerializeToString()[:-3], pb.ModelInferResponse, **broken)
    yield Request("no such method", "Nothing", b"", pb.ModelInferResponse)
    yield infer("classification of strings", "id_bytes", [tensor("X", "BYTES", [1, 1])], [strings(b"a")], outputs=[wanted("Y", classification=1)], says="Y", kills=True)


def table():
    for part in (server, tensors, malformed):
        yield from part()


def send(channel, request):
    """The name of the code, the message or the details."""
    call = channel.unary_unary(SERVICE + request.method, lambda m: m if isinstance(m, bytes) else m.SerializeToString(), request.answer.FromString)
    try:
        return "OK", call(request.message, timeout=TIMEOUT)
    except grpc.RpcError as e:
        return e.code().name, e.details()


def document(message):
    """A message as JSON values; the raw outputs with the tensors that they belong to, the tensors by name."""
    d = json_format.MessageToDict(message, preserving_proto_field_name=True)
    if isinstance(message, pb.ModelInferResponse):
        raw = d.pop("raw_output_contents", [])
        d["outputs"] = {o["name"]: o | {"raw": r} for o, r in zip(d.get("outputs", []), raw)}
    return d


def compare(request, ours, theirs, differences):
    """Everything that is wrong with our answer, given theirs (None: it was not asked)."""
    wrong = []
    want = request.infer or (theirs[0] if theirs else "INVALID_ARGUMENT" if request.kills else "OK")
    if ours[0] != want:
        wrong.append(f"code {ours[0]}, not {want}: {ours[1]}")
    if theirs and request.triton and theirs[0] != request.triton:
        wrong.append(f"the listed difference is gone: Triton answers {theirs[0]}, not {request.triton}")
    if ours[0] != "OK":
        if not ours[1] or request.says not in ours[1]:
            wrong.append(f"the message does not name {request.says!r}: {ours[1]}")
    elif theirs and theirs[0] == "OK" and not request.alive:
        wrong += differences(document(ours[1]), document(theirs[1]), request.ignore)
    return wrong


def both(ours, theirs, backend, differences):
    """Each request and what is wrong with infer's answer."""
    with grpc.insecure_channel(f"127.0.0.1:{ours}") as a, grpc.insecure_channel(f"127.0.0.1:{theirs}") as b:
        for channel in (a, b):
            grpc.channel_ready_future(channel).result(TIMEOUT)
        for request in table():
            alone = request.kills or request.backend not in ("", backend)
            yield request, compare(request, send(a, request), None if alone else send(b, request), differences)
