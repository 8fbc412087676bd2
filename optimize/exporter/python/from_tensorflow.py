"""SavedModels, .keras archives and .tflite files, through tf2onnx."""

import logging
import os
import re
import sys

import tensorflow as tf

from failure import Failure

try:
    import tf2onnx
    from tf2onnx import constants, convert
except ModuleNotFoundError as error:
    raise Failure("missing", str(error), package=(error.name or "tf2onnx").partition(".")[0]) from None

# The opsets that tf2onnx does best, and goes down to.
BEST_OPSET = 18
OLDEST_OPSET = 9


def exporter():
    return "tf2onnx %s (TensorFlow %s)" % (tf2onnx.__version__, tf.__version__)


def load(job):
    if job["kind"] == "tflite":
        return Lite(job)
    source = job["source"]
    if job["kind"] == "keras":
        source = os.path.join(job["dir"], "saved")
        # safe_mode, the default, refuses archives that hold Python code.
        tf.keras.models.load_model(job["source"], compile=False).export(source, format="tf_saved_model", verbose=False)
    return Saved(job, source)


class Errors(logging.Handler):
    """Keeps which operators tf2onnx could not translate. Of some it only logs that, and writes a model that nothing can run."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.operators = set()

    def emit(self, record):
        text = record.getMessage()
        if text.startswith("Unsupported ops"):
            self.operators.update(re.findall(r"'(\w+)'", text))
        if text.startswith("Failed to convert node"):
            self.operators.update(re.findall(r"\bOP=(\w+)", text))


def tf2onnx_convert(arguments, opset, path):
    """Runs the command line of tf2onnx in this process, which has imported TensorFlow already."""
    opset = max(OLDEST_OPSET, min(opset or BEST_OPSET, max(constants.OPSET_TO_IR_VERSION)))
    errors = Errors()
    logging.getLogger("tf2onnx").addHandler(errors)
    sys.argv = ["tf2onnx.convert", *arguments, "--opset", str(opset), "--output", path]
    why = ""
    try:
        convert.main()
    except Exception as error:
        if not errors.operators:
            raise
        why = str(error).replace("make_sure failure: ", "")
    if errors.operators:
        raise Failure("unsupported", why, operators=sorted(errors.operators))
    return {"model": path, "opset": opset}


class Saved:
    """A SavedModel with one of its signatures."""

    def __init__(self, job, source):
        self.source = source
        self.tag = job.get("tag") or "serve"
        self.loaded = tf.saved_model.load(source, tags=self.tag.split(","))
        names = sorted(self.loaded.signatures)
        self.signature = job.get("signature") or self.choose(names)
        if self.signature not in names:
            raise Failure("signature", "it has no signature %r" % self.signature, names=names)
        self.call = self.loaded.signatures[self.signature]

    @staticmethod
    def choose(names):
        if "serving_default" in names or not names:
            return "serving_default"
        if len(names) > 1:
            raise Failure("signature", "it has %d signatures and none is called serving_default" % len(names), names=names)
        return names[0]

    def export(self, job, path):
        return tf2onnx_convert(["--saved-model", self.source, "--tag", self.tag, "--signature_def", self.signature], job["opset"], path)

    def run(self, inputs):
        specs = self.call.structured_input_signature[1]
        returned = self.call(**{name: tf.constant(inputs[name], spec.dtype) for name, spec in specs.items() if name in inputs})
        return {name: value.numpy() for name, value in returned.items()}


class Lite:
    """A TensorFlow Lite model."""

    def __init__(self, job):
        self.source = job["source"]
        self.interpreter = tf.lite.Interpreter(model_path=self.source)

    def export(self, job, path):
        return tf2onnx_convert(["--tflite", self.source], job["opset"], path)

    def run(self, inputs):
        it = self.interpreter
        for d in it.get_input_details():
            it.resize_tensor_input(d["index"], inputs[d["name"]].shape)
        it.allocate_tensors()
        for d in it.get_input_details():
            it.set_tensor(d["index"], inputs[d["name"]])
        it.invoke()
        return {d["name"]: it.get_tensor(d["index"]) for d in it.get_output_details()}
