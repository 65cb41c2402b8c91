"""Generators of others, to compare with: in z, as ``references.py``'s and by its signature.

Oversamplers of imbalanced-learn, a Gaussian copula per class (in place of the package
``copulas``, whose licence forbids some uses) and ForestDiffusion (Jolicoeur-Martineau, Fatras and
Kachman, AISTATS 2024), which needs the extra `peers`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA

from aegan.errors import InputError
from aegan.metrics.references import Generator, Rows, class_gaussian, draw_labels, smote

FOREST_COMPONENTS = 30  # principal components that ForestDiffusion sees
# In place of 50 noise levels, 100 noises of a row and 100 trees of one output each: about a
# thousandth of the work, so that a fold takes minutes.
FOREST = {"n_t": 20, "duplicate_K": 10, "n_estimators": 50, "multi_strategy": "multi_output_tree"}


def _oversampled(
    method: str, features_z: np.ndarray, labels: np.ndarray, _: np.ndarray, n: int, seed: int
) -> Rows:
    """What a sampler of imbalanced-learn adds, of ``n`` rows in all, each class alike."""
    from imblearn import over_sampling

    classes, own = np.unique(labels, return_counts=True)
    more = np.full(len(classes), n // len(classes)) + (np.arange(len(classes)) < n % len(classes))
    wanted = dict(zip(classes.tolist(), (own + more).tolist(), strict=True))
    sampler = getattr(over_sampling, method)(sampling_strategy=wanted, random_state=seed)
    try:
        rows, found = sampler.fit_resample(features_z, labels)
    except ValueError as error:
        said = str(error).splitlines()[0]
        raise InputError(f"{method}: {said}; leave it out of --peers") from error
    return rows[len(labels) :].astype(np.float32), found[len(labels) :].astype(np.int32)


def copula(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """A Gaussian copula per class: normal scores of shrunk correlation, then the columns' margins.

    The correlation is that of the normal scores, shrunk to the identity by Ledoit and Wolf's rule.
    """
    rng, drawn = draw_labels(labels, n, seed)
    out = np.empty((n, features_z.shape[1]), np.float32)
    for label in np.unique(drawn):
        rows, places = features_z[labels == label], np.flatnonzero(drawn == label)
        m = len(rows)
        if m == 1:
            out[places] = rows
            continue
        scores = ndtri((rankdata(rows, axis=0) - 0.5) / m)
        deviation = scores.std(axis=0)
        scores = (scores - scores.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
        shrunk = ledoit_wolf_shrinkage(scores)
        z = rng.standard_normal((len(places), m)) @ scores * np.sqrt((1 - shrunk) / m)
        z += np.sqrt(shrunk) * rng.standard_normal(z.shape)
        at, known = ndtr(z) * m - 0.5, np.sort(rows, axis=0)
        for column in range(out.shape[1]):
            out[places, column] = np.interp(at[:, column], np.arange(m), known[:, column])
    return out, drawn


def forest_diffusion(
    features_z: np.ndarray, labels: np.ndarray, speakers: np.ndarray, n: int, seed: int
) -> Rows:
    """Flow matching with boosted trees on 30 principal components; what they leave out is lost."""
    try:
        from ForestDiffusion import ForestDiffusionModel
    except ImportError as error:
        raise InputError(
            f"forest_diffusion: not installed ({error}); pip install 'aegan[peers]', or leave it "
            "out of --peers"
        ) from error
    pca = PCA(min(FOREST_COMPONENTS, *features_z.shape), random_state=seed).fit(features_z)
    codes = pca.transform(features_z).astype(np.float64)
    model = ForestDiffusionModel(
        *(codes,), label_y=labels, n_batch=0, n_jobs=1, seed=seed, **FOREST
    )
    found = model.generate(batch_size=n)
    rows = pca.inverse_transform(found[:, :-1])
    return rows.astype(np.float32), found[:, -1].astype(np.int32)


PEERS: dict[str, Generator] = {
    "smote": smote,
    # From rows that have other classes around them (Han, Wang and Mao, 2005).
    "borderline_smote": partial(_oversampled, "BorderlineSMOTE"),
    # From the support vectors of an SVM (Nguyen, Cooper and Kamei, 2011).
    "svm_smote": partial(_oversampled, "SVMSMOTE"),
    # More where other classes are near (He et al., 2008); about as many rows as asked for.
    "adasyn": partial(_oversampled, "ADASYN"),
    "class_gaussian": class_gaussian,
    "copula": copula,
    "forest_diffusion": forest_diffusion,
}
