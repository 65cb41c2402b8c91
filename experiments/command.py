"""What all commands share: one-line errors, exit status 2 for bad input, an orderly end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags, logging

from aegan.errors import InputError


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parsing, with one line instead of a traceback; exit status 2."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        message = str(error).strip().splitlines()[-1].removeprefix("FATAL Flags parsing error: ")
        fail(message)


def fail(message: object) -> NoReturn:
    """Ends the command with one line and status 2."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def guarded(body: Callable[[], None], argv: Sequence[str], after_interrupt: str) -> int:
    """Runs the body of a command and returns its exit status.

    ``argv`` is what the flags left over; ``after_interrupt`` is what the user reads after Ctrl-C.
    """
    if len(argv) > 1:
        print(f"error: left-over argument {argv[1]!r}; flags are --name=value", file=sys.stderr)
        return 2
    logging.set_verbosity(logging.ERROR)
    # An orderly end, so that what is under way is finished or thrown away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        body()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted: {after_interrupt}", file=sys.stderr)
        return 130
    return 0


def start(main: Callable[[Sequence[str]], int], parse: Callable = parse_flags) -> None:
    """Parses the flags and runs ``main``."""
    app.run(main, flags_parser=parse)
