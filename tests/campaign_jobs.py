"""Commands of the campaign, in a folder of their own, and what they leave there."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from commands import Done, finish, start
from small_runs import OFTEN, tiny

RUN = ("--config.only_folds=(0,1)", "--config.data.folds=3", OFTEN)
RUN += ("--config.metrics.c_grid=(0.001,)", "--config.metrics.fid_nets=1")
NOT_COMPARED = ("timing", "command", "sha256", "device", "versions")
GOOD = ("equal", "refused", "made again", "value")
Found = Counter  # of outcomes


class Job:
    """A command, and what it leaves in its folder if nothing befalls it."""

    def __init__(
        self, name: str, program: str, arguments: Callable[[Path], tuple[str, ...]], root: Path
    ) -> None:
        self.program, self._arguments, self.folder = program, arguments, root / name
        begun = time.monotonic()
        done = self.run(self.folder, root / "cache")
        assert done.status == 0, done.err
        self.seconds, self.left = time.monotonic() - begun, left_in(self.folder)

    def start(self, folder: Path, cache: Path, before: Callable[[], None] | None = None):
        """Begins; what comes back waits for its end, and has its process as ``args[0]``."""
        folder.mkdir(parents=True, exist_ok=True)
        screen = folder.with_name(f"{folder.name}.screen")
        options = {"environment": {"AEGAN_CACHE": str(cache)}, "name": self.program}
        process = start(screen, *self._arguments(folder), **options, before=before)
        return partial(finish, process, screen)

    def run(self, folder: Path, cache: Path, before: Callable[[], None] | None = None) -> Done:
        return self.start(folder, cache, before)()


def run_job(root: Path, *more: str) -> Job:
    """A whole run of M2, or of the stage named."""
    name = "-".join(["run", *more]).replace("=", "").replace("--", "")
    return Job(name, "run", lambda folder: tiny("m2", folder / "run", *RUN, *more), root)


def left_in(folder: Path) -> dict[str, object]:
    """What a command's results are, by file."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".parquet", ".csv", ".arff"):
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.name == "results.json":
            values = json.loads(path.read_text())
            found[path.name] = {k: v for k, v in values.items() if k not in NOT_COMPARED}
    return found


def note(outcome: str, what: str) -> str:
    """Prints what went wrong in full; returns it in a word or two."""
    if outcome not in GOOD:
        print(f"{what}: {outcome}", flush=True)
    return outcome.partition(":")[0]


def wrong_in(found: dict[str, Found]) -> int:
    """How many faults were not withstood."""
    return sum(n for outcomes in found.values() for word, n in outcomes.items() if word not in GOOD)
