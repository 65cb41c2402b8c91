"""How a command ends: its exit statuses, its signals, and a screen that may go away.

* 0: done;
* 1: a fault of aegan's own, with a traceback;
* 2: an input, or a state of the machine, that somebody can mend: one line says what and how;
* 130: after Ctrl-C (SIGINT); 143: after SIGTERM or SIGHUP.

A signal raises ``Stopped`` where the program is. A library that swallows it (C code that calls
back) only puts it off: loops look here, with ``check``, whether one came.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

DONE, FAULT, INPUT = 0, 1, 2
_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _STATUS[signal.SIGHUP] = 143
PARENT = "AEGAN_PARENT"  # environment of a worker: the process that it ends with
_LOOK_AFTER_PARENT = 0.5  # seconds
_asked: Stopped | None = None  # the first signal that came


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def check() -> None:
    """Raises ``Stopped`` if a signal came."""
    if _asked is not None:
        raise _asked


def asked() -> Stopped | None:
    """The first signal that came, if one did."""
    return _asked


def listen() -> None:
    """From now on signals raise ``Stopped``; those that the command was started without stay so."""
    global _asked
    _asked = None

    def stop(number: int, _: FrameType | None) -> NoReturn:
        global _asked
        _asked = _asked or Stopped(_STATUS[number])
        raise _asked

    _handle(stop)
    sys.unraisablehook = _unless_known


def _unless_known(unraisable: sys.UnraisableHookArgs) -> None:
    """Says nothing of what nobody can catch and is known otherwise.

    A signal that came while Python collected garbage, say: ``check`` has it. Storage that hears of
    a full disk once more after orbax raised that, and closed the loop that it tells.
    """
    error = unraisable.exc_value
    late = isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
    if not (late or isinstance(error, Stopped)):
        sys.__unraisablehook__(unraisable)


def leave_at_once(status: int | None = None) -> None:
    """From now on a signal ends the process with ``status``, or its own: nothing is under way."""
    _handle(lambda number, _: os._exit(_STATUS[number] if status is None else status))


def _handle(handler: object) -> None:
    for number in _STATUS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background
            signal.signal(number, handler)


def end_with_parent() -> None:
    """In a worker: a thread ends it as soon as the process that started it is gone."""
    parent = int(os.environ.pop(PARENT))  # not for what this process may start

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_AFTER_PARENT)
        os._exit(FAULT)

    threading.Thread(target=look, daemon=True).start()


class _Screen(io.FileIO):
    """Standard output or error: what can no longer be written is dropped."""

    def write(self, data: bytes) -> int:
        try:
            return super().write(data)
        except OSError:  # a closed pipe, a full disk
            return len(data)


def keep_screen() -> None:
    """Output that cannot be written, or not in the terminal's alphabet, ends nothing."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed: or else the next file opened would take what C code prints
            os.open(os.devnull, os.O_RDWR)
        stream = getattr(sys, name)
        if number and (stream is None or isinstance(stream, io.TextIOWrapper)):
            buffer = io.BufferedWriter(_Screen(number, "wb", closefd=False))
            encoding = getattr(stream, "encoding", "utf-8")
            made = io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=True)
            setattr(sys, name, made)
