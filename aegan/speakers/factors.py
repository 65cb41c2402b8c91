"""Matrices that Gaussian noise turns into effects: g (k,) -> g @ factor (d,), of a covariance.

Their rows are combinations of many deviations, so that none is a person's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import dct

from aegan.speakers.effects import Effects, cell_blocks

RANK = 768  # rows of a class's residual factor, at most
SHARED_RANK = 512  # rows of the residual factor of all classes
FEW = 10  # a class of fewer rows has the spread of all classes, and no margins of its own
_TINY = 1e-12


class Factors(NamedTuple):
    """What rows are drawn from; S speakers, R and Q ranks, C classes, d columns."""

    means: np.ndarray  # (C, d)
    speaker: np.ndarray  # (S, d): a new speaker, in the span of the training speakers
    beyond: np.ndarray  # (Q, d): ... and outside it
    ways: np.ndarray  # (C, S, d): its way with each class
    residual: np.ndarray  # (C, R, d)
    count: np.ndarray  # (C,) int32: rows of ``residual`` that are there


def shapes(sizes: Sequence[int]) -> Factors:
    """The shapes of the factors, of sizes (C, d, S, R, Q)."""
    c, d, s, r, q = sizes
    return Factors((c, d), (s, d), (q, d), (c, s, d), (c, r, d), (c,))


def factors_of(
    effects: Effects,
    rows: np.ndarray,
    labels: np.ndarray,
    speakers: np.ndarray,
    sizes: Sequence[int],
    beyond: float | None,
    mixed: bool,
) -> Factors:
    """The factors of rows (n, d), filled up with zeros to ``sizes`` (C, d, S, R, Q); float32.

    ``beyond`` is the share of the speakers' variance that lies outside the training speakers'
    span, None for what left-out speakers have there. ``mixed`` keeps residuals of rows as they
    are, for combinations of a few of them, in place of combinations of all.
    """
    c_n, d, s_n, rank, shared = sizes
    share = effects.outside if beyond is None else beyond
    there = np.where(effects.counts > 1, effects.counts, 0).sum(axis=0)
    pooled = _Sketch(int(there.sum()), shared, d)
    of_class = [_Sketch(int(n), rank, d, mixed) for n in there]
    for block, own in cell_blocks(effects, rows, labels, speakers):
        pooled.add(block)
        for c in np.unique(own):
            of_class[c].add(block[own == c])
    all_classes = pooled.factor()
    found = [one.factor() if one.rows >= FEW else all_classes[:rank] for one in of_class]
    within = (all_classes.astype(np.float64) ** 2).sum(axis=0)
    scale = np.sqrt(share * effects.between / np.maximum(within, _TINY))
    out = shapes(sizes)
    return Factors(
        effects.means.astype(np.float32),
        _filled(_scaled(effects.speakers, (1 - share) * effects.between), out.speaker),
        _filled(all_classes * scale, out.beyond),
        np.stack([_filled(_way(effects, c, s_n), out.ways[1:]) for c in range(c_n)]),
        np.stack([_filled(own, out.residual[1:]) for own in found]),
        np.array(list(map(len, found)), np.int32),
    )


def _way(effects: Effects, label: int, s_n: int) -> np.ndarray:
    """(S, d): the factor of v in a class; of all classes where it has too few speakers."""
    there = effects.counts > 0
    own = effects.ways[there[:, label], label]
    if len(own) < 3:
        own = effects.ways[there]
        own = own[:: -(-len(own) // s_n)]
    return _scaled(own - own.mean(axis=0), effects.interaction)


def _scaled(deviations: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(k, d) scaled as a whole, so that noise through it has the mean of these variances (d,)."""
    there = (deviations**2).sum(axis=0).mean()
    return deviations * np.sqrt(variance.mean() / max(there, _TINY))


def _filled(rows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Zeros of a shape, with ``rows`` in its first places."""
    out = np.zeros(shape, np.float32)
    out[tuple(map(slice, rows.shape))] = rows
    return out


class _Sketch:
    """A factor of the second moments of ``rows`` rows (n, d), which come in blocks.

    Orthogonal combinations of all rows (a cosine transform, signs at random) if they are no more
    than ``size``, else as many random combinations; or every so-many-th row, ``as_they_are``.
    """

    def __init__(self, rows: int, size: int, d: int, as_they_are: bool = False) -> None:
        self.rows, self.size, self.every = rows, size, max(-(-rows // size), 1)
        self.kept = as_they_are or rows <= size
        self.as_they_are = as_they_are
        self._seen, self._rng = 0, np.random.default_rng(0)
        self._parts: list[np.ndarray] = []
        self._sum = np.zeros((0 if self.kept else size, d), np.float32)

    def add(self, block: np.ndarray) -> None:
        if self.kept:
            self._parts.append(block[-self._seen % self.every :: self.every])
        else:
            self._sum += self._rng.standard_normal((self.size, len(block)), np.float32) @ block
        self._seen += len(block)

    def factor(self) -> np.ndarray:
        """(k, d) float32, k <= size: its squares sum to the mean squares of the rows."""
        if not self.kept:
            return self._sum / np.float32(np.sqrt(self.rows * self.size))
        if not self._parts:
            return self._sum
        rows = np.concatenate(self._parts)
        if len(rows) > 1 and not self.as_they_are:
            signs = np.random.default_rng(0).choice(np.float32([-1, 1]), (len(rows), 1))
            rows = dct(signs * rows, axis=0, norm="ortho")
        return rows / np.float32(np.sqrt(max(len(rows), 1)))
