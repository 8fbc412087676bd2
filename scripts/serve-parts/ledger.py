"""What a run of black-box checks keeps: a folder for its files, what was skipped, what failed."""
import pathlib
import subprocess

import parts

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Ledger:
    """What was skipped and what failed. work is a folder for files of the run."""

    def __init__(self, work):
        self.work, self.skipped, self.failed = work, [], []

    def need(self, name):
        """The path of a part, or None where it is not to be had, which is noted once."""
        try:
            return parts.PARTS[name]()
        except parts.Missing as why:
            line = f"skipped: {name}: {why}"
            if line not in self.skipped:
                self.skipped.append(line)
                print(line, flush=True)
            return None

    def build(self):
        """The path of infer, built."""
        subprocess.run(["go", "build", "-o", self.work / "infer", "."], cwd=ROOT, check=True)
        return self.work / "infer"

    def report(self):
        """Says what was skipped and what failed, and returns the exit code."""
        print("\nskipped:" if self.skipped else "\nnothing was skipped")
        for line in self.skipped:
            print("  " + line.removeprefix("skipped: "))
        for name in self.failed:
            print(f"FAIL {name}")
        return 1 if self.failed else 0
