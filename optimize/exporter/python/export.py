"""Makes an ONNX model of one of PyTorch or TensorFlow, then runs the original on inputs that it is given.

The program that starts this writes one JSON object a line to its standard input and reads one JSON object a line:
{"phase": …} on the way, then {"ok": …} or {"error": …}. What libraries print goes to standard error, so that nothing but
answers is on standard output. It ends with its input.
"""

import json
import os
import sys

import failure


def own_output():
    """Keeps standard output for the answers; what anything else prints there goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def framework(kind):
    """The module that knows a kind of model; to import it is to import PyTorch or TensorFlow."""
    if kind in ("torchscript", "exported program"):
        import from_torch

        return from_torch
    import from_tensorflow

    return from_tensorflow


class Worker:
    """Answers the requests, in their order: export once, then run any number of times."""

    def __init__(self, answers):
        self.answers = answers
        self.original = None

    def say(self, answer):
        self.answers.write(json.dumps(answer) + "\n")
        self.answers.flush()

    def phase(self, name):
        self.say({"phase": name})

    @staticmethod
    def imported(kind):
        """The module of a kind. Packages that do not fit each other fail in any way while they are imported."""
        try:
            return framework(kind)
        except (failure.Failure, ModuleNotFoundError):
            raise
        except Exception as error:
            failure.log(error)
            raise failure.Failure("broken", failure.one_line(error), package=failure.innermost(error)) from None

    def export(self, job):
        self.phase("import")
        module = self.imported(job["kind"])
        self.phase("load")
        self.original = module.load(job)
        self.phase("export")
        made = self.original.export(job, os.path.join(job["dir"], "model.onnx"))
        return {**made, "exporter": module.exporter(), "python": "%d.%d.%d" % sys.version_info[:3]}

    def run(self, job):
        self.phase("run")
        import numpy

        inputs = {name: numpy.load(path, allow_pickle=False) for name, path in job["inputs"].items()}
        files = {}
        for i, (name, value) in enumerate(self.original.run(inputs).items()):
            files[name] = os.path.join(job["dir"], "output-%d.npy" % i)
            numpy.save(files[name], numpy.ascontiguousarray(value), allow_pickle=False)
        return {"outputs": files}

    def answer(self, line):
        job = json.loads(line)
        try:
            self.say({"ok": {"export": self.export, "run": self.run}[job["do"]](job)})
        except Exception as error:  # whatever a library raises is an answer, not the end
            failure.log(error)
            self.say({"error": failure.describe(error)})


def main():
    # Reading a .pt2 falls back to pickles that run code where it holds more than tensors; this forbids it.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    worker = Worker(own_output())
    for line in sys.stdin:
        worker.answer(line)


if __name__ == "__main__":
    main()
