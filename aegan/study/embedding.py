"""Fig. 4 and section 5.1.1: where synthetic rows lie beside real ones.

Two views, both in the z-space of set-1: the share of rows off its support, of every fold, and a
joint t-SNE of one fold, in which distances between far points and densities mean nothing.
"""

from __future__ import annotations

from importlib import metadata, util
from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from aegan.data.folds import Fold
from aegan.errors import InputError
from aegan.metrics.diversity import off_support, reach
from aegan.metrics.fold_tools import fold_space
from aegan.metrics.intervals import corrected_estimate, fold_means
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.run import stages
from aegan.study.cross_validation import paired, test_to_train
from aegan.study.generators import train_task
from aegan.study.study import MODELS, Study
from aegan.study.tasks import Records, Task
from aegan.system.files import replacing

TASK = "embedding"
REAL = "real"  # rows of set-1
SET2 = "real_set2"
SOURCES = (REAL, *MODELS)
PLACED = (SET2, *MODELS, *GENERATORS)

OPENTSNE = "openTSNE"
SCIKIT_LEARN = "scikit-learn"
EXAGGERATED, ITERATIONS = 250, 500  # of gradient descent, with and without early exaggeration
_START = 1e-4  # deviation of the points it starts from

DEFINITIONS = {
    "off_support": "Share of rows farther from their nearest row of set-1 than 95 % of the rows of "
    "set-1 are from theirs, in z. Mean over folds, seeds averaged inside a fold; corrected t "
    "interval. Prototypes are never off the support, so a low share alone is no merit; real_set2 "
    "is what rows of held-out speakers score.",
    "off_support_differences": "Of off_support, the first less the second, paired by fold.",
    "mixing": "Of a row's nearest neighbours in the embedding among the rows of two models, the "
    "share of the other model's, over its expectation when rows are mixed at random; 1 = wholly "
    "mixed (more where rows lie in pairs of one of each), 0 = apart. One fold and seed.",
    "silhouette": "Mean silhouette by class in the embedding, of the rows of one source: 1 = four "
    "separate clusters, 0 = classes overlap, below 0 = nearer to another class. One fold and seed.",
}


class Set(NamedTuple):
    """Rows in z."""

    rows: np.ndarray  # (n, dim) float32
    labels: np.ndarray  # (n,) int32


def tasks(study: Study) -> list[Task]:
    """The shares of every fold, and the t-SNE of one.

    Raises:
        InputError: the fold of the t-SNE is not there, or a number is too small.
    """
    _check(study)
    needs = tuple(train_task(model) for model in MODELS)
    found = [
        Task(
            support_task(fold.index),
            f"Fig. 4: rows off the support of set-1, fold {fold.index}",
            measure_support,
            (fold.index,),
            needs,
            kind="support",
            work=float(
                len(fold.train) * _placed_rows(study, fold) * study.source.features.shape[1]
            ),
        )
        for fold in study.folds
    ]
    rows = len(SOURCES) * study.config["embedding"]["rows"]
    kind = f"embedding, {library()}"
    words = "Fig. 4: t-SNE of real and synthetic rows"
    return [*found, Task(TASK, words, embed_sources, (), needs, kind=kind, work=float(rows))]


def support_task(fold: int) -> str:
    """Name of the task that measures the shares of a fold."""
    return f"support-fold{fold}"


def results(study: Study, records: Records) -> dict[str, Any]:
    """Shares over the folds with their differences, and what the t-SNE task left."""
    share = test_to_train(study)
    lanes, values = [], {name: [] for name in PLACED}
    for fold in study.folds:
        found = records[support_task(fold.index)]["off_support"]
        lanes += [{"fold": fold.index}] * len(study.seeds)
        for name in PLACED:
            # What no seed changes has one value, which stands for all.
            values[name] += found[name] * (len(study.seeds) // len(found[name]))
    by_fold = {name: fold_means(per_lane, lanes) for name, per_lane in values.items()}
    pairs = [*permutations(MODELS, 2), *((model, SET2) for model in MODELS)]
    return {
        **records[TASK],
        "off_support": {name: corrected_estimate(found, share) for name, found in by_fold.items()},
        "off_support_differences": {
            f"{first}-{second}": corrected_estimate(paired(by_fold[first], by_fold[second]), share)
            for first, second in pairs
        },
        "definitions": DEFINITIONS,
    }


def measure_support(study: Study, fold: int) -> dict[str, Any]:
    """Off-support shares in a fold: {"off_support": {name: one value, or one per seed}}.

    The rows of the trivial generators are those that Tables 2 and 3 measure.
    """
    chosen, standardiser = study.fold(fold), study.standardiser(fold)
    protocol = study.plans[MODELS[0]].protocol
    with threadpool_limits(1):
        space = fold_space(study.source, chosen, standardiser)
        limit = reach(space.set1_z)

        def share(rows: np.ndarray | None) -> float | None:
            return None if rows is None else off_support(rows, space.set1_z, limit)

        found = {SET2: [share(space.set2_z)]}
        for model in MODELS:
            lanes = (_synthetic(study, model, seed, fold) for seed in study.seeds)
            found[model] = [share(None if lane is None else lane.rows) for lane in lanes]
        for name, generator in GENERATORS.items():
            seed = reference_seed(protocol.seed, fold, name)
            rows, _ = generator(space.set1_z, space.labels1, protocol.reference_rows, seed)
            found[name] = [share(rows)]
    return {"off_support": found}


def embed_sources(study: Study) -> dict[str, Any]:
    """The t-SNE of one fold; writes its points to ``table("embedding")``.

    Of set-1 and of each model the same number of random rows at most. A model whose lane has no
    finite rows is left out: no points, None for its figures.
    """
    settings, protocol = study.config["embedding"], study.plans[MODELS[0]].protocol
    fold, seed = settings["fold"], study.seeds[0]
    space = fold_space(study.source, study.fold(fold), study.standardiser(fold))
    whole = {REAL: Set(space.set1_z, space.labels1)}
    whole |= {model: _synthetic(study, model, seed, fold) for model in MODELS}
    sets = {}
    for place, (name, found) in enumerate(whole.items()):
        if found is not None:
            # Each source draws for itself: row i of M1 and of M2 come from the same z.
            rng = np.random.default_rng([protocol.seed, fold, place])
            rows = rng.permutation(len(found.rows))[: settings["rows"]]
            sets[name] = Set(found.rows[rows], found.labels[rows])

    joint = np.concatenate([found.rows for found in sets.values()])
    perplexity = usable_perplexity(settings["perplexity"], len(joint))
    method = library()
    with threadpool_limits(1):
        codes = principal_components(joint, settings["components"])
        points = embed(codes, perplexity, protocol.seed, method)
        ends = np.cumsum([len(found.rows) for found in sets.values()])[:-1]
        xy = dict(zip(sets, np.split(points, ends), strict=True))
        mixed = {
            f"{first}-{second}": mixing(xy[first], xy[second], settings["neighbours"])
            if first in xy and second in xy
            else None
            for first, second in combinations(MODELS, 2)
        }
        apart = {
            name: silhouette(xy[name], sets[name].labels) if name in xy else None
            for name in SOURCES
        }
    classes = np.array(study.source.classes)
    table = pd.concat(
        pd.DataFrame(
            {"x": xy[name][:, 0], "y": xy[name][:, 1], "source": name, "class": classes[s.labels]}
        )
        for name, s in sets.items()
    )
    with replacing(study.dir.table(TASK)) as path:
        table.to_parquet(path, index=False)
    return {
        "method": f"{method} {metadata.version(method)}",
        "fold": fold,
        "seed": seed,
        "rows": {name: len(sets[name].rows) if name in sets else 0 for name in SOURCES},
        "perplexity": perplexity,
        "components": codes.shape[1],
        "neighbours": settings["neighbours"],
        "mixing": mixed,
        "silhouette": apart,
    }


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


def _synthetic(study: Study, model: str, seed: int, fold: int) -> Set | None:
    """Rows of a cross-validation lane in z; None where it diverged, as in Tables 2 and 3."""
    lanes = stages.trained_lanes(study.dir.run(model))
    (lane,) = (lane for lane in lanes if (lane["seed"], lane["fold"]) == (seed, fold))
    if lane["status"] == "diverged":
        return None
    features, labels = study.synthetic(model, seed, fold)
    if not np.isfinite(features).all():
        return None
    return Set(study.standardiser(fold).to_z(features), labels)


def _placed_rows(study: Study, fold: Fold) -> int:
    """Rows whose distances to set-1 a fold's task computes."""
    models = len(MODELS) * len(study.seeds) * study.config["sample"]["rows"]
    trivial = len(GENERATORS) * study.plans[MODELS[0]].protocol.reference_rows
    return len(fold.train) + len(fold.valid) + models + trivial


def _check(study: Study) -> None:
    settings = study.config["embedding"]
    folds = [fold.index for fold in study.folds]
    if settings["fold"] not in folds:
        raise InputError(
            f"config.embedding.fold={settings['fold']}: there is no such fold; there are "
            f"{', '.join(map(str, folds))}"
        )
    for field, least in (("rows", 2), ("components", 2), ("neighbours", 1), ("perplexity", 1)):
        if settings[field] < least:
            raise InputError(f"config.embedding.{field}={settings[field]}: must be {least} or more")
