"""Means and 95 % intervals: over folds, over seeds and draws, over speakers and replicates.

Seeds are averaged inside a fold: they are no replicates of speakers, so they narrow no interval.
Nor do further splits into folds, which test the same speakers again: an interval over folds is as
wide as that of one split, and ``over_speakers`` draws speakers, each in all the folds that test it.

Where two kinds of draw meet (generator seeds and samples, or the tested speakers and the
replicates of a training), each is varied with all of the other kept, and the variances are added:
the interval errs towards wide. In ``contrast`` they are what another study would draw anew: the
speakers, whose rows are not independent, and the replicates (draws of training rows, seeds). One
resampling serves all terms, so differences are paired.
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


def summarise(per_lane: Sequence[float | None], lanes: Sequence[Mapping[str, object]]) -> dict:
    """Summary of one metric: ``{"per_lane", "mean", "sd", "ci95"}``, ready for JSON.

    ``mean``, ``sd`` (ddof 1) and ``ci95`` (t interval) are over folds, of the seeds' mean inside a
    fold. Lanes whose value is None or not finite are left out; ``sd`` and ``ci95`` are None with
    fewer than two folds, ``mean`` with none. Of several splits (a lane's "split") ``sd`` and
    ``ci95`` are those of one: variances are averaged over the splits.
    """
    found = estimate(fold_means(per_lane, lanes))
    split_of = {lane["fold"]: lane.get("split", 0) for lane in lanes}
    known: dict[Any, list[float]] = {}
    for (_, split), value in zip(sorted(split_of.items()), found["values"], strict=True):
        if value is not None:
            known.setdefault(split, []).append(value)
    several = [values for values in known.values() if len(values) > 1]
    sd, ci95 = None, found["ci95"]
    if several:
        sd = math.sqrt(np.mean([np.var(values, ddof=1) for values in several]))
    if len(known) > 1:
        folds = min(map(len, several), default=0)
        ci95 = _interval(found["mean"], (sd / math.sqrt(folds), folds - 1)) if several else None
    per_lane = [_clean(value) for value in per_lane]
    return {"per_lane": per_lane, "mean": found["mean"], "sd": sd, "ci95": ci95}


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


def estimate(values: Sequence[float | None], test_to_train: float = 0.0) -> dict:
    """Mean of ``values`` and its t interval: ``{"mean", "ci95", "values"}``.

    Values that are None or not finite are not counted; ``ci95`` is None with fewer than two,
    ``mean`` with none. Folds share training rows, so their interval is wider, by the corrected
    resampled t (Nadeau and Bengio, Inference for the generalization error, 2003): the variance of
    the mean of k folds is (1/k + ``test_to_train``) times that of a fold.
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


corrected_estimate = estimate


def crossed_estimate(values: np.ndarray) -> dict[str, Any]:
    """Mean and interval of values that two kinds of draw share: ``{"mean", "ci95", "values"}``.

    ``values`` is (generator seeds, draws); a row of NaN is left out. The variances are those of the
    row means and of the column means; a single value has no interval.
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


class HeldOut(NamedTuple):
    """The held-out rows of a fold."""

    speakers: tuple[str, ...]
    rows: np.ndarray  # (speakers, classes) counts


def over_speakers(
    right: Sequence[np.ndarray | None],
    lanes: Sequence[Mapping[str, object]],
    tested: Mapping[int, HeldOut],
) -> dict[str, Any]:
    """Mean over folds of a UAR, or of a difference of two, and its interval over speakers.

    ``right`` (speakers of its fold, classes) per lane: rows that were recognised, or of one
    classifier less those of another; None for a lane without a value. ``mean`` is the mean over
    folds, seeds averaged inside; ``ci95`` is by the speakers drawn with replacement, each in all
    its folds at once, a fold with the weight of its speakers drawn. None with fewer than two.
    """
    by_fold: dict[Any, list[np.ndarray]] = {}
    for values, lane in zip(right, lanes, strict=True):
        if values is not None and len(tested[lane["fold"]].speakers):
            by_fold.setdefault(lane["fold"], []).append(np.asarray(values, np.float64))
    if not by_fold:
        return {"mean": None, "ci95": None}
    names = np.unique(np.concatenate([tested[fold].speakers for fold in by_fold]))
    drawn, scale, freedom = _resample(("speaker",) * len(names))
    drawn = np.concatenate([np.ones((1, len(names))), drawn])  # first as they are
    total, weight = np.zeros(len(drawn)), np.zeros(len(drawn))
    for fold, values in sorted(by_fold.items()):
        of_fold = drawn[:, np.searchsorted(names, tested[fold].speakers)]
        rows, share = of_fold @ tested[fold].rows, of_fold.mean(axis=1)
        total += share * _mean_recall(of_fold @ np.mean(values, axis=0), rows)
        weight += share
    mean = float(total[0] / weight[0])
    if not freedom:
        return {"mean": mean, "ci95": None}
    spread = np.var(total[1:] / np.maximum(weight[1:], 1e-300))
    return {"mean": mean, "ci95": _interval(mean, (math.sqrt(scale * float(spread)), freedom))}


def uar_of(right: np.ndarray, rows: np.ndarray) -> float:
    """UAR of rows recognised (speakers, classes), of so many ``rows``."""
    return float(_mean_recall(right.sum(axis=0), rows.sum(axis=0)))


def _mean_recall(right: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Over the classes, the last axis, of which there are rows."""
    return (right / np.maximum(rows, 1)).sum(axis=-1) / np.maximum((rows > 0).sum(axis=-1), 1)


def auc_over_speakers(
    first: np.ndarray, speakers: np.ndarray, second: np.ndarray, others: np.ndarray
) -> dict[str, Any]:
    """How often a score of ``first`` (n,) is above one of ``second`` (m,), and its interval.

    ``{"mean", "ci95"}``: the AUC, ties counted half, and its interval by the speakers of both,
    (n,) and (m,), drawn with replacement; None with fewer than two.
    """
    names = np.unique(np.concatenate([speakers, others]))
    place = np.searchsorted(names, speakers)
    above = np.zeros((len(names), len(names)))  # pairs of a row of a speaker, a row of another
    for column, name in enumerate(names):
        scores = np.sort(second[others == name])
        ends = (np.searchsorted(scores, first, side) for side in ("left", "right"))
        np.add.at(above[:, column], place, sum(ends) / 2)
    rows = [np.array([np.sum(of == name) for name in names]) for of in (speakers, others)]
    drawn, scale, freedom = _resample(("speaker",) * len(names))
    mean = float(above.sum() / (len(first) * len(second)))
    if not freedom:
        return {"mean": mean, "ci95": None}
    pairs = (drawn @ rows[0]) * (drawn @ rows[1])
    values = np.sum((drawn @ above) * drawn, axis=1)[pairs > 0] / pairs[pairs > 0]
    return {"mean": mean, "ci95": _interval(mean, (math.sqrt(scale * np.var(values)), freedom))}


def contrast(
    terms: Sequence[Term], groups: Sequence[Hashable], measure: Measure = "uar"
) -> dict[str, Any]:
    """A weighted sum of recalls and its interval: ``{"mean", "ci95", "values"}``.

    One classifier's UAR is ``[(1, counts)]``, the difference of two ``[(1, a), (-1, b)]``.

    A term is a weight and counts (replicates, speakers, classes, classes), row = true class, zero
    where a replicate did not test a speaker; a replicate without any count in one of the terms
    counts in none. ``groups`` says per replicate with which it tests the same speakers, say the
    number of its fold; one that is alone in its group is not resampled.

    ``mean`` is of the counts pooled over replicates and speakers, ``values`` are of each replicate,
    None for one that does not count. ``ci95`` is None with fewer than two speakers.
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
    """Confusion counts (names, classes, classes) int64 of each of the sorted ``names``.

    Rows have labels ``truth`` (n,), ``predicted`` (n,) and one of the names, ``speakers`` (n,).
    """
    place = np.searchsorted(names, speakers)
    cells = (place * classes + np.asarray(truth, np.int64)) * classes + predicted
    counts = np.bincount(cells, minlength=len(names) * classes**2)
    return counts.reshape(len(names), classes, classes)


@lru_cache(maxsize=8)
def _resample(groups: tuple[Hashable, ...]) -> tuple[np.ndarray, float, int]:
    """How often units are drawn with replacement, each among its group; same groups, same bits.

    Weights (DRAWS, units), the factor of the variance over them (n units resampled vary by
    (n - 1) / n of what they should), and the degrees of freedom.
    """
    rng = np.random.default_rng(len(groups))
    weights = np.empty((DRAWS, len(groups)))
    sizes = []
    for group in dict.fromkeys(groups):
        places = [place for place, of in enumerate(groups) if of == group]
        equal = np.full(len(places), 1 / len(places))
        weights[:, places] = rng.multinomial(len(places), equal, size=DRAWS)
        sizes += [len(places)] * (len(places) > 1)
    freedom = sum(sizes) - len(sizes)
    return weights, sum(sizes) / max(freedom, 1), freedom


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
