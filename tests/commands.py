"""Runs ``python -m experiments.<name>`` many times at the price of one import.

A fork server imports the program once; every command is a fork of it with its own exit status,
output files and, if need be, SIGKILL. It is what the shell would start, but for the start itself.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from aegan.system import ending

ROOT = Path(__file__).resolve().parents[1]
# Compiling takes most of the time of small networks. XLA_FLAGS= has it done thoroughly.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def _child(
    name: str,
    arguments: list[str],
    out: str,
    err: str,
    environment: dict[str, str],
    before: Callable[[], None] | None,
) -> None:
    ending.leave_at_once()  # as experiments/__init__.py has it while a command imports
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(environment)
    os.chdir(ROOT)
    from experiments import command

    module = importlib.import_module(f"experiments.{name}")
    sys.argv = [f"experiments.{name}", *arguments]
    parse = getattr(module, "parse_flags", command.parse_flags)
    if before is not None:
        before()
    command.start(module.main, parse)


def start(
    scratch: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    name: str = "run",
    before: Callable[[], None] | None = None,
):
    """Starts a command, ``run`` if no other is named; its output goes to files in ``scratch``.

    ``before`` is called in its process, before anything else of it.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    for name_of in ("out", "err"):  # there, however soon the process ends
        (scratch / name_of).write_text("")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    context = multiprocessing.get_context("forkserver")
    # Not the commands themselves: each defines flags of its own, and some share a name.
    context.set_forkserver_preload(["aegan.run.stages", "aegan.run.plan", "experiments.command"])
    process = context.Process(
        target=_child,
        args=(
            name,
            list(arguments),
            str(scratch / "out"),
            str(scratch / "err"),
            {"AEGAN_CACHE": str(scratch / "cache"), **(environment or {})},
            before,
        ),
    )
    process.start()
    return process


def finish(process, scratch: Path) -> Done:
    """Waits for a command."""
    process.join()
    return Done(process.exitcode, (scratch / "out").read_text(), (scratch / "err").read_text())


def command(
    scratch: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    name: str = "run",
) -> Done:
    """Runs a command to its end."""
    return finish(start(scratch, *arguments, environment=environment, name=name), scratch)
