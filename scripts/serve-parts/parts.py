"""The other servers and clients: where each comes from, pinned, in the user's cache and never in the project.

    python3 parts.py NAME...    makes the parts named (all without names) and prints what is there as JSON:
                                {"parts": {name: path}, "skipped": {name: why}}
"""
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import zipfile

HOME = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "infer" / "parts"

RUNTIME = "onnxruntime==1.30.0"

# Virtual environments by name.
ENVIRONMENTS = {
    "clients": ["tritonclient[http,grpc]==2.73.0", "numpy==2.4.6", "onnx==1.23.2"],
    "kserve": ["kserve==0.21.0"],
    "tfs": ["min-tfs-client==1.0.2", "protobuf==3.20.3", "numpy==2.4.6"],
    "fastapi": ["fastapi", "uvicorn[standard]", "orjson", "numpy", RUNTIME],
    "mlserver": ["mlserver==1.7.1", RUNTIME],
    "litserve": ["litserve==0.2.19", "numpy", RUNTIME],
    "pytriton": ["nvidia-pytriton==0.7.0"],
    "torchserve": ["torchserve==0.12.0", "torch-model-archiver==0.12.0"],
    "locust": ["locust==2.47.0"],
}
# Load generators that are Go programs, by name. fortio after 1.68 needs a module that the proxy does not have.
PROGRAMS = {
    "vegeta": "github.com/tsenart/vegeta/v12@v12.13.0",
    "fortio": "fortio.org/fortio@v1.68.2",
    "bombardier": "github.com/codesenberg/bombardier@v1.2.6",
    "hey": "github.com/rakyll/hey@v0.1.5",
}
OHA = "1.15.0"
DEBIAN = pathlib.Path("/usr/bin/python3")  # its PyTorch comes without gigabytes of CUDA
SEE = {"torchserve": DEBIAN}  # environments that see the packages of another Python


class Missing(Exception):
    """A part that is not to be had here, and why."""


def environment(name):
    """The python of a virtual environment, which is made where it is not there, or not of these packages."""
    packages = "\n".join(ENVIRONMENTS[name])
    folder = HOME / name
    stamp, python = folder / "packages.txt", folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == packages:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    make = [SEE[name], "-m", "venv", "--system-site-packages"] if name in SEE else [sys.executable, "-m", "venv"]
    for command in ([*make, folder], [python, "-m", "pip", "install", "--quiet", *ENVIRONMENTS[name]]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Missing(f"pip cannot install {' '.join(ENVIRONMENTS[name])}: {last(done.stderr)}")
    stamp.write_text(packages)
    return python


def triton():
    """The real Triton 2.51, as nvidia-pytriton brings it: the tritonserver binary, beside a folder of backends."""
    inside = environment("pytriton").parents[1] / "lib" / f"python{version()}" / "site-packages" / "pytriton" / "tritonserver"
    stub = inside / "python_backend_stubs" / version() / "triton_python_backend_stub"
    if not stub.exists():
        raise Missing(f"pytriton has no Python backend for Python {version()}")
    backends = HOME / "triton-backends"
    if not (backends / "python" / stub.name).exists():
        shutil.copytree(inside / "backends" / "python", backends / "python", dirs_exist_ok=True)
        shutil.copy(stub, backends / "python" / stub.name)
    return inside / "bin" / "tritonserver"


def triton_onnxruntime():
    """Triton's ONNX Runtime backend. It is built by hand from its sources (no package has it) and left in the cache."""
    library = HOME / "triton-backends" / "onnxruntime" / "libtriton_onnxruntime.so"
    if not library.exists():
        raise Missing("Triton's ONNX Runtime backend comes in no package; build it into " + str(library.parent))
    triton()
    return library


def torchserve():
    """The python of the real TorchServe 0.12, which needs Java and PyTorch of Debian."""
    if not shutil.which("java"):
        raise Missing("TorchServe needs Java (Debian: openjdk-17-jre-headless)")
    if not DEBIAN.exists() or subprocess.run([DEBIAN, "-c", "import torch, venv"], capture_output=True).returncode:
        raise Missing("TorchServe needs PyTorch (Debian: python3-torch, python3-venv)")
    return environment("torchserve")


def perf_analyzer():
    """NVIDIA's perf_analyzer 2.48, a starter of the binary that tritonclient 2.50.0 was the last to bring."""
    folder = HOME / "perf_analyzer"
    starter = folder / "perf_analyzer.sh"
    if starter.exists():
        return starter
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        raise Missing("perf_analyzer is for Linux on x86_64 only")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wheels = ["tritonclient==2.50.0", "nvidia-cuda-runtime-cu12==12.9.79"]
    done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, *wheels],
                          capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"pip cannot download {' '.join(wheels)}: {last(done.stderr)}")
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
        wheel.unlink()
    binary = folder / "tritonclient-2.50.0.data" / "data" / "bin" / "perf_analyzer"
    binary.chmod(0o755)
    env = os.environ | {"LD_LIBRARY_PATH": str(folder / "nvidia" / "cuda_runtime" / "lib")}
    done = subprocess.run([binary, "--version"], env=env, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"perf_analyzer does not start (Debian has libb64 as libb64-0d): {last(done.stderr)}")
    starter.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={env["LD_LIBRARY_PATH"]} exec {binary} "$@"\n')
    starter.chmod(0o755)
    return starter


def program(name):
    """A Go program, built by go install."""
    folder = HOME / "programs" / PROGRAMS[name].replace("/", "_")
    return built(folder / name, ["go", "install", PROGRAMS[name]], {"GOBIN": str(folder)})


def oha():
    """oha, built by cargo (minutes)."""
    if not shutil.which("cargo"):
        raise Missing("oha is built by cargo, which is not here")
    folder = HOME / "programs" / f"oha@{OHA}"
    return built(folder / "bin" / "oha", ["cargo", "install", "--quiet", "--locked", "--root", folder, f"oha@{OHA}"])


def built(binary, command, env=None):
    if not binary.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command, cwd=HOME.parent, env=os.environ | (env or {}), capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"{command[0]} cannot install {command[-1]}: {last(done.stderr)}")
    return binary


def wrk():
    """wrk of the system."""
    found = shutil.which("wrk")
    if not found:
        raise Missing("wrk is not installed (Debian: wrk)")
    return found


def version():
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def last(text):
    return (text.strip().splitlines() or ["no reason given"])[-1]


PARTS = {name: (lambda name=name: environment(name)) for name in ENVIRONMENTS} | {name: (lambda name=name: program(name)) for name in PROGRAMS} | {
    "oha": oha, "wrk": wrk,
    "torchserve": torchserve, "triton": triton, "triton-onnxruntime": triton_onnxruntime, "perf_analyzer": perf_analyzer}


def main(names):
    answer = {"parts": {}, "skipped": {}}
    for name in names or PARTS:
        try:
            answer["parts"][name] = str(PARTS[name]())
        except Missing as why:
            answer["skipped"][name] = str(why)
    json.dump(answer, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
