"""The rows of set-1 that are nearest to a row, and whether it lies off their support.

Off the support of set-1 ("points lying outside", section 5.1.1) is what lies farther from it than
95 % of its rows do from each other. Prototypes are never off it: a low share alone is no merit.
Everything in the z-space of set-1.
"""

from __future__ import annotations

import numpy as np

MAX_QUERIES = 4000  # rows whose neighbours are searched; more are sampled
COVERED = 0.95  # share of the rows of set-1 within reach of another
_SPARE = 8  # candidates beyond the neighbours asked for
_AT_ONCE = 256  # rows compared with all of set-1 at once


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
    return nearest_rows(rows, pool, k, seed)[2]


def nearest_rows(
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
    candidates = min(k + own + _SPARE, len(pool))
    halves = np.einsum("ij,ij->i", pool, pool) / 2
    parts = range(0, len(rows), _AT_ONCE)
    near = [_nearest(rows[i : i + _AT_ONCE], pool, halves, candidates) for i in parts]
    positions, distances = map(np.concatenate, zip(*near, strict=True))
    if own:
        distances[positions == chosen[:, None]] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return rows, *(np.take_along_axis(found, order, axis=1) for found in (positions, distances))


def _nearest(
    rows: np.ndarray, pool: np.ndarray, halves: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, k) in ``pool`` of the nearest, but for rounding, ascending, and their distances.

    ``halves`` are half the squared lengths of the pool's rows: a difference of squares says little
    among near copies, so it chooses and no more; and an exact copy must have distance 0.
    """
    least = len(pool) - k
    chosen = np.argpartition(rows @ pool.T - halves, least, axis=1)[:, least:]
    positions = np.sort(chosen, axis=1)
    return positions, np.linalg.norm(rows[:, None] - pool[positions], axis=2).astype(np.float64)
