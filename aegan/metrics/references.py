"""Trivial generators: what every metric says of rows that need no network.

Each takes the rows of set-1 (features_z (m, dim) float32, labels (m,) int, speakers (m,), which
most leave alone), a number of rows n and a seed, and returns (features_z (n, dim) float32, labels
(n,) int32). Labels are drawn uniformly over the classes present, as for the models; those of a seed
are the same for all. Same arguments, same rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA

from aegan.speakers.effects import estimate
from aegan.speakers.factors import RANK, SHARED_RANK, factors_of

CLASS_MEAN_NOISE = 0.05  # sd of the noise around a class mean, in z
COMPONENTS = 200  # principal components of the class-wise Gaussian, at most
SMOTE_NEIGHBOURS = 5
JITTER_NOISE = 0.1  # sd of the noise on a real row, in z

Rows = tuple[np.ndarray, np.ndarray]
Generator = Callable[[np.ndarray, np.ndarray, np.ndarray, int, int], Rows]


def class_mean(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """The mean of the class plus white noise of sd 0.05: a prototype and nothing else."""
    rng, drawn = draw_labels(labels, n, seed)
    out = rng.standard_normal((n, features_z.shape[1]), dtype=np.float32)
    out *= CLASS_MEAN_NOISE
    for label in np.unique(drawn):
        mean = features_z[labels == label].mean(axis=0, dtype=np.float64)
        out[drawn == label] += mean.astype(np.float32)
    return out, drawn


def class_gaussian(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """One Gaussian per class: 200 principal components, shrunk, and independent noise for the rest.

    The component part of the covariance is scaled by one minus the Ledoit-Wolf shrinkage; what
    it then lacks of a column's variance is added as noise of that column, so that every column
    keeps the variance of the class (variance ratio 1). A class of one row gives that row.
    """
    rng, drawn = draw_labels(labels, n, seed)
    out = np.empty((n, features_z.shape[1]), dtype=np.float32)
    for label in np.unique(drawn):
        rows = features_z[labels == label]
        places = np.flatnonzero(drawn == label)
        mean = rows.mean(axis=0, dtype=np.float64)
        out[places] = mean.astype(np.float32)
        if len(rows) == 1:
            continue
        pca = PCA(min(COMPONENTS, len(rows) - 1, rows.shape[1]), random_state=seed).fit(rows)
        keep = 1 - ledoit_wolf_shrinkage(rows)
        scales = np.sqrt(keep * pca.explained_variance_)[:, None] * pca.components_
        variance = rows.var(axis=0, ddof=1, dtype=np.float64)
        scales[:, variance == 0] = 0  # rounding of the components
        rest = np.sqrt(np.maximum(variance - np.sum(scales.astype(np.float64) ** 2, axis=0), 0))
        codes = rng.standard_normal((len(places), len(scales)), dtype=np.float32)
        out[places] += codes @ scales.astype(np.float32)
        noise = rng.standard_normal((len(places), rows.shape[1]), dtype=np.float32)
        out[places] += noise * rest.astype(np.float32)
    return out, drawn


def smote(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """imbalanced-learn's SMOTE: between a real row and one of its five nearest of its class.

    A class of two to five rows uses the neighbours it has; a class of one row gives that row.
    """
    # Half a second that an import of this module need not spend.
    from imblearn.over_sampling import SMOTE

    _, drawn = draw_labels(labels, n, seed)
    out = np.empty((n, features_z.shape[1]), np.float32)
    for label in np.unique(drawn):
        members = np.flatnonzero(labels == label)
        chosen = drawn == label
        if len(members) == 1:
            out[chosen] = features_z[members]
            continue
        method = SMOTE(
            sampling_strategy={label: len(members) + int(chosen.sum())},
            k_neighbors=min(SMOTE_NEIGHBOURS, len(members) - 1),
            random_state=int(np.random.SeedSequence([seed, label]).generate_state(1)[0]),
        )
        # It tops a class up beside the real rows, and wants another, of which it makes nothing.
        rows = np.concatenate([members, np.flatnonzero(labels != label)[:1]])
        topped_up, _ = method.fit_resample(features_z[rows], labels[rows])
        out[chosen] = topped_up[len(rows) :]
    return out, drawn


def jitter(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """Real rows of the class, drawn with replacement, plus white noise of sd 0.1: noisy copies."""
    rng, drawn = draw_labels(labels, n, seed)
    noise = rng.standard_normal((n, features_z.shape[1]), dtype=np.float32)
    noise *= JITTER_NOISE
    noise += features_z[_members(rng, labels, drawn)]
    return noise, drawn


def oversampling(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """Real rows of the class, drawn with replacement: what more and balanced rows do alone."""
    rng, drawn = draw_labels(labels, n, seed)
    return features_z[_members(rng, labels, drawn)], drawn


def new_speakers(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """M5 in closed form, without margins: each row of a speaker that nobody recorded.

    The effects of class and speaker (``aegan.speakers``), drawn anew for each row.
    """
    rng, drawn = draw_labels(labels, n, seed)
    classes, own = np.unique(labels, return_inverse=True)
    names = np.unique(speakers, return_inverse=True)[1]
    effects = estimate(features_z, own, names, len(classes))
    rows = int(np.bincount(own).max())
    sizes = len(classes), features_z.shape[1], int(names.max()) + 1
    sizes += min(RANK, rows), min(SHARED_RANK, len(own))
    f = factors_of(effects, features_z, own, names, sizes, None, False)

    def noise(count: int, factor: np.ndarray) -> np.ndarray:
        return rng.standard_normal((count, len(factor)), dtype=np.float32) @ factor

    out = noise(n, f.speaker) + noise(n, f.beyond)
    for c, label in enumerate(classes):
        places = np.flatnonzero(drawn == label)
        for factor in (f.ways[c], f.residual[c]):
            out[places] += noise(len(places), factor)
        out[places] += f.means[c]
    return out, drawn


# Beside a model in every evaluation. The rows of a name hang on its place: new ones come last.
GENERATORS: dict[str, Generator] = {
    of.__name__: of
    for of in (class_mean, class_gaussian, smote, jitter, oversampling, new_speakers)
}
BASELINES = ("oversampling", "jitter", "smote", "class_gaussian")  # of Fig. 6


def reference_seed(seed: int, fold: int, name: str) -> int:
    """The seed of a trivial generator's rows on a fold, other than any other's."""
    place = [seed, fold, list(GENERATORS).index(name)]
    return int(np.random.SeedSequence(place).generate_state(1)[0])


def draw_labels(labels: np.ndarray, n: int, seed: int) -> tuple[np.random.Generator, np.ndarray]:
    """A generator of random numbers and n labels, uniform over the classes: those of a seed."""
    rng = np.random.default_rng(seed)
    classes = np.unique(labels).astype(np.int32)
    return rng, classes[rng.integers(len(classes), size=n)]


def _members(rng: np.random.Generator, labels: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """A row number of its class for each of the labels drawn, with replacement."""
    places = np.empty(len(drawn), np.int64)
    for label in np.unique(drawn):
        chosen = drawn == label
        places[chosen] = rng.choice(np.flatnonzero(labels == label), size=int(chosen.sum()))
    return places
