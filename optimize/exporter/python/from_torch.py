"""TorchScript and exported programs, through torch.onnx."""

import re

import torch

from failure import Failure

# The opsets that the exporters of TorchScript and of exported programs do best. What else is asked for is brought as near
# as the exporter can.
SCRIPT_OPSET = 17
PROGRAM_OPSET = 18

# Above this many bytes the weights go to a file of their own: one file of protobuf holds 2 GiB at most.
ONE_FILE = 1 << 30


def exporter():
    return "torch.onnx " + torch.__version__


def version():
    return tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])


def nearest(opset, best, least, constant):
    """An opset between the least and the newest that this torch writes."""
    try:
        from torch.onnx import _constants

        newest = getattr(_constants, constant, None) or _constants.ONNX_MAX_OPSET
    except (ImportError, AttributeError):  # before 1.13
        newest = 13
    return max(least, min(opset or best, newest))


def need(package):
    try:
        __import__(package)
    except ModuleNotFoundError as error:
        raise Failure("missing", str(error), package=package) from None


def load(job):
    if job["kind"] == "torchscript":
        return Script(job)
    return Program(job)


def names_of(n):
    return ["output"] if n == 1 else ["output_%d" % i for i in range(n)]


def flatten(value):
    """The tensors of what a program returned, in the order in which the exporters name them."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for v in value.values() for t in flatten(v)]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in flatten(v)]
    if value is None:
        return []
    return [torch.as_tensor(value)]


def to_numpy(tensor):
    """numpy knows no bfloat16; float32 holds all its values."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def size_of(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


class Script:
    """A TorchScript program. It says the names of its inputs, not their shapes: those come with the job."""

    def __init__(self, job):
        self.module = torch.jit.load(job["source"], map_location="cpu").eval()
        self.arguments = self.order(job["inputs"])
        if len(self.arguments) < len(self.module.forward.schema.arguments) - 1:
            self.module = narrowed(self.module, [i["name"] for i in self.arguments])
        self.examples = [self.example(i) for i in self.arguments]
        self.outputs = None

    def order(self, inputs):
        """The described inputs in the order of the arguments of forward; those that have a default may be left out."""
        given = {i["name"]: i for i in inputs}
        arguments = [a for a in self.module.forward.schema.arguments if a.name != "self"]
        names = [a.name for a in arguments]
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise Failure("inputs", "forward has no argument %s" % ", ".join(map(repr, unknown)), names=names)
        odd = [a.name for a in arguments if a.name in given and "Tensor" not in str(a.type)]
        if odd:
            raise Failure("inputs", "argument %r is a %s, not a tensor" % (odd[0], self.type_of(arguments, odd[0])), names=names)
        while arguments and arguments[-1].name not in given and arguments[-1].has_default_value():
            arguments.pop()
        missing = [a.name for a in arguments if a.name not in given]
        if missing:
            raise Failure("inputs", "it does not say the shapes of its inputs: %s" % ", ".join(missing), names=names, missing=missing)
        return [given[a.name] for a in arguments]

    @staticmethod
    def type_of(arguments, name):
        return next(str(a.type) for a in arguments if a.name == name)

    def example(self, i):
        dtype = getattr(torch, i.get("dtype") or "float32", None)
        if not isinstance(dtype, torch.dtype):
            raise Failure("inputs", "PyTorch has no type %r" % i["dtype"], names=[i["name"]])
        if dtype.is_floating_point:
            generator = torch.Generator().manual_seed(1)
            return torch.randn(i["shape"], generator=generator).to(dtype)
        return torch.zeros(i["shape"], dtype=dtype)  # 0 is an index into any table

    def export(self, job, path):
        with torch.no_grad():
            returned = self.module(*self.examples)
        self.outputs = names_of(len(flatten(returned)))
        opset = nearest(job["opset"], SCRIPT_OPSET, 7, "ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET")
        more = {"dynamo": False} if version() >= (2, 5) else {}
        torch.onnx.export(
            self.module, tuple(self.examples), path, opset_version=opset,
            input_names=[i["name"] for i in self.arguments], output_names=self.outputs,
            dynamic_axes={i["name"]: {int(k): v for k, v in i["dynamic"].items()} for i in self.arguments if i.get("dynamic")},
            **more,
        )
        return {"model": path, "opset": opset}

    def run(self, inputs):
        with torch.no_grad():
            returned = self.module(*[torch.from_numpy(inputs[i["name"]]) if i["name"] in inputs else x for i, x in zip(self.arguments, self.examples)])
        return dict(zip(self.outputs, map(to_numpy, flatten(returned))))


def narrowed(module, names):
    """A program of these arguments alone: the exporter wants a value for each, and takes none that is no tensor."""
    outer = torch.nn.Module()
    outer.inner = module
    outer = torch.jit.script(outer)
    outer.define("def forward(self, %s):\n    return self.inner(%s)\n" % (", ".join(names), ", ".join(n + "=" + n for n in names)))
    return outer.eval()


class Program:
    """A program of torch.export, with its example inputs and dynamic axes."""

    def __init__(self, job):
        if version() < (2, 5):
            raise Failure("old", "torch %s cannot export a .pt2" % torch.__version__, package="torch", least="2.5")
        need("onnxscript")
        self.program = torch.export.load(job["source"])
        self.inputs, self.outputs = [], []

    def export(self, job, path):
        count = sum(type(o.arg).__name__ == "TensorArgument" for o in self.program.graph_signature.output_specs if o.kind.name == "USER_OUTPUT")
        opset = nearest(job["opset"], PROGRAM_OPSET, PROGRAM_OPSET, "ONNX_MAX_OPSET")
        made = torch.onnx.export(self.program, (), None, dynamo=True, opset_version=opset, output_names=names_of(count), verify=False)
        self.inputs = [v.name for v in made.model.graph.inputs]
        self.outputs = [v.name for v in made.model.graph.outputs]
        big = size_of(list(self.program.state_dict.values())) > ONE_FILE
        made.save(path, external_data=big)
        return {"model": path, "opset": made.model.opset_imports.get("", opset)}

    def run(self, inputs):
        """Fills the tensors of the example inputs, in their order, with those that were given."""
        from torch.utils import _pytree

        flat, spec = _pytree.tree_flatten(self.program.example_inputs)
        left = [torch.from_numpy(inputs[name]) for name in self.inputs]
        flat = [left.pop(0) if isinstance(v, torch.Tensor) else v for v in flat]
        arguments, named = _pytree.tree_unflatten(flat, spec)
        with torch.no_grad():
            returned = self.program.module()(*arguments, **named)
        return dict(zip(self.outputs, map(to_numpy, flatten(returned))))
