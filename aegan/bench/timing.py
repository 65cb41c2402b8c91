"""Times of several candidates on a machine whose speed drifts: measured in turn, round by round."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aegan.system.ending import PARENT

_ROOT = Path(__file__).parents[2]

Measurement = dict[str, Any]  # "median", "min", "max", "n", or "value" None and a "reason"


class Part(NamedTuple):
    """What a part of the benchmark found."""

    sections: list[dict[str, Any]]  # as bench.json holds them
    headline: dict[str, Measurement]


def section(title: str, note: str, rows: list[Measurement], unit: str = "s") -> dict[str, Any]:
    """A table of measurements with names, and what there is to say about it."""
    return {"title": title, "note": note, "unit": unit, "rows": rows}


def run_until(
    until: float, command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str] | None:
    """A command of Python in the clone, which ends with this process; None: no time was left."""
    own = os.environ | environment | {PARENT: str(os.getpid())}
    limit = max(1.0, until - time.time())
    how = {"cwd": _ROOT, "env": own, "capture_output": True, "text": True, "timeout": limit}
    try:
        return subprocess.run([sys.executable, "-m", *command], **how)
    except subprocess.TimeoutExpired:
        return None


def interleave(
    candidates: Mapping[str, Callable[[], float]], rounds: int, until: float = math.inf
) -> dict[str, list[float]]:
    """Seconds of every candidate, one value a round; the same position is the same round.

    A call returns when its work is done and says how much it was: seconds are of one part of it.
    After an untimed call of each, every round runs each once, beginning with another one than the
    round before. After ``until``, of ``time.time()``, no round but the first begins.
    """
    names = list(candidates)
    for name in names:
        candidates[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for first in range(rounds):
        if first and time.time() > until:
            break
        for place in range(len(names)):
            name = names[(first + place) % len(names)]
            started = time.perf_counter()
            amount = candidates[name]()
            seconds[name].append((time.perf_counter() - started) / amount)
    return seconds


def spread(values: Sequence[float]) -> Measurement:
    """Median, min, max and number (n) of values; there must be one."""
    median = statistics.median(values)
    return {"median": median, "min": min(values), "max": max(values), "n": len(values)}


def ratio(a: Sequence[float], b: Sequence[float]) -> Measurement:
    """Spread of the ratios a[i] / b[i], in which what slowed a whole round cancels.

    Raises:
        ValueError: sequences of different lengths, or empty.
    """
    return spread([x / y for x, y in zip(a, b, strict=True)])


def not_run(reason: str) -> Measurement:
    """A measurement that was left out."""
    return {"value": None, "reason": reason}
