"""Measures training and metrics against the machine's limit and PyTorch.

    python -m experiments.bench
    python -m experiments.bench --config=configs/bench.py:quick --workdir=runs/bench
    python -m experiments.bench --config=configs/bench.py:gpu

Writes bench.json and bench.md, anew after each part. Nothing else should run on
the machine meanwhile. PyTorch is compared where it is installed (the extra
`bench`). Fields of the config are given as --config.FIELD=VALUE.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from absl import flags

from aegan.errors import InputError
from aegan.system.screen import duration, say

from . import command
from .command import command_line, guarded, parse_early, start

# Not of ml_collections, without which the benchmark runs: a GPU machine may lack it.
_CONFIG = flags.DEFINE_string("config", "bench", "Config file, with a variant after a colon")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of bench.json; default: runs/<config>")
_changes: dict[str, str] = {}


def parse_flags(argv: list[str]) -> list[str]:
    """``command.parse_flags``, the fields of the config put aside."""
    parts = [re.fullmatch(r"--?config\.([\w.]+)=(.*)", text, re.DOTALL) for text in argv]
    _changes.update(part.groups() for part in parts if part)
    return command.parse_flags([t for t, part in zip(argv, parts, strict=True) if not part])


parse_early(__name__, parse_flags)

from aegan.bench.benchmark import run_benchmark
from aegan.bench.config import BenchConfig, changed
from aegan.bench.table import markdown, screen_lines
from aegan.run import programs
from aegan.system.files import write_json, write_text
from aegan.system.versions import versions


def _config() -> tuple[BenchConfig, str]:
    """The config that was asked for, and the name of its default folder."""
    path, _, variant = _CONFIG.value.partition(":")
    try:
        config = programs.load(path, variant or "default")
    except ValueError as error:
        raise InputError(str(error)) from None
    if not isinstance(config, BenchConfig):
        raise InputError(f"--config={path}: is none of the benchmark's; give configs/bench.py")
    return changed(config, _changes), "-".join(filter(None, (Path(path).stem, variant)))


def run() -> None:
    """Measures, writes and prints."""
    config, name = _config()
    workdir = Path(_WORKDIR.value or f"runs/{name}")
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--workdir={workdir}: cannot be written ({error.strerror}); give another one"
        ) from None
    started, results = (
        time.perf_counter(),
        {
            "format": 2,
            "command": command_line("bench"),
            "variant": config.variant,
            "date": date.today().isoformat(),
            "versions": versions("torch"),
            "config": asdict(config),
        },
    )

    def write(found: dict[str, Any]) -> None:
        # The headline at the top level too, where scripts look for it.
        results.update(found["headline"] | found)
        results["seconds"] = round(time.perf_counter() - started, 1)
        write_json(workdir / "bench.json", results)
        write_text(workdir / "bench.md", markdown(results))

    failed = run_benchmark(config, write)
    say("", *screen_lines(results), "", f"bench: {workdir / 'bench.md'}")
    say(f"  took {duration(results['seconds'])}")
    if failed:
        raise InputError(f"{'; '.join(failed)}; the other parts are in {workdir / 'bench.md'}")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    return guarded(run, argv, "bench.json has the parts that had ended")


if __name__ == "__main__":
    start(main, parse_flags)
