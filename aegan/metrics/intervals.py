"""Means and intervals over folds, with the seeds averaged inside a fold.

Seeds are no replicates of speakers, so they narrow no interval: one fold counts once however
many seeds it was trained with. (Folds share training rows, so even this interval is a little
too narrow.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats


def summarise(
    per_lane: Sequence[float | None], lanes: Sequence[Mapping[str, object]], level: float = 0.95
) -> dict:
    """Summary of one metric: ``{"per_lane", "mean", "sd", "ci95"}``, ready for JSON.

    Args:
        per_lane: one value per lane, None (or a non-finite number) for a lane without one.
        lanes: lane records in the same order; only "fold" is read.
        level: of the interval.

    ``mean`` is the mean over folds of the seeds' mean inside a fold; ``sd`` is over folds
    (ddof 1); ``ci95`` is the t interval over folds. Lanes without a value are left out; ``sd``
    and ``ci95`` are None with fewer than two folds, ``mean`` with none.
    """
    values = [_clean(value) for value in per_lane]
    by_fold: dict[object, list[float]] = {}
    for value, lane in zip(values, lanes, strict=True):
        if value is not None:
            by_fold.setdefault(lane["fold"], []).append(value)
    # In the order of the folds, so that the order of the seeds cannot move the last bit.
    folds = np.array([math.fsum(v) / len(v) for _, v in sorted(by_fold.items())])
    summary: dict = {"per_lane": values, "mean": None, "sd": None, "ci95": None}
    if len(folds):
        summary["mean"] = float(folds.mean())
    if len(folds) > 1:
        sd = float(folds.std(ddof=1))
        reach = float(stats.t.ppf((1 + level) / 2, len(folds) - 1)) * sd / math.sqrt(len(folds))
        summary["sd"] = sd
        summary["ci95"] = [summary["mean"] - reach, summary["mean"] + reach]
    return summary


def difference(
    first: Sequence[float | None],
    second: Sequence[float | None],
    lanes: Sequence[Mapping[str, object]],
) -> dict:
    """``summarise`` of ``first - second``, paired lane by lane."""
    pairs = zip(first, second, strict=True)
    paired = [None if a is None or b is None else a - b for a, b in pairs]
    return summarise(paired, lanes)


def estimate(values: Sequence[float | None], level: float = 0.95) -> dict:
    """Mean of independent ``values`` and its t interval: ``{"mean", "ci95", "values"}``.

    Values that are None or not finite are kept as None and not counted; ``ci95`` is None with
    fewer than two, ``mean`` with none.
    """
    return _t_interval(values, level, 0.0)


def corrected_estimate(
    values: Sequence[float | None], test_to_train: float, level: float = 0.95
) -> dict:
    """``estimate`` of one value per fold, wider for the training rows that folds share.

    The corrected resampled t (Nadeau and Bengio, Inference for the generalization error, 2003):
    the variance of the mean of k folds is (1/k + n_test / n_train) times that of a fold.

    Args:
        values: one per fold, seeds averaged inside.
        test_to_train: held-out rows over training rows of a fold; 1/4 with five equal folds.
        level: of the interval.
    """
    return _t_interval(values, level, test_to_train)


def crossed_estimate(values: np.ndarray, level: float = 0.95) -> dict[str, Any]:
    """Mean and interval of values that two kinds of draw share: ``{"mean", "ci95", "values"}``.

    The interval reaches to both sides by the root of the sum of t^2 times variance, of the mean
    of the row means and of that of the column means; what belongs to neither counts in both, so
    it errs towards wide. With one row only the columns count, and vice versa; a single value has
    none.

    Args:
        values: (generator seeds, draws) float; a row of NaN is a generator without a value and is
            left out, as None in "values".
        level: of the interval.
    """
    flat = [float(v) if math.isfinite(v) else None for v in values.ravel()]
    known = values[np.isfinite(values).all(axis=1)]
    found: dict[str, Any] = {"mean": None, "ci95": None, "values": flat}
    if not known.size:
        return found
    found["mean"] = float(known.mean())
    several = [m for m in (known.mean(axis=1), known.mean(axis=0)) if len(m) > 1]
    if several:
        reach = math.sqrt(
            math.fsum(
                float(means.var(ddof=1))
                / len(means)
                * float(stats.t.ppf((1 + level) / 2, len(means) - 1)) ** 2
                for means in several
            )
        )
        found["ci95"] = [found["mean"] - reach, found["mean"] + reach]
    return found


def fold_means(
    per_lane: Sequence[float | None], lanes: Sequence[Mapping[str, object]]
) -> list[float | None]:
    """One value per fold, in the order of their numbers: the mean over its seeds."""
    groups: dict[object, list[float]] = {lane["fold"]: [] for lane in lanes}
    for value, lane in zip(map(_clean, per_lane), lanes, strict=True):
        if value is not None:
            groups[lane["fold"]].append(value)
    return [math.fsum(v) / len(v) if v else None for _, v in sorted(groups.items())]


def _t_interval(values: Sequence[float | None], level: float, shared: float) -> dict:
    values = [_clean(value) for value in values]
    known = np.array([value for value in values if value is not None])
    found: dict = {"mean": None, "ci95": None, "values": values}
    if len(known):
        found["mean"] = float(known.mean())
    if len(known) > 1:
        error = float(known.std(ddof=1)) * math.sqrt(1 / len(known) + shared)
        reach = float(stats.t.ppf((1 + level) / 2, len(known) - 1)) * error
        found["ci95"] = [found["mean"] - reach, found["mean"] + reach]
    return found


def _clean(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(value)
