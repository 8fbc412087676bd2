"""Table 4: weight-only quantization of a model of 3 GB with external data."""
import child
from markdown import bytes_of, cut, head, memory, row, seconds, size


def table(b):
    print(b.header("Weight-only, 3 GB"))
    print("Whole processes, files in the page cache; MB/s of the float model's bytes.\n")
    print(head("side", "tool: time", "MB/s", "tool: memory", "size ratio", "notes"))
    try:
        model = b.generated("3 GB, external data", "weights3g.onnx")
    except child.Failed as e:
        print(row("", *[""] * 4, cut(str(e))))
        return
    for name, key, flags in (("infer --mode weight-only", "weight-only", ["--mode", "weight-only"]), ("infer --int4", "int4", ["--int4"])):
        show(b.sides.ours(name, model, key, [*flags, "--allow-slower", "--threads", 1]), model)
    for bits in (8, 4):
        show(b.sides.weights(f"official MatMulNBitsQuantizer, {bits} bits", model, bits), model)


def show(s, model):
    done = bool(s.path)
    rate = f"{bytes_of(model) / 1e6 / s.seconds:.0f}" if done and s.seconds else ""
    print(row(s.name, seconds(s.seconds), rate, memory(s.peak), size(s.path, model) if done else "", cut(s.error or s.note)), flush=True)
