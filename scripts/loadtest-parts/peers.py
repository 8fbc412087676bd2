"""Other load generators on infer serve, at the rate that infer loadtest is given."""
import csv
import json
import re
import subprocess

import parts

USERS = 20  # of Locust: each sends one request after the other
WARM = 2  # seconds that Locust may take until all of them are there

LOCUST = '''import random

import gevent
import locust


@locust.events.test_start.add_listener
def forget_the_beginning(environment, **_):
    gevent.spawn_later({warm}, environment.runner.stats.reset_all)


class User(locust.FastHttpUser):
    wait_time = locust.constant_throughput({each})

    def on_start(self):
        gevent.sleep(random.random() / {each})

    @locust.task
    def infer(self):
        with self.client.post("/v2/models/affine/infer", data={body!r}, headers={{"Content-Type": "application/json"}}, catch_response=True) as r:
            if b"outputs" not in r.content:
                r.failure("no outputs")
'''


def perf_analyzer(server, work, rate, seconds):
    """Throughput that NVIDIA's perf_analyzer counts."""
    command = [parts.perf_analyzer(), "-m", "affine", "-u", f"127.0.0.1:{server.http}", "-i", "http", "-p", str(1000 * seconds), "-r", "3", "-s", "999",
               "--request-rate-range", str(rate), "--request-distribution", "constant"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    found = re.search(r"Throughput: ([0-9.]+) infer/sec", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(done.stdout[-600:] + done.stderr[-600:])
    return float(found[1])


def locust(server, work, rate, seconds):
    """Throughput that Locust counts, from when all of its users are there."""
    body = json.dumps({"inputs": [{"name": "X", "shape": [1, 16], "datatype": "FP32", "data": [1] * 16}]})
    file, table = work / "locustfile.py", work / "locust"
    file.write_text(LOCUST.format(warm=WARM, each=rate / USERS, body=body))
    command = [parts.environment("locust"), "-m", "locust", "-f", file, "--headless", "-u", str(USERS), "-r", str(USERS), "--run-time", f"{2 * seconds + WARM}s",
               "--host", f"http://127.0.0.1:{server.http}", "--csv", table, "--only-summary"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    with open(f"{table}_stats.csv", newline="") as f:
        all_of_them = {r["Name"]: r for r in csv.DictReader(f)}["Aggregated"]
    if done.returncode or int(all_of_them["Failure Count"]):
        raise RuntimeError(done.stderr[-600:])
    return float(all_of_them["Requests/s"])
