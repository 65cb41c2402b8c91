"""Diversity, copying and support: what a high TRTS or TSTR alone cannot show (section 5.2.2).

* Variance ratio: within-class variance of synthetic rows over that of set-1. 1 = as varied as
  real rows, 0 = one prototype per class.
* Distance to the nearest training row, in units of the distance between real rows: 1 = as far
  from set-1 as its rows are from each other, 0 = copies. A row in the middle of a class lies
  nearer than 1 as well (about 0.7), so below about 0.5 speaks of copying.
* Copies: the share of rows that hug one or two training rows. A row is a copy if its nearest row
  of set-1 is less than half as far as its third nearest. That ratio is near 1 for a prototype in
  the middle of a class, which is equally far from many rows, and for any row drawn afresh in a
  space of many dimensions; it is near 0 for a training row with noise, and below a half for most
  points between two neighbouring training rows (SMOTE).
* Off the support of set-1 ("points lying outside", section 5.1.1): farther from the nearest row
  of set-1 than 95 % of the rows of set-1 are from theirs. Of rows drawn from the same speakers
  about 5 % are; of held-out speakers more. Prototypes lie in the middle of set-1 and are never
  off it: a low share alone is no merit.

Everything in the z-space of set-1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

COPY_RATIO = 0.5  # nearest over third nearest distance, below which a row is a copy
NEIGHBOURS = 3
MAX_QUERIES = 4000  # rows whose neighbours are searched; more are sampled
COVERED = 0.95  # share of the rows of set-1 within reach of another
_CONSTANT = 1e-3  # z range of a column that is constant but for rounding


class VarianceRatio(NamedTuple):
    """Within-class variance of synthetic rows over that of set-1."""

    overall: float  # mean over the classes of set-1
    per_class: dict[int, float]  # label -> ratio; 0 for a class the synthetic rows lack


class Nearness(NamedTuple):
    """How near rows lie to set-1."""

    nn_distance: float | None  # median distance to set-1 over that between rows of set-1
    copies: float  # share of rows that are copies, by the rule of this module


def variance_ratio(
    synthetic_z: np.ndarray, synthetic_labels: np.ndarray, real_z: np.ndarray, labels: np.ndarray
) -> VarianceRatio:
    """Mean over columns of the within-class variance, synthetic over real.

    Args:
        synthetic_z: (n, dim); synthetic_labels: (n,).
        real_z: (m, dim) rows of set-1; labels: (m,).

    Columns constant in set-1 are left out. A class with fewer than two synthetic rows has ratio
    0; a class whose real rows do not vary (or that has one row) is left out.
    """
    moving = np.ptp(real_z, axis=0) > _CONSTANT
    per_class = {}
    for label in np.unique(labels):
        real = _mean_variance(real_z[labels == label][:, moving])
        synthetic = _mean_variance(synthetic_z[synthetic_labels == label][:, moving])
        if real > 0:
            per_class[int(label)] = synthetic / real
    overall = float(np.mean(list(per_class.values()))) if per_class else 0.0
    return VarianceRatio(overall, per_class)


def nearness(rows_z: np.ndarray | None, real_z: np.ndarray, seed: int = 0) -> Nearness:
    """Distance to the nearest training row and share of copies.

    Args:
        rows_z: (n, dim) synthetic rows; None for the rows of set-1 themselves, each against
            the other rows of set-1 (``nn_distance`` is then 1).
        real_z: (m, dim) rows of set-1.
        seed: of the sample where more than MAX_QUERIES rows are to be searched.

    ``nn_distance`` is None where half of set-1's rows have an exact duplicate or set-1 has one
    row. With fewer than four rows in set-1 nothing is called a copy unless it is exact.
    """
    own = nearest_distances(None, real_z, NEIGHBOURS, seed)
    unit = float(np.median(own[:, 0])) if own.size else 0.0
    distances = own if rows_z is None else nearest_distances(rows_z, real_z, NEIGHBOURS, seed)
    if not distances.size:
        return Nearness(None, 0.0)
    nearest = distances[:, 0]
    copies = nearest == 0
    if distances.shape[1] == NEIGHBOURS:
        copies |= nearest < COPY_RATIO * distances[:, -1]
    return Nearness(float(np.median(nearest)) / unit if unit > 0 else None, float(copies.mean()))


def reach(real_z: np.ndarray) -> float | None:
    """The 95th percentile of the distances of rows of set-1 to their nearest other row of set-1.

    Args:
        real_z: (m, dim) rows of set-1.

    It is the least distance that holds for 95 % of the rows (no value between two of them). A row
    with an exact duplicate counts with distance 0. None where set-1 has fewer than two rows.
    """
    if len(real_z) < 2:
        return None
    return float(np.quantile(nearest_distances(None, real_z, 1), COVERED, method="inverted_cdf"))


def off_support(rows_z: np.ndarray, real_z: np.ndarray, limit: float | None) -> float | None:
    """Share of rows farther than ``limit`` from every row of set-1.

    Args:
        rows_z: (n, dim) rows to place.
        real_z: (m, dim) rows of set-1.
        limit: ``reach(real_z)``, computed once for all that is placed.

    A row at ``limit`` itself is on the support, and so is a copy of a row of set-1, whatever the
    limit. None without rows or without a limit.
    """
    if limit is None or len(rows_z) == 0:
        return None
    return float((nearest_distances(rows_z, real_z, 1) > limit).mean())


def nearest_distances(
    rows: np.ndarray | None, pool: np.ndarray, k: int, seed: int | None = None
) -> np.ndarray:
    """Euclidean distances (n, k) to the k nearest rows of ``pool``, nearest first.

    ``rows`` None stands for the rows of ``pool``, each among the others. Where there are fewer
    than k to be near to, they are all. With a seed at most MAX_QUERIES rows are looked at.
    """
    pool = np.asarray(pool, np.float32)
    own = rows is None
    rows = pool if own else np.asarray(rows, np.float32)
    chosen = np.arange(len(rows))
    if seed is not None and len(rows) > MAX_QUERIES:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MAX_QUERIES])
        rows = rows[chosen]
    k = min(k, len(pool) - own)
    if k == 0:
        return np.empty((len(rows), 0))
    index = NearestNeighbors(n_neighbors=k + own, algorithm="brute").fit(pool)
    positions = index.kneighbors(rows, return_distance=False)
    if own:
        others = positions != chosen[:, None]
        others[others.all(axis=1), 0] = False  # it has so many duplicates that it isn't among them
        positions = positions[others].reshape(-1, k)
    # Afresh: scikit-learn's are roots of differences, and an exact copy must have distance 0.
    exact = [np.linalg.norm(rows - pool[nth], axis=1) for nth in positions.T]
    return np.sort(np.stack(exact, axis=1).astype(np.float64), axis=1)


def _mean_variance(rows: np.ndarray) -> float:
    if len(rows) < 2 or rows.shape[1] == 0:
        return 0.0
    return float(rows.var(axis=0, ddof=1, dtype=np.float64).mean())
