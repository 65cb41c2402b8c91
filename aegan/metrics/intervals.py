"""Means and 95 % intervals: over folds, over seeds and draws, over speakers and replicates.

Over folds, seeds are averaged inside a fold: they are no replicates of speakers, so they narrow
no interval, and one fold counts once however many seeds it was trained with. (Folds share
training rows, so even this interval is a little too narrow.)

Where two kinds of draw meet (generator seeds and samples, or the tested speakers and the
replicates of a training), each is varied with all of the other kept, and the variances are added;
noise that belongs to neither counts in both, so the interval errs towards wide.

In ``contrast`` what varies is what another study would draw anew: the tested speakers, and the
replicates (a draw of the training rows, a seed of the net, a generator). Rows of one speaker are
not independent, so a row is never resampled by itself. Where replicates test different speakers
(each holds out a fold of its own) they are resampled among those that test the same ones.
Classifiers are compared by one resampling of both: differences are paired by speaker and by
replicate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

DRAWS = 2000  # resamples of a contrast
Measure = Literal["uar", "accuracy"]
# A weight and the counts it goes with: (replicates, speakers, classes, classes).
Term = tuple[float, np.ndarray]


class _Resamples(NamedTuple):
    """How often each unit was drawn, and what the variance over the resamples lacks."""

    weights: np.ndarray  # (draws, units) float64
    scale: float  # of the variance, for n units resampled vary (n - 1) / n of what they should
    freedom: int  # degrees of freedom of the units


def summarise(per_lane: Sequence[float | None], lanes: Sequence[Mapping[str, object]]) -> dict:
    """Summary of one metric: ``{"per_lane", "mean", "sd", "ci95"}``, ready for JSON.

    Args:
        per_lane: one value per lane, None (or a non-finite number) for a lane without one.
        lanes: lane records in the same order; only "fold" is read.

    ``mean`` is the mean over folds of the seeds' mean inside a fold; ``sd`` is over folds
    (ddof 1); ``ci95`` is the t interval over folds. Lanes without a value are left out; ``sd``
    and ``ci95`` are None with fewer than two folds, ``mean`` with none.
    """
    found = estimate(fold_means(per_lane, lanes))
    known = [value for value in found["values"] if value is not None]
    return {
        "per_lane": [_clean(value) for value in per_lane],
        "mean": found["mean"],
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "ci95": found["ci95"],
    }


def difference(
    first: Sequence[float | None],
    second: Sequence[float | None],
    lanes: Sequence[Mapping[str, object]],
) -> dict:
    """``summarise`` of ``first - second``, paired lane by lane."""
    pairs = zip(first, second, strict=True)
    return summarise([None if a is None or b is None else a - b for a, b in pairs], lanes)


def fold_means(
    per_lane: Sequence[float | None], lanes: Sequence[Mapping[str, object]]
) -> list[float | None]:
    """One value per fold, in the order of their numbers: the mean over its seeds."""
    groups: dict[Any, list[float]] = {lane["fold"]: [] for lane in lanes}
    for value, lane in zip(map(_clean, per_lane), lanes, strict=True):
        if value is not None:
            groups[lane["fold"]].append(value)
    # Sums are exact, so that the order of the seeds cannot move the last bit.
    return [math.fsum(v) / len(v) if v else None for _, v in sorted(groups.items())]


def estimate(values: Sequence[float | None]) -> dict:
    """Mean of independent ``values`` and its t interval: ``{"mean", "ci95", "values"}``.

    Values that are None or not finite are kept as None and not counted; ``ci95`` is None with
    fewer than two, ``mean`` with none.
    """
    return corrected_estimate(values, 0.0)


def corrected_estimate(values: Sequence[float | None], test_to_train: float) -> dict:
    """``estimate`` of one value per fold, wider for the training rows that folds share.

    The corrected resampled t (Nadeau and Bengio, Inference for the generalization error, 2003):
    the variance of the mean of k folds is (1/k + n_test / n_train) times that of a fold.

    Args:
        values: one per fold, seeds averaged inside.
        test_to_train: held-out rows over training rows of a fold; 1/4 with five equal folds.
    """
    values = [_clean(value) for value in values]
    known = np.array([value for value in values if value is not None])
    found: dict = {"mean": None, "ci95": None, "values": values}
    if len(known):
        found["mean"] = float(known.mean())
    if len(known) > 1:
        error = float(known.std(ddof=1)) * math.sqrt(1 / len(known) + test_to_train)
        found["ci95"] = _interval(found["mean"], (error, len(known) - 1))
    return found


def crossed_estimate(values: np.ndarray) -> dict[str, Any]:
    """Mean and interval of values that two kinds of draw share: ``{"mean", "ci95", "values"}``.

    The variances are those of the mean of the row means and of the column means. With one row
    only the columns count, and vice versa; a single value has no interval.

    Args:
        values: (generator seeds, draws) float; a row of NaN is a generator without a value and is
            left out, as None in "values".
    """
    found: dict[str, Any] = {"mean": None, "ci95": None, "values": list(map(_clean, values.flat))}
    known = values[np.isfinite(values).all(axis=1)]
    if known.size:
        found["mean"] = float(known.mean())
        means = [m for m in (known.mean(axis=1), known.mean(axis=0)) if len(m) > 1]
        if means:
            parts = ((float(stats.sem(m)), len(m) - 1) for m in means)
            found["ci95"] = _interval(found["mean"], *parts)
    return found


def contrast(
    terms: Sequence[Term], groups: Sequence[Hashable], measure: Measure = "uar"
) -> dict[str, Any]:
    """A weighted sum of recalls and its interval: ``{"mean", "ci95", "values"}``.

    One classifier's UAR is ``[(1, counts)]``, the difference of two ``[(1, a), (-1, b)]``.

    Args:
        terms: each a weight and counts (replicates, speakers, classes, classes); row = true
            class, column = predicted class. Zero where a replicate did not test a speaker; a
            replicate without any count in one of the terms counts in none.
        groups: per replicate, what it shares with those that test the same speakers: the number
            of its fold, or one value for all.
        measure: "uar", the mean recall of the classes tested, or "accuracy", the share of rows.

    ``mean`` is of the counts pooled over replicates and speakers; where all replicates test the
    same rows, that is the mean over the replicates. ``values`` holds one value per replicate, None
    for one that does not count. ``ci95`` is None with fewer than two speakers. A replicate that
    is alone in its group is not resampled.
    """
    weights = [float(weight) for weight, _ in terms]
    counts = np.stack([of_term for _, of_term in terms]).astype(np.float64)
    whole = counts.any(axis=(2, 3, 4)).all(axis=0)  # (replicates,)
    found: dict[str, Any] = {"mean": None, "ci95": None, "values": [None] * len(whole)}
    if not whole.any():
        return found
    counts = counts[:, whole]
    counts = counts[:, :, counts.any(axis=(0, 1, 3, 4))]  # speakers that were tested

    def total(pooled: np.ndarray) -> np.ndarray:
        """The sum (n,) of counts (terms, n, classes, classes)."""
        return sum(w * _measured(c, measure) for w, c in zip(weights, pooled, strict=True))

    found["mean"] = float(total(counts.sum(axis=(1, 2))[:, None])[0])
    for place, value in zip(np.flatnonzero(whole), total(counts.sum(axis=2)), strict=True):
        found["values"][place] = float(value)
    speakers = counts.shape[2]
    if speakers < 2:
        return found
    kept = tuple(group for group, counted in zip(groups, whole, strict=True) if counted)
    parts = []
    for axis, of_units in ((1, ("speaker",) * speakers), (2, kept)):
        drawn, scale, freedom = _resample(of_units)
        if freedom:
            pooled = np.tensordot(counts.sum(axis=axis), drawn, axes=(1, 1))
            values = total(np.moveaxis(pooled, -1, 1))
            parts.append((math.sqrt(scale * float(np.var(values))), freedom))
    found["ci95"] = _interval(found["mean"], *parts)
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


def _measured(counts: np.ndarray, measure: Measure) -> np.ndarray:
    """The measure (n,) of counts (n, classes, classes), each with a row at least."""
    right = np.diagonal(counts, axis1=1, axis2=2)
    rows = counts.sum(axis=2)
    if measure == "accuracy":
        return right.sum(axis=1) / rows.sum(axis=1)
    recall = right / np.maximum(rows, 1)  # a class that a resample lacks has no right row either
    return recall.sum(axis=1) / (rows > 0).sum(axis=1)


def _interval(mean: float, *parts: tuple[float, int]) -> list[float]:
    """Around a mean, from standard error and degrees of freedom of each kind of draw."""
    reach = math.hypot(*(stats.t.ppf(0.975, freedom) * error for error, freedom in parts))
    return [mean - reach, mean + reach]


def _clean(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
