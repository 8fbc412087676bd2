"""Runs one child process and says what it cost.

The peak memory of a child is what the kernel kept for it (ru_maxrss of wait4: the largest process of its tree that was
waited for). Linux counts the memory of the parent at the start towards it, so this program stays small: all that needs
numpy or the runtime happens in children (worker.py)."""
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

WORKER = pathlib.Path(__file__).resolve().with_name("worker.py")


class Failed(Exception):
    """A side that could not do its job; the text is for a table cell."""


@dataclasses.dataclass
class Cost:
    code: int       # exit status; below zero: the signal that ended it
    seconds: float  # wall time of the whole process
    peak: int       # bytes
    out: str
    err: str

    def reason(self) -> str:
        """Why it failed, in one line: the last one that it printed."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("infer: error:")]
        text = (errors or lines or [f"exit status {self.code}"])[-1]
        return text if self.code >= 0 else f"ended by {signal.Signals(-self.code).name}: {text}"


def run(argv, stdin="", env=None, cwd=None, timeout=1800) -> Cost:
    """Runs argv to its end, in a process group of its own that is ended after timeout seconds."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        begin = time.perf_counter()
        p = subprocess.Popen([str(a) for a in argv], stdin=given, stdout=out, stderr=err, env=env, cwd=cwd, start_new_session=True)
        timer = threading.Timer(timeout, os.killpg, (p.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(p.pid, 0)
        finally:
            timer.cancel()
        seconds = time.perf_counter() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for f in (out, err):
            f.seek(0)
            texts.append(f.read().decode(errors="replace"))
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(p.returncode, seconds, peak, *texts)


def work(job, **given):
    """Has worker.py do a job in a fresh process: what it answers, and its cost. The official tool leaves files in the
    current folder, which therefore is one that goes. Paths given are absolute."""
    with tempfile.TemporaryDirectory(prefix="quantize-bench-") as cwd:
        cost = run([sys.executable, WORKER, job], stdin=json.dumps(given), cwd=cwd)
    if cost.code:
        raise Failed(cost.reason())
    return json.loads(cost.out.splitlines()[-1]), cost
