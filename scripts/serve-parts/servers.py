"""Starts servers on free ports of the loopback, waits until they are ready, and ends them."""
import contextlib
import dataclasses
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

READY = 60  # seconds that a server may take until it is ready


class Failed(Exception):
    """A server that did not start, or ended by itself."""


@dataclasses.dataclass
class Server:
    """A server that runs: where it listens, and its process."""

    name: str
    http: int
    grpc: int
    process: subprocess.Popen
    log: str

    def alive(self):
        return self.process.poll() is None

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-2000:]


def free_ports(n):
    """n ports that nobody listens on now, of those that the system gives to no client: a client may take one that was
    free before the server does."""
    ports = []
    for port in random.sample(range(10000, 32768), 2000):
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            ports.append(port)
        if len(ports) == n:
            return ports
    raise Failed(f"no {n} free ports")


@contextlib.contextmanager
def running(name, command, ports, log, env=None, ready="/v2/health/ready", body=None):
    """Runs the command, yields a server that answers GET ready, or POST with a JSON body, and ends its processes:
    terminated, then killed."""
    with open(log, "wb") as f:
        process = subprocess.Popen([str(c) for c in command], stdout=f, stderr=f, env=os.environ | (env or {}), start_new_session=True)
    server = Server(name, ports[0], ports[1], process, str(log))
    try:
        wait(server, ready, body)
        yield server
    finally:
        end(process)


def end(process):
    """Ends a process and those that it started: TorchServe's starter leaves Java behind, and Triton its stubs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait(server, ready, body):
    end = time.monotonic() + READY
    while time.monotonic() < end:
        if not server.alive():
            raise Failed(f"{server.name} ended with {server.process.returncode}: {server.tail()}")
        try:
            ask = urllib.request.Request(f"http://127.0.0.1:{server.http}{ready}", body, {"Content-Type": "application/json"} if body else {})
            with urllib.request.urlopen(ask, timeout=1 if body is None else READY):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise Failed(f"{server.name} was not ready in {READY} s: {server.tail()}")


def infer(binary, what, log, *options):
    ports = free_ports(3)
    command = [binary, "serve", *what, *(w for flag, p in zip(("--http", "--grpc", "--metrics"), ports) for w in (flag, f"127.0.0.1:{p}")), *options]
    return running("infer", command, ports, log)


def triton(binary, python, backends, repository, log, *options):
    """The real Triton, every model loaded, load and unload allowed. python is the interpreter of its Python backend."""
    ports = free_ports(3)
    addresses = [w for kind, p in zip(("http", "grpc", "metrics"), ports) for w in (f"--{kind}-address", "127.0.0.1", f"--{kind}-port", p)]
    command = [binary, "--model-repository", repository, "--backend-directory", backends, *addresses,
               "--model-control-mode", "explicit", "--load-model", "*", "--disable-auto-complete-config", *options]
    packages = next((python.parents[1] / "lib").glob("python3*")) / "site-packages"
    env = {"PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONPATH": str(packages), "ORT_DISABLE_TELEMETRY": "1",
           "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs")}  # the stub is copied, and finds its libraries no more
    return running("triton", command, ports, log, env)
