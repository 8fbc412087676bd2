"""What went wrong, in one line and in words that the program outside can act on."""

import re
import sys
import traceback

# Where the exporters name what they cannot translate.
OPERATORS = [
    re.compile(r"the operator '([\w:.]+)'"),  # torch.onnx of TorchScript
    re.compile(r"OpOverload\(op='([\w:.]+)'"),  # torch.onnx of exported programs
    re.compile(r"No ONNX function found for <?([\w:.]+)"),
    re.compile(r"Tensorflow op \[[^\]]*: (\w+)\] is not supported"),  # tf2onnx
]


class Failure(Exception):
    """A failure that is understood. kind: missing, broken, old, inputs, signature or unsupported."""

    def __init__(self, kind, text, **more):
        super().__init__(text)
        self.kind, self.more = kind, more


def chain(error):
    """The error and what it was raised from, the outermost first."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def log(error):
    """Prints the whole of a failure for those who ask for it."""
    if not isinstance(error, Failure):
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)


def describe(error):
    if isinstance(error, Failure):
        return {"kind": error.kind, "text": str(error), **error.more}
    missing = next((e for e in (error, error.__cause__) if isinstance(e, ModuleNotFoundError)), None)
    if missing:
        return {"kind": "missing", "package": (missing.name or "").partition(".")[0], "text": str(missing)}
    if type(error).__name__ == "UnpicklingError":
        return {"kind": "unsafe", "text": one_line(error)}
    if isinstance(error, MemoryError):
        return {"kind": "failed", "text": "it ran out of memory"}
    errors = chain(error)
    operators = sorted({name for e in errors for pattern in OPERATORS for name in pattern.findall(str(e))})
    if operators:
        return {"kind": "unsupported", "operators": operators, "text": ""}
    return {"kind": "failed", "text": one_line(errors[-1] if wraps(errors[0]) else errors[0])}


def innermost(error):
    """The top package of the code in which an error was raised, such as numpy."""
    frames = [f.filename.replace("\\", "/") for f in traceback.extract_tb(error.__traceback__)]
    packages = [re.search(r"(?:site|dist)-packages/(\w+)", name) for name in frames]
    return next((p.group(1) for p in reversed(packages) if p), "it")


def wraps(error):
    """Whether an error says no more than that another one happened."""
    return "ConversionError" in type(error).__name__ or "Failed to" in str(error)


def one_line(error):
    """The type of an error and the first line of its text that says something."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(error).splitlines()]
    text = next((line for line in lines if re.search(r"\w", line)), "")
    return (type(error).__name__ + (": " + text if text else ""))[:400]
