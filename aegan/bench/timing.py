"""Times of several candidates on a machine whose speed drifts: measured in turn, round by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Spread = dict[str, float | int]


def interleave(
    candidates: Mapping[str, Callable[[], None]],
    rounds: int,
    warm: bool = True,
) -> dict[str, list[float]]:
    """Seconds of every candidate, one value a round; the same position is the same round.

    Each round runs every candidate once, beginning with another one than the round before.

    Args:
        candidates: what to time; a call returns when its work is done.
        rounds: how many.
        warm: one untimed call of each comes first.

    Raises:
        ValueError: no candidate, or no round.
    """
    if not candidates or rounds < 1:
        raise ValueError("timing needs a candidate and at least one round")
    names = list(candidates)
    if warm:
        for name in names:
            candidates[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for done in range(rounds):
        first = done % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            candidates[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(values: Sequence[float]) -> Spread:
    """Median, min, max and number (n) of values; there must be one."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
    }


def ratio(a: Sequence[float], b: Sequence[float]) -> Spread:
    """Spread of the ratios a[i] / b[i], in which what slowed a whole round cancels.

    Raises:
        ValueError: sequences of different lengths, or empty.
    """
    return spread([x / y for x, y in zip(a, b, strict=True)])
