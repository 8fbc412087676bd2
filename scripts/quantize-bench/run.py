"""Compares infer quantize with the official Python quantizer and prints Markdown.

Tables: 1 the shared real models, 2 generated ResNet-50 and BERT-base, 3 calibration with histograms, 4 weight-only on 3 GB.
A side that fails says why in its row and ends nothing else. Usually started by scripts/quantize-bench.sh, which makes
the Python environment."""
import argparse
import os
import pathlib
import shlex
import shutil
import sys
import tempfile

import child
import facts
import generated
import histograms
import real
import weights
from sides import Sides

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLES = {"1": real.table, "2": generated.table, "3": histograms.table, "4": weights.table}


class Bench:
    """The choices of one run and what its tables share."""

    def __init__(self, o, work):
        self.work, self.models, self.given = pathlib.Path(work), pathlib.Path(o.models).absolute(), o.models_dir_generated
        self.quick, self.only, self.threads = o.quick, o.only, o.threads
        self.rounds = o.runs or (60 if o.quick else 200)
        self.seconds = o.seconds or (15 if o.quick else 120)
        self.rows = 300 if o.quick else 0  # test rows of a judgement; 0: all
        self.limit = int(o.memory_limit * 1e9) if o.memory_limit else facts.memory() // 2
        self.versions, _ = child.work("versions")
        self.infer = self.build(o)
        self.sides = Sides(work, self.infer, o.ours_from, self.versions["library"], self.limit, ["--race-time", "5s"] if o.quick else [])

    def build(self, o):
        """The infer binary; "" where the models of its side were made before."""
        if o.ours_from or o.infer:
            return "" if o.ours_from else os.path.abspath(o.infer)
        out = str(self.work / "infer")
        self.go("build", "-o", out, ".")
        return out

    def go(self, *args):
        cost = child.run(["go", "-C", ROOT, args[0], *args[1:]])
        if cost.code:
            raise child.Failed(f"go {args[0]}: {cost.reason()}")

    def generated(self, name, file):
        """A generated model: taken from --models-dir-generated, or made there, or in the work folder."""
        path = pathlib.Path(self.given or self.work / "generated").absolute() / file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.go("run", "./scripts/bench", "-save", name, str(path))
        return path

    def wants(self, name):
        return not self.only or name in self.only

    def header(self, title):
        return facts.header(title, self.versions, self.infer, shlex.join(["scripts/quantize-bench.sh", *sys.argv[1:]]))


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--table", choices=[*TABLES, "all"], default="all")
    p.add_argument("--quick", action="store_true", help="fewer models, settings, rows and rounds: tables 1 and 2 in some minutes")
    p.add_argument("--only", action="append", metavar="NAME", help="this model alone: a folder of --models, resnet50 or bert128 (repeatable)")
    p.add_argument("--runs", type=int, default=0, metavar="N", help="rounds of a race (default 200, with --quick 60)")
    p.add_argument("--seconds", type=float, default=0, metavar="S", help="that a race may last (default 120, with --quick 15)")
    p.add_argument("--threads", type=lambda s: [int(t) for t in s.split(",")], default=[1, 2], metavar="N,…", help="of the races of table 2 (default 1,2)")
    p.add_argument("--models", default=ROOT.parent / "shared" / "models", metavar="DIR", help="the shared models (default ../shared/models)")
    p.add_argument("--models-dir-generated", metavar="DIR", help="where generated models lie or are left (resnet50.onnx, bert128.onnx, weights3g.onnx)")
    p.add_argument("--infer", metavar="PATH", help="a built infer, instead of building one")
    p.add_argument("--ours-from", metavar="DIR", help="infer's models, made before: MODEL.int8.onnx, MODEL.static.onnx, MODEL.dynamic.onnx …")
    p.add_argument("--memory-limit", type=float, default=0, metavar="GB", help="of the official tool (default: half of the machine's)")
    p.add_argument("--work", metavar="DIR", help="keep what is made in this folder")
    return p.parse_args()


def main():
    o = options()
    work = pathlib.Path(o.work).absolute() if o.work else pathlib.Path(tempfile.mkdtemp(prefix="quantize-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        b = Bench(o, work)
        for key in TABLES if o.table == "all" else o.table:
            TABLES[key](b)
    except child.Failed as e:
        sys.exit(f"quantize-bench: {e}")
    finally:
        if not o.work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
