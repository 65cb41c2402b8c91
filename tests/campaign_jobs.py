"""Commands of the campaign, in a folder of their own, and what they leave there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from campaign_worker import Worker
from commands import Done
from small_runs import OFTEN, tiny

RUN = ("--config.only_folds=(0,1)", "--config.data.folds=3", OFTEN)
RUN += ("--config.metrics.c_grid=(0.001,)", "--config.metrics.fid_nets=1")
NOT_COMPARED = ("timing", "command", "sha256", "device", "versions")
GOOD = ("equal", "refused", "made again", "value")
Found = Counter  # of outcomes


class Job:
    """A command, and what it leaves in its folder if nothing befalls it."""

    def __init__(
        self,
        worker: Worker,
        name: str,
        program: str,
        arguments: Callable[[Path], tuple[str, ...]],
        root: Path,
    ) -> None:
        self.name, self.program, self._arguments = name, program, arguments
        self.folder = root / name
        done = self.run(worker, self.folder)
        assert done.status == 0, done.err
        self.left = left_in(self.folder)
        # Of the processor: in a process of its own, and the last time in the one that did it before
        self.alone = self.before = worker.seconds()

    def start(self, worker: Worker, folder: Path, before: Callable[[], None] | None = None) -> None:
        """Begins in a folder; its worker waits for its end."""
        folder.mkdir(parents=True, exist_ok=True)
        screen = folder.with_name(f"{folder.name}.screen")
        worker.start(screen, self.program, self._arguments(folder), before)

    def run(self, worker: Worker, folder: Path, before: Callable[[], None] | None = None) -> Done:
        self.start(worker, folder, before)
        return worker.finish()


def run_job(worker: Worker, root: Path, *more: str, model: str = "m2") -> Job:
    """A whole run of a model, or of the stage named."""
    name = "-".join([model, *more]).replace("=", "").replace("--", "")
    return Job(worker, name, "run", lambda folder: tiny(model, folder / "run", *RUN, *more), root)


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
