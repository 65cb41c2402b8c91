"""Rows of a linear model, moved so that columns, ties and point masses are as in real rows.

A sum of effects gives every column about the right mean and variance, and no more: real columns
have heavy tails, grids and point masses (a contour without a voiced frame is all zeros), and
functionals of one contour are tied (quartiles rise, an iqr is their difference). Class by class
and by ranks alone:

1. Shape. The functionals of a contour hang together in ways that no covariance holds (kurtosis
   and skewness, deviation and slope). In normal scores, each contour is turned at random and each
   turned column gets its margin in the training rows, four times.
2. Point masses. Columns that are at their most frequent value in the same rows are one event. As
   many synthetic rows as real ones have it: those that lie furthest towards the rows that do.
3. Margins. Each column's ranks become the quantiles of the training rows of the class, on the
   column's own values where it has few.
4. Ties. The gap of two tied columns gets its own margin, by moving both ends; then 3 again, and so
   on. Like 1 this is transport along some directions at a time (Pitie, Kokaram and Dahyot,
   "N-dimensional probability density function transfer", ICCV 2005).

What a generator keeps for it are quantiles, not rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import Parallel, cpu_count, delayed
from scipy.special import ndtri
from scipy.stats import ortho_group

from aegan.data.plausibility import Ties, project, ties_of
from aegan.speakers.factors import FEW

KNOTS = 512  # quantiles kept of a column in a class
ROUNDS = 3
TURNS = 4
_TURNED_KNOTS = 128  # quantiles kept of a turned column
_MASS = 0.01  # share of the rows at one value that makes it a point mass
_ALONE = 4  # ... and so many times that of any other value
_FEW = 0.7  # values over rows below which a column lies on a grid


class Quantiles(NamedTuple):
    """Order statistics of k columns, class by class; or of one class, without the first axis."""

    values: np.ndarray  # (C, K, k) float32, ascending; the first ``counts`` of a column count
    counts: np.ndarray  # (C, k) int32

    def of(self, label: int) -> Quantiles:
        """Those of a class."""
        return Quantiles(self.values[label], self.counts[label])


class Masses(NamedTuple):
    """G events at which columns take one value, the most frequent event first."""

    value: np.ndarray  # (d,) float32: of a column with a point mass, else NaN
    event: np.ndarray  # (d,) int32: number of the column's event, or -1
    share: np.ndarray  # (C, G) float32: of a class's rows that have the event
    towards: np.ndarray  # (G, d) float32: direction in which rows with the event lie
    within: np.ndarray  # (G, G) bool: event i never came without event j


@dataclass(frozen=True, eq=False)
class Margins:
    """What columns and their ties look like in the training rows, class by class; raw units."""

    masses: Masses
    columns: Quantiles
    gaps: Quantiles  # of the pairs of ``ties_of``
    excess: Quantiles  # of its kurtoses above their bounds
    turned: np.ndarray  # (TURNS, C, k, d) float32: quantiles of normal scores, each contour turned
    stepped: np.ndarray  # (d,) bool: on a grid
    rows: np.ndarray  # (C,) int32: training rows of each class

    def apply(
        self, names: Sequence[str], rules: Sequence[str], rows: np.ndarray, labels: np.ndarray
    ) -> np.ndarray:
        """Rows (n, d) in raw units with labels (n,) -> rows (n, d) float32 that keep the ``rules``.

        By ranks among the rows of a class that are given: these should be many.
        """
        ties, out = ties_of(names), np.array(rows, dtype=np.float64)
        known = [c for c in np.unique(labels).tolist() if self.rows[c] >= FEW]
        pool = Parallel(min(cpu_count(), max(len(known), 1)), backend="threading")
        moved = pool(delayed(self._of_class)(ties, c, out[labels == c]) for c in known)
        for c, own in zip(known, moved, strict=True):
            out[labels == c] = own
        return project(names, out.astype(np.float32), rules)

    def on_grid(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, d) whose columns with few values have the nearest of those; others stay."""
        out = np.array(rows)
        for j in np.flatnonzero(self.stepped):
            per_class = zip(self.columns.values[..., j], self.columns.counts[:, j], strict=True)
            known = [self.masses.value[j : j + 1], *(v[:count] for v, count in per_class)]
            grid = np.unique(np.concatenate(known))
            grid = grid[~np.isnan(grid)]
            if len(grid):
                above = np.clip(np.searchsorted(grid, out[:, j]), 1, max(len(grid) - 1, 1))
                low, high = grid[above - 1], grid[np.minimum(above, len(grid) - 1)]
                out[:, j] = np.where(out[:, j] - low < high - out[:, j], low, high)
        return out

    def _of_class(self, ties: Ties, label: int, rows: np.ndarray) -> np.ndarray:
        rows = self._shaped(ties, label, rows)
        pinned = _pinned(self.masses, label, rows)
        shut = _gap_cells(ties, pinned)
        columns, gaps, excess = (q.of(label) for q in (self.columns, self.gaps, self.excess))
        tied = np.isin(np.arange(rows.shape[1]), [ties.low, ties.high])
        rows = np.where(pinned, self.masses.value, rows)
        rows = _transported(rows, pinned, columns, self.stepped)
        for left in reversed(range(ROUNDS if len(ties.low) else 0)):
            for part in ties.passes:
                low, high = ties.low[part], ties.high[part]
                free = ~np.stack([pinned[:, low], pinned[:, high]])
                gap, closed = rows[:, high] - rows[:, low], shut[:, part]
                target = Quantiles(gaps.values[:, part], gaps.counts[part])
                wanted = _transported(gap, closed | ~free.any(axis=0), target)
                move = np.where(closed, 0, wanted) - gap
                share = move / np.maximum(free.sum(axis=0), 1)
                rows[:, high] += share * free[1]
                rows[:, low] -= share * free[0]
            above = _excess(ties, rows)
            rows[:, ties.kurtosis] += _transported(above, pinned[:, ties.kurtosis], excess) - above
            # At the end gaps come before the margins of their ends.
            kept = pinned if left else pinned | tied
            rows = _transported(rows, kept, columns, self.stepped)
        return rows

    def _shaped(self, ties: Ties, label: int, rows: np.ndarray) -> np.ndarray:
        """Rows (n, d) whose contours have the shape of real ones, near their margins."""
        scores, free = _scores(rows), np.zeros(rows.shape, bool)
        known = np.full(rows.shape[1], min(self.turned.shape[2], self.rows[label]))
        for turn, turned in enumerate(self.turned[:, label]):
            now = _turned(ties, turn, scores)
            now = _transported(now, free, Quantiles(turned, known))
            scores = _turned(ties, turn, now, back=True)
        return _transported(scores, free, self.columns.of(label))

    def tree(self) -> dict[str, Any]:
        """All arrays by name."""
        parts = {name: vars(self)[name]._asdict() for name in _PARTS}
        return parts | {name: vars(self)[name] for name in ("turned", "stepped", "rows")}

    @classmethod
    def of_tree(cls, tree: Mapping[str, Any]) -> Self:
        """The inverse of ``tree``; a ``TypeError`` or ``KeyError`` where arrays are missing."""
        parts = {name: kind(**tree[name]) for name, kind in _PARTS.items()}
        return cls(**parts, **{name: tree[name] for name in ("turned", "stepped", "rows")})

    def fits(self, classes: int, d: int) -> bool:
        """Whether the arrays are of so many classes and columns, and whole."""
        masses, quantiles = self.masses, (self.columns, self.gaps, self.excess)
        g = len(masses.towards)
        wanted = ((d,), (d,), (classes, g), (g, d), (g, g))
        return (
            all(array.shape == shape for array, shape in zip(masses, wanted, strict=True))
            and all(q.values.shape[::2] == q.counts.shape for q in quantiles)
            and all(q.counts.max(initial=0) <= q.values.shape[1] for q in quantiles)
            and self.columns.counts.shape == (classes, d) == (classes, *self.stepped.shape)
            and self.rows.shape == (classes,)
            and (self.turned.shape[1], self.turned.shape[3]) == (classes, d)
            and bool((masses.event < max(g, 1)).all() and (masses.event >= -1).all())
        )


_PARTS = {"masses": Masses, "columns": Quantiles, "gaps": Quantiles, "excess": Quantiles}


def fit_margins(
    names: Sequence[str], rows: np.ndarray, labels: np.ndarray, classes: int, scale: np.ndarray
) -> Margins:
    """Of training rows (n, d) in raw units with labels (n,); ``scale`` (d,): their deviations."""
    ties, masses = ties_of(names), _masses(rows, labels, classes, scale)
    pinned = rows == masses.value
    ends = pinned[:, ties.low] & pinned[:, ties.high]
    gaps = rows[:, ties.high].astype(np.float64) - rows[:, ties.low]
    few = [len(np.unique(column)) < _FEW * len(rows) for column in rows.T]
    return Margins(
        masses,
        _quantiles(rows, pinned, labels, classes),
        _quantiles(gaps, ends | _gap_cells(ties, pinned), labels, classes),
        _quantiles(_excess(ties, rows), pinned[:, ties.kurtosis], labels, classes),
        _turns(ties, rows, labels, classes),
        np.array(few),
        np.bincount(labels, minlength=classes).astype(np.int32),
    )


def _gap_cells(ties: Ties, cells: np.ndarray) -> np.ndarray:
    """Of boolean cells (n, d) those of the pairs' gaps (n, k), False where a gap has no column."""
    return cells[:, ties.gap] & (ties.gap >= 0)


def _excess(ties: Ties, rows: np.ndarray) -> np.ndarray:
    """(n, m): by how much each kurtosis is above its bound."""
    return rows[:, ties.kurtosis] - rows[:, ties.skewness].astype(np.float64) ** 2 - 1


def _quantiles(
    rows: np.ndarray, left_out: np.ndarray, labels: np.ndarray, classes: int
) -> Quantiles:
    """Of the cells (n, k) that are not left out: all, or ``KNOTS`` evenly spaced ones."""
    size = min(KNOTS, int(np.bincount(labels, minlength=classes).max()))
    values = np.zeros((classes, size, rows.shape[1]), np.float32)
    counts = np.zeros((classes, rows.shape[1]), np.int32)
    for label in range(classes):
        own = labels == label
        there = (~left_out[own]).sum(axis=0)
        counts[label] = np.minimum(there, size)
        if not own.any():
            continue
        ordered = np.sort(np.where(left_out[own], np.inf, rows[own]), axis=0)
        places = np.arange(size)[:, None] * (there - 1) / np.maximum(counts[label] - 1, 1)
        places = np.clip(np.rint(places).astype(int), 0, np.maximum(there - 1, 0))
        found = np.take_along_axis(ordered, places, axis=0)
        values[label] = np.where(np.isfinite(found), found, 0)
    return Quantiles(values, counts)


def _transported(
    rows: np.ndarray, kept: np.ndarray, target: Quantiles, stepped: np.ndarray | bool = False
) -> np.ndarray:
    """(n, k): ranks among the cells that are not ``kept`` become quantiles; others stay."""
    # Columns as rows: sorting and looking up along memory is three times as fast.
    order = np.argsort(np.where(kept, np.inf, rows).T.copy(), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(rows))[None], axis=1)
    free, known = (~kept).sum(axis=0)[:, None], target.counts[:, None]
    place = (ranks + 0.5) / np.maximum(free, 1) * known - 0.5
    # Of more rows than quantiles the outer ones would all be the outermost quantile.
    place = np.where(free > known, ranks / np.maximum(free - 1, 1) * (known - 1), place)
    last = np.maximum(known - 1, 0)
    low = np.clip(np.floor(place), 0, last).astype(int)
    values = target.values.T.astype(np.float64)
    a, b = (np.take_along_axis(values, at, axis=1) for at in (low, np.minimum(low + 1, last)))
    weight = np.clip(place - low, 0, 1)
    weight = np.where(np.reshape(stepped, (-1, 1)), np.rint(weight), weight)
    return np.where(kept | (target.counts == 0), rows, (a + weight * (b - a)).T)


def _scores(rows: np.ndarray) -> np.ndarray:
    """Normal scores (n, d) of each column's ranks, ties in their order."""
    order = np.argsort(rows.T.copy(), axis=1, kind="stable")
    scores, n = np.empty(order.shape), len(rows)
    np.put_along_axis(scores, order, ndtri((np.arange(n) + 0.5) / max(n, 1))[None], axis=1)
    return scores.T


def _turned(ties: Ties, turn: int, scores: np.ndarray, back: bool = False) -> np.ndarray:
    """Each contour of scores (n, d) by a rotation that the number of the turn names, or back."""
    out = np.array(scores)
    for columns in ties.contours:
        rotation = _rotation(len(columns), turn)
        out[:, columns] = scores[:, columns] @ (rotation.T if back else rotation)
    return out


@cache
def _rotation(size: int, turn: int) -> np.ndarray:
    return ortho_group(size).rvs(random_state=turn) if size > 1 else np.ones((1, 1))


def _turns(ties: Ties, rows: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    size, d = min(_TURNED_KNOTS, len(rows)), rows.shape[1]
    turned = np.zeros((TURNS if ties.contours else 0, classes, size, d), np.float32)
    for c in np.unique(labels):
        scores = _scores(rows[labels == c])
        places = np.arange(size) * (len(scores) - 1) / max(min(size, len(scores)) - 1, 1)
        places = np.clip(np.rint(places).astype(int), 0, len(scores) - 1)
        for turn in range(len(turned)):
            turned[turn, c] = np.sort(_turned(ties, turn, scores), axis=0)[places]
    return turned


def _masses(rows: np.ndarray, labels: np.ndarray, classes: int, scale: np.ndarray) -> Masses:
    n, d = rows.shape
    value = np.full(d, np.nan, np.float32)
    for j, column in enumerate(rows.T):
        values, counts = np.unique(column, return_counts=True)
        first, second = np.sort(np.append(counts, 0))[[-1, -2]]
        if first >= max(_MASS * n, 2) and first >= _ALONE * second:
            value[j] = values[counts.argmax()]
    columns = np.flatnonzero(~np.isnan(value))
    at = rows[:, columns] == value[columns]
    patterns, event_of = np.unique(np.packbits(at, axis=0), axis=1, return_inverse=True)
    has = np.unpackbits(patterns, axis=0, count=n).astype(np.float64)  # (n, G)
    order = np.argsort(-has.sum(axis=0), kind="stable")
    has, event = has[:, order], np.full(d, -1, np.int32)
    event[columns] = np.argsort(order)[event_of.ravel()]
    share, towards = np.zeros((classes, len(order))), np.zeros((len(order), d))
    for c in np.unique(labels):
        own, z = has[labels == c], rows[labels == c] / scale
        share[c], with_it = own.mean(axis=0), own.sum(axis=0)
        sums, without = own.T @ z, len(own) - with_it
        rest = (z.sum(axis=0) - sums) / np.maximum(without, 1)[:, None]
        # Differences of means within classes: a discriminant that takes columns one by one.
        weight = with_it * without / len(own)
        towards += weight[:, None] * (sums / np.maximum(with_it, 1)[:, None] - rest)
    together = has.T @ has
    within = together >= np.diag(together)[:, None]
    np.fill_diagonal(within, False)
    single = np.float32
    return Masses(value, event, share.astype(single), (towards / scale).astype(single), within)


def _pinned(masses: Masses, label: int, rows: np.ndarray) -> np.ndarray:
    """Which cells (n, d) of a class's rows are at their column's point mass."""
    n, events = len(rows), len(masses.towards)
    chosen = np.zeros((n, events + 1), bool)  # the last one is no event
    score = rows @ masses.towards.T.astype(np.float64)
    for g, share in enumerate(masses.share[label]):
        may = chosen[:, np.flatnonzero(masses.within[g, :g])].all(axis=1)
        wanted = min(int(np.rint(share * n)), int(may.sum()))
        best = np.argsort(np.where(may, -score[:, g], np.inf), kind="stable")
        chosen[best[:wanted], g] = True
    return chosen[:, masses.event]
