"""Runs ``python -m experiments.run`` many times at the price of one import.

A fork server imports the program once; every command is a fork of it with its own exit status,
output files and, if need be, SIGKILL. It is what the shell would start, but for the start itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def _child(arguments: list[str], out: str, err: str, environment: dict[str, str]) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(environment)
    os.chdir(ROOT)
    from absl import app

    from experiments import run

    sys.argv = ["experiments.run", *arguments]
    app.run(run.main, argv=sys.argv, flags_parser=run.parse_flags)


def start(scratch: Path, *arguments: str, environment: Mapping[str, str] | None = None):
    """Starts a command whose output goes to files in ``scratch``."""
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["experiments.run"])
    process = context.Process(
        target=_child,
        args=(
            list(arguments),
            str(scratch / "out"),
            str(scratch / "err"),
            {"AEGAN_CACHE": str(scratch / "cache"), **(environment or {})},
        ),
    )
    process.start()
    return process


def finish(process, scratch: Path) -> Done:
    """Waits for a command."""
    process.join()
    return Done(process.exitcode, (scratch / "out").read_text(), (scratch / "err").read_text())


def command(scratch: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
    """Runs a command to its end."""
    return finish(start(scratch, *arguments, environment=environment), scratch)
