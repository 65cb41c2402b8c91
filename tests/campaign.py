"""Faults in their hundreds: flipped bits, mutated files, signals, full disks, closed screens.

    python tests/campaign.py --flips=200 --mutations=10000 --faults=300 --seed=0

Each fault befalls a command or a file of one; then the same command runs undisturbed. It prints
what came of how many, and ends with status 1 if anything was silently wrong, ended in a traceback,
left a temporary file or did not go on. Text readers have campaigns of their own: test_tables_fuzz
and test_corpora_fuzz.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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

from commands import Done, finish, start
from small_runs import OFTEN, tiny, write_table
from test_tables_fuzz import mutated

from aegan.data.contract import FeatureContract
from aegan.errors import InputError
from aegan.report.run import write_report
from aegan.run.outputs import read_losses
from aegan.run.workdir import Workdir, choose_lane, open_generator
from aegan.sampling.generator import load_generator
from aegan.system.files import read_json
from aegan.tables.synthetic import read_synthetic

RUN = ("--config.only_folds=(0,1)", "--config.data.folds=3", OFTEN)
FIT = ("--config.metrics.c_grid=(0.001,)", "--config.metrics.fid_nets=1")
NOT_COMPARED = ("timing", "command", "sha256", "device", "versions")
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGKILL")
KINDS = (*SIGNALS, "room", "disk", "pipe", "full", "ascii")
Found = Counter  # of outcomes


def flip(path: Path, rng: random.Random) -> str:
    """Turns one bit of a file round; says which."""
    content = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"{path.name}, byte {place}, bit {bit}"


# --- commands and what they leave -----------------------------------------------------------------


class Job:
    """A command in a folder of its own, and what it leaves there if nothing befalls it."""

    def __init__(self, name: str, arguments: Callable[[Path], tuple[str, ...]], root: Path) -> None:
        self.name, self._arguments = name.split("-")[0], arguments
        begun = time.monotonic()
        done = self.run(root / name, root / "cache")
        assert done.status == 0, done.err
        self.seconds, self.left = time.monotonic() - begun, left_in(root / name)

    def start(self, folder: Path, cache: Path, before: Callable[[], None] | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        environment = {"AEGAN_CACHE": str(cache)}
        arguments = self._arguments(folder)
        screen = folder.with_name(f"{folder.name}.screen")
        options = {"environment": environment, "name": self.name, "before": before}
        return partial(finish, start(screen, *arguments, **options), screen)

    def run(self, folder: Path, cache: Path, before: Callable[[], None] | None = None) -> Done:
        return self.start(folder, cache, before)()


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


def jobs_in(root: Path) -> dict[str, Job]:
    table = write_table(root / "table.parquet")
    run = Job("run", lambda f: tiny("m2", f / "run", *RUN, *FIT), root)
    of = str(root / "run" / "run")

    def sampled(suffix: str) -> Callable[[Path], tuple[str, ...]]:
        return lambda f: (
            *(f"--run={of}", "--fold=0", "--n=9000", "--seed=1"),
            *(f"--out={f / 'rows'}.{suffix}", "--overwrite"),
        )

    def converted(f: Path) -> tuple[str, ...]:
        return f"--in={table}", f"--out={f / 'table.csv'}", "--overwrite"

    train = Job("run-train", lambda f: tiny("m2", f / "run", *RUN, *FIT, "--stage=train"), root)
    sample = {f"sample-{s}": Job(f"sample-{s}", sampled(s), root) for s in ("csv", "parquet")}
    return {"run": run, "train": train, **sample, "convert": Job("convert", converted, root)}


# --- faults of the machine ------------------------------------------------------------------------


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
    names = ["train", "sample-csv", "run", "convert", "train", "sample-parquet"]
    for place in range(number):
        kind, job = KINDS[place % len(KINDS)], jobs[names[place // len(KINDS) % len(names)]]
        folder, cache = root / f"fault{place}", root / "cache"
        outcome = befall(job, kind, folder, cache, rng)
        found[kind][note(outcome, f"{kind} of {job.name}, fault {place}")] += 1
        shutil.rmtree(folder, ignore_errors=True)
    return found


def note(outcome: str, what: str) -> str:
    """Prints what went wrong in full; returns it in a word or two."""
    if outcome not in ("equal", "refused", "made again", "value"):
        print(f"{what}: {outcome}", flush=True)
    return outcome.partition(":")[0]


# --- flipped bits ---------------------------------------------------------------------------------


def flips(number: int, rng: random.Random, root: Path) -> dict[str, Found]:
    """So many bits, each in a file that the next command reads back; file by file in turn."""
    table = write_table(root / "table.parquet")
    data = f"--config.data.path={table}"

    def arguments(*more: str) -> Callable[[Path], tuple[str, ...]]:
        return lambda f: tiny("m2", f / "run", *RUN, *FIT, data, *more)

    whole = Job("run", arguments(), root)
    # A training that is over, and one that was cut off after its second epoch.
    trained, cut = root / "trained", root / "cut"
    train = Job("run-trained", arguments("--stage=train"), root)
    shutil.copytree(root / "run-trained", trained)
    shutil.copytree(root / "run-trained", cut)
    # A report takes longer than all the rest.
    figures = Job("run-trained", arguments("--stage=evaluate"), root)
    jobs = {"trained": (whole, figures), "cut off": (train, train)}
    for path in cut.glob("run/*"):
        if path.name in ("train.json", "losses.parquet", "generators", "synthetic"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    steps = sorted(int(path.name) for path in (cut / "run" / "checkpoints").glob("[0-9]*"))
    shutil.rmtree(cut / "run" / "checkpoints" / str(steps[-1]))
    states = {"trained": trained, "cut off": cut}
    found: dict[str, Found] = {}
    for place in range(number):
        state = list(states)[place % len(states)]
        folder, cache = root / f"flip{place}", root / f"flip{place}.cache"
        shutil.copytree(states[state], folder)
        shutil.copytree(root / "cache", cache)
        read = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
        if state == "trained":
            read = [p for p in read if "checkpoints" not in p.parts]
            read += list((cache / "references").rglob("*.npz"))
        kinds = sorted({kind_of(path) for path in read if path.stat().st_size})
        kind = kinds[place // len(states) % len(kinds)]
        path = rng.choice(sorted(p for p in read if kind_of(p) == kind and p.stat().st_size))
        what = flip(path, rng)
        job = jobs[state][path.name not in ("losses.parquet", "train.json")]
        outcome = after_flip(job, folder, cache)
        word = note(outcome, f"flip {place}, {state}: {what}")
        found.setdefault(f"{state}, {kind}", Counter())[word] += 1
        shutil.rmtree(folder)
        shutil.rmtree(cache)
    return found


def kind_of(path: Path) -> str:
    """What a file is in a run."""
    names = ("checkpoints", "synthetic", "generators", "references")
    return next((name for name in names if name in path.parts), path.name)


def after_flip(job: Job, folder: Path, cache: Path) -> str:
    done = job.run(folder, cache)
    if wrong := judged(done, (0, 2)):
        return wrong
    if done.status == 2:
        return "refused"
    return "equal" if left_in(folder) == job.left else "silently wrong"


# --- mutated files --------------------------------------------------------------------------------


def mutations(number: int, rng: random.Random, root: Path) -> dict[str, Found]:
    """So many mutated files of a workdir, each read by whoever reads it next."""
    job = Job("run", lambda f: tiny("m2", f / "run", *RUN, *FIT), root)
    workdir = Workdir(root / "run" / "run")
    assert job.left
    lane = workdir.record()["lanes"][0]
    identity = read_json(workdir.config)
    names = tuple(read_json(workdir.features)["names"])
    other = {**identity, "config_hash": "another"}

    def checked() -> None:
        workdir.check(other, FeatureContract(names))

    def drawn() -> None:
        open_generator(workdir, choose_lane(workdir, 0, None))

    readers: dict[Path, Callable[[], object]] = {
        workdir.config: checked,
        workdir.features: checked,
        workdir.train_record: drawn,
        workdir.generator(lane): lambda: load_generator(workdir.generator(lane)),
        workdir.synthetic(lane): lambda: read_synthetic(workdir.synthetic(lane)),
        workdir.losses: lambda: read_losses(workdir),
        workdir.results: lambda: write_report(workdir.root),
    }
    contents = {path: path.read_bytes() for path in readers}
    found: dict[str, Found] = {path.name: Counter() for path in readers}
    for place in range(number):
        paths = list(readers)
        # A report takes a second.
        path = paths[-1] if place % 200 == 0 else paths[place % (len(paths) - 1)]
        content = contents[path]
        if path.suffix == ".json" and place % 2:  # deeper than its digest
            values = json.loads(content)
            del values["sha256"]
            content = json.dumps(values).encode()
        path.write_bytes(mutated(content, rng.choice(list(contents.values())), rng))
        try:
            readers[path]()
            outcome = "value"
        except InputError as error:
            outcome = "refused" if str(error).isprintable() else f"not one line: {error}"
        except Exception as error:
            outcome = f"traceback: {type(error).__name__} {str(error)[:300]}"
        found[path.name][note(outcome, f"mutation {place} of {path.name}")] += 1
        path.write_bytes(contents[path])
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


def wrong_in(found: dict[str, Found]) -> int:
    """How many faults were not withstood."""
    good = ("equal", "refused", "made again", "value")
    return sum(n for outcomes in found.values() for word, n in outcomes.items() if word not in good)


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
