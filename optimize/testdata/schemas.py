"""Prints every change of an ai.onnx operator that the onnx package knows, with what a use of the version before may break, and
what a use of this one may hold that the version before does not know."""

import json
from collections import defaultdict

import onnx
from onnx.defs import OpSchema

by_name = defaultdict(list)
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "":
        by_name[schema.name].append(schema)


def breaks(old, new):
    found = []
    if new.deprecated:
        return ["deprecated"]
    if new.min_input > old.min_input:
        found.append("more inputs are required")
    if len(new.inputs) < len(old.inputs):
        found.append("an input went away")
    if len(new.outputs) < len(old.outputs) or [o.name for o in new.outputs[1 : len(old.outputs)]] != [o.name for o in old.outputs[1:]]:
        found.append("other outputs")
    for name, attr in new.attributes.items():
        before = old.attributes.get(name)
        if attr.required and (before is None or not before.required):
            found.append(f"attribute {name} is required")
        if before is not None and str(before.default_value) != str(attr.default_value):
            found.append(f"default of {name}")
    for name in old.attributes:
        if name not in new.attributes:
            found.append(f"attribute {name} went away")
    for a, b in zip(old.outputs, new.outputs):
        old_types, new_types = set(a.types), set(b.types)
        if not old_types <= new_types:
            found.append(f"output {b.name} has other types")
    return found


def adds(old, new):
    """What a use of the new version may hold that the old one does not know."""
    found = [f"attribute {name}" for name in new.attributes if name not in old.attributes]
    found += [f"default of {name}" for name, attr in new.attributes.items()
              if name in old.attributes and str(old.attributes[name].default_value) != str(attr.default_value)]
    found += [f"input {i.name}" for i in new.inputs[len(old.inputs) :]]
    found += [f"attribute {name} became an input" for name in old.attributes if name not in new.attributes]
    if new.min_input < old.min_input:
        found.append("inputs that may be left out")
    if len(new.outputs) > len(old.outputs):
        found.append("outputs")
    return found


NAMES = {"double": "float64", "float": "float32"}


def kinds(types):
    found = set()
    for t in types:
        if t.startswith("tensor("):
            found.add(NAMES.get(t[7:-1], t[7:-1]))
        else:
            found.add({"seq": "sequence", "optional": "optional"}.get(t.split("(")[0], t))
    return found


def widens(old, new):
    """The types that the first input or output takes now and did not take before."""
    found = set()
    for a, b in ((old.inputs, new.inputs), (old.outputs, new.outputs)):
        if a and b:
            found |= kinds(b[0].types) - kinds(a[0].types)
    return sorted(found)


changes = []
for name, schemas in sorted(by_name.items()):
    schemas.sort(key=lambda s: s.since_version)
    changes.append({"op": name, "version": schemas[0].since_version, "first": True})
    for old, new in zip(schemas, schemas[1:]):
        changes.append({"op": name, "version": new.since_version, "breaks": breaks(old, new), "adds": adds(old, new), "widens": widens(old, new)})
print(json.dumps(changes))
