"""Fig. 4 and section 5.1.1: where synthetic rows lie beside real ones.

Two views, both in the z-space of set-1: the share of rows off its support, of every fold, and a
joint t-SNE of one fold, in which distances between far points and densities mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata, util
from itertools import combinations, permutations
from typing import Annotated, Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from aegan.metrics.fold_tools import fold_space
from aegan.metrics.intervals import fold_means
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.metrics.support import off_support, reach
from aegan.run.schema import at_least
from aegan.sampling.rows import Rows
from aegan.study.experiment import Records, Task
from aegan.study.study import Study
from aegan.study.words import defined

NAME = "embedding"
REAL = "real"  # rows of set-1
SET2 = "real_set2"

OPENTSNE = "openTSNE"
SCIKIT_LEARN = "scikit-learn"
EXAGGERATED, ITERATIONS = 250, 500  # of gradient descent, with and without early exaggeration
_START = 1e-4  # deviation of the points it starts from


@dataclass(frozen=True)
class Settings:
    """``config.embedding``."""

    fold: int = 0
    rows: Annotated[int, at_least(2)] = 1500  # of set-1 and of each model, at most
    components: Annotated[int, at_least(2)] = 50  # principal components before t-SNE
    perplexity: Annotated[float, at_least(1)] = 30.0
    neighbours: Annotated[int, at_least(1)] = 10  # that decide how mixed two models are


def tasks(study: Study) -> list[Task]:
    """The shares of every fold, and the t-SNE of one.

    Raises:
        InputError: the fold of the t-SNE is not there.
    """
    study.plotted_fold()
    needs = tuple(f"train-{model}" for model in study.models)
    synthetic = len(study.models) * len(study.seeds) * study.config.sample.rows
    synthetic += len(GENERATORS) * study.protocol.reference_rows
    found = []
    for fold in study.folds:
        k, words = fold.index, f"Fig. 4: rows off the support of set-1, fold {fold.index}"
        placed = len(fold.train) + len(fold.valid) + synthetic
        work = float(len(fold.train) * placed * study.source.features.shape[1])
        found.append(Task(f"support-fold{k}", words, measure_support, (k,), needs, "support", work))
    words, kind = "Fig. 4: t-SNE of real and synthetic rows", f"embedding, {library()}"
    rows = float((1 + len(study.models)) * study.settings(NAME).rows)
    return [*found, Task(NAME, words, embed_sources, (), needs, kind, rows)]


def results(study: Study, records: Records) -> dict[str, Any]:
    """Shares over the folds with their differences, and what the t-SNE task left."""
    by_fold: dict[str, list[float | None]] = {}
    seeds = len(study.seeds)
    for fold in study.folds:
        for name, shares in records[f"support-fold{fold.index}"]["off_support"].items():
            # What no seed changes has one value, which stands for all.
            lanes = [{"fold": fold.index}] * seeds
            by_fold.setdefault(name, []).extend(fold_means(shares * (seeds // len(shares)), lanes))
    pairs = [*permutations(study.models, 2), *((model, SET2) for model in study.models)]
    return {
        **records[NAME],
        "off_support": {name: study.over_folds(values) for name, values in by_fold.items()},
        "off_support_differences": {
            f"{a}-{b}": study.over_folds(by_fold[a], by_fold[b]) for a, b in pairs
        },
        "definitions": defined(NAME),
    }


def measure_support(study: Study, fold: int) -> dict[str, Any]:
    """Off-support shares in a fold: {"off_support": {name: one value, or one per seed}}.

    The rows of the trivial generators are those that Tables 2 and 3 measure.
    """
    protocol = study.protocol
    with threadpool_limits(1):
        space = fold_space(study.source, study.fold(fold), study.standardiser(fold))
        limit = reach(space.set1_z)

        def share(rows: Rows | None) -> float | None:
            return None if rows is None else off_support(rows[0], space.set1_z, limit)

        found = {SET2: [share((space.set2_z, space.labels2))]}
        for model in study.models:
            found[model] = [share(_synthetic(study, model, seed, fold)) for seed in study.seeds]
        for name, generator in GENERATORS.items():
            seed = reference_seed(protocol.seed, fold, name)
            rows = generator(*space.set1, protocol.reference_rows, seed)
            found[name] = [share(rows)]
    return {"off_support": found}


def embed_sources(study: Study) -> dict[str, Any]:
    """The t-SNE of one fold; writes its points to ``table("embedding")``.

    Of set-1 and of each model the same number of random rows at most. A model whose lane has no
    finite rows is left out: no points, None for its figures.
    """
    settings, protocol = study.settings(NAME), study.protocol
    fold, seed = settings.fold, study.seeds[0]
    space = fold_space(study.source, study.fold(fold), study.standardiser(fold))
    whole: dict[str, Rows | None] = {REAL: (space.set1_z, space.labels1)}
    whole |= {model: _synthetic(study, model, seed, fold) for model in study.models}
    z, labels = {}, {}
    for place, (name, found) in enumerate(whole.items()):
        if found is not None:
            # Each source draws for itself: row i of M1 and of M2 come from the same z.
            rng = np.random.default_rng([protocol.seed, fold, place])
            rows = rng.permutation(len(found[1]))[: settings.rows]
            z[name], labels[name] = found[0][rows], found[1][rows]

    joint = np.concatenate(list(z.values()))
    perplexity = usable_perplexity(settings.perplexity, len(joint))
    method = library()
    with threadpool_limits(1):
        codes = principal_components(joint, settings.components)
        points = embed(codes, perplexity, protocol.seed, method)
        ends = np.cumsum([len(rows) for rows in z.values()])[:-1]
        xy = dict(zip(z, np.split(points, ends), strict=True))
        mixed = {
            f"{a}-{b}": mixing(xy[a], xy[b], settings.neighbours) if {a, b} <= set(xy) else None
            for a, b in combinations(study.models, 2)
        }
        apart = {name: silhouette(xy[name], labels[name]) if name in xy else None for name in whole}
    classes = np.array(study.source.classes)
    frames = [
        pd.DataFrame({"x": x, "y": y, "source": name, "class": classes[labels[name]]})
        for name, (x, y) in ((name, points.T) for name, points in xy.items())
    ]
    study.keep_points(NAME, frames)
    return {
        "method": f"{method} {metadata.version(method)}",
        "fold": fold,
        "seed": seed,
        "rows": {name: len(labels.get(name, ())) for name in whole},
        "perplexity": perplexity,
        "components": codes.shape[1],
        "neighbours": settings.neighbours,
        "mixing": mixed,
        "silhouette": apart,
    }


def _synthetic(study: Study, model: str, seed: int, fold: int) -> Rows | None:
    """Rows of a cross-validation lane in z of set-1; None where it has none."""
    found = study.synthetic(model, seed, fold)
    return found and (study.standardiser(fold).to_z(found[0]), found[1])


def library() -> str:
    """Which t-SNE there is: openTSNE where it is installed (extra ``tsne``), it is faster."""
    return OPENTSNE if util.find_spec(OPENTSNE) else SCIKIT_LEARN


def usable_perplexity(wanted: float, rows: int) -> float:
    """``wanted``, or what so few rows allow: each needs three times as many neighbours."""
    return float(min(wanted, max(1.0, (rows - 1) / 3)))


def principal_components(rows: np.ndarray, components: int) -> np.ndarray:
    """Scores (n, components) float64 of rows (n, dim) on their first principal components."""
    components = min(components, len(rows), rows.shape[1])
    return PCA(components, svd_solver="covariance_eigh").fit_transform(rows.astype(np.float64))


@threadpool_limits.wrap(limits=1)
def embed(codes: np.ndarray, perplexity: float, seed: int, method: str) -> np.ndarray:
    """t-SNE (n, 2) of codes (n, components), the same bits on one machine.

    It starts from the first two components, runs on one thread and finds neighbours exactly.
    """
    start = codes[:, :2] * (_START / codes[:, 0].std())
    if method == OPENTSNE:
        from openTSNE import TSNE

        tsne = TSNE(
            perplexity=perplexity,
            initialization=start,
            early_exaggeration_iter=EXAGGERATED,
            n_iter=ITERATIONS,
            neighbors="exact",
            negative_gradient_method="bh",
            n_jobs=1,
            random_state=seed,
        )
        return np.asarray(tsne.fit(codes), dtype=np.float64)
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=perplexity,
        init=start.astype(np.float32),
        max_iter=EXAGGERATED + ITERATIONS,  # its own first 250 are the exaggerated ones
        n_jobs=1,
        random_state=seed,
    )
    return tsne.fit_transform(codes).astype(np.float64)


def mixing(first: np.ndarray, second: np.ndarray, neighbours: int) -> float | None:
    """How mixed two sets of as many points (n, 2) are: 1 = wholly, 0 = apart.

    Mean share of a point's nearest neighbours that are of the other set, over the n / (2n - 1) of
    points mixed at random. None for one point each.

    Raises:
        ValueError: sets of different size.
    """
    n = len(first)
    if n != len(second):
        raise ValueError(f"sets of {n} and {len(second)} points have no common expectation")
    if n < 2:
        return None
    points = np.concatenate([first, second])
    k = min(neighbours, 2 * n - 1)
    _, found = cKDTree(points).query(points, k + 1)
    own = found == np.arange(2 * n)[:, None]
    own[~own.any(axis=1), -1] = True  # among more equal points than were asked for: any of them
    nearest = found[~own].reshape(2 * n, k)
    other = (nearest < n) != (np.arange(2 * n) < n)[:, None]
    return float(other.mean() * (2 * n - 1) / n)


def silhouette(points: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean silhouette of points (n, 2) by class; None with one class, or one point in each."""
    present = len(np.unique(labels))
    if not 2 <= present < len(labels):
        return None
    return float(silhouette_score(points, labels))
