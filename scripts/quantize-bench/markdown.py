"""Cells and rows."""
import os


def row(*cells):
    return "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def head(*names):
    return row(*names) + "\n" + row(*["---"] * len(names))


def cut(text, length=160):
    return text if len(text) <= length else text[: length - 1] + "…"


def seconds(v):
    return "–" if v is None else f"{v:.1f} s" if v < 100 else f"{v:.0f} s"


def memory(v):
    return "–" if v is None else f"{v / 1e6:.0f} MB" if v < 9.95e9 else f"{v / 1e9:.1f} GB"


def latency(v):
    return f"{1e6 * v:.0f} µs" if v < 1e-3 else f"{1e3 * v:.2f} ms"


def speed(r):
    """A ratio of a race with its interval."""
    return r["error"] if "error" in r else f"{r['ratio']:.2f}× ({r['lo']:.2f}–{r['hi']:.2f})"


def decibel(v):
    return "exact" if v is None else f"{v:.1f} dB"


def bytes_of(path):
    """The size of a model with its external data, where that lies beside it under the usual names."""
    return sum(os.path.getsize(p) for p in (path, f"{path}.data", f"{path}_data") if os.path.exists(p))


def size(path, base):
    return f"{bytes_of(path) / bytes_of(base):.2f}"
