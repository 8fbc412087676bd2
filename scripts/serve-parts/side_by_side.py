"""Sends the table of http_requests.py and grpc_requests.py to infer and to the real Triton and compares the answers.

    python side_by_side.py --infer HTTP,GRPC --triton HTTP,GRPC    ports on the loopback
"""
import argparse
import dataclasses
import gzip
import http.client
import json
import math
import pathlib
import re
import struct
import sys
import time
import zlib

import grpc_requests
import http_requests
from http_requests import LENGTH

TIMEOUT = 30


@dataclasses.dataclass
class Answer:
    """What a server said. document is the JSON part, None where there is none; outputs are the tensors by name."""

    status: int
    document: object
    outputs: dict
    binary: bool
    seconds: float

    def error(self):
        return self.document.get("error", "") if isinstance(self.document, dict) else ""


def send(port, request):
    begin = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        chunks = isinstance(request.body, list)
        try:
            connection.request(request.method, request.path, iter(request.body) if chunks else request.body, request.headers, encode_chunked=chunks)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a server that refuses may answer before it has read everything
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    encoding = response.getheader("Content-Encoding", "")
    body = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(encoding, bytes)(body)
    return read(response.status, body, response.getheader(LENGTH), time.monotonic() - begin)


def read(status, body, length, seconds):
    head = body if length is None else body[:int(length)]
    document = json.loads(head) if head else None
    return Answer(status, document, tensors(document, body[len(head):]), length is not None, seconds)


def tensors(document, tail):
    """The outputs by name, values decoded from JSON or from the binary part, which must be used up."""
    found = {}
    for o in document.get("outputs", []) if isinstance(document, dict) else []:
        size = o.get("parameters", {}).get("binary_data_size")
        values = o.get("data")
        if size is not None:
            values, tail = tail[:size], tail[size:]
        found[o["name"]] = {"datatype": o["datatype"], "shape": o["shape"], "data": values}
    if tail:
        raise ValueError(f"{len(tail)} bytes are left over behind the outputs")
    return found


def differences(a, b, ignore=(), path=""):
    """What differs between two JSON values, one line each. Keys have no order; numbers are compared as float32."""
    if any(matches(p, path) for p in ignore):
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [d for k in keys for d in differences(a.get(k, "absent"), b.get(k, "absent"), ignore, f"{path}.{k}".lstrip("."))]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, ignore, f"{path}.{i}".lstrip("."))]
    return [] if same(a, b) else [f"{path or 'the answer'}: {short(a)} against {short(b)}"]


def matches(pattern, path):
    parts, names = path.split("."), pattern.split(".")
    return len(parts) == len(names) and all(n in ("*", p) for n, p in zip(names, parts))


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (a, b)):
            return False
        return (math.isnan(a) and math.isnan(b)) or a == b or abs(a - b) <= 1e-6 * max(abs(a), abs(b))
    return type(a) is type(b) and a == b


def short(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def rest(document):
    """A document without its tensors, which are compared by name."""
    return {k: v for k, v in document.items() if k != "outputs"} if isinstance(document, dict) and "outputs" in document and "model_name" in document else document


def compare(request, ours, theirs):
    """Everything that is wrong with our answer, given theirs (None: it was not asked)."""
    wrong = []
    want = request.infer or (theirs.status if theirs else 400 if request.kills else 200)
    if ours.status != want and not (request.kills and 400 <= ours.status < 500):
        wrong.append(f"status {ours.status}, not {want}: {short(ours.document)}")
    if theirs and request.triton and theirs.status != request.triton:
        wrong.append(f"the listed difference is gone: Triton answers {theirs.status}, not {request.triton}")
    if ours.status >= 400:
        if not isinstance(ours.document, dict) or list(ours.document) != ["error"] or not ours.error():
            wrong.append(f"the error is no {{\"error\": text}}: {short(ours.document)}")
        elif request.says not in ours.error():
            wrong.append(f"the message does not name {request.says!r}: {ours.error()}")
    elif theirs and theirs.status < 400 and not request.alive:
        wrong += differences(rest(ours.document), rest(theirs.document), request.ignore)
        wrong += differences(ours.outputs, theirs.outputs)
        if ours.binary != theirs.binary:
            wrong.append(f"a binary part: {ours.binary}, not {theirs.binary}")
    return wrong


def attempt(call, *arguments):
    try:
        return call(*arguments), ""
    except (OSError, http.client.HTTPException, ValueError, struct.error, zlib.error) as e:
        return None, f"{type(e).__name__}: {e}"


def over_http(ours, theirs, backend, pid):
    for request in http_requests.table():
        before = memory(pid)
        a, broken = attempt(send, ours, request)
        b, silent = (None, "") if request.kills or request.backend not in ("", backend) else attempt(send, theirs, request)
        wrong = [f"no answer of infer: {broken}"] if broken else [f"no answer of Triton: {silent}"] if silent else compare(request, a, b)
        taken, allowed = peak(pid) - before, request.memory + 3 * len(request.body or "") / 1e6
        if request.kills and taken > allowed:
            wrong.append(f"it took {taken:.0f} MB, not {allowed:.0f}")
        yield request, wrong


def memory(pid):
    """The resident memory of a process in MB, from which its peak is counted from now on."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    return status(pid, "VmRSS")


def peak(pid):
    return status(pid, "VmHWM")


def status(pid, key):
    return int(re.search(key + r":\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1000


def report(kind, results):
    """Prints the result of each request and returns how many failed."""
    count = failed = listed = 0
    for request, wrong in results:
        count += 1
        failed += bool(wrong)
        listed += bool(request.why)
        for w in wrong:
            print(f"FAIL side by side, {kind}: {request.name}: {w}")
    print(f"{'FAIL' if failed else 'ok'} side by side, {kind}: {count} requests, {listed} with a listed difference, {failed} failed", flush=True)
    return failed


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--infer", required=True, metavar="HTTP,GRPC", type=lambda s: [int(v) for v in s.split(",")])
    p.add_argument("--triton", required=True, metavar="HTTP,GRPC", type=lambda s: [int(v) for v in s.split(",")])
    p.add_argument("--backend", choices=["python", "onnxruntime"], required=True, help="what Triton runs the models with")
    p.add_argument("--pid", required=True, help="infer's process")
    o = p.parse_args()
    failed = report("HTTP", over_http(o.infer[0], o.triton[0], o.backend, o.pid))
    failed += report("gRPC", grpc_requests.both(o.infer[1], o.triton[1], o.backend, differences))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
