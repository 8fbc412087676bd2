"""Tries infer loadtest on servers that others wrote, and beside other load generators. Started by
scripts/loadtest-parts.sh.

Each server runs the model of affine.py; what it answers is compared with what infer computes of the ONNX file. A part
that is not to be had is skipped by name; the list of what was skipped stands at the end. Exit 1: a check failed.
"""
import argparse
import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "serve-parts"))  # parts, servers and ledger are shared with it

import launch
import ledger
import load
import parts
import peers
import servers

RATE, SECONDS = 50, 3  # what the slowest of the servers can do on a busy machine
SIDE_RATE = 200  # beside other load generators
SLEEP = 0.002  # affine.SLEEP


class Run(ledger.Ledger):
    """A run of all checks against one infer."""

    def __init__(self, work, infer):
        super().__init__(work)
        self.infer = infer or self.build()
        self.window = ["--rps", RATE, "--duration", f"{SECONDS}s", "--seed", "1", "--floor", "off"]
        self.options = [*self.window, "--input", work / "data", "--expect-from", work / "affine.onnx"]

    def check(self, name, judge, *arguments, **more):
        """Makes one check and says how it went."""
        try:
            rate = judge(self.infer, *arguments, **more)
            print(f"ok {name}" + (f": {rate:.1f}/s" if rate else ""), flush=True)
        except Exception as why:  # a check fails by whatever it meets
            self.failed.append(name)
            print(f"FAIL {name}: {type(why).__name__}: {why}", flush=True)

    def loads(self, server, *how):
        """Loads that must go well: tuples of a name, a target, options, and what judges the document."""
        for name, target, options, check in how:
            self.check(f"{server.name}: {name}", load.right, target, *options, *self.options, check=check)


def named(name):
    """A judge: the server is known by its name."""
    def judge(document):
        load.must(document["details"]["target"].get("server") == name, "the server is called", document["details"]["target"].get("server"))
    return judge


def told(**least):
    """A judge: the server has told these of itself, at least so much."""
    def judge(document):
        of = document["details"].get("server") or {}
        for key, limit in least.items():
            load.must(of.get(key) is not None and of[key] >= limit, key, "of the server is", of.get(key), "in", of)
    return judge


def http(server):
    return f"http://127.0.0.1:{server.http}"


def grpc(server):
    return f"grpc://127.0.0.1:{server.grpc}"


def triton_python(run):
    """The real Triton, its Python backend: a run sleeps for SLEEP, and rows of several requests run together."""
    with launch.triton(run.work, "python") as s:
        compute, model = told(compute_mean=SLEEP, requests=1, batch_mean=1), ("--model", "affine")
        run.loads(s, ("HTTP, binary tensors", http(s), [*model, "--encoding", "binary"], compute), ("HTTP, JSON", http(s), [*model, "--encoding", "json"], compute),
                  ("gRPC", grpc(s), model, compute), ("the encoding by itself", http(s), model, named("triton 2.51.0")))
        run.check("triton: wrong answers", load.wrong, http(s), "--model", "wrong", *run.options)
        run.check("triton: wrong answers over gRPC", load.wrong, grpc(s), "--model", "wrong", *run.options)
        run.check("triton: no such model", load.refused, http(s), "--model", "affin", *run.options, says=["affine", "wrong"])
        run.check("triton: gRPC over HTTP", load.refused, f"http://127.0.0.1:{s.grpc}", *model, *run.options, says=["grpc://"])
        run.check("triton: HTTP over gRPC", load.refused, f"grpc://127.0.0.1:{s.http}", *model, *run.options, says=["http://"])


def triton_onnxruntime(run):
    """The real Triton, its ONNX Runtime backend."""
    with launch.triton(run.work, "onnxruntime") as s:
        run.loads(s, ("ONNX Runtime, HTTP", http(s), [], told(requests=1)), ("ONNX Runtime, gRPC", grpc(s), [], told(requests=1)))


def torchserve(run):
    """TorchServe: JSON of tensors, and bodies as they are."""
    with launch.torchserve(run.work) as s:
        how = ["--protocol", "torchserve", "--model", "affine"]
        metrics = ["--metrics-url", f"http://127.0.0.1:{s.grpc}/metrics"]
        run.loads(s, ("JSON", http(s), how, named("TorchServe 0.12.0")), ("its metrics", http(s), [*how, *metrics], told(queue_mean=0, requests=1)))
        bytes_of = ["--body", run.work / "row.bin", "--content-type", "application/octet-stream", "--expect", run.work / "row.json"]
        run.check("torchserve: bytes", load.right, http(s), *how, *run.window, *bytes_of)


def kserve(run):
    """KServe's Python server: both protocols, HTTP and gRPC."""
    with launch.kserve(run.work) as s:
        v1 = ["--protocol", "tfs", "--model", "affine"]
        run.loads(s, ("v2, HTTP", http(s), [], told(compute_mean=0, cpus=0)), ("v2, binary tensors", http(s), ["--encoding", "binary"], named("kserve 0.21.0")),
                  ("v2, gRPC", grpc(s), ["--model", "affine"], named("kserve 0.21.0")), ("v1", http(s), v1, told(compute_mean=0, cpus=0)))
        run.check("kserve: v1 without a signature", load.refused, http(s), *v1, *run.window, says=["--input", "--model-file"], code=2)


def mlserver(run):
    """Seldon's MLServer."""
    with launch.mlserver(run.work) as s:
        run.loads(s, ("HTTP", http(s), [], named("mlserver 1.7.1")), ("gRPC", grpc(s), ["--model", "affine"], named("mlserver 1.7.1")))


def fastapi(run):
    """A FastAPI app: a route of its own, templates, TensorFlow Serving's protocol; one that answers wrongly."""
    with launch.fastapi(run.work) as s:
        plain = ["--protocol", "http"]
        run.check("fastapi: a body", load.right, f"{http(s)}/classify", *plain, *run.window, "--body", run.work / "rows.json", "--expect", run.work / "scores.json")
        run.check("fastapi: a template", load.right, f"{http(s)}/predict", *plain, *run.options, "--body", run.work / "body.json.tmpl")
        run.check("fastapi: GET", load.right, f"{http(s)}/healthz", *plain, *run.window, checked=False)
        run.check("fastapi: TF Serving's protocol", load.right, http(s), "--protocol", "tfs", "--model", "affine", *run.options)
        run.check("fastapi: not a model server", load.refused, http(s), *run.options, says=["does not speak the Open Inference Protocol", "--protocol"])
    with launch.fastapi(run.work, "wrong") as s:
        run.check("fastapi: wrong answers", load.wrong, http(s), "--protocol", "tfs", "--model", "affine", *run.options)


def side_by_side(run):
    """perf_analyzer and Locust on infer serve: the same rate gives the same throughput."""
    with servers.infer(run.infer, [f"affine={run.work / 'affine.onnx'}"], run.work / "infer.log") as s:
        window = ["--rps", SIDE_RATE, "--arrival", "constant", "--duration", f"{SECONDS}s", "--floor", "off"]
        ours = []
        run.check("infer serve: the rate", lambda infer, *a: ours.append(load.right(infer, *a, checked=False)) or ours[0], http(s), *window)
        for name, measure in (("perf_analyzer", peers.perf_analyzer), ("locust", peers.locust)):
            if ours and run.need(name):
                run.check(f"infer serve: {name}", beside, measure, s, run.work, ours[0])


def beside(_, measure, server, work, ours):
    """Throughput by another load generator, which is near to ours."""
    for _ in range(2 * load.TRIES):  # Locust does not make up for what it is late
        theirs = measure(server, work, SIDE_RATE, SECONDS)
        if load.near(theirs, ours):
            return theirs
    raise load.Wrong(f"throughput {theirs}, by infer loadtest {ours}")


# The suites by name, and the parts that each needs.
SUITES = {
    "triton-python": (triton_python, ["triton"]),
    "triton-onnxruntime": (triton_onnxruntime, ["triton-onnxruntime"]),
    "torchserve": (torchserve, ["torchserve"]),
    "kserve": (kserve, ["kserve"]),
    "mlserver": (mlserver, ["mlserver"]),
    "fastapi": (fastapi, ["fastapi"]),
    "side-by-side": (side_by_side, []),
}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", action="append", metavar="SUITE", choices=list(SUITES), help="this suite alone (repeatable): " + ", ".join(SUITES))
    p.add_argument("--infer", metavar="PATH", help="a built infer, instead of building one")
    return p.parse_args()


def try_all(run, wanted):
    python = run.need("clients")
    if not python:
        return
    subprocess.run([python, HERE / "models.py", run.work], check=True)
    for name in wanted:
        suite, needs = SUITES[name]
        if not all([run.need(part) for part in needs]):
            continue
        try:
            suite(run)
        except (servers.Failed, parts.Missing, subprocess.CalledProcessError, OSError) as why:
            run.failed.append(f"{name}: {why}")


def main():
    o = options()
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(tempfile.mkdtemp(prefix="loadtest-parts-"))
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        run = Run(work, o.infer and pathlib.Path(o.infer).resolve())
        try_all(run, o.only or list(SUITES))
        code = run.report()
    sys.exit(code)


if __name__ == "__main__":
    main()
