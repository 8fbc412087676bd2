"""A child of run.py: `worker.py JOB` reads its arguments as JSON from stdin and prints its answer as a last line of JSON.

Every job runs in a process of its own, so that its memory is its own and its end ends nothing else."""
import json
import pathlib
import resource
import sys

import datasets
import measure


def versions():
    """The versions of what the official side consists of, and the runtime library in it."""
    import numpy
    import onnx
    import onnxruntime

    libraries = sorted((pathlib.Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.*"))
    return {
        "python": sys.version.split()[0], "onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__,
        "numpy": numpy.__version__, "library": str(libraries[0]) if libraries else "",
    }


class Reader:
    """The rows of a data set as the official calibrators read them; len and set_range serve CalibStridedMinMax."""

    def __init__(self, rows):
        self.rows = rows
        self.set_range(0, len(rows))

    def __len__(self):
        return len(self.rows)

    def set_range(self, start_index, end_index):
        self.left = iter(range(start_index, min(end_index, len(self.rows))))

    def get_next(self):
        i = next(self.left, None)
        return None if i is None else self.rows[i]


def prepared(model, out):
    """Runs the official preparation as far as it can handle the model: the file to quantize and a note on what differs
    from the usual way. Before opset 13 its per-channel models do not load, so the opset is raised where onnx can."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    raised = raise_opset(model, out)
    note = "opset raised to 13 before" if raised != model else ""
    for skipped in ({}, {"skip_symbolic_shape": True}):
        try:
            quant_pre_process(raised, out, **skipped)
            return out, ", ".join([*filter(None, [note]), *skipped])
        except Exception as e:  # it raises bare Exception, too
            print(f"quant_pre_process({skipped}): {e}", file=sys.stderr)
    return model, "without quant_pre_process"


def raise_opset(model, out):
    """Writes the model at opset 13 to out where it is below and onnx can convert it: the file to go on with."""
    import onnx
    from onnx import version_converter

    m = onnx.load(model, load_external_data=False)
    if next(o.version for o in m.opset_import if not o.domain) >= 13:
        return model
    try:
        onnx.save(version_converter.convert_version(m, 13), out)
        return out
    except Exception as e:
        print(f"convert_version: {e}", file=sys.stderr)
        return model


def bound(limit):
    """Bounds this process's own memory, in bytes: past it the tool gets a MemoryError instead of taking the machine down."""
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def official(model, out, setting, calib="", rows=0, limit=0):
    """Quantizes with the official tool, preparation included."""
    bound(limit)
    from onnxruntime import quantization as q

    given = dict(setting)
    static = given.pop("mode") == "static"
    ready, note = prepared(model, f"{out}.prepared.onnx")
    for name in ("weight_type", "activation_type"):
        if name in given:
            given[name] = q.QuantType[given[name]]
    if not static:
        q.quantize_dynamic(ready, out, **given)
        return {"note": note}
    given["calibrate_method"] = q.CalibrationMethod[given["calibrate_method"]]
    given["quant_format"] = q.QuantFormat[given.get("quant_format", "QDQ")]
    q.quantize_static(ready, out, Reader(datasets.Rows(calib, model, rows)), **given)
    return {"note": note}


def weights(model, out, bits, limit=0):
    """Weight-only quantization by the official tool, blocks of 32 like infer's."""
    bound(limit)
    from onnxruntime.quantization import matmul_nbits_quantizer as w

    import onnx

    config = w.DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, accuracy_level=4, bits=bits)
    quantizer = w.MatMulNBitsQuantizer(onnx.load(model), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(out, True)
    return {}


JOBS = {
    "versions": versions, "official": official, "weights": weights,
    "generate": datasets.generate, "folders": datasets.folders,
    "race": measure.race, "judge": measure.judge,
}

if __name__ == "__main__":
    stdout, sys.stdout = sys.stdout, sys.stderr  # the official tool prints
    answer = JOBS[sys.argv[1]](**json.load(sys.stdin))
    print(json.dumps(answer), file=stdout)
