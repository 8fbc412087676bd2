"""Table 2: generated ResNet-50 and BERT-base, the sizes that published figures are about."""
import child
import facts
import settings
from markdown import cut, decibel, head, latency, memory, row, seconds, size, speed

# Name for the generator, file, shape of a row, heavy operators.
MODELS = [
    ("ResNet-50, 102 MB", "resnet50.onnx", (3, 224, 224)),
    ("BERT-base encoder, 128 tokens", "bert128.onnx", (128, 768)),
]
CALIB, TEST = 16, 8  # rows: seeded normal values


def table(b):
    print(b.header("Generated models"))
    print(f"One row a run, sides in turns, {b.rounds} rounds or {b.seconds:.0f} s a race: the median ratio of the float model's time, with the 95 % interval of\n"
          f"the median ({FEW_NOTE}). {CALIB} calibration rows for both, SQNR of the outputs\nover {TEST} others.\n")
    print(head("model", "side", *[f"speed-up, {t} thread{'s' * (t > 1)}" for t in b.threads], "SQNR", "size ratio", "tool: time", "tool: memory", "notes"))
    for name, file, shape in MODELS:
        if b.wants(file.split(".")[0]):
            try:
                one(b, name, file, shape)
            except child.Failed as e:
                print(row(file, "", *[""] * (len(b.threads) + 4), cut(str(e))), flush=True)


FEW_NOTE = "a side that takes twice the float model's time is timed 5 times only"


def one(b, name, file, shape):
    model, data = b.generated(name, file), b.work / "data" / file
    for part, rows, seed in (("calib", CALIB, 1), ("test", TEST, 2)):
        child.work("generate", out=str(data / part), shape=shape, rows=rows, seed=seed)
    sides = list(made(b, model, data / "calib"))
    models = {"float": str(model)} | {s.name: s.path for s in sides if s.path}
    judged = child.work("judge", models=models, data=str(data / "test"), rows=0)[0]
    races = [child.work("race", models=models, data=str(data / "test"), threads=t, rounds=b.rounds, seconds=b.seconds)[0] for t in b.threads]
    print(row(file, "float", *[latency(r["float"]["seconds"]) for r in races], "", 1, "", "", ""))
    for s in sides:
        if s.error:
            print(row("", s.name, *[""] * len(races), "", "", seconds(s.seconds), memory(s.peak), cut(s.error)))
            continue
        sqnr = judged[s.name].get("error") or decibel(judged[s.name]["sqnr"])
        print(row("", s.name, *[speed(r[s.name]) for r in races], sqnr, size(s.path, model), seconds(s.seconds), memory(s.peak), s.note), flush=True)


def made(b, model, calib):
    """The models of both sides, one after the other."""
    ranges = (False,) if facts.has_vnni() else (False, True)  # the official guide recommends reduce_range without VNNI
    for r in ranges:
        yield b.sides.official("official static, per-channel" + ", reduce_range" * r, model, settings.static(reduce_range=r), calib)
    if not b.quick:
        name, setting = "official static, Conv MatMul Gemm only", settings.static(reduce_range=ranges[-1], op_types_to_quantize=settings.HEAVY)
        yield b.sides.official(name + ", reduce_range" * ranges[-1], model, setting, calib)
    for r in ranges:
        yield b.sides.official("official dynamic, per-channel" + ", reduce_range" * r, model, settings.dynamic(reduce_range=r))
    common = ["--calib", calib, "--threads", b.threads[0]]
    yield b.sides.ours("infer --mode static", model, "static", ["--mode", "static", "--allow-slower", *common])
    yield b.sides.ours("infer --mode dynamic", model, "dynamic", ["--mode", "dynamic", "--allow-slower", *common[2:]])
    yield b.sides.ours("infer --mode dynamic, calibrated", model, "dynamic-calibrated", ["--mode", "dynamic", "--allow-slower", *common])
    yield b.sides.ours("infer --int8", model, "int8", ["--int8", *common])
