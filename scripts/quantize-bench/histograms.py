"""Table 3: what calibration with histograms costs."""

import child
import generated
import settings
from markdown import cut, head, memory, row, seconds

IMAGES, MORE = 32, 500  # for both, and for infer alone
METHODS = [("Percentile", "percentile=99.999"), ("Entropy", "entropy")]


def table(b):
    print(b.header("Calibration with histograms"))
    print("Whole processes. The official tool keeps every intermediate tensor of every row until the end, unless CalibStridedMinMax cuts the rows\n"
          f"into strides. Its memory is bounded to {memory(b.limit)} here, so that it does not take the machine down; infer has --calib-mem 1GiB, its\n"
          "default, and --data, so that no calibration row is held out.\n")
    print(head("model", "rows", "method", "side", "tool: time", "tool: memory", "memory / infer's", "notes"))
    banking = b.models / "banking77-encoder"
    if b.wants("banking77-encoder") and banking.exists():
        for method in METHODS:
            compare(b, banking / "banking77-encoder.onnx", banking / "calib", banking / "calib", 512, method)
    if b.wants("resnet50"):
        resnet(b)


def resnet(b):
    name, file, shape = generated.MODELS[0]
    try:
        model, images, test = b.generated(name, file), b.work / "data" / "images", b.work / "data" / file / "test"
        child.work("generate", out=str(images), shape=shape, rows=MORE, seed=1)
        child.work("generate", out=str(test), shape=shape, rows=generated.TEST, seed=2)
    except child.Failed as e:
        print(row(file, *[""] * 6, cut(str(e))))
        return
    for method in METHODS:
        compare(b, model, images, test, IMAGES, method)
        show(model, MORE, method, ours(b, model, images, test, MORE, method), None)


def ours(b, model, calib, test, rows, method):
    flags = ["--mode", "static", "--calib", calib, "--data", test, "--samples", rows, "--method", method[1], "--allow-slower", "--threads", 1]
    return b.sides.ours("infer", model, f"{method[0].lower()}{rows}", flags)


def compare(b, model, calib, test, rows, method):
    """Both sides on the same rows."""
    mine = ours(b, model, calib, test, rows, method)
    show(model, rows, method, mine, None)
    for name, extra in (("official", {}), ("official, CalibStridedMinMax 1", {"extra_options": {"CalibStridedMinMax": 1}})):
        show(model, rows, method, b.sides.official(name, model, settings.static(method[0], **extra), calib, rows), mine)


def show(model, rows, method, side, base):
    ratio = f"{side.peak / base.peak:.1f}×" if base and base.peak and side.peak else ""
    print(row(model.stem, rows, method[0], side.name, seconds(side.seconds), memory(side.peak), ratio, cut(side.error or side.note)), flush=True)
