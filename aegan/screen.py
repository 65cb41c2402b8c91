"""What the user sees while a run goes on: short lines and one progress bar at a time."""

from __future__ import annotations

import sys

from tqdm import tqdm


def say(*lines: str) -> None:
    """Prints lines at once."""
    for line in lines:
        print(line, flush=True)


def bar(total: int, what: str, unit: str, initial: int = 0) -> tqdm:
    """A progress bar with ETA on the terminal; in a log file, a line every half minute."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        desc=what,
        unit=unit,
        file=sys.stderr,
        mininterval=0.5 if terminal else 30,
        ncols=None if terminal else 80,
        dynamic_ncols=terminal,
        bar_format="{desc} {percentage:3.0f}%|{bar:10}| {n_fmt}/{total_fmt} "
        "[{elapsed}<{remaining}]{postfix}",
    )


def duration(seconds: float) -> str:
    """Seconds in words, to two figures: '45 s', '7 min', '2.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
