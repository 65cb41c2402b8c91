"""Metric 3: the Frechet distance between hidden activations of real and synthetic rows (eq. 10).

The net is the paper's (section 5.1): input-64-64-64-64-classes, ReLU and softmax, trained 30
epochs on the whole corpus; the activations are those of its third hidden layer. The paper names
no optimiser; this is scikit-learn's Adam with batches of 64.

Definitions, all in the z-space of set-1:

* ``fid``: synthetic rows against set-1, mean over the seeds of the net.
* ``fid_real``, the floor: one random half of set-1 against the other, mean over fixed splits and
  the seeds.
* ``fid_over_floor``: at matched N, mean over the same splits and seeds of FID(half A, as many
  synthetic rows) - FID(half A, half B).

FID grows with fewer rows and moves with every seed of the net, so only ``fid_over_floor`` can be
compared across protocols, corpora and papers. Below zero means: nearer to one half of set-1 than
the other half is, which copies of training rows achieve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.neural_network import MLPClassifier

from aegan.metrics.device import Choice, train_mlps, used

HIDDEN = (64, 64, 64, 64)
LAYER = 3  # the hidden layer whose activations are compared
_CHUNK = 1024  # rows passed through the net at once

# The trained net up to its third hidden layer: weights (in, 64) and biases (64,), float32.
FidNet = tuple[tuple[np.ndarray, np.ndarray], ...]


@dataclass(frozen=True)
class FidProtocol:
    """What is fixed about the FID."""

    epochs: int = 30  # of the net (the paper's)
    batch_size: int = 64  # rows per update of the net
    net_seeds: tuple[int, ...] = (0, 1, 2)  # one net per seed; the distances are averaged
    splits: int = 5  # random halvings of set-1 for the floor
    split_seed: int = 0  # they are drawn with
    device: Choice = "off"  # whether a GPU or TPU trains the nets


class Moments(NamedTuple):
    """Mean and covariance of a set of activations."""

    mean: np.ndarray  # (units,) float64
    covariance: np.ndarray  # (units, units) float64; zero for a single row


class FidScores(NamedTuple):
    """The three figures of one set of synthetic rows."""

    fid: float
    fid_real: float
    fid_over_floor: float


def train_net(
    features_z: np.ndarray, labels: np.ndarray, protocol: FidProtocol, seed: int
) -> FidNet:
    """The lower part of the paper's net, trained on z-scores (rows, dim) and labels (rows,)."""
    rows = np.ascontiguousarray(features_z, dtype=np.float32)
    net = MLPClassifier(
        HIDDEN, batch_size=min(protocol.batch_size, len(rows)), random_state=seed, solver="adam"
    )
    classes = np.unique(labels)
    # One call is one shuffled epoch; `fit` would stop early and warn that it did not converge.
    for _ in range(protocol.epochs):
        net.partial_fit(rows, labels, classes=classes)
    return tuple(zip(net.coefs_[:LAYER], net.intercepts_[:LAYER], strict=True))


def train_nets(
    features_z: np.ndarray, labels: np.ndarray, protocol: FidProtocol
) -> tuple[FidNet, ...]:
    """The net of each seed; on a device all at once, the same up to rounding."""
    if used(protocol.device) is None:
        return tuple(train_net(features_z, labels, protocol, s) for s in protocol.net_seeds)
    rows = np.ascontiguousarray(features_z, dtype=np.float32)
    how = min(protocol.batch_size, len(rows)), protocol.epochs, protocol.net_seeds
    return tuple(tuple(net[:LAYER]) for net in train_mlps(rows, labels, HIDDEN, *how))


def activations(net: FidNet, features_z: np.ndarray) -> np.ndarray:
    """Third hidden layer of z-scored rows (rows, dim): (rows, 64) float64."""
    out = np.empty((len(features_z), len(net[-1][1])))
    for start in range(0, len(features_z), _CHUNK):
        hidden = np.asarray(features_z[start : start + _CHUNK], dtype=np.float64)
        for weight, bias in net:
            hidden = np.maximum(hidden @ weight.astype(np.float64) + bias, 0)
        out[start : start + _CHUNK] = hidden
    return out


def moments(rows: np.ndarray) -> Moments:
    """Mean and unbiased covariance of ``rows`` (n, units); one row has covariance zero.

    Raises:
        ValueError: no rows.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if len(rows) == 0:
        raise ValueError("the Frechet distance needs at least one row on each side")
    mean = rows.mean(axis=0)
    centred = rows - mean
    return Moments(mean, centred.T @ centred / max(len(rows) - 1, 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet distance between two Gaussians, equation (10); finite and never negative.

    trace((Sa Sb)^(1/2)) is the sum of the roots of the eigenvalues of the symmetric
    Sa^(1/2) Sb Sa^(1/2), that is, of the singular values of Sb^(1/2) Sa^(1/2). The latter are
    taken: squaring first would lose half of the digits. Both roots are symmetric eigenvalue
    forms in float64 with negative rounding clipped, so rank-deficient sets need no special case.
    """
    roots = []
    for _, covariance in (b, a):
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        roots.append((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
    cross = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return float(max(np.sum((a.mean - b.mean) ** 2) + traces - 2 * cross, 0.0))


def halves(rows: int, protocol: FidProtocol) -> list[tuple[np.ndarray, np.ndarray]]:
    """The fixed random splits of ``rows`` row numbers into two disjoint halves of equal size."""
    rng = np.random.default_rng([protocol.split_seed, rows])
    half = rows // 2
    orders = [rng.permutation(rows) for _ in range(protocol.splits)]
    return [(order[:half], order[half : 2 * half]) for order in orders]


def fid_scores(
    nets: tuple[FidNet, ...],
    set1_z: np.ndarray,
    synthetic_z: np.ndarray | None,
    protocol: FidProtocol,
) -> FidScores:
    """FID, its floor and the FID over the floor of ``synthetic_z`` (rows, dim) against ``set1_z``.

    ``synthetic_z`` None stands for the real rows of set-1 themselves: FID 0, and exactly on the
    floor. With fewer synthetic rows than half of set-1 all three sets of a split are cut to
    their number for ``fid_over_floor``.

    Raises:
        ValueError: fewer than two rows in set-1, or no synthetic rows.
    """

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return frechet_distance(moments(a), moments(b))

    splits = halves(len(set1_z), protocol)
    real = [activations(net, set1_z) for net in nets]
    floor = [[apart(rows[a], rows[b]) for a, b in splits] for rows in real]
    fid_real = float(np.mean(floor))
    if synthetic_z is None:
        return FidScores(0.0, fid_real, 0.0)
    half = len(set1_z) // 2
    size = min(half, len(synthetic_z))
    rng = np.random.default_rng([protocol.split_seed, 1])
    draws = [rng.permutation(len(synthetic_z))[:size] for _ in splits]
    fid, over = [], []
    for net, rows, floors in zip(nets, real, floor, strict=True):
        synthetic = activations(net, synthetic_z)
        fid.append(apart(synthetic, rows))
        for (a, b), draw, matched in zip(splits, draws, floors, strict=True):
            first = rows[a[:size]]
            if size < half:
                matched = apart(first, rows[b[:size]])
            over.append(apart(first, synthetic[draw]) - matched)
    return FidScores(float(np.mean(fid)), fid_real, float(np.mean(over)))
