"""infer serve under NVIDIA's perf_analyzer, the real binary, over HTTP (JSON and binary) and gRPC.

    python3 perf.py --http HOST:PORT --grpc HOST:PORT    the binary's path is in PERF_ANALYZER
"""
import os
import re
import subprocess

import check
from check import must

WINDOW = "700"  # milliseconds of a measurement
STABLE = "999"  # percent that three measurements may lie apart: what is tried is whether it runs, not how fast


def analyze(url, *options, model="add"):
    """Throughput in requests a second."""
    command = [os.environ["PERF_ANALYZER"], "-m", model, "-u", url, "-p", WINDOW, "-r", "3", "-s", STABLE, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"Throughput: ([0-9.]+) infer/sec", done.stdout)
    must(done.returncode == 0 and found, done.stdout[-600:], done.stderr[-600:])
    must(not re.search(r"Failed Request Count: [1-9]", done.stdout), done.stdout[-600:])
    must("Request count:" in done.stdout and "Inference count:" in done.stdout, "the server's statistics were not understood:", done.stdout[-900:])
    return float(found[1])


@check.check
def http_binary(o):
    must(analyze(o.http, "-i", "http", "--concurrency-range", "4") > 0, "no throughput")


@check.check
def http_json(o):
    must(analyze(o.http, "-i", "http", "--input-tensor-format", "json", "--output-tensor-format", "json", "--concurrency-range", "4") > 0, "no throughput")


@check.check
def http_batch(o):
    must(analyze(o.http, "-i", "http", "-b", "8", "--concurrency-range", "2") > 0, "no throughput")


@check.check
def http_variable_shape(o):
    must(analyze(o.http, "-i", "http", "--shape", "X:16", "--concurrency-range", "2", model="id_fp32") > 0, "no throughput")


@check.check
def http_rate(o):
    must(analyze(o.http, "-i", "http", "--request-rate-range", "200", "--request-distribution", "poisson") > 100, "the rate was not kept")


@check.check
def grpc(o):
    must(analyze(o.grpc, "-i", "grpc", "--concurrency-range", "4") > 0, "no throughput")


@check.check
def grpc_stream(o):
    must(analyze(o.grpc, "-i", "grpc", "--streaming", "--async", "--concurrency-range", "4") > 0, "no throughput")


if __name__ == "__main__":
    check.run("perf_analyzer", check.options())
