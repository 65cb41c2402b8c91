"""Several finished runs on the same corpus and folds, side by side.

    python -m experiments.compare runs/m2 runs/m5
    python -m experiments.compare runs/m5-a runs/m5-b runs/m5-c --out=comparison

All are compared with the first, paired by fold, split and seed. --out takes a folder
for report.html, report.md and figures/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from aegan.system.screen import say

from .command import guarded, parse_early, start

_OUT = flags.DEFINE_string("out", None, "Folder to write report.html and report.md to")
parse_early(__name__)

from aegan.errors import InputError
from aegan.report.compare import compare, document, text
from aegan.report.kit.documents import write


def run(paths: Sequence[str], out: str | None) -> None:
    """Compares the runs."""
    found = compare([Path(path) for path in paths])
    if out and (Path(out).is_file() or (Path(out) / "results.json").exists()):
        raise InputError(f"--out={out}: is a file or holds a run; give a folder of its own")
    say(text(found))
    if out:
        say("", f"report: {write(document(found), Path(out))}")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    return guarded(lambda: run(argv[1:], _OUT.value), argv[:1], "nothing half-written is left")


if __name__ == "__main__":
    start(main)
