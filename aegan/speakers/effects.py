"""Class, speaker, the speaker's way with the class, and the rest: x = m_c + u_s + v_sc + e.

The two-covariance model of speaker recognition (PLDA) with an interaction, in closed form. The
mean of a cell (the rows of a speaker in a class) is m_c + u_s + v_sc and noise of variance W / n.
With the variances known, m is the generalised least-squares estimate and u and v are the best
linear predictions, so that a cell counts by what it knows: one row less than forty. The variances
come by expectation-maximisation of the restricted likelihood (REML), pooled over columns: one small
system for each speaker serves all columns. In float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_ITERATIONS = 300
_CONVERGED = 1e-5  # relative change of the variances
_ROWS_AT_ONCE = 4096
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Effects:
    """What rows say of classes and speakers: d columns, C classes, S speakers."""

    means: np.ndarray  # (C, d): m
    speakers: np.ndarray  # (S, d): u, predicted, less its mean
    ways: np.ndarray  # (S, C, d): v, predicted; 0 for a cell without rows
    cells: np.ndarray  # (S, C, d): means of the cells; 0 for a cell without rows
    counts: np.ndarray  # (S, C): rows of each cell
    within: np.ndarray  # (d,): W, variance in a cell
    between: np.ndarray  # (d,): B, variance of u
    interaction: np.ndarray  # (d,): V, variance of v
    crossed: float  # share of the speakers with rows of two classes or more
    outside: float  # share of B that a new speaker has outside the span of the S: ``_outside``

    @property
    def words(self) -> str:
        """What the design identifies, for reports."""
        s, c = self.counts.shape
        if not self.between.any() and not self.interaction.any():
            return "no speaker effects: each class is one Gaussian"
        if self.crossed == 0:
            return f"one effect of a speaker in a class ({s} speakers, each in one class alone)"
        part = "" if self.crossed == 1 else f"; {self.crossed:.0%} of them in two classes or more"
        return f"speakers and their ways with the classes ({s} speakers, {c} classes{part})"


def estimate(rows: np.ndarray, labels: np.ndarray, speakers: np.ndarray, classes: int) -> Effects:
    """The effects in rows (n, d) of labels (n,) below ``classes``, of speakers (n,) by number.

    What the design does not identify is not guessed. Speakers of one class alone do not tell u
    from v: in the share of such speakers, B counts as V, one effect of a cell. With no cell of two
    rows, or no class of two speakers, u and v are 0 and W is the variance about the class.
    """
    cells, counts, within = _cells(rows, labels, speakers, classes)
    there = counts > 0
    known = (there.sum(axis=0) - 1).clip(min=0).sum()  # cells beyond the first of a class
    if within is None or known == 0:
        one = np.zeros_like(speakers)
        cells, counts, within = _cells(rows, labels, one, classes)
        if within is None:  # a row per class
            within = np.zeros(rows.shape[1])
        none = np.zeros_like(within)
        return Effects(
            *(cells[0], np.zeros((1, len(none))), np.zeros_like(cells), cells, counts),
            *(within, none, none, 0.0, 0.0),
        )
    w = max(float(within.mean()), _TINY)
    crossed = float(np.mean(there.sum(axis=1) > 1)) if len(counts) > 1 else 0.0
    b, v = 0.3 * w, 0.3 * w
    for _ in range(_ITERATIONS):
        found = _predict(cells, counts, w, b, v)
        now_b = float((np.mean(found.u**2, axis=1) + found.error_u).mean())
        now_v = float((np.mean(found.v**2, axis=2) + found.error_v)[there].mean())
        settled = abs(now_b - b) + abs(now_v - v) < _CONVERGED * (b + v)
        b, v = now_b, now_v
        if settled:
            break
    b, v = crossed * b, v + (1 - crossed) * b
    found = _predict(cells, counts, w, b, v)
    u = found.u - found.u.mean(axis=0)
    return Effects(
        means=found.m,
        speakers=u,
        ways=found.v,
        cells=cells,
        counts=counts,
        within=within,
        between=_by_column(u, b),
        interaction=_by_column(found.v[there], v),
        crossed=crossed,
        outside=_outside(cells, counts, found.m, within),
    )


def cell_blocks(
    effects: Effects, rows: np.ndarray, labels: np.ndarray, speakers: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Residuals (k, d) float32 about the means of their cells, in blocks, with their labels (k,).

    Scaled so that their variance is that of rows about the true mean; rows alone in their cell,
    which say nothing of it, are left out.
    """
    if len(effects.counts) == 1:
        speakers = np.zeros_like(speakers)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        own = speakers[part], labels[part]
        n = effects.counts[own]
        block = (rows[part] - effects.cells[own]) * np.sqrt(n / np.maximum(n - 1, 1))[:, None]
        yield block[n > 1].astype(np.float32), labels[part][n > 1]


def _cells(
    rows: np.ndarray, labels: np.ndarray, speakers: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Means (S, C, d) and sizes (S, C) of the cells, and the variance (d,) within them."""
    shape = int(speakers.max()) + 1, classes
    flat = speakers.astype(np.int64) * classes + labels
    counts = np.bincount(flat, minlength=shape[0] * classes)
    sums, squares = np.zeros((len(counts), rows.shape[1])), np.zeros(rows.shape[1])
    parts = [slice(at, at + _ROWS_AT_ONCE) for at in range(0, len(rows), _ROWS_AT_ONCE)]
    for part in parts:
        np.add.at(sums, flat[part], rows[part].astype(np.float64))
    means = sums / np.maximum(counts, 1)[:, None]
    for part in parts:
        squares += ((rows[part] - means[flat[part]]) ** 2).sum(axis=0)
    free = len(rows) - np.count_nonzero(counts)
    within = squares / free if free else None
    return means.reshape(*shape, -1), counts.reshape(shape), within


class _Predicted(NamedTuple):
    m: np.ndarray  # (C, d)
    u: np.ndarray  # (S, d)
    v: np.ndarray  # (S, C, d)
    error_u: np.ndarray  # (S,): variance of the error of u
    error_v: np.ndarray  # (S, C)


def _predict(cells: np.ndarray, counts: np.ndarray, w: float, b: float, v: float) -> _Predicted:
    """Least squares and best linear predictions for given variances."""
    s_n, c_n, d = cells.shape
    blocks, information, right = [], np.zeros((c_n, c_n)), np.zeros((c_n, d))
    for s, own in enumerate(counts):
        has = np.flatnonzero(own)
        # b where speakers share it; what a cell adds is on the diagonal.
        q = np.linalg.inv(b + np.diag(v + w / own[has] + _TINY))
        blocks.append((s, has, q))
        information[np.ix_(has, has)] += q
        right[has] += q @ cells[s, has]
    known = np.linalg.pinv(information, hermitian=True)  # a class without rows has none
    m = known @ right
    u, ways = np.zeros((s_n, d)), np.zeros((s_n, c_n, d))
    error_u, error_v = np.full(s_n, b), np.full((s_n, c_n), v)
    for s, has, q in blocks:
        pulled = q @ (cells[s, has] - m[has])
        u[s], ways[s, has] = b * pulled.sum(axis=0), v * pulled
        p = q - q @ known[np.ix_(has, has)] @ q  # with what the estimate of m costs
        error_u[s] -= b * b * p.sum()
        error_v[s, has] -= v * v * np.diag(p)
    return _Predicted(m, u, ways, error_u, error_v)


def _by_column(effects: np.ndarray, pooled: float) -> np.ndarray:
    """(d,) variances of predicted effects (k, d), scaled to the pooled one of all columns."""
    squares = np.mean(effects**2, axis=0)
    return squares * (pooled / max(squares.mean(), _TINY))


def _outside(cells: np.ndarray, counts: np.ndarray, m: np.ndarray, within: np.ndarray) -> float:
    """The share of a left-out speaker's deviation outside the span of the others'.

    A few speakers span a few directions, and the next one lies mostly elsewhere. Each speaker in
    turn is left out; what the noise of the means puts outside is taken off.
    """
    there = counts > 0
    number = there.sum(axis=1)
    means = ((cells - m) * there[..., None]).sum(axis=1) / number[:, None]
    noise = within.sum() * np.where(there, 1 / np.maximum(counts, 1), 0).sum(axis=1) / number**2
    s_n = len(means)
    if s_n < 4:
        return 0.0
    inside, outside = 0.0, 0.0
    for s in range(s_n):
        others = np.delete(means, s, axis=0)
        centre = others.mean(axis=0)
        own, gram = means[s] - centre, (others - centre) @ (others - centre).T
        along = (others - centre) @ own
        part = float(along @ np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ along)
        noisy = noise[s] + np.delete(noise, s).mean() / (s_n - 1)
        inside += part
        outside += max(float(own @ own) - part - noisy, 0.0)
    return outside / max(inside + outside, _TINY)
