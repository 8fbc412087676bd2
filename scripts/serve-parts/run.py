"""Tries infer serve from outside with the real clients and beside the real Triton. Started by scripts/serve-parts.sh.

A part that is not to be had is skipped by name; the list of what was skipped stands at the end. Exit 1: a check failed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import ledger
import parts
import servers

HERE = pathlib.Path(__file__).resolve().parent

# Suites by name: the part whose Python runs it, and what else it needs, given by environment variable.
SUITES = {
    "triton_http": ("clients", {}),
    "triton_grpc": ("clients", {}),
    "triton_aio": ("clients", {}),
    "kserve_clients": ("kserve", {}),
    "tfs": ("tfs", {}),
    "curl": ("", {}),
    "perf": ("", {"PERF_ANALYZER": "perf_analyzer"}),
}
BACKENDS = {"python": "triton", "onnxruntime": "triton-onnxruntime"}
SIDE = "side_by_side"
OWN = ("tfs", "curl")  # what Triton has nothing of


class Run(ledger.Ledger):
    """A run of the suites."""

    def script(self, name, python, *arguments, env=None):
        """Runs a suite, shows what it says and keeps what it skipped."""
        command = [python, HERE / f"{name}.py", *arguments]
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True, env=os.environ | (env or {}))
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("skipped: "):
                self.skipped.append(line.strip())
        if process.wait():
            self.failed.append(" ".join([name, *arguments]))

    def suites(self, wanted, http, grpc, kind):
        for name in wanted:
            if name not in SUITES:
                continue
            part, needs = SUITES[name]
            python = self.need(part) if part else sys.executable
            env = {variable: self.need(other) for variable, other in needs.items()}
            if python and all(env.values()):
                self.script(name, python, "--http", http, "--grpc", grpc, "--server", kind, env={k: str(v) for k, v in env.items()})

    def beside_triton(self, ours):
        """The same requests to infer and to the real Triton, with each backend of it that is here."""
        python = self.need("clients")
        for backend, part in BACKENDS.items():
            if python and self.need(part):
                with self.triton(backend) as theirs:
                    self.script(SIDE, python, "--infer", f"{ours.http},{ours.grpc}", "--triton", f"{theirs.http},{theirs.grpc}",
                                "--backend", backend, "--pid", str(ours.process.pid))

    def triton(self, backend):
        log = self.work / f"triton-{backend}.log"
        return servers.triton(parts.triton(), parts.environment("pytriton"), parts.HOME / "triton-backends", self.work / f"triton-{backend}", log)

    def models(self):
        """Writes the models; without the onnx package nothing can be tried."""
        python = self.need("clients")
        if python:
            subprocess.run([python, HERE / "models.py", self.work], check=True)
        return python


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", action="append", metavar="SUITE", choices=[*SUITES, SIDE], help="this suite alone (repeatable)")
    p.add_argument("--infer", metavar="PATH", help="a built infer, instead of building one")
    p.add_argument("--against", choices=["infer", *BACKENDS], default="infer", help="try the suites themselves, on the real Triton with this backend")
    return p.parse_args()


def try_all(run, o):
    wanted = o.only or [*SUITES, SIDE]
    if not run.models():
        return
    if o.against != "infer":
        if run.need(BACKENDS[o.against]):
            with run.triton(o.against) as s:
                run.suites([w for w in wanted if w not in OWN], f"127.0.0.1:{s.http}", f"127.0.0.1:{s.grpc}", "triton")
        return
    with servers.infer(o.infer or run.build(), [run.work / "infer-models"], run.work / "infer.log", "--allow-load") as s:
        run.suites(wanted, f"127.0.0.1:{s.http}", f"127.0.0.1:{s.grpc}", "infer")
        if SIDE in wanted:
            run.beside_triton(s)
        if not s.alive():
            run.failed.append(f"infer serve ended with {s.process.returncode}: {s.tail()}")


def main():
    o = options()
    work = pathlib.Path(tempfile.mkdtemp(prefix="serve-parts-"))
    run = Run(work)
    try:
        try_all(run, o)
    except (servers.Failed, subprocess.CalledProcessError) as why:
        run.failed.append(str(why))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(run.report())


if __name__ == "__main__":
    main()
