"""A suite of black-box checks: functions marked @check, run one after the other, each with a line of its own."""
import argparse
import sys
import traceback

CHECKS = []


class Skip(Exception):
    """A check that cannot be made here, and why."""


def check(function):
    CHECKS.append(function)
    return function


def must(ok, *words):
    if not ok:
        raise AssertionError(" ".join(str(w) for w in words))


def refused(call, *names, error=Exception):
    """Calls and returns the text of the error that it must raise, which holds every one of names."""
    try:
        call()
    except error as e:
        text = str(e)
        for name in names:
            must(name in text, f"the refusal does not name {name!r}:", text)
        return text
    raise AssertionError("a bad request was answered")


def options():
    """The command line of a suite, which is taken away from those that would read it again."""
    p = argparse.ArgumentParser()
    p.add_argument("--http", required=True, metavar="HOST:PORT")
    p.add_argument("--grpc", required=True, metavar="HOST:PORT")
    p.add_argument("--server", choices=["infer", "triton"], default="infer", help="what is tried: some answers differ, as the table of side_by_side.py says")
    o = p.parse_args()
    del sys.argv[1:]
    return o


def run(suite, *arguments):
    """Runs the checks of a suite and exits: 0 when all hold, 1 otherwise."""
    failed = 0
    for f in CHECKS:
        try:
            f(*arguments)
            print(f"ok {suite}: {f.__name__}", flush=True)
        except Skip as why:
            print(f"skipped: {suite}: {f.__name__}: {why}", flush=True)
        except Exception:  # a check fails by whatever it meets
            failed += 1
            print(f"FAIL {suite}: {f.__name__}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
