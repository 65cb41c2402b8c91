"""Diversity, copying and support: what a high TRTS or TSTR alone cannot show (section 5.2.2).

* Variance ratio within classes, synthetic over real: 1 = as varied, 0 = one prototype per class.
* Distance to the nearest training row over that between real rows: 0 = copies. A row in the middle
  of a class has about 0.7, so below about 0.5 speaks of copying.
* Copies: the share of rows whose nearest row of set-1 is less than half as far as the third
  nearest. That ratio is near 1 for a prototype in the middle of a class and for any row drawn
  afresh in a space of many dimensions, near 0 for a training row with noise, and below a half for
  most points between two neighbouring training rows (SMOTE).
* Interpolated: the share of rows less than half as far from the line between two of their five
  nearest rows of set-1 as from the nearest. Near 0 for real rows, which stand alone in a space of
  many dimensions; SMOTE's points lie on such lines, at their middle where they are no copies.
* Off the support of set-1 ("points lying outside", section 5.1.1): farther from it than 95 % of
  its rows are from each other. Prototypes are never off it: a low share alone is no merit.

Everything in the z-space of set-1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

COPY_RATIO = 0.5  # nearest over third nearest distance, below which a row is a copy
NEIGHBOURS = 3
_SPARE = 8  # candidates beyond the neighbours asked for
LINE_NEIGHBOURS = 5  # of a row, between which lines are drawn
MAX_QUERIES = 4000  # rows whose neighbours are searched; more are sampled
COVERED = 0.95  # share of the rows of set-1 within reach of another
_LINES_AT_ONCE = 512  # rows whose neighbours are held at once
_TINY = 1e-300
_CONSTANT = 1e-3  # z range of a column that is constant but for rounding


class VarianceRatio(NamedTuple):
    """Within-class variance of synthetic rows over that of set-1."""

    overall: float | None  # mean over the classes of set-1 that have one
    per_class: dict[int, float | None]  # label -> ratio; 0 for a class the synthetic rows lack


class Nearness(NamedTuple):
    """How near rows lie to set-1."""

    nn_distance: float | None  # median distance to set-1 over that between rows of set-1
    copies: float  # share of rows that are copies, by the rule of this module
    interpolated: float  # share of rows that lie on a line between two rows, likewise


def variance_ratio(
    synthetic_z: np.ndarray, synthetic_labels: np.ndarray, real_z: np.ndarray, labels: np.ndarray
) -> VarianceRatio:
    """Mean over columns of the within-class variance, synthetic (n, dim) over real (m, dim).

    Columns constant in set-1 and classes whose real rows do not vary are left out. Of one row the
    variance, and so the ratio, is undefined (None).
    """

    def mean_variance(rows: np.ndarray) -> float | None:
        if len(rows) == 1:
            return None
        if not len(rows) or not moving.any():
            return 0.0
        return float(rows[:, moving].var(axis=0, ddof=1, dtype=np.float64).mean())

    moving = np.ptp(real_z, axis=0) > _CONSTANT
    per_class = {}
    for label in np.unique(labels):
        if real := mean_variance(real_z[labels == label]):
            found = mean_variance(synthetic_z[synthetic_labels == label])
            per_class[int(label)] = None if found is None else found / real
    defined = [ratio for ratio in per_class.values() if ratio is not None]
    return VarianceRatio(float(np.mean(defined)) if defined else None, per_class)


def nearness(rows_z: np.ndarray | None, real_z: np.ndarray, seed: int = 0) -> Nearness:
    """How near synthetic rows (n, dim) lie to set-1 (m, dim), of MAX_QUERIES rows at most.

    ``rows_z`` None stands for the rows of set-1, each against the others: ``nn_distance`` is then
    1. ``nn_distance`` is None where half of set-1's rows have an exact duplicate or set-1 has one
    row. With fewer than four rows in set-1 nothing is called a copy unless it is exact.
    """
    own = nearest_distances(None, real_z, NEIGHBOURS, seed)
    unit = float(np.median(own[:, 0])) if own.size else 0.0
    distances = own if rows_z is None else nearest_distances(rows_z, real_z, NEIGHBOURS, seed)
    if not distances.size:
        return Nearness(None, 0.0, 0.0)
    nearest = distances[:, 0]
    copies = nearest == 0
    if distances.shape[1] == NEIGHBOURS:
        copies |= nearest < COPY_RATIO * distances[:, -1]
    between = line_ratios(rows_z, real_z, seed) < COPY_RATIO
    unit_free = float(np.median(nearest)) / unit if unit > 0 else None
    return Nearness(unit_free, float(copies.mean()), float(between.mean()))


def line_ratios(rows: np.ndarray | None, pool: np.ndarray, seed: int | None = None) -> np.ndarray:
    """Distance (n,) to the nearest line between two near rows of ``pool``, over that to a row.

    Of a row's LINE_NEIGHBOURS nearest, every two are the ends of a line. 1 where the nearest row is
    nearer than any line, or is the row itself. ``rows`` and ``seed`` as in ``nearest_distances``.
    """
    rows, positions, _ = _nearest(rows, pool, LINE_NEIGHBOURS, seed)
    if positions.shape[1] < 2:
        return np.ones(len(rows))
    ratios = []
    for start in range(0, len(rows), _LINES_AT_ONCE):
        part = slice(start, start + _LINES_AT_ONCE)
        # With the row as the origin all follows from the products of its neighbours.
        ends = pool[positions[part]].astype(np.float64) - rows[part, None]
        products = ends @ ends.transpose(0, 2, 1)
        first, second = np.triu_indices(positions.shape[1], 1)
        squares = np.einsum("nii->ni", products)
        across = products[:, first, second]
        length = squares[:, first] + squares[:, second] - 2 * across
        share = np.clip((squares[:, first] - across) / np.maximum(length, _TINY), 0, 1)
        distance = squares[:, first] - 2 * share * (squares[:, first] - across) + share**2 * length
        nearest = squares.min(axis=1)
        found = np.maximum(distance.min(axis=1), 0) / np.maximum(nearest, _TINY)
        ratios.append(np.where(nearest > 0, np.sqrt(np.minimum(found, 1)), 1))
    return np.concatenate(ratios)


def reach(real_z: np.ndarray) -> float | None:
    """The least distance within which 95 % of set-1's rows (m, dim) have another of its rows.

    A row with an exact duplicate has it at distance 0. None for fewer than two rows.
    """
    if len(real_z) < 2:
        return None
    return float(np.quantile(nearest_distances(None, real_z, 1), COVERED, method="inverted_cdf"))


def off_support(rows_z: np.ndarray, real_z: np.ndarray, limit: float | None) -> float | None:
    """Share of rows (n, dim) farther than ``limit``, the ``reach`` of set-1, from all its rows.

    A row at ``limit`` itself is on the support. None without rows or without a limit.
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
    return _nearest(rows, pool, k, seed)[2]


def _nearest(
    rows: np.ndarray | None, pool: np.ndarray, k: int, seed: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows looked at, the places (n, k) in ``pool`` of their nearest, and the distances."""
    pool = np.asarray(pool, np.float32)
    own = rows is None
    rows = pool if own else np.asarray(rows, np.float32)
    chosen = np.arange(len(rows))
    if seed is not None and len(rows) > MAX_QUERIES:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MAX_QUERIES])
        rows = rows[chosen]
    k = min(k, len(pool) - own)
    if k == 0:
        return rows, np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0))
    # Afresh, and of some more: scikit-learn's are roots of differences of squares, which among near
    # copies say little; and an exact copy must have distance 0.
    candidates = min(k + own + _SPARE, len(pool))
    index = NearestNeighbors(n_neighbors=candidates, algorithm="brute").fit(pool)
    positions = index.kneighbors(rows, return_distance=False)
    exact = [np.linalg.norm(rows - pool[nth], axis=1) for nth in positions.T]
    distances = np.stack(exact, axis=1).astype(np.float64)
    if own:
        distances[positions == chosen[:, None]] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return rows, *(np.take_along_axis(found, order, axis=1) for found in (positions, distances))
