"""Compares infer optimize with onnxsim and onnxslim: nodes left, outputs against the original, crashes. Prints Markdown.

Every tool runs in a process of its own with a time limit, so that one that dies ends nothing else. Usually started by
scripts/optimize-bench.sh, which makes the Python environment."""
import argparse
import collections
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile

import answers
import graph

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
RIVALS = ["onnxsim", "onnxslim"]
LEVELS = ["safe", "full"]


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", default=ROOT.parent / "shared" / "models", type=pathlib.Path, metavar="DIR", help="the shared models (default ../shared/models)")
    p.add_argument("--generated", type=pathlib.Path, metavar="DIR", help="generated models, made before (default: made now)")
    p.add_argument("--only", action="append", metavar="NAME", help="this model alone, by its file name without ending (repeatable)")
    p.add_argument("--infer", type=pathlib.Path, metavar="PATH", help="a built infer, instead of building one")
    p.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="leave what the tools write here")
    p.add_argument("--timeout", type=float, default=600, metavar="S", help="that a tool may take for one model (default 600)")
    p.add_argument("--ops", action="store_true", help="also list, below the table, the operators of which the tools leave different numbers")
    return p.parse_args()


def first_error(text):
    """The line of a tool's words that says what went wrong: the first one of infer, the last one of a Python traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("infer: error:")]
    return (errors or lines[-1:] or ["no word"])[0][:200]


class Bench:
    """One run: the tools, and where they write to."""

    def __init__(self, o, work):
        self.o, self.work = o, work
        self.infer = o.infer.absolute() if o.infer else work / "infer"
        if not o.infer:
            subprocess.run(["go", "-C", ROOT, "build", "-o", self.infer, "."], check=True)
        self.generated = o.generated or work / "generated"
        if not o.generated:
            subprocess.run(["go", "-C", ROOT, "run", "./scripts/archmodels", self.generated], check=True, stdout=subprocess.DEVNULL)

    def models(self):
        found = sorted(self.o.models.glob("*/*.onnx")) + sorted((ROOT / "testdata/digits").glob("*.onnx")) + sorted(self.generated.glob("*.onnx"))
        return [m for m in found if not self.o.only or m.stem in self.o.only]

    def command(self, tool, model, out):
        if tool in RIVALS:
            return [sys.executable, HERE / "simplify.py", tool, model, out]
        return [self.infer, "optimize", model, "-o", out, "--level", tool, "--race-time", "0", "--quiet", *answers.infer_flags(model)]

    def try_tool(self, tool, model):
        """What a tool made of a model: the file, or None and why there is none."""
        out = self.work / tool / model.parent.name / model.name
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            r = subprocess.run(self.command(tool, model, out), capture_output=True, text=True, timeout=self.o.timeout)
        except subprocess.TimeoutExpired:
            return None, f"took more than {self.o.timeout:.0f} s"
        if r.returncode or not out.exists():
            return None, first_error(r.stderr or r.stdout).replace(str(model), model.name)
        return out, ""


class Tally:
    """What is said below the table."""

    def __init__(self):
        self.failed = collections.defaultdict(list)
        self.drifted = collections.defaultdict(list)
        self.more = collections.defaultdict(list)
        self.silent = []
        self.ops = []


def row(bench, model, tally):
    """The cells of one model; None where it is no model that anything can read."""
    before = graph.nodes(model)
    if before is None:
        return None
    reference = answers.Reference(model)
    cells, left, files = [model.stem, str(before)], {}, {}
    for tool in [*LEVELS, *RIVALS]:
        out, why = bench.try_tool(tool, model)
        if out is None:
            tally.failed[tool].append(f"{model.stem}: {why}")
            cells.append("failed")
            continue
        left[tool], files[tool] = graph.nodes(out), out
        cell = str(left[tool]) + ("*" if graph.is_foreign(out) and not graph.is_foreign(model) else "")
        drift = reference.drift(out)
        if drift:
            tally.drifted[tool].append(f"{model.stem}: {drift}")
            cell += " (wrong)"
        cells.append(cell)
    for rival in RIVALS:
        level = "full" if rival in files and graph.is_foreign(files[rival]) else "safe"
        if rival in left and level in left and left[level] > left[rival]:
            tally.more[rival].append(f"{model.stem} ({left[level]} at {level}, {left[rival]})")
    if bench.o.ops:
        tally.ops.append((model.stem, graph.differences(files)))
    cells.append("no" if reference.why else "yes")
    if reference.why:
        tally.silent.append(f"{model.stem}: {reference.why}")
    return cells


def notes(tally):
    for rival in RIVALS:
        more = tally.more[rival]
        print(f"- More nodes than {rival} leaves, at the level whose operators it uses: {'; '.join(more) if more else 'on no model'}.")
    for tool in [*LEVELS, *RIVALS]:
        name = tool if tool in RIVALS else f"infer --level {tool}"
        print(f"- {name}: failed on {len(tally.failed[tool])}, wrong outputs, or none, of {len(tally.drifted[tool])}.")
        for line in tally.failed[tool] + tally.drifted[tool]:
            print(f"  - {line}")
    for line in tally.silent:
        print(f"- The runtime does not run the original, so no outputs were compared: {line}")
    for name, differences in tally.ops:
        print(f"- {name}: {differences}")


def main():
    o = options()
    with tempfile.TemporaryDirectory() as temporary:
        work = (o.keep or pathlib.Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        bench, tally = Bench(o, work), Tally()
        versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in [*RIVALS, "onnx", "onnxruntime"])
        print(f"Nodes, in subgraphs too, before and after; {versions}, {os.cpu_count()} CPUs. A star: operators outside of ONNX's own domains came in.\n")
        print("| model | before | infer safe | infer full | onnxsim | onnxslim | outputs compared |\n| --- | --- | --- | --- | --- | --- | --- |")
        skipped = []
        for model in bench.models():
            cells = row(bench, model, tally)
            if cells is None:
                skipped.append(model.stem)
                continue
            print("| " + " | ".join(cells) + " |", flush=True)
        print(f"\nOutputs count as alike within {answers.TOLERANCE:g} of the largest magnitude of each, at least 1, on seeded random inputs.")
        if skipped:
            print(f"No models, and so not in the table: {', '.join(skipped)}.")
        print()
        notes(tally)


main()
