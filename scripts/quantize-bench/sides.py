"""The two sides: each makes a quantized model of a file and says what that cost."""
import dataclasses
import json
import os
import pathlib

import child


@dataclasses.dataclass
class Made:
    """A side's result: a model, or why there is none."""
    name: str
    path: str = ""
    seconds: float | None = None  # wall time of the tool; None where the model was made before
    peak: int | None = None       # peak memory of the tool, bytes
    note: str = ""
    error: str = ""


class Sides:
    def __init__(self, work, infer, ours_from, library, limit, race_time):
        self.work, self.infer, self.ours_from = pathlib.Path(work), infer, ours_from
        self.limit, self.race_time = limit, race_time
        self.env = dict(os.environ)
        if library:
            self.env["INFER_ORT_LIBRARY"] = library  # both sides on the same runtime

    def official(self, name, model, setting, calib="", rows=0):
        """Quantizes with the official tool, at a setting of settings.py."""
        out = self.file(model, name)
        try:
            answer, cost = child.work("official", model=str(model), out=out, setting=setting, calib=str(calib), rows=rows, limit=self.limit)
        except child.Failed as e:
            return Made(name, error=str(e))
        return Made(name, out, cost.seconds, cost.peak, answer["note"])

    def weights(self, name, model, bits):
        """Weight-only quantization by the official tool."""
        out = self.file(model, name)
        try:
            _, cost = child.work("weights", model=str(model), out=out, bits=bits, limit=self.limit)
        except child.Failed as e:
            return Made(name, error=str(e))
        return Made(name, out, cost.seconds, cost.peak)

    def ours(self, name, model, key, flags):
        """Quantizes with infer. key names the file that --ours-from holds for it: MODEL.KEY.onnx."""
        if self.ours_from:
            path = pathlib.Path(self.ours_from).absolute() / f"{pathlib.Path(model).stem}.{key}.onnx"
            return Made(name, str(path)) if path.exists() else Made(name, error=f"no {path.name}")
        out, report = self.file(model, name), self.file(model, name) + ".json"
        cost = child.run([self.infer, "quantize", model, *flags, *self.race_time, "-o", out, "--report", report, "--quiet"], env=self.env)
        if cost.code == 0:
            return Made(name, out, cost.seconds, cost.peak, said(report))
        if cost.code == 3:
            return Made(name, "", cost.seconds, cost.peak, error=f"kept float: {refusal(report) or cost.reason()}")
        return Made(name, error=cost.reason())

    def file(self, model, name):
        safe = "".join(c if c.isalnum() else "-" for c in name)
        return str(self.work / f"{pathlib.Path(model).stem}.{safe}.onnx")


def document(report):
    try:
        return json.loads(pathlib.Path(report).read_text())
    except (OSError, ValueError):
        return {}


def said(report):
    """What infer chose, the speed-up that it measured itself, to hold against ours, and where its time went."""
    d = document(report)
    details = d.get("details", {})
    told = [details.get("chosen")]
    told += [f"says {m['value']:.2f}×" for m in d.get("metrics", []) if m["name"] == "speedup" and m["value"] is not None]
    told += [f"{p['name']} {p['seconds']:.0f} s" for p in details.get("phases", []) if p["seconds"] >= 1]
    return ", ".join(filter(None, told))


def refusal(report):
    """The reasons of the gates that failed."""
    return "; ".join(g["reason"] for g in document(report).get("gates", []) if g["verdict"] == "fail" and g.get("reason"))
