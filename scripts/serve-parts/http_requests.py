"""The table of HTTP requests that infer and the real Triton both answer, well-formed and malformed.

A row with infer= or triton= is an intended difference and says why; a row without is answered alike: same status, same
structure, same values. says= is what the message of a refusal must name, in infer's answer.
"""
import dataclasses
import gzip
import json
import struct
import zlib

import numpy as np

LENGTH = "Inference-Header-Content-Length"


@dataclasses.dataclass
class Request:
    """One request. body: bytes are sent as they are, a list of chunks is sent chunked, anything else is written as JSON."""

    name: str
    path: str
    body: object = None
    method: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    says: str = ""  # what infer's message must name, where it refuses
    infer: int = 0  # infer's status, where it differs from Triton's
    triton: int = 0  # Triton's status, where it differs from infer's; 0 with kills
    why: str = ""  # the reason of the difference
    ignore: tuple = ()  # paths into the JSON document ("outputs.0.data", "*" is any) whose values may differ
    alive: bool = False  # the bodies are compared by no more than their being there
    kills: bool = False  # sent to infer alone: it ends the process of Triton 2.51
    memory: int = 8  # MB that infer may take for it beside three times the body, where it kills Triton
    backend: str = ""  # compared with this backend of Triton alone: the other one cuts strings at a zero byte

    def __post_init__(self):
        if self.body is not None and not isinstance(self.body, (bytes, list)):
            self.body = json.dumps(self.body).encode()
        self.method = self.method or ("GET" if self.body is None else "POST")


def tensor(name, datatype, shape, data=None, **parameters):
    t = {"name": name, "shape": shape, "datatype": datatype}
    if data is not None:
        t["data"] = data
    if parameters:
        t["parameters"] = parameters
    return t


def asked(*inputs, **rest):
    return {"inputs": list(inputs)} | rest


def binary(document, *blobs, length=None, **headers):
    """A body with a binary part, and the headers that go with it. length: the header's value, where it shall be wrong."""
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers |= {LENGTH: str(len(head)) if length is None else str(length), "Content-Type": "application/octet-stream"}
    return {"body": head + b"".join(blobs), "headers": headers}


def floats(*values):
    return np.array(values, "<f4").tobytes()


def strings(*values):
    return b"".join(struct.pack("<I", len(v)) + v for v in values)


def infer(model, version=""):
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "") + "/infer"


# A request that cannot be parsed is the client's fault; Triton 2.51 says 500.
FAULT = {"infer": 400, "triton": 500, "why": "a fault of the client is no internal error"}
FP32 = tensor("X", "FP32", [1, 4], [1, 2.5, -3, 4])
A, B = tensor("A", "FP32", [1, 3], [1, 2, 3]), tensor("B", "FP32", [1, 3], [10, 20, 30])


def wanted(name, **parameters):
    return {"name": name, "parameters": parameters} if parameters else {"name": name}


def server():
    yield Request("live", "/v2/health/live", alive=True, why="infer answers with a body that KServe's clients read")
    yield Request("ready", "/v2/health/ready", alive=True, why="as above")
    yield Request("model ready", "/v2/models/id_fp32/ready", alive=True, why="as above")
    yield Request("version ready", "/v2/models/id_fp32/versions/1/ready", alive=True, why="as above")
    yield Request("server metadata", "/v2", ignore=("name", "version", "extensions"), why="another server, with other extensions")
    yield Request("metadata", "/v2/models/add", ignore=("platform", "properties"), why="the Python backend is no ONNX Runtime; infer's properties")
    yield Request("metadata of a version", "/v2/models/add/versions/1", ignore=("platform", "properties"), why="as above")
    yield Request("metadata without a batch axis", "/v2/models/flat", ignore=("platform", "properties"), why="as above")
    yield Request("metadata of BYTES", "/v2/models/id_bytes", ignore=("platform", "properties"), why="as above")
    yield Request("config", "/v2/models/add/config", alive=True, why="Triton's configuration has fields that mean nothing here")
    yield Request("statistics", "/v2/models/add/stats", alive=True, why="counters of the past")
    yield Request("statistics of all", "/v2/models/stats", alive=True, why="counters of the past")
    yield Request("index", "/v2/repository/index", b"", ignore=("*.reason", "*.version"), why="nothing of note")
    yield Request("index of the ready", "/v2/repository/index", {"ready": True}, ignore=("*.reason",), why="nothing of note")


def not_there():
    yield Request("no such path", "/no/such")
    yield Request("no such model", infer("nope"), asked(FP32), says="nope")
    yield Request("no such version", infer("id_fp32", "99"), asked(FP32), says="99")
    yield Request("a version that is no number", infer("id_fp32", "one"), asked(FP32))
    yield Request("metadata of no model", "/v2/models/nope", says="nope")
    yield Request("metadata of no version", "/v2/models/id_fp32/versions/99", says="99")
    yield Request("readiness of no model", "/v2/models/nope/ready", infer=404, triton=400, alive=True, why="what is not there is 404, as elsewhere")
    yield Request("config of no model", "/v2/models/nope/config", says="nope")
    yield Request("statistics of no model", "/v2/models/nope/stats", says="nope", infer=404, triton=400, why="what is not there is 404, as elsewhere")
    yield Request("GET of infer", infer("id_fp32"))
    yield Request("POST of metadata", "/v2/models/id_fp32", b"{}")
    yield Request("unload of no model", "/v2/repository/models/nope/unload", b"{}", says="nope", infer=404, triton=200, why="what is not there is 404, as elsewhere")
    yield Request("load of no model", "/v2/repository/models/nope/load", b"{}", says="nope", infer=404, triton=500, why="what is not there is 404, as elsewhere")


def json_tensors():
    yield Request("FP32", infer("id_fp32"), asked(FP32))
    yield Request("FP32, a version", infer("id_fp32", "1"), asked(FP32))
    yield Request("nested data", infer("id_fp32"), asked(tensor("X", "FP32", [2, 2], [[1, 2], [3, 4]])))
    yield Request("a batch", infer("id_fp32"), asked(tensor("X", "FP32", [3, 2], [1, 2, 3, 4, 5, 6])))
    yield Request("an id", infer("id_fp32"), asked(FP32, id="a-1"))
    yield Request("an id with quotes", infer("id_fp32"), asked(FP32, id='a"\\\n\u00e9'))
    yield Request("exponents", infer("id_fp32"), b'{"inputs":[{"name":"X","shape":[1,4],"datatype":"FP32","data":[1e2,-2.5E-3,0.0,-0]}]}')
    yield Request("NaN and Infinity", infer("id_fp32"), b'{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[NaN,Infinity,-Infinity]}]}')
    yield Request("FP64", infer("id_fp64"), asked(tensor("X", "FP64", [1, 4], [0.1, 1e300, -1e-300, 3])))
    yield Request("INT8", infer("id_int8"), asked(tensor("X", "INT8", [1, 4], [-128, 127, 0, -1])))
    yield Request("UINT8", infer("id_uint8"), asked(tensor("X", "UINT8", [1, 4], [0, 255, 7, 128])))
    yield Request("INT64", infer("id_int64"), asked(tensor("X", "INT64", [1, 4], [-2**63, 2**63 - 1, 2**53 + 1, 0])))
    yield Request("UINT64", infer("id_uint64"), asked(tensor("X", "UINT64", [1, 4], [2**64 - 1, 0, 2**53 + 1, 1])))
    yield Request("BOOL", infer("id_bool"), asked(tensor("X", "BOOL", [1, 4], [True, False, True, True])))
    yield Request("BYTES", infer("id_bytes"), asked(tensor("X", "BYTES", [1, 3], ["a", "", "\u00e4\u4e2d\U0001f600"])))
    yield Request("BYTES that JSON escapes", infer("id_bytes"), asked(tensor("X", "BYTES", [1, 2], ['"\\/\b\f\n\r\t', "\u0001\u2028"])))
    yield Request("two inputs, two outputs", infer("add"), asked(A, B))
    yield Request("inputs in another order", infer("add"), asked(B, A))
    yield Request("one output of two", infer("add"), asked(A, B, outputs=[wanted("DIFFERENCE")]))
    yield Request("outputs in another order", infer("add"), asked(A, B, outputs=[wanted("DIFFERENCE"), wanted("SUM")]))
    yield Request("no batch axis", infer("flat"), asked(tensor("X", "FP32", [4], [1, 2, 3, 4])))
    yield Request("an unknown parameter", infer("id_fp32"), asked(FP32, parameters={"mine": 1}))
    yield Request("an unknown key", infer("id_fp32"), asked(FP32, extra={"a": [1, {"b": None}]}))
    yield Request("priority and timeout", infer("id_fp32"), asked(FP32, parameters={"priority": 0, "timeout": 1000000}))


def binary_tensors():
    four = tensor("X", "FP32", [1, 4], binary_data_size=16)
    yield Request("binary input", infer("id_fp32"), **binary(asked(four), floats(1, 2, 3, 4)))
    yield Request("binary output", infer("id_fp32"), asked(FP32, outputs=[wanted("Y", binary_data=True)]))
    yield Request("binary both ways", infer("id_fp32"), **binary(asked(four, outputs=[wanted("Y", binary_data=True)]), floats(1, 2, 3, 4)))
    yield Request("binary output by default", infer("id_fp32"), asked(FP32, parameters={"binary_data_output": True}))
    yield Request("the default overridden", infer("add"), asked(A, B, outputs=[wanted("SUM", binary_data=False), wanted("DIFFERENCE")],
                                                               parameters={"binary_data_output": True}),
                  alive=True, why="Triton 2.51 takes the default for none of the outputs that a request names")
    yield Request("one input binary, one JSON", infer("add"), **binary(asked(A, tensor("B", "FP32", [1, 3], binary_data_size=12)), floats(10, 20, 30)))
    yield Request("two binary inputs", infer("add"), **binary(asked(tensor("B", "FP32", [1, 3], binary_data_size=12), tensor("A", "FP32", [1, 3], binary_data_size=12)),
                                                              floats(10, 20, 30), floats(1, 2, 3)))
    yield Request("binary FP16", infer("id_fp16"), **binary(asked(tensor("X", "FP16", [1, 4], binary_data_size=8), outputs=[wanted("Y", binary_data=True)]),
                                                            np.array([1, 2, -3, np.inf], "<f2").tobytes()))
    yield Request("binary BYTES", infer("id_bytes"), **binary(asked(tensor("X", "BYTES", [1, 3], binary_data_size=len(strings(b"a", b"", b"bcd"))),
                                                                    outputs=[wanted("Y", binary_data=True)]), strings(b"a", b"", b"bcd")))
    yield Request("binary BYTES with a zero", infer("id_bytes"), **binary(asked(tensor("X", "BYTES", [1, 1], binary_data_size=7), outputs=[wanted("Y", binary_data=True)]),
                                                                                strings(b"a\0b")), backend="python")
    yield Request("BYTES with a zero in JSON", infer("id_bytes"), asked(tensor("X", "BYTES", [1, 1], ["a\0b"])), backend="python")
    yield Request("binary BYTES to JSON", infer("id_bytes"), **binary(asked(tensor("X", "BYTES", [1, 2], binary_data_size=len(strings(b"a", b"bc")))), strings(b"a", b"bc")))
    yield Request("binary BOOL", infer("id_bool"), **binary(asked(tensor("X", "BOOL", [1, 4], binary_data_size=4), outputs=[wanted("Y", binary_data=True)]), b"\1\0\1\1"))
    yield Request("binary NaN", infer("id_fp32"), **binary(asked(four, outputs=[wanted("Y", binary_data=True)]), floats(np.nan, np.inf, -np.inf, 0)))
    yield Request("an empty batch", infer("id_fp32"), **binary(asked(tensor("X", "FP32", [0, 4], binary_data_size=0)), b""), alive=True)
    yield Request("raw", infer("id_fp32"), **binary(b"", floats(1, 2, 3, 4)))
    yield Request("raw BYTES", infer("id_bytes"), **binary(b"", strings(b"abc")))
    yield Request("raw of a model without a batch axis", infer("flat"), **binary(b"", floats(1, 2, 3, 4)))
    yield Request("raw for two inputs", infer("add"), **binary(b"", floats(1, 2, 3)))
    yield Request("raw of the wrong size", infer("id_int64"), **binary(b"", b"\0" * 31))


def compressed():
    plain = json.dumps(asked(FP32)).encode()
    deflated = zlib.compress(plain)
    yield Request("gzip", infer("id_fp32"), gzip.compress(plain), headers={"Content-Encoding": "gzip"})
    yield Request("deflate", infer("id_fp32"), deflated, headers={"Content-Encoding": "deflate"})
    yield Request("gzip accepted", infer("id_fp32"), plain, headers={"Accept-Encoding": "gzip"})
    yield Request("deflate accepted", infer("id_fp32"), plain, headers={"Accept-Encoding": "deflate"})
    yield Request("gzip preferred", infer("id_fp32"), plain, headers={"Accept-Encoding": "deflate;q=0.1, gzip;q=0.9"})
    head = json.dumps(asked(tensor("X", "FP32", [1, 4], binary_data_size=16))).encode()
    yield Request("gzip with a binary part", infer("id_fp32"), gzip.compress(head + floats(1, 2, 3, 4)), headers={"Content-Encoding": "gzip", LENGTH: str(len(head))})
    yield Request("gzip that is none", infer("id_fp32"), plain, headers={"Content-Encoding": "gzip"}, infer=400, triton=200, why="Triton takes what it cannot inflate for an empty raw request")
    yield Request("gzip cut short", infer("id_fp32"), gzip.compress(plain)[:-12], headers={"Content-Encoding": "gzip"}, **FAULT)
    yield Request("an unknown encoding", infer("id_fp32"), plain, headers={"Content-Encoding": "br"}, infer=415, triton=501, why="415 is the status of HTTP for it")
    yield Request("identity", infer("id_fp32"), plain, headers={"Content-Encoding": "identity"})


def chunked():
    plain = json.dumps(asked(FP32)).encode()
    yield Request("two chunks", infer("id_fp32"), [plain[:10], plain[10:]])
    yield Request("chunks of a byte", infer("id_fp32"), [plain[i:i + 1] for i in range(len(plain))])


def classification():
    scores = tensor("X", "FP32", [2, 4], [1, 4, 3, 2, 0.5, 0.25, -1, 8])
    yield Request("classification", infer("id_fp32"), asked(scores, outputs=[wanted("Y", classification=2)]))
    yield Request("classification, more than there are", infer("id_fp32"), asked(scores, outputs=[wanted("Y", classification=9)]))
    yield Request("classification, binary", infer("id_fp32"), asked(scores, outputs=[wanted("Y", classification=2, binary_data=True)]))
    yield Request("classification without a batch axis", infer("flat"), asked(tensor("X", "FP32", [4], [1, 4, 3, 2]), outputs=[wanted("Y", classification=3)]))
    yield Request("classification of integers", infer("id_int64"), asked(tensor("X", "INT64", [1, 4], [1, -4, 3, 2]), outputs=[wanted("Y", classification=2)]))


def malformed():
    yield Request("no JSON", infer("id_fp32"), b"{", **FAULT)
    yield Request("nothing", infer("id_fp32"), b"", infer=400, triton=200, why="Triton takes it for a raw request of no bytes")
    yield Request("an array", infer("id_fp32"), b"[]", **FAULT)
    yield Request("what follows JSON", infer("id_fp32"), json.dumps(asked(FP32)).encode() + b"x", **FAULT)
    yield Request("a comma too many", infer("id_fp32"), b'{"inputs":[{"name":"X","shape":[1,1],"datatype":"FP32","data":[1,]}]}', **FAULT)
    yield Request("an escape that is none", infer("id_fp32"), b'{"inputs":[{"name":"\\q","shape":[1,1],"datatype":"FP32","data":[1]}]}', **FAULT)
    yield Request("no inputs", infer("id_fp32"), {"id": "x"}, says="inputs", **FAULT)
    yield Request("empty inputs", infer("id_fp32"), {"inputs": []}, says="X")
    yield Request("inputs that are no list", infer("id_fp32"), {"inputs": 1}, says="inputs", **FAULT)
    yield Request("an input without a name", infer("id_fp32"), asked({"shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}), says="name", **FAULT)
    yield Request("an input without a shape", infer("id_fp32"), asked({"name": "X", "datatype": "FP32", "data": [1, 2, 3, 4]}), says="shape", **FAULT)
    yield Request("an input without a dtype", infer("id_fp32"), asked({"name": "X", "shape": [1, 4], "data": [1, 2, 3, 4]}), says="datatype", **FAULT)
    yield Request("an input without data", infer("id_fp32"), asked({"name": "X", "shape": [1, 4], "datatype": "FP32"}), says="X")
    yield Request("an input missing", infer("add"), asked(A), says="B")
    yield Request("an unknown input", infer("id_fp32"), asked(FP32, tensor("Z", "FP32", [1, 1], [1])), says="Z")
    yield Request("an input twice", infer("id_fp32"), asked(FP32, FP32), says="X")
    yield Request("an unknown output", infer("id_fp32"), asked(FP32, outputs=[wanted("Z")]), says="Z")
    yield Request("an output twice", infer("id_fp32"), asked(FP32, outputs=[wanted("Y"), wanted("Y")]), says="Y", infer=400, triton=200, why="newer Tritons refuse it too")
    yield Request("another dtype", infer("id_fp32"), asked(tensor("X", "INT32", [1, 4], [1, 2, 3, 4])), says="X")
    yield Request("no dtype at all", infer("id_fp32"), asked(tensor("X", "FLOAT", [1, 4], [1, 2, 3, 4])), says="FLOAT")
    yield Request("a wrong shape", infer("id_int64"), asked(tensor("X", "INT64", [1, 3], [1, 2, 3])), says="X")
    yield Request("a wrong rank", infer("id_int64"), asked(tensor("X", "INT64", [4], [1, 2, 3, 4])), says="X")
    yield Request("a negative dim", infer("id_fp32"), asked(tensor("X", "FP32", [-1, 4], [1, 2, 3, 4])), says="shape", **FAULT)
    yield Request("dims of which two are negative", infer("id_fp32"), asked(tensor("X", "FP32", [-1, -4], [1, 2, 3, 4])), says="shape", **FAULT)
    yield Request("a product that overflows", infer("id_fp32"), asked(tensor("X", "FP32", [2**32, 2**32], [1])), says="X")
    yield Request("a dim that is no integer", infer("id_fp32"), asked(tensor("X", "FP32", [1, 4.5], [1, 2, 3, 4])), says="shape", **FAULT)
    yield Request("a dim beyond 64 bits", infer("id_fp32"), asked(tensor("X", "FP32", [2**64], [1])), says="shape", **FAULT)
    yield Request("too few values", infer("id_fp32"), asked(tensor("X", "FP32", [1, 4], [1, 2, 3])), says="X", **FAULT)
    yield Request("too many values", infer("id_fp32"), asked(tensor("X", "FP32", [1, 4], [1, 2, 3, 4, 5])), says="X", **FAULT)
    yield Request("a string for a number", infer("id_fp32"), asked(tensor("X", "FP32", [1, 1], ["1"])), says="X", **FAULT)
    yield Request("null for a number", infer("id_fp32"), asked(tensor("X", "FP32", [1, 1], [None])), says="X", **FAULT)
    yield Request("a number for a string", infer("id_bytes"), asked(tensor("X", "BYTES", [1, 1], [1])), says="X", **FAULT)
    yield Request("a number for a boolean", infer("id_bool"), asked(tensor("X", "BOOL", [1, 4], [1, 0, 1, 1])), says="X", **FAULT)
    yield Request("a fraction for an integer", infer("id_int64"), asked(tensor("X", "INT64", [1, 4], [1.5, 0, 0, 0])), says="X", **FAULT)
    yield Request("an INT8 out of range", infer("id_int8"), asked(tensor("X", "INT8", [1, 4], [128, 0, 0, 0])), says="X", infer=400, triton=200, why="Triton wraps it to -128")
    yield Request("a UINT8 below zero", infer("id_uint8"), asked(tensor("X", "UINT8", [1, 4], [-1, 0, 0, 0])), says="X", **FAULT)
    yield Request("an INT64 out of range", infer("id_int64"), asked(tensor("X", "INT64", [1, 4], [2**63, 0, 0, 0])), says="X", **FAULT)
    yield Request("FP16 in JSON", infer("id_fp16"), asked(tensor("X", "FP16", [1, 4], [1, 2, 3, 4])), says="X")
    yield Request("FP16 to JSON", infer("id_fp16"), **binary(asked(tensor("X", "FP16", [1, 4], binary_data_size=8)), b"\0" * 8), says="Y")
    yield Request("classification of BOOL", infer("id_bool"), asked(tensor("X", "BOOL", [1, 4], [True] * 4), outputs=[wanted("Y", classification=1)]), says="Y")
    yield Request("classification of none", infer("id_fp32"), asked(FP32, outputs=[wanted("Y", classification=0)]), alive=True)
    yield Request("classification below zero", infer("id_fp32"), asked(FP32, outputs=[wanted("Y", classification=-1)]), **FAULT)
    yield Request("an id that is no string", infer("id_fp32"), asked(FP32, id=5), **FAULT)
    yield Request("parameters that are no object", infer("id_fp32"), asked(FP32, parameters=[]), **FAULT)


def malformed_binary():
    four = tensor("X", "FP32", [1, 4], binary_data_size=16)
    good = floats(1, 2, 3, 4)
    yield Request("a length that is no number", infer("id_fp32"), **binary(asked(four), good, length="x"), says=LENGTH, infer=400, triton=200, why="Triton 2.51 reads 0, a raw request; newer ones refuse it")
    yield Request("a length below zero", infer("id_fp32"), **binary(asked(four), good, length=-1))
    yield Request("a length beyond the body", infer("id_fp32"), **binary(asked(four), good, length=100000))
    yield Request("a length within the JSON", infer("id_fp32"), **binary(asked(four), good, length=5), **FAULT)
    yield Request("a length that is empty", infer("id_fp32"), **binary(asked(four), good, length=""), infer=400, triton=200, why="as above")
    yield Request("bytes left over", infer("id_fp32"), **binary(asked(four), good, b"\0"))
    yield Request("bytes missing", infer("id_fp32"), **binary(asked(four), good[:-1]), says="X")
    yield Request("a size that the shape denies", infer("id_fp32"), **binary(asked(tensor("X", "FP32", [1, 4], binary_data_size=12)), good[:12]), says="X")
    yield Request("a size below zero", infer("id_fp32"), **binary(asked(tensor("X", "FP32", [1, 4], binary_data_size=-16)), good), says="binary_data_size", **FAULT)
    yield Request("a size that is no number", infer("id_fp32"), **binary(asked(tensor("X", "FP32", [1, 4], binary_data_size="16")), good), says="binary_data_size", **FAULT)
    yield Request("a size and no header", infer("id_fp32"), asked(four), says="X")
    yield Request("BYTES with a length beyond the end", infer("id_bytes"), **binary(asked(tensor("X", "BYTES", [1, 1], binary_data_size=8)), struct.pack("<I", 100) + b"abcd"), says="X")
    yield Request("BYTES, one fewer than the shape", infer("id_bytes"), **binary(asked(tensor("X", "BYTES", [1, 2], binary_data_size=5)), strings(b"a")), says="X")
    yield Request("BYTES, one more than the shape", infer("id_bytes"), **binary(asked(tensor("X", "BYTES", [1, 1], binary_data_size=10)), strings(b"a", b"b")), says="X")


def deadly():
    """What ends Triton 2.51, or makes it take gigabytes: for infer alone."""
    deep = b"[" * 100000
    yield Request("a shape of a trillion", infer("id_fp32"), asked(tensor("X", "FP32", [10**12, 1], [1])), says="X", kills=True)
    yield Request("a shape of a billion", infer("id_fp32"), asked(tensor("X", "FP32", [10**9, 1], [1])), says="X", kills=True)
    yield Request("brackets", infer("id_fp32"), deep, kills=True)
    yield Request("closed brackets", infer("id_fp32"), deep + b"]" * 100000, kills=True)
    yield Request("brackets under an ignored key", infer("id_fp32"), b'{"x":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}", kills=True)
    yield Request("brackets as data", infer("id_fp32"), b'{"inputs":[{"name":"X","shape":[1,4],"datatype":"FP32","data":' + deep + b"]" * 100000 + b"}]}", kills=True)
    yield Request("classification of strings", infer("id_bytes"), asked(tensor("X", "BYTES", [1, 2], ["a", "b"]), outputs=[wanted("Y", classification=1)]), says="Y", kills=True)
    yield Request("a bomb", infer("id_fp32"), gzip.compress(b" " * 500_000_000, 9), headers={"Content-Encoding": "gzip"}, kills=True, memory=150)
    chunks = b"1\r\n[\r\n" * 3_000_000 + b"0\r\n\r\n"
    yield Request("three million chunks of a byte", infer("id_fp32"), chunks, headers={"Transfer-Encoding": "chunked"}, kills=True)


def table():
    for part in (server, not_there, json_tensors, binary_tensors, compressed, chunked, classification, malformed, malformed_binary, deadly):
        yield from part()
