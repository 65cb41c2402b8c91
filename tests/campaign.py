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

from campaign_files import flips, mutations
from campaign_jobs import Found, Job, left_in, note, run_job, wrong_in
from commands import Done
from small_runs import write_table

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGKILL")
KINDS = (*SIGNALS, "room", "disk", "pipe", "full", "ascii")


def jobs_in(root: Path) -> dict[str, Job]:
    """Commands by name, each done once."""
    table = write_table(root / "table.parquet")
    run, train = run_job(root), run_job(root, "--stage=train")
    of = str(run.folder / "run")

    def sampled(suffix: str) -> Callable[[Path], tuple[str, ...]]:
        return lambda folder: (
            *(f"--run={of}", "--fold=0", "--n=9000", "--seed=1"),
            *(f"--out={folder / 'rows'}.{suffix}", "--overwrite"),
        )

    def converted(folder: Path) -> tuple[str, ...]:
        return f"--in={table}", f"--out={folder / 'table.csv'}", "--overwrite"

    return {
        "run": run,
        "train": train,
        "csv": Job("csv", "sample", sampled("csv"), root),
        "parquet": Job("parquet", "sample", sampled("parquet"), root),
        "convert": Job("convert", "convert", converted, root),
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


def befall(job: Job, kind: str, folder: Path, cache: Path, rng: random.Random) -> str:
    """One fault, then the same command undisturbed; what came of it."""
    if kind == "disk":
        with small_disk(folder, 4096 * int(10 ** rng.uniform(0, 3))) as mounted:
            kind = kind if mounted else "room"
            first = judged(job.run(folder, cache), (0, 2)) if mounted else ""
            grown = ["mount", "-o", "remount,size=1g", str(folder)]
            if mounted:
                subprocess.run(grown, check=True)
                return first or went_on(job, folder, cache)
        shutil.rmtree(folder)
    if kind in SIGNALS:
        ending = job.start(folder, cache)
        process = ending.args[0]
        process.join(rng.uniform(0, 1.1) * job.seconds)
        if process.is_alive():
            os.kill(process.pid, getattr(signal, kind))
        allowed = {"SIGKILL": -9, "SIGINT": 130}.get(kind, 143)
        first = judged(ending(), (0, allowed))
    elif kind == "room":
        before = partial(little_room, int(10 ** rng.uniform(3.6, 5.5)))
        first = judged(job.run(folder, cache, before), (0, 2))
    else:
        first = judged(job.run(folder, cache, partial(screen_is, kind)), (0,))
    return first or went_on(job, folder, cache)


def judged(done: Done, allowed: tuple[int, ...]) -> str:
    """What was wrong with how a command ended, if anything."""
    if "Traceback" in done.err + done.out:
        return f"traceback: {done.err[-2000:]}"
    if done.status not in allowed:
        return f"status {done.status}: {done.err[-1000:]}"
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    return "" if (done.status == 2) == (len(lines) == 1) else f"not one line: {done.err[-1000:]}"


def went_on(job: Job, folder: Path, cache: Path) -> str:
    """What was wrong with the same command undisturbed, or "equal"."""
    if wrong := judged(job.run(folder, cache), (0,)):
        return f"did not go on: {wrong}"
    if [path for path in folder.rglob("*") if path.name.endswith(".tmp") or "-tmp" in path.name]:
        return "left a temporary file"
    return "equal" if left_in(folder) == job.left else "silently wrong"


def faults(number: int, rng: random.Random, root: Path) -> dict[str, Found]:
    """So many faults, kind by kind in turn, of commands in turn."""
    jobs, found = jobs_in(root), {kind: Counter() for kind in KINDS}
    names = ["train", "csv", "run", "convert", "train", "parquet"]
    for place in range(number):
        kind, job = KINDS[place % len(KINDS)], jobs[names[place // len(KINDS) % len(names)]]
        folder, cache = root / f"fault{place}", root / "cache"
        outcome = befall(job, kind, folder, cache, rng)
        found[kind][note(outcome, f"{kind} of {job.folder.name}, fault {place}")] += 1
        shutil.rmtree(folder, ignore_errors=True)
    return found


def campaign(part: Callable[..., dict[str, Found]], number: int, seed: int) -> dict[str, Found]:
    """A part of the campaign in a folder of its own; prints its counts."""
    with tempfile.TemporaryDirectory(prefix="aegan-campaign-") as folder:
        begun = time.monotonic()
        found = part(number, random.Random(f"{part.__name__} {seed}"), Path(folder))
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
    given = vars(parser.parse_args())
    wrong = 0
    for part in (flips, mutations, faults):
        if number := given[part.__name__]:
            wrong += wrong_in(campaign(part, number, given["seed"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    import campaign as own  # by its name, for the processes that it starts

    sys.exit(own.main())
