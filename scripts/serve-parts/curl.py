"""infer serve by one line of curl each: what a person types."""
import json
import subprocess

import check
from check import must


def curl(o, path, *options):
    """Status, headers (lower case) and body."""
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", "30", *options, f"http://{o.http}{path}"], capture_output=True, timeout=60)
    must(done.returncode == 0, done.stderr.decode())
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body


def answer(o, path, body, *options):
    status, _, got = curl(o, path, "-d", body if isinstance(body, str) else json.dumps(body), *options)
    must(status == 200, path, status, got)
    return json.loads(got)


@check.check
def predict_rows(o):
    got = answer(o, "/v1/models/id_fp32:predict", {"instances": [[1, 2.5], [3, 4]]})
    must(got == {"predictions": [[1, 2.5], [3, 4]]}, got)
    got = answer(o, "/v1/models/add/versions/1:predict", {"instances": [{"A": [1, 2, 3], "B": [3, 2, 1]}]})
    must(got == {"predictions": [{"SUM": [4, 4, 4], "DIFFERENCE": [-2, 0, 2]}]}, got)


@check.check
def predict_columns(o):
    got = answer(o, "/v1/models/add:predict", {"inputs": {"A": [[1, 2, 3]], "B": [[3, 2, 1]]}})
    must(got == {"outputs": {"SUM": [[4, 4, 4]], "DIFFERENCE": [[-2, 0, 2]]}}, got)
    got = answer(o, "/v1/models/id_fp32:predict", {"inputs": [[1, 2]]})
    must(got == {"outputs": [[1, 2]]}, got)


@check.check
def predict_base64(o):
    got = answer(o, "/v1/models/id_bytes:predict", {"instances": [["a", {"b64": "YmM="}]]})
    must(got == {"predictions": [["a", "bc"]]}, got)


@check.check
def predict_not_a_number(o):
    got = answer(o, "/v1/models/id_fp32:predict", '{"instances": [[NaN, Infinity, -Infinity]]}')
    must(str(got) == "{'predictions': [[nan, inf, -inf]]}", got)


@check.check
def predict_status(o):
    status, _, body = curl(o, "/v1/models/add")
    must(status == 200 and json.loads(body)["model_version_status"][0]["state"] == "AVAILABLE", status, body)
    status, _, body = curl(o, "/v1/models/add/metadata")
    must(status == 200 and "signature_def" in body.decode(), status, body)


@check.check
def plain_predict(o):
    """/predict is for the only model, or a default one: with many it says which there are."""
    status, _, body = curl(o, "/predict", "-d", '{"instances": [[1]]}')
    must(status in (400, 404) and "error" in json.loads(body), status, body)


@check.check
def predictions(o):
    got = answer(o, "/predictions/add", {"inputs": {"A": [[1, 2, 3]], "B": [[3, 2, 1]]}})
    must(got == {"outputs": {"SUM": [[4, 4, 4]], "DIFFERENCE": [[-2, 0, 2]]}}, got)


@check.check
def health(o):
    for path in ("/ping", "/v2/health/live", "/v2/health/ready", "/v2/models/add/ready"):
        status, headers, body = curl(o, path)
        must(status == 200 and headers["content-type"].startswith("application/json"), path, status, headers, body)
    must(json.loads(curl(o, "/ping")[2]) == {"status": "Healthy"}, "/ping")


@check.check
def documents(o):
    status, headers, body = curl(o, "/v2/openapi.json")
    must(status == 200 and json.loads(body)["openapi"].startswith("3."), status, body[:200])
    must("/v2/models/add/infer" in json.loads(body)["paths"], "the OpenAPI document does not know the model")
    status, headers, body = curl(o, "/")
    must(status == 200 and headers["content-type"].startswith("text/html"), status, headers)


@check.check
def truth_in_headers(o):
    body = {"inputs": [{"name": "X", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}
    status, headers, _ = curl(o, "/v2/models/id_fp32/infer", "-d", json.dumps(body))
    must(status == 200 and "server-timing" in headers and len(headers.get("x-infer-model-digest", "")) >= 16, headers)


@check.check
def expect_continue(o):
    body = {"inputs": [{"name": "X", "shape": [1, 4000], "datatype": "FP32", "data": [0.5] * 4000}]}
    got = answer(o, "/v2/models/id_fp32/infer", body, "-H", "Expect: 100-continue")
    must(len(got["outputs"][0]["data"]) == 4000, "an answer to Expect: 100-continue")


@check.check
def errors(o):
    for path, options, want in (("/no/such", [], 404), ("/v2/models/nope", [], 404), ("/v1/models/nope:predict", ["-d", "{}"], 404),
                                ("/v1/models/add:predict", ["-d", "{"], 400), ("/v1/models/add:predict", ["-d", '{"instances": []}'], 400),
                                ("/v1/models/add:predict", ["-d", '{"instances": [1], "inputs": [1]}'], 400),
                                ("/v2/models/add/infer", [], 405), ("/predictions/nope", ["-d", "{}"], 404)):
        status, headers, body = curl(o, path, *options)
        must(status == want and json.loads(body).get("error") or json.loads(body).get("message"), path, status, body)
        must(headers["content-type"].startswith("application/json"), path, headers)


if __name__ == "__main__":
    check.run("curl", check.options())
