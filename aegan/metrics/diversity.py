"""Diversity and copying: what a high TRTS or TSTR alone cannot show (section 5.2.2).

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

Everything in the z-space of set-1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aegan.metrics.support import nearest_distances, nearest_rows

COPY_RATIO = 0.5  # nearest over third nearest distance, below which a row is a copy
NEIGHBOURS = 3
LINE_NEIGHBOURS = 5  # of a row, between which lines are drawn
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


def spacing(real_z: np.ndarray, seed: int = 0) -> float:
    """Median distance from a row of set-1 (m, dim) to the nearest other; 0 for a single row."""
    distances = nearest_distances(None, real_z, 1, seed)
    return float(np.median(distances)) if distances.size else 0.0


def nearness(
    rows_z: np.ndarray | None, real_z: np.ndarray, seed: int = 0, unit: float | None = None
) -> Nearness:
    """How near synthetic rows (n, dim) lie to set-1 (m, dim), of MAX_QUERIES rows at most.

    ``rows_z`` None stands for the rows of set-1, each against the others: ``nn_distance`` is then
    1. ``nn_distance`` is None where half of set-1's rows have an exact duplicate or set-1 has one
    row. With fewer than four rows in set-1 nothing is called a copy unless it is exact. ``unit`` is
    the ``spacing`` of set-1, where it is known.
    """
    unit = spacing(real_z, seed) if unit is None else unit
    rows, positions, distances = nearest_rows(rows_z, real_z, LINE_NEIGHBOURS, seed)
    if not distances.size:
        return Nearness(None, 0.0, 0.0)
    nearest = distances[:, 0]
    copies = nearest == 0
    if distances.shape[1] >= NEIGHBOURS:
        copies |= nearest < COPY_RATIO * distances[:, NEIGHBOURS - 1]
    between = line_ratios(rows, positions, real_z) < COPY_RATIO
    unit_free = float(np.median(nearest)) / unit if unit > 0 else None
    return Nearness(unit_free, float(copies.mean()), float(between.mean()))


def line_ratios(rows: np.ndarray, positions: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Distance (n,) to the nearest line between two near rows of ``pool``, over that to a row.

    Of a row's nearest, at ``positions`` (n, k) of ``pool``, every two are the ends of a line. 1
    where the nearest row is nearer than any line, or is the row itself.
    """
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
