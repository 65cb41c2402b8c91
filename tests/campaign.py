"""Faults in their hundreds: flipped bits, mutated files, signals, full disks, closed screens.

    python tests/campaign.py --flips=200 --mutations=10000 --faults=300 --seed=0

A fault befalls a file that a later step reads back, or a command, which then runs again
undisturbed. It prints what came of how many, and ends with status 1 if anything was silently wrong,
ended in a traceback, left a temporary file or did not go on. Text readers have campaigns of their
own: test_tables_fuzz and test_corpora_fuzz.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from campaign_files import flips, mutations
from campaign_jobs import Found, Job, left_in, note, run_job, wrong_in
from campaign_worker import Worker
from commands import Done
from small_runs import write_table

Rng = random.Random
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGKILL")
KINDS = (*SIGNALS, "room", "disk", "pipe", "full", "ascii")
TURNS = ("train", "csv", "run", "train", "convert", "train", "m5", "train", "parquet")


def jobs_in(root: Path) -> dict[str, Job]:
    """Commands by name, each done once, in a process of its own."""
    table = write_table(root / "table.parquet")

    def made(make: Callable[..., Job], *arguments: Any, **options: Any) -> Job:
        with Worker(root / "cache") as worker:
            return make(worker, *arguments, **options)

    train, closed = made(run_job, root, "--stage=train"), made(run_job, root, model="m5")

    def sampled(of: Job, suffix: str) -> Callable[[Path], tuple[str, ...]]:
        return lambda folder: (
            *(f"--run={of.folder / 'run'}", "--fold=0", "--n=9000", "--seed=1"),
            *(f"--out={folder / 'rows'}.{suffix}", "--overwrite"),
        )

    def converted(folder: Path) -> tuple[str, ...]:
        return f"--in={table}", f"--out={folder / 'table.csv'}", "--overwrite"

    return {
        "train": train,
        "csv": made(Job, "csv", "sample", sampled(train, "csv"), root),
        "run": made(run_job, root),
        "convert": made(Job, "convert", "convert", converted, root),
        "m5": closed,
        "parquet": made(Job, "parquet", "sample", sampled(closed, "parquet"), root),
    }


def little_room(size: int) -> None:
    """No file may grow beyond ``size`` bytes; what the command says is in a file, too."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def screen_is(kind: str) -> None:
    """A closed pipe, a full device, or an alphabet without "±"."""
    if kind == "ascii":
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="ascii", errors="strict")
        return
    if kind == "full":
        wrong = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, wrong = os.pipe()
        os.close(reading)
    os.dup2(wrong, 1)
    os.dup2(wrong, 2)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A file system of so many bytes as the folder; False where that may not be."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)])


class Workers(NamedTuple):
    """Processes for commands."""

    warm: Worker  # one that has done them all before: nothing is imported or compiled again
    fresh: Worker  # one that begins with the command, and ends after it


def befall(job: Job, kind: str, fresh: bool, folder: Path, workers: Workers, rng: Rng) -> str:
    """One fault, then the same command undisturbed; what came of it."""
    worker = workers.fresh if fresh else workers.warm
    if kind == "disk":
        with small_disk(folder, 4096 * int(10 ** rng.uniform(0, 3))) as mounted:
            kind = kind if mounted else "room"
            first = judged(job.run(worker, folder), (0, 2)) if mounted else ""
            grown = ["mount", "-o", "remount,size=1g", str(folder)]
            if mounted:
                subprocess.run(grown, check=True)
                return first or went_on(job, folder, workers.warm)
        shutil.rmtree(folder)
    if kind in SIGNALS:
        seconds = (job.alone if fresh else job.before) * rng.uniform(0, 1.1)
        job.start(worker, folder)
        worker.signal_after(seconds, getattr(signal, kind))
        allowed = {"SIGKILL": -9, "SIGINT": 130}.get(kind, 143)
        done = worker.finish()
        first = judged(done, (0, allowed))
        if done.status:  # it may have left libraries in the midst of something
            worker.end()
    elif kind == "room":
        before = partial(little_room, int(10 ** rng.uniform(3.6, 5.5)))
        first = judged(job.run(worker, folder, before), (0, 2))
    else:
        first = judged(job.run(worker, folder, partial(screen_is, kind)), (0,))
        job.before = worker.seconds()
    if fresh:
        worker.end()
    return first or went_on(job, folder, workers.warm)


def judged(done: Done, allowed: tuple[int, ...]) -> str:
    """What was wrong with how a command ended, if anything."""
    if "Traceback" in done.err + done.out:
        return f"traceback: {done.err[-2000:]}"
    if done.status not in allowed:
        return f"status {done.status}: {done.err[-1000:]}"
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    return "" if (done.status == 2) == (len(lines) == 1) else f"not one line: {done.err[-1000:]}"


def went_on(job: Job, folder: Path, worker: Worker) -> str:
    """What was wrong with the same command undisturbed, or "equal"."""
    if wrong := judged(job.run(worker, folder), (0,)):
        return f"did not go on: {wrong}"
    if [path for path in folder.rglob("*") if path.name.endswith(".tmp") or "-tmp" in path.name]:
        return "left a temporary file"
    return "equal" if left_in(folder) == job.left else "silently wrong"


def faults(number: int, rng: Rng, root: Path, begin: int = 0) -> dict[str, Found]:
    """So many faults, kind by kind in turn, of commands in turn; those before ``begin`` not."""
    found = {kind: Counter() for kind in KINDS}
    with Worker(root / "cache") as warm, Worker(root / "cache") as fresh:
        jobs = jobs_in(root)
        seed = rng.random()
        for place in range(begin, number):
            turn, kind = place // len(KINDS), KINDS[place % len(KINDS)]
            job, folder = jobs[TURNS[turn % len(TURNS)]], root / f"fault{place}"
            # A signal may come while much is imported and compiled, or while little is.
            alone = kind == "SIGKILL" or turn % 4 == 0 and kind in SIGNALS
            own = Rng(f"{seed} {place}")
            outcome = befall(job, kind, alone, folder, Workers(warm, fresh), own)
            found[kind][note(outcome, f"{kind} of {job.name}, fault {place}")] += 1
            shutil.rmtree(folder, ignore_errors=True)
            print(f"{place + 1} faults: {dict(sum(found.values(), Counter()))}", flush=True)
    return found


def campaign(
    part: Callable[..., dict[str, Found]], number: int, seed: int, **more: int
) -> dict[str, Found]:
    """A part of the campaign in a folder of its own; prints its counts."""
    with tempfile.TemporaryDirectory(prefix="aegan-campaign-") as folder:
        begun = time.monotonic()
        found = part(number, Rng(f"{part.__name__} {seed}"), Path(folder), **more)
    print(f"{part.__name__}: {number} in {time.monotonic() - begun:.0f} s")
    for kind, outcomes in found.items():
        if outcomes:
            print(f"  {kind}: {', '.join(f'{n} {word}' for word, n in sorted(outcomes.items()))}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for part in (flips, mutations, faults):
        parser.add_argument(f"--{part.__name__}", type=int, default=0, help=part.__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--begin", type=int, default=0, help="first of the faults, to go on there")
    given = vars(parser.parse_args())
    wrong = 0
    for part in (flips, mutations, faults):
        if number := given[part.__name__]:
            more = {"begin": given["begin"]} if part is faults else {}
            wrong += wrong_in(campaign(part, number, given["seed"], **more))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    import campaign as own  # by its name, for the processes that it starts

    sys.exit(own.main())
