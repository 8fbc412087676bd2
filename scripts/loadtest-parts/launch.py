"""Starts each of the other servers with the model of affine.py, on free ports of the loopback."""
import json
import pathlib
import subprocess

import parts
import servers

NAME = "affine"  # affine.NAME: numpy is not needed here
HERE = pathlib.Path(__file__).resolve().parent


def fastapi(work, *options):
    ports = servers.free_ports(2)
    command = [parts.environment("fastapi"), HERE / "fastapi_app.py", ports[0], *options]
    return servers.running("fastapi", command, ports, work / "fastapi.log", ready="/healthz")


def kserve(work):
    ports = servers.free_ports(2)
    command = [parts.environment("kserve"), HERE / "kserve_app.py", "--http_port", ports[0], "--grpc_port", ports[1], "--enable_latency_logging", "false"]
    return servers.running("kserve", command, ports, work / "kserve.log")


def mlserver(work):
    ports = servers.free_ports(3)
    home = work / "mlserver"
    home.mkdir(exist_ok=True)
    settings = {"host": "127.0.0.1", "http_port": ports[0], "grpc_port": ports[1], "metrics_port": ports[2], "parallel_workers": 0, "debug": False}
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(json.dumps({"name": NAME, "implementation": "mlserver_model.Affine"}))
    program = parts.environment("mlserver").parent / "mlserver"
    return servers.running("mlserver", [program, "start", home], ports, work / "mlserver.log", {"PYTHONPATH": str(HERE)})


def torchserve(work):
    python = parts.torchserve()
    ports = servers.free_ports(5)
    home = work / "torchserve"
    home.mkdir(exist_ok=True)
    subprocess.run([python.parent / "torch-model-archiver", "--model-name", NAME, "--version", "1.0", "--handler", HERE / "torchserve_handler.py",
                    "--extra-files", HERE / "affine.py", "--export-path", home, "--force"], check=True, capture_output=True)
    kinds = ("inference", "management", "metrics")
    lines = [f"{kind}_address=http://127.0.0.1:{p}" for kind, p in zip(kinds, ports)]
    lines += [f"grpc_inference_port={ports[3]}", f"grpc_management_port={ports[4]}", f"model_store={home}", f"load_models={NAME}.mar",
              "default_workers_per_model=1", "number_of_gpu=0", "job_queue_size=10000", "disable_token_authorization=true", "metrics_mode=prometheus"]
    (home / "config.properties").write_text("\n".join(lines) + "\n")
    command = [python.parent / "torchserve", "--start", "--foreground", "--ncs", "--disable-token-auth", "--ts-config", home / "config.properties"]
    env = {"PATH": f"{python.parent}:/usr/bin:/bin", "LOG_LOCATION": str(home / "logs"), "METRICS_LOCATION": str(home / "logs"), "TEMP": str(home), "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={home}"}
    return servers.running("torchserve", command, (ports[0], ports[2]), work / "torchserve.log", env,
                           ready=f"/predictions/{NAME}", body=json.dumps({"instances": [[0] * 16]}).encode())  # /ping is healthy before a worker is


def triton(work, backend):
    """The real Triton. Its second port is that of gRPC."""
    if backend == "onnxruntime":
        parts.triton_onnxruntime()
    return servers.triton(parts.triton(), parts.environment("pytriton"), parts.HOME / "triton-backends", work / f"triton-{backend}", work / f"triton-{backend}.log")
