"""Intervals of recalls, for the speakers that are tested and the replicates of a training.

What varies is what another study would draw anew: the tested speakers, and the replicates (a draw
of the training rows, a seed of the net, a generator). Rows of one speaker are not independent, so
a row is never resampled by itself. Speakers are resampled with all replicates kept, replicates
with all speakers kept, and the two variances are added; noise that belongs to neither counts in
both, so the interval errs towards wide. Where replicates test different speakers (each holds out
a fold of its own) they are resampled among those that test the same ones.

Classifiers are compared by one resampling of both: differences are paired by speaker and by
replicate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from aegan.metrics.svm import uar

DRAWS = 2000
Measure = Literal["uar", "accuracy"]
# A weight and the counts it goes with: (replicates, speakers, classes, classes).
Term = tuple[float, np.ndarray]


class _Resamples(NamedTuple):
    """How often each unit was drawn, and what the variance over the resamples lacks."""

    weights: np.ndarray  # (draws, units) float64
    scale: float  # of the variance, for n units resampled vary (n - 1) / n of what they should
    freedom: int  # degrees of freedom of the units


def contrast(
    terms: Sequence[Term],
    groups: Sequence[Hashable],
    measure: Measure = "uar",
    level: float = 0.95,
) -> dict:
    """A weighted sum of recalls and its interval: ``{"mean", "ci95", "values"}``.

    One classifier's UAR is ``[(1, counts)]``, the difference of two ``[(1, a), (-1, b)]``.

    Args:
        terms: each a weight and counts (replicates, speakers, classes, classes); row = true
            class, column = predicted class. Zero where a replicate did not test a speaker; a
            replicate without any count in one of the terms counts in none.
        groups: per replicate, what it shares with those that test the same speakers: the number
            of its fold, or one value for all.
        measure: "uar", the mean recall of the classes tested, or "accuracy", the share of rows.
        level: of the interval.

    ``mean`` is of the counts pooled over replicates and speakers; where all replicates test the
    same rows, that is the mean over the replicates. ``values`` holds one value per replicate, None
    for one that does not count. ``ci95`` is the mean and to both sides the root of the sum of
    t^2 times variance, of the speakers and of the replicates; None with fewer than two speakers.
    A replicate that is alone in its group is not resampled.
    """
    weights = [float(weight) for weight, _ in terms]
    counts = [np.asarray(of_term, dtype=np.float64) for _, of_term in terms]
    whole = np.all([of_term.any(axis=(1, 2, 3)) for of_term in counts], axis=0)  # (replicates,)
    counts = [of_term[whole] for of_term in counts]
    tested = np.any([of_term.any(axis=(0, 2, 3)) for of_term in counts], axis=0)  # (speakers,)
    counts = [of_term[:, tested] for of_term in counts]
    score = uar if measure == "uar" else _accuracy

    def total(pooled: Sequence[np.ndarray]) -> float:
        return math.fsum(w * score(counted) for w, counted in zip(weights, pooled, strict=True))

    found: dict = {"mean": None, "ci95": None, "values": [None] * len(whole)}
    if not whole.any():
        return found
    found["mean"] = total([of_term.sum(axis=(0, 1)) for of_term in counts])
    for position, place in enumerate(np.flatnonzero(whole)):
        found["values"][place] = total([of_term[position].sum(axis=0) for of_term in counts])
    if tested.sum() < 2:
        return found
    kept = tuple(group for group, counted in zip(groups, whole, strict=True) if counted)
    squares = 0.0
    for axis, of_units in ((0, ("speaker",) * int(tested.sum())), (1, kept)):
        resamples = _resample(of_units)
        if resamples.freedom:
            drawn = sum(
                weight * _measured(resamples.weights, of_term.sum(axis=axis), measure)
                for weight, of_term in zip(weights, counts, strict=True)
            )
            variance = resamples.scale * float(np.var(drawn))
            squares += variance * float(stats.t.ppf((1 + level) / 2, resamples.freedom)) ** 2
    reach = math.sqrt(squares)
    found["ci95"] = [found["mean"] - reach, found["mean"] + reach]
    return found


def by_speaker(
    truth: np.ndarray, predicted: np.ndarray, speakers: np.ndarray, names: np.ndarray, classes: int
) -> np.ndarray:
    """Confusion counts (speakers, classes, classes) int64 of each of ``names``.

    Args:
        truth: (n,) int labels, with predicted (n,) and speakers (n,), one of ``names`` each.
        names: (speakers,) sorted.
        classes: number of classes.
    """
    place = np.searchsorted(names, speakers)
    cells = (place * classes + np.asarray(truth, np.int64)) * classes + predicted
    counts = np.bincount(cells, minlength=len(names) * classes**2)
    return counts.reshape(len(names), classes, classes)


@lru_cache(maxsize=8)
def _resample(groups: tuple[Hashable, ...]) -> _Resamples:
    """Units drawn with replacement among those of their group; same groups, same bits."""
    rng = np.random.default_rng(len(groups))
    weights = np.empty((DRAWS, len(groups)))
    drawn = freedom = 0
    for group in dict.fromkeys(groups):
        places = [place for place, of in enumerate(groups) if of == group]
        equal = np.full(len(places), 1 / len(places))
        weights[:, places] = rng.multinomial(len(places), equal, size=DRAWS)
        if len(places) > 1:
            drawn += len(places)
            freedom += len(places) - 1
    return _Resamples(weights, drawn / freedom if freedom else 0.0, freedom)


def _accuracy(confusion: np.ndarray) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _measured(weights: np.ndarray, counts: np.ndarray, measure: Measure) -> np.ndarray:
    """The measure (draws,) of counts (units, classes, classes) by weights (draws, units).

    Every resample holds a row: a unit without any is not resampled.
    """
    units, classes, _ = counts.shape
    pooled = (weights @ counts.reshape(units, -1)).reshape(-1, classes, classes)
    right = np.diagonal(pooled, axis1=1, axis2=2)
    rows = pooled.sum(axis=2)
    if measure == "accuracy":
        return right.sum(axis=1) / rows.sum(axis=1)
    recall = right / np.maximum(rows, 1)  # a class that a resample lacks has no right row either
    return recall.sum(axis=1) / (rows > 0).sum(axis=1)
