"""Prints every change of an ai.onnx operator that the onnx package knows, with what a use of the version before may break."""

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


changes = []
for name, schemas in sorted(by_name.items()):
    schemas.sort(key=lambda s: s.since_version)
    for old, new in zip(schemas, schemas[1:]):
        changes.append({"op": name, "version": new.since_version, "breaks": breaks(old, new)})
print(json.dumps(changes))
