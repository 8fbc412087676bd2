"""What is in a model file."""
import collections

import onnx

OWN = {"", "ai.onnx", "ai.onnx.ml"}


def every(graph):
    for node in graph.node:
        yield node
        for a in node.attribute:
            for sub in [a.g, *a.graphs] if a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) else []:
                yield from every(sub)


def load(path):
    return onnx.load(str(path), load_external_data=False)


def nodes(path):
    """The number of nodes; None where the file is no model."""
    try:
        count = sum(1 for _ in every(load(path).graph))
    except Exception:  # the package has one for each way in which a file can be no model
        return None
    return count or None


def is_foreign(path):
    """Whether operators outside of ONNX's own domains are used."""
    return any(node.domain not in OWN for node in every(load(path).graph))


def differences(files):
    """The operators of which the files have different numbers, in words."""
    counts = {tool: collections.Counter(node.op_type for node in every(load(path).graph)) for tool, path in files.items()}
    ops = sorted(set().union(*counts.values()))
    different = [op for op in ops if len({c[op] for c in counts.values()}) > 1]
    return "; ".join(f"{op} " + ", ".join(f"{c[op]} {tool}" for tool, c in counts.items()) for op in different) or "the same operators"
