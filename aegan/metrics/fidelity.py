"""Fidelity: synthetic rows beside real rows of the same speakers that the generator never saw.

FID against the training rows, as in the paper, flatters copies: nothing is nearer to them. Here the
real rows are in two halves, one ``seen`` by the generator and one ``kept`` back, of the same
speakers and classes, and synthetic rows, as many of each class, are compared with those kept back.
What the seen half itself scores there is the floor.

* ``fid``: eq. (10) of the activations of the paper's net; ``frechet``: of the first 64 principal
  components of the real rows. Each also less its floor.
* ``c2st_forest``, ``c2st_logistic``: AUC of a classifier that tells synthetic rows from kept ones
  by all columns, learnt on a half of each and tested on the other (Lopez-Paz and Oquab, Revisiting
  classifier two-sample tests, 2017). 0.5: it cannot.
* ``membership``: AUC of an attack that calls a row a training row if a synthetic one is near. 0.5:
  the rows give nothing away; 1: copies.
* ``precision``, ``recall``, ``density``, ``coverage`` in the principal components (Naeem et al.,
  Reliable fidelity and diversity metrics for generative models, 2020).
* ``kid``: the squared MMD of the activations with the kernel (x y / units + 1)^3, unbiased, so that
  its floor is 0 (Binkowski et al., Demystifying MMD GANs, 2018).

All rows are z-scores of the seen half.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from aegan.metrics.classifiers import estimator
from aegan.metrics.diversity import variance_ratio
from aegan.metrics.fid import FidNet, activations, frechet_distance, moments
from aegan.metrics.intervals import auc_over_speakers
from aegan.metrics.references import Rows
from aegan.metrics.support import nearest_distances

COMPONENTS = 64  # principal components, at most
NEIGHBOURS = 5  # of precision, recall, density and coverage
_CHUNK = 1024  # rows whose distances are held at once


def halves(labels: np.ndarray, speakers: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted numbers of the rows seen and of those kept back: half of every speaker x class cell.

    At random, and of a cell of an odd number the halves take the larger part in turn, so that they
    differ by one row at most, in all and in every class.
    """
    rng = np.random.default_rng([seed, len(labels)])
    _, speaker = np.unique(speakers, return_inverse=True)
    turn = rng.permutation(speaker.max() + 1)[speaker]  # which cells come first is random too
    order = np.lexsort((rng.permutation(len(labels)), turn, labels))
    first = int(rng.integers(2))
    return np.sort(order[first::2]), np.sort(order[1 - first :: 2])


class Bench:
    """What sets of synthetic rows are compared with, and the floor.

    Args:
        seen: rows (n, dim) that the generators were trained on, and their labels (n,).
        kept: rows kept back, as many of each class, and their labels.
        nets: the FID's, trained on all of them.
        seed: of the halves of the two-sample tests and of the forest.
    """

    def __init__(self, seen: Rows, kept: Rows, nets: tuple[FidNet, ...], seed: int = 0) -> None:
        self.kept, self.nets, self.seed = kept[0], nets, seed
        self.real = tuple(np.concatenate(both) for both in zip(seen, kept, strict=True))
        real = self.real[0].astype(np.float64)
        width = min(COMPONENTS, len(real) - 1, real.shape[1])
        self.pca = PCA(width, svd_solver="full").fit(real)
        self.codes, self.active = self._spaces(kept[0])
        self.floor = self._distances(*self._spaces(seen[0]))

    def _spaces(self, z: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Principal components of rows, and the activations of every net."""
        codes = self.pca.transform(np.asarray(z, np.float64))
        return codes, [activations(net, z) for net in self.nets]

    def _distances(self, codes: np.ndarray, active: list[np.ndarray]) -> dict[str, float]:
        def apart(a: np.ndarray, b: np.ndarray) -> float:
            return frechet_distance(moments(a), moments(b))

        fid = float(np.mean([apart(*pair) for pair in zip(active, self.active, strict=True)]))
        return {"fid": fid, "frechet": apart(codes, self.codes)}

    def measure(self, z: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Every figure but ``membership`` of synthetic rows (n, dim) with labels (n,)."""
        codes, active = self._spaces(z)
        found: dict[str, float] = {}
        for name, value in self._distances(codes, active).items():
            found |= {name: value, f"{name}_over_floor": value - self.floor[name]}
        for name in ("forest", "logistic"):
            classifier = estimator(name, z.shape[1], self.seed)
            found[f"c2st_{name}"] = two_sample_auc(classifier, self.kept, z, self.seed)
        found |= prdc(self.codes, codes)
        found["kid"] = float(np.mean([kid(*p) for p in zip(self.active, active, strict=True)]))
        return found | {"variance_ratio": variance_ratio(z, labels, *self.real).overall}


def two_sample_auc(classifier: Any, real: np.ndarray, synthetic: np.ndarray, seed: int) -> float:
    """AUC of a scikit-learn classifier that learns to tell half of the rows of both kinds apart.

    It is tested on the other halves. Equal rows of a kind count once, so that none is in both.
    None of the kinds may have fewer than two different rows.

    Raises:
        ValueError: one has.
    """
    rng = np.random.default_rng(seed)
    learnt, tested = [], []
    for rows in (real, synthetic):
        rows = np.unique(rows, axis=0)
        if len(rows) < 2:
            raise ValueError("a two-sample test needs two different rows of each kind")
        rows = rows[rng.permutation(len(rows))]
        learnt.append(rows[: len(rows) // 2])
        tested.append(rows[len(rows) // 2 :])
    labels = [np.repeat([0, 1], [len(rows) for rows in part]) for part in (learnt, tested)]
    classifier.fit(np.concatenate(learnt), labels[0])
    return float(roc_auc_score(labels[1], classifier.predict_proba(np.concatenate(tested))[:, 1]))


def membership(
    seen: np.ndarray, speakers: np.ndarray, kept: np.ndarray, others: np.ndarray, z: np.ndarray
) -> dict[str, Any]:
    """AUC of the distance attack and its interval over speakers: ``{"mean", "ci95"}``.

    ``seen`` (n, dim) of ``speakers`` (n,) were trained on, ``kept`` (m, dim) of ``others`` (m,)
    were not; ``z`` are synthetic rows.
    """
    near = [-nearest_distances(rows, z, 1)[:, 0] for rows in (seen, kept)]
    return auc_over_speakers(near[0], speakers, near[1], others)


def prdc(real: np.ndarray, synthetic: np.ndarray, k: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage of synthetic (m, dim) against real rows (n, dim).

    Each real row has a ball that reaches to its k-th nearest other real row, each synthetic one
    likewise. Precision: share of synthetic rows in a ball of a real one; recall: of real rows in
    one of a synthetic; density: balls of real rows that a synthetic row is in, over k; coverage:
    share of real rows whose ball holds a synthetic one. With fewer than k others, of all of them.
    """
    reach = [_reach(rows, k) for rows in (real, synthetic)]
    inside, balls = np.zeros(len(synthetic), bool), 0
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for chunk, distances in _distances(real, synthetic):
        within = distances < reach[0][chunk, None]
        inside |= within.any(axis=0)
        balls += int(within.sum())
        covered[chunk] = within.any(axis=1)
        recalled[chunk] = (distances < reach[1]).any(axis=1)
    return {
        "precision": float(inside.mean()),
        "recall": float(recalled.mean()),
        "density": balls / (k * len(synthetic)),
        "coverage": float(covered.mean()),
    }


def _reach(rows: np.ndarray, k: int) -> np.ndarray:
    """Distance (n,) of every row to its k-th nearest other."""
    place = min(k, len(rows) - 1)  # itself comes first
    return np.concatenate([np.partition(d, place)[:, place] for _, d in _distances(rows, rows)])


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Distances of some rows of ``a`` to all of ``b``; float64, no difference of squares."""
    for start in range(0, len(a), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        yield chunk, cdist(a[chunk], b)


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared MMD between activations (n, units) and (m, units); may be below 0.

    Raises:
        ValueError: fewer than two rows on a side.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("the kernel distance needs at least two rows on each side")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def total(x: np.ndarray, y: np.ndarray) -> float:
        return sum(kernel(x[i : i + _CHUNK], y).sum() for i in range(0, len(x), _CHUNK))

    def among(x: np.ndarray) -> float:
        """Mean over pairs of different rows."""
        own = ((np.einsum("ij,ij->i", x, x) / x.shape[1] + 1) ** 3).sum()
        return (total(x, x) - own) / (len(x) * (len(x) - 1))

    return float(among(a) + among(b) - 2 * total(a, b) / (len(a) * len(b)))
