"""A process that does one command after another: what was imported and compiled serves the next.

A command that is killed takes the process with it; the next one is another process.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from absl import app, flags
from commands import ROOT, Done

from aegan.system import ending, files, screen

_CONTEXT = multiprocessing.get_context("spawn")
_IDLE = 10.0  # seconds that a thread may take to end after its command
Before = Callable[[], None] | None


class Worker:
    """One command at a time, each as in a process of its own."""

    def __init__(self, cache: Path) -> None:
        self._cache, self._process = cache, None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, scratch: Path, name: str, arguments: tuple[str, ...], before: Before) -> None:
        """Begins a command; its output goes to files in ``scratch``."""
        if self._process is None or not self._process.is_alive():
            self._pipe, end = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(target=_serve, args=(end, str(self._cache)))
            self._process.start()
            end.close()
            self._pipe.recv()
        scratch.mkdir(parents=True, exist_ok=True)
        for file in ("out", "err"):
            (scratch / file).write_text("")
        self._scratch, self._begun = scratch, self._seconds()
        self._pipe.send((str(scratch), name, arguments, before))

    def signal_after(self, seconds: float, number: int) -> None:
        """Sends a signal after so much of the command's own time, unless it ends before."""
        while not self._pipe.poll(0.002):
            if self.seconds() >= seconds:
                os.kill(self._process.pid, number)
                return

    def seconds(self) -> float:
        """Of the processor, spent on the command so far."""
        return self._seconds() - self._begun

    def _seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def finish(self) -> Done:
        """Waits for the command."""
        try:
            status = self._pipe.recv()
        except EOFError:  # the process ended with it
            self._process.join()
            status = self._process.exitcode
        out, err = ((self._scratch / file).read_text() for file in ("out", "err"))
        return Done(status, out, err)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(pipe: Connection, cache: str) -> None:
    ending.leave_at_once()
    app.define_help_flags()  # absl's own flags stay, those of a command go with it
    os.environ["AEGAN_CACHE"] = cache
    os.chdir(ROOT)
    for module in ("aegan.run.stages", "aegan.run.plan", "aegan.sampling.draw"):
        importlib.import_module(module)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    pipe.send("ready")
    while True:
        scratch, name, arguments, before = pipe.recv()
        screens = [open(Path(scratch, file), "w") for file in ("out", "err")]
        for number, file in enumerate(screens, 1):
            os.dup2(file.fileno(), number)
            setattr(sys, ("stdout", "stderr")[number - 1], open(number, "w", closefd=False))
        # What a process knows only for its life.
        files._swept.clear()
        screen._warned.clear()
        if before is not None:
            before()
        status = _command(name, arguments)
        for thread in threading.enumerate():  # as the end of a process would
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(_IDLE)  # of a pool that was left open it would end them
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        gc.collect()
        for file in (sys.stdout, sys.stderr, *screens):
            file.close()
        pipe.send(status)


def _command(name: str, arguments: tuple[str, ...]) -> int:
    from experiments import command

    kept = set(flags.FLAGS)
    try:
        module = importlib.import_module(f"experiments.{name}")
        sys.argv = [f"experiments.{name}", *arguments]
        command.start(module.main, getattr(module, "parse_flags", command.parse_flags))
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return ending.FAULT
    finally:
        for flag in set(flags.FLAGS) - kept:
            delattr(flags.FLAGS, flag)
        for module in [m for m in sys.modules if m.partition(".")[0] == "experiments"]:
            del sys.modules[module]
