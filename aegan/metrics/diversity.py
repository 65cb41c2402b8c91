"""Diversity and copying: what a high TRTS or TSTR alone cannot show (notes on section 5.2.2).

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

Everything in the z-space of set-1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COPY_RATIO = 0.5  # nearest over third nearest distance, below which a row is a copy
NEIGHBOURS = 3
MAX_QUERIES = 4000  # rows whose neighbours are searched; more are sampled
_CELLS = 8_000_000  # distances held at once (32 MB)
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
    own = _neighbour_distances(None, real_z, seed)
    unit = float(np.median(own[:, 0])) if own.shape[1] else 0.0
    distances = own if rows_z is None else _neighbour_distances(rows_z, real_z, seed)
    if distances.shape[1] == 0:
        return Nearness(None, 0.0)
    nearest = distances[:, 0]
    copies = nearest == 0
    if distances.shape[1] == NEIGHBOURS:
        copies |= nearest < COPY_RATIO * distances[:, -1]
    return Nearness(
        float(np.median(nearest)) / unit if unit > 0 else None,
        float(copies.mean()),
    )


def nearest_rows(
    rows: np.ndarray, pool: np.ndarray, k: int, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of ``pool`` to each of ``rows``: positions and Euclidean distances (n, k).

    Nearest first, ties to the lower position. ``own`` (n,) holds for each row its own position
    in ``pool``, which is left out. float32 products in chunks of bounded size pick the rows; the
    distances of those picked are computed afresh, so that an exact copy has distance 0.
    """
    rows = np.asarray(rows, dtype=np.float32)
    pool = np.asarray(pool, dtype=np.float32)
    norms = np.einsum("ij,ij->i", pool, pool)
    positions = np.empty((len(rows), k), dtype=np.int64)
    distances = np.empty((len(rows), k))
    step = max(1, min(_CELLS // len(pool), 1024))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        squared = chunk @ pool.T
        squared *= -2
        squared += norms  # without |row|^2, which does not change the order
        if own is not None:
            squared[np.arange(len(chunk)), own[start : start + step]] = np.inf
        picked = np.argpartition(squared, k - 1, axis=1)[:, :k]
        exact = np.empty(picked.shape)
        for column in range(k):
            exact[:, column] = np.linalg.norm(chunk - pool[picked[:, column]], axis=1)
        order = np.lexsort((picked, exact), axis=1)
        positions[start : start + step] = np.take_along_axis(picked, order, axis=1)
        distances[start : start + step] = np.take_along_axis(exact, order, axis=1)
    return positions, distances


def _neighbour_distances(rows: np.ndarray | None, pool: np.ndarray, seed: int) -> np.ndarray:
    """Distances (n, k) to the nearest rows of ``pool``, of a sample of at most MAX_QUERIES."""
    n = len(pool) if rows is None else len(rows)
    sample = np.arange(n)
    if n > MAX_QUERIES:
        sample = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_QUERIES])
    k = min(NEIGHBOURS, len(pool) - (rows is None))
    if k == 0:
        return np.empty((n, 0))
    if rows is None:
        return nearest_rows(pool[sample], pool, k, own=sample)[1]
    return nearest_rows(rows[sample], pool, k)[1]


def _mean_variance(rows: np.ndarray) -> float:
    if len(rows) < 2 or rows.shape[1] == 0:
        return 0.0
    return float(rows.var(axis=0, ddof=1, dtype=np.float64).mean())
