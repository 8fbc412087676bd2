"""infer loadtest as a black box: its command line, and the figures of its document."""
import json
import subprocess

CLOSE = 0.05  # by how much two rates may differ
TRIES = 3  # on a machine that others use too, a server may miss the rate once
TRUSTED = (0, 4)  # exit codes of a load whose answers are right: 4 says that the machine is too noisy for its latency


class Wrong(Exception):
    """What a load test did, and should not have done."""


def must(ok, *words):
    if not ok:
        raise Wrong(" ".join(str(w) for w in words))


def run(infer, target, *options):
    """Exit code, document (None where there is none) and what was said to stderr."""
    command = [infer, "loadtest", target, "--format", "json", "--quiet", *options]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    try:
        return done.returncode, json.loads(done.stdout), done.stderr
    except ValueError:
        return done.returncode, None, done.stderr


def metrics(document):
    return {m["name"]: m["value"] for m in document["metrics"]}


def near(a, b):
    return b > 0 and abs(a / b - 1) <= CLOSE


def right(infer, target, *options, check=None, checked=True):
    """A load whose answers are all right, at the rate that was offered. check judges the document besides."""
    for last in (False,) * (TRIES - 1) + (True,):
        code, document, says = run(infer, target, *options)
        must(document is not None and code in TRUSTED, f"exit {code}:", says.strip())
        m = metrics(document)
        must(m["error_rate"] == 0, "error_rate is", m["error_rate"], document["details"].get("faults"))
        if checked:
            found = document["details"]["correctness"]
            must(found["wrong"] == 0 and found["checked"] > 0, found)
        if near(m["throughput"], m["offered_rate"]):
            break
        must(not last, f"throughput {m['throughput']}, offered {m['offered_rate']}")
    if check:
        check(document)
    return m["throughput"]


def wrong(infer, target, *options):
    """A load whose answers are all wrong: exit 3."""
    code, document, says = run(infer, target, *options)
    must(document is not None and code == 3, f"exit {code}, not 3:", says.strip())
    found = document["details"]["correctness"]
    must(found["wrong"] > 0 and found["wrong"] == found["checked"] and found["first"], found)
    must("wrong" in says, "the reason is not said:", says)
    m = metrics(document)
    unchecked = found["unchecked"] / document["details"]["window"]["seconds"]  # for want of time: nobody knows that they are wrong
    must(m["goodput"] <= 1.01 * unchecked, "wrong answers are goodput:", m["goodput"], found)
    return m["offered_rate"]


def refused(infer, target, *options, says=(), code=1):
    """A load that cannot be: the exit code, and what is said of it."""
    got, _, text = run(infer, target, *options)
    must(got == code, f"exit {got}, not {code}:", text.strip())
    for word in says:
        must(word in text, f"{word!r} is not said:", text.strip())
    return 0
