"""What the user sees while a run goes on: short lines and one progress bar at a time."""

from __future__ import annotations

import sys
import textwrap
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from aegan.system import ending

WIDTH = 80
_NO_BREAK = "\xa0"
_silent = False


def silence() -> None:
    """From now on this process says nothing and shows no bar: a worker of a command that does."""
    global _silent
    _silent = True


@contextmanager
def quiet(wanted: bool = True) -> Iterator[None]:
    """Says nothing within the block, if that is ``wanted``."""
    global _silent
    before, _silent = _silent, _silent or wanted
    try:
        yield
    finally:
        _silent = before


def say(*lines: str) -> None:
    """Prints lines at once."""
    if not _silent:
        for line in lines:
            print(line, flush=True)


_warned: set[str] = set()


def warn_once(text: str) -> None:
    """Prints a warning, the same one only once."""
    if not _silent and text not in _warned:
        _warned.add(text)
        print(f"warning: {text}", file=sys.stderr, flush=True)


class _Bar(tqdm):
    """A bar whose loop ends when a signal came."""

    def update(self, n: float = 1) -> bool | None:
        ending.check()
        return super().update(n)


_bars: weakref.WeakSet[_Bar] = weakref.WeakSet()


def complain(line: str) -> None:
    """Prints a line to standard error, below the bars that were cut short."""
    for cut_short in list(_bars):
        cut_short.close()
    print(line, file=sys.stderr, flush=True)


def bar(total: int, what: str, unit: str, initial: int = 0, remaining: bool = True) -> tqdm:
    """A progress bar on the terminal; in a log file, a line every half minute.

    ``update`` raises ``ending.Stopped`` if a signal came.

    Without ``remaining`` it does not guess the time left: its steps are not equally long.
    """
    terminal = sys.stderr.isatty()
    clock = "{elapsed}<{remaining}" if remaining else "{elapsed}"
    made = _Bar(
        total=total,
        initial=initial,
        desc=what,
        unit=unit,
        disable=_silent,
        file=sys.stderr,
        mininterval=0.5 if terminal else 30,
        ncols=None if terminal else 80,
        dynamic_ncols=terminal,
        bar_format="{desc} {percentage:3.0f}%|{bar:10}| {n_fmt}/{total_fmt} "
        f"[{clock}]{{postfix}}",
    )
    _bars.add(made)
    return made


def say_above(progress: tqdm, line: str) -> None:
    """Prints a line without tearing the progress bar."""
    if not _silent:
        progress.write(line)


def duration(seconds: float) -> str:
    """Seconds in words, to two figures: '45 s', '7 min', '2.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def field(name: str, text: str, width: int = 11) -> list[str]:
    """A named line of at most 80 columns, or several; names have ``width``."""
    printable = "".join(c if c.isprintable() or c == _NO_BREAK else "?" for c in text)
    lines = textwrap.wrap(
        printable,
        width=WIDTH,
        initial_indent=f"  {name:<{width}} ",
        subsequent_indent=" " * (width + 3),
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]


def counts(values: Iterable[str]) -> list[str]:
    """Values with their numbers: "angry 3", "sad 2"."""
    return [f"{name} {count}" for name, count in sorted(Counter(values).items())]


def together(items: Iterable[str], separator: str = ", ") -> str:
    """Items in a row, none of which ``field`` cuts in two."""
    return separator.join(item.replace(" ", _NO_BREAK) for item in items)
