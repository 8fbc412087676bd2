"""Table 1: the shared real models, with their own data."""
import dataclasses
import math

import child
import settings
from markdown import cut, decibel, head, latency, memory, row, seconds, size, speed

POINTS = 0.005   # of accuracy or agreement that a setting may cost
DECIBEL = 20.0   # of signal to noise that a model without classes must keep: an error of 1 % of the power


@dataclasses.dataclass
class Model:
    name: str             # the folder
    file: str
    shipped: bool = False  # calib and test lie in it; otherwise datasets.py makes them


MODELS = [
    Model("mnist-cnn", "mnist-cnn.onnx", True),
    Model("banking77-encoder", "banking77-encoder.onnx", True),
    Model("squeezenet1.1", "squeezenet1.1-fp32.onnx"),
    Model("yolox-nano", "yolox-nano.onnx"),
    Model("magika-v3.3", "magika-v3.3.onnx"),
    Model("micro-kws", "micro-kws-fp32.onnx"),
    Model("gtcrn", "gtcrn-simple.onnx"),
    Model("silero-vad", "silero-vad-op18-ifless.onnx"),
    Model("silero-vad", "silero-vad.onnx"),
]


def table(b):
    print(b.header("Real models"))
    print(f"One thread, one row a run, sides in turns, {b.rounds} rounds or {b.seconds:.0f} s: the median ratio of the float model's time, with the 95 %\n"
          f"interval of the median. The official sides are the fastest of {len(settings.all_of(b.quick))} settings within {100 * POINTS:.1f} points of accuracy (of agreement where there are no\n"
          f"labels; {DECIBEL:.0f} dB where there are no classes) on the test rows, `infer` is one command. Time and memory are those of the tool's process;\n"
          "for the official sides of the setting shown alone, and in brackets all settings together.\n")
    print(head("model", "side", "accuracy", "agreement", "SQNR", "speed-up", "size ratio", "tool: time", "tool: memory", "notes"))
    failures = []
    for m in MODELS[:3] if b.quick and not b.only else MODELS:
        if b.wants(m.name):
            failures += one(b, m)
    print("\nSettings that failed:\n" + "\n".join(f"- {f}" for f in failures) + "\n" if failures else "")


def one(b, m):
    """The rows of a model; returns the official settings that failed on it."""
    source = b.models / m.name
    model = source / m.file
    if not model.exists():
        print(row(m.file, f"skipped: no {model.name} in --models", *[""] * 8))
        return []
    try:
        calib, test = data(b, m, source)
        tries = [b.sides.official(name, model, s, calib) for name, s in settings.all_of(b.quick).items()]
        judged, heat = judge(b, model, tries, test), race(b, model, tries, test, b.rounds // 3)
        picked = [best(mode, tries, judged, heat) for mode in ("static", "dynamic")]
        flags = ["--int8", "--threads", 1, "--calib", calib] + (["--data", test] if (test / "labels.npy").exists() else [])
        sides = [p for p in picked if p] + [b.sides.ours("infer --int8", model, "int8", flags)]
        judged |= judge(b, model, sides[-1:], test)
        final = race(b, model, sides, test, b.rounds)
    except child.Failed as e:
        print(row(m.file, "", *[""] * 7, cut(str(e))), flush=True)
        return []
    f = judged["float"]
    print(row(f"{m.file} ({latency(final['float']['seconds'])})", "float", *accuracy(f), "1×", 1, "", "", f"{f['rows']} test rows"))
    for s in sides:
        print(line(s, model, judged, final, sum(t.seconds or 0 for t in tries if t.name.startswith(s.name.split(":")[0]))), flush=True)
    for mode, p in zip(("static", "dynamic"), picked):
        if not p:
            print(row("", f"official {mode}", *[""] * 7, "every setting failed"))
    return [f"{m.file}, {t.name}: {cut(t.error or judged[t.name]['error'])}" for t in tries if t.error or "error" in judged[t.name]]


def data(b, m, source):
    """The folders of calibration and test rows."""
    if m.shipped:
        return source / "calib", source / "test"
    out = b.work / "data" / m.name
    if not out.exists():
        child.work("folders", models=str(b.models), name=m.name, out=str(out))
    return out / "calib", out / "test"


def files(model, sides):
    return {"float": str(model)} | {s.name: s.path for s in sides if s.path}


def judge(b, model, sides, test):
    return child.work("judge", models=files(model, sides), data=str(test), rows=b.rows)[0]


def race(b, model, sides, test, rounds):
    return child.work("race", models=files(model, sides), data=str(test), threads=1, rounds=rounds, seconds=b.seconds)[0]


def best(mode, tries, judged, heat):
    """The fastest setting of a mode within the budget, else the most faithful one; None where all failed."""
    ran = [t for t in tries if t.name.startswith(mode) and t.path and "error" not in judged[t.name] and "error" not in heat[t.name]]
    good = [t for t in ran if loss(judged[t.name], judged["float"]) <= 0]
    if good:
        return max(good, key=lambda t: heat[t.name]["ratio"])
    closest = min(ran, key=lambda t: loss(judged[t.name], judged["float"]), default=None)
    return closest and dataclasses.replace(closest, note=f"over the budget like all settings{'; ' if closest.note else ''}{closest.note}")


def loss(r, f):
    """How far past the budget a result is; at most 0 within it."""
    if "top1" in r:
        return f["top1"] - r["top1"] - POINTS - 1e-9
    if "agreement" in r:
        return 1 - r["agreement"] - POINTS - 1e-9
    return DECIBEL - (math.inf if r["sqnr"] is None else r["sqnr"])


def accuracy(r):
    return [f"{r[k]:.2%}" if k in r else "" for k in ("top1", "agreement")] + [decibel(r["sqnr"])]


def line(s, model, judged, final, total):
    name = s.name if s.name.startswith("infer") else f"official {s.name}"
    j, f = judged.get(s.name, {}), final.get(s.name, {})
    error = s.error or j.get("error") or f.get("error")
    spent = seconds(s.seconds) + (f" ({seconds(total)})" if s.seconds and total > s.seconds else "")
    if error:
        return row("", name, *[""] * 5, spent, memory(s.peak), cut(error))
    return row("", name, *accuracy(j), speed(f), size(s.path, model), spent, memory(s.peak), s.note)
