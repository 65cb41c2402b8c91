"""Whole commands, from their start to their end: training, evaluation cold and warm, a study."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

from aegan.bench.config import BenchConfig
from aegan.bench.timing import Part, not_run, run_until, section, spread
from aegan.errors import InputError
from aegan.run.workdir import Workdir

SIMULATED = "simulated"


def whole_part(config: BenchConfig, until: float) -> Part:
    """Each command once, with caches of its own, which the first of a kind finds empty.

    Of ``config.commands``, a table, or of the simulated corpus, small and by the variant quick.
    """
    quick = ":quick" if config.commands == SIMULATED else ""
    table = [] if quick else [f"--config.data.path={Path(config.commands).absolute()}"]
    study = [] if quick else [f"--config.source.path={Path(config.commands).absolute()}"]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        own = {"AEGAN_CACHE": f"{folder}/cache", "JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
        run = ["run", f"--config=configs/m2.py{quick}", *table]
        commands = {
            "train, nothing compiled": [*run, "--stage=train", f"--workdir={folder}/first"],
            "train": [*run, "--stage=train", f"--workdir={folder}/second"],
            "evaluate, cold": [*run, "--stage=evaluate", f"--workdir={folder}/first"],
            "evaluate, warm": [*run, "--stage=evaluate", f"--workdir={folder}/second"],
            "study": ["paper", f"--config=configs/paper.py{quick}", *study]
            + [f"--workdir={folder}/study"],
        }
        for name, (program, *arguments) in commands.items():
            started = perf_counter()
            done = run_until(until, [f"experiments.{program}", *arguments], own)
            if done is None:
                break
            if done.returncode:
                raise InputError(f"{name}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
            found[name] = perf_counter() - started
        record = Workdir(Path(folder) / "second").record() if "train" in found else None
    total = sum(found.values())
    rows = [
        {"name": name, **spread([own]), "detail": f"{own / total:.0%} of all"}
        if (own := found.get(name)) is not None
        else {"name": name, **not_run("there was no time left for it")}
        for name in commands
    ]
    if record is not None:
        inside = record["timing"]["train_s"]
        detail = f"{1 - inside / found['train']:.0%} of the command is outside"
        rows.insert(2, {"name": "train: its epochs", **spread([inside]), "detail": detail})
    note = f"M2 on {config.commands}, and the study, by themselves in this order."
    return Part([section("Whole commands: seconds", note, rows)], {})
