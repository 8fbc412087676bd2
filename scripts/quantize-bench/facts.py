"""What a table was measured on and with."""
import datetime
import json
import os
import platform
import re

import child

SETS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm", "sve")


def cpu():
    """The CPU's model and those of its instruction sets that integer kernels ask for."""
    try:
        text = open("/proc/cpuinfo").read()
    except OSError:
        return platform.processor() or platform.machine(), []
    model = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"(?:flags|Features)\s*: (.*)", text)
    have = set(flags[1].split()) if flags else set()
    return model[1] if model else platform.machine(), [s for s in SETS if s in have]


def cpus():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def has_vnni():
    return bool({"avx_vnni", "avx512_vnni", "amx_int8", "asimddp"} & set(cpu()[1]))


def memory():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def version(infer):
    told = child.run([infer, "version", "--format", "json"])
    return json.loads(told.out)["details"]["infer"] if told.code == 0 else told.reason()


def header(title, versions, infer, command):
    """The lines above a table: when, on what, with what, and how to have it again."""
    model, sets = cpu()
    ours = f"infer {version(infer)}" if infer else "infer's models made before"
    return "\n".join([
        f"## {title}", "", f"    {command}", "",
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, {platform.system().lower()}/{platform.machine()} (kernel {platform.release()}, "
        f"{model}: {' '.join(sets)}; {cpus()} CPUs, {memory() / 1e9:.0f} GB), ONNX Runtime and official quantizer "
        f"{versions['onnxruntime']}, onnx {versions['onnx']}, Python {versions['python']}; {ours}.", "",
    ])
