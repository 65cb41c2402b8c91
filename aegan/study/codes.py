"""Fig. 5 and section 5.1.2: rows as codes of M1; section 4.2: what an SVM loses on codes.

M1's encoder of a fold maps set-1, set-2 and the rows of every model to its code space, where each
class has a component of the prior. A lane that diverged has no values, as in Tables 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from aegan.data.folds import Standardiser, fit_standardiser
from aegan.errors import InputError
from aegan.metrics.fold_tools import svm_on_set1
from aegan.metrics.intervals import corrected_estimate, fold_means
from aegan.metrics.svm import SvmProtocol, confusion_counts, predict, tune_and_fit, uar
from aegan.models.networks import Networks, Params, encode
from aegan.run import stages
from aegan.study import generators
from aegan.study.cross_validation import paired, test_to_train
from aegan.study.generators import evaluate_task, train_task
from aegan.study.study import MODELS, Study
from aegan.study.tasks import Records, Task
from aegan.system.files import replacing

NAME = "codes"
ENCODING = "m1"  # the model whose encoder Fig. 5 takes
TRAIN, VALID = "train", "valid"  # set-1, set-2
SOURCES = (TRAIN, VALID, *MODELS)
MEASURES = ("own_component", "spread", "distance")
PAIRS = (("m2", "m1"), ("m3", "m1"), ("m3", "m2"), ("m3", TRAIN), (VALID, TRAIN))
_PRIOR_POINTS = 20_000
PLOTTED = 1500  # points per source of the scatter plot, at most
_ROWS_AT_ONCE = 2048  # encoded; bounds memory

DEFINITIONS = {
    "own_component": "Share of codes nearest to the mean of their own class's component of the "
    "prior, of all its means.",
    "spread": "Standard deviation of the codes about the centroid of their class (root of the mean "
    "variance over classes and dimensions) over that of the prior's components; 1 = as wide.",
    "distance": "Mean distance between the centroids of two classes over that between the means of "
    "their components; 1 = as far apart.",
    "svm": "UAR on set-2 of an SVM that learns the codes of set-1, z-scored by set-1, by each "
    "model's own encoder, against one that learns the features themselves. Same search, but for "
    "the grid of C.",
    "intervals": "Mean over folds, seeds averaged inside a fold; corrected t interval.",
}


class Codes(NamedTuple):
    """Points in a code space."""

    points: np.ndarray  # (n, code) float32
    labels: np.ndarray  # (n,) int32


def check(codes: Mapping[str, Any]) -> None:
    """Refuses values of ``config.codes`` that no study could use.

    Raises:
        InputError: such a value.
    """
    try:
        SvmProtocol(c_grid=tuple(codes["c_grid"]))
    except (TypeError, ValueError):
        grid = codes["c_grid"]
        raise InputError(f"config.codes.c_grid={grid!r}: must be positive and rising") from None


def tasks(study: Study) -> list[Task]:
    """Per fold the measures of Fig. 5; per model and fold the SVMs of section 4.2.

    Raises:
        InputError: the fold whose points are plotted is not there.
    """
    plotted, folds = study.config["embedding"]["fold"], [fold.index for fold in study.folds]
    if plotted not in folds:
        raise InputError(
            f"config.embedding.fold={plotted}: there is no such fold; there are "
            f"{', '.join(map(str, folds))}"
        )
    cells = len(study.source.labels) * study.source.features.shape[1] * len(study.seeds)
    found = [
        Task(
            codes_task(fold.index),
            f"Fig. 5: codes by M1, fold {fold.index}",
            measure_codes,
            (fold.index,),
            tuple(train_task(model) for model in MODELS),
            kind="codes",
            work=float(cells),
        )
        for fold in study.folds
    ]
    found += [
        Task(
            svm_task(model, fold.index),
            f"Section 4.2: SVM on codes of {model.upper()}, fold {fold.index}",
            measure_svm,
            (model, fold.index),
            # Evaluation leaves the SVM on raw features in the cache.
            (train_task(model), evaluate_task(MODELS[0])),
            kind="codes svm",
            work=float(len(fold.train)) ** 2 * len(study.seeds),
        )
        for model in MODELS
        for fold in study.folds
    ]
    return found


def codes_task(fold: int) -> str:
    """Name of the task that measures the codes of a fold."""
    return f"codes-fold{fold}"


def svm_task(model: str, fold: int) -> str:
    """Name of the task that trains an SVM on a model's codes of a fold."""
    return f"codes-svm-{model}-fold{fold}"


def results(study: Study, records: Records) -> dict[str, Any]:
    """Measures and UARs over the folds, with paired differences."""
    share = test_to_train(study)

    def over_folds(values: Mapping[str, list[float | None]]) -> dict[str, Any]:
        return {name: corrected_estimate(of_folds, share) for name, of_folds in values.items()}

    measured = [records[codes_task(fold.index)] for fold in study.folds]
    found: dict[str, Any] = {
        "fold": study.config["embedding"]["fold"],
        "seed": measured[0]["seed"],
        "prior": measured[0]["prior"] | {"own_component": _own_of_prior(study)},
        "differences": {},
    }
    for measure in MEASURES:
        values = {
            source: [_mean(record["measures"][source][measure]) for record in measured]
            for source in SOURCES
        }
        found[measure] = over_folds(values)
        differences = {f"{a}-{b}": paired(values[a], values[b]) for a, b in PAIRS}
        found["differences"][measure] = over_folds(differences)

    svms = {
        model: [records[svm_task(model, fold.index)] for fold in study.folds] for model in MODELS
    }
    raw = [record["raw"] for record in svms[MODELS[0]]]
    coded = {model: [_mean(record["codes"]) for record in svms[model]] for model in MODELS}
    found["svm"] = {
        "raw": corrected_estimate(raw, share),
        "codes": over_folds(coded),
        "differences": over_folds({model: paired(coded[model], raw) for model in MODELS}),
        "chosen_c": {model: [record["chosen_c"] for record in svms[model]] for model in MODELS},
    }
    return found | {"definitions": DEFINITIONS}


def measure_codes(study: Study, fold: int) -> dict[str, Any]:
    """Measures of every source in a fold: {"measures": {source: {measure: one value per seed}}}.

    For the fold of Fig. 4 it writes the points of the first seed to ``table("codes")``.
    """
    prior = study.plans[ENCODING].schedule.prior
    means = prior.means(len(study.source.classes))
    found = {source: {measure: [] for measure in MEASURES} for source in SOURCES}
    plotted: dict[str, Codes] = {}
    for seed in study.seeds:
        codes = _codes_of_fold(study, seed, fold)
        for source in SOURCES:
            measured = dict.fromkeys(MEASURES)
            if source in codes:
                measured = measure(codes[source], means, prior.spread)
            for name, values in found[source].items():
                values.append(measured[name])
        if seed == study.seeds[0]:
            plotted = codes
    if fold == study.config["embedding"]["fold"]:
        table = points_table(plotted, study.source.classes)
        with replacing(study.dir.table(NAME)) as path:
            table.to_parquet(path, index=False)
    return {
        "fold": fold,
        "seed": study.seeds[0],
        "prior": {"means": _plane(means).tolist(), "spread": prior.spread},
        "measures": found,
    }


def _own_of_prior(study: Study) -> float | None:
    """``own_component`` of the prior's own points: the most that codes can be expected to reach."""
    prior, classes = study.plans[ENCODING].schedule.prior, len(study.source.classes)
    labels = jnp.arange(_PRIOR_POINTS) % classes
    points = prior.sample(jax.random.key(0), jax.nn.one_hot(labels, classes))
    codes = Codes(np.asarray(points), np.asarray(labels))
    return measure(codes, prior.means(classes), prior.spread)["own_component"]


def measure_svm(study: Study, model: str, fold: int) -> dict[str, Any]:
    """UAR on set-2 of SVMs on set-1: "raw" features, and "codes" with one value per seed."""
    chosen, standardiser = study.fold(fold), study.standardiser(fold)
    corpus, protocol = study.source, study.plans[MODELS[0]].protocol.svm
    truth, classes = corpus.labels[chosen.valid], len(corpus.classes)
    found: dict[str, Any] = {"fold": fold, "model": model, "codes": [], "chosen_c": []}
    with threadpool_limits(1):
        svm = svm_on_set1(corpus, chosen, standardiser, protocol, study.cache_dir)
        predicted = predict(svm, standardiser.to_z(corpus.features[chosen.valid]))
        found["raw"] = uar(confusion_counts(truth, predicted, classes))
        protocol = replace(protocol, c_grid=tuple(study.config["codes"]["c_grid"]))
        for seed in study.seeds:
            score = c = None
            if not _diverged(study, model, seed, fold):
                train, valid = _codes_of_corpus(study, model, seed, fold)
                score, c = svm_on_codes(train, valid, protocol, standardiser.clip, classes)
            found["codes"].append(score)
            found["chosen_c"].append(c)
    return found


def svm_on_codes(
    train: Codes, valid: Codes, protocol: SvmProtocol, clip: float, classes: int
) -> tuple[float | None, float | None]:
    """UAR on ``valid`` of the SVM tuned on ``train``, and its C; z-scores are of ``train``."""
    standardiser = fit_standardiser(train.points, np.arange(len(train.points)), clip)
    svm = tune_and_fit(standardiser.to_z(train.points), train.labels, protocol)
    predicted = predict(svm, standardiser.to_z(valid.points))
    return uar(confusion_counts(valid.labels, predicted, classes)), svm.c


def measure(codes: Codes, means: np.ndarray, spread: float) -> dict[str, float | None]:
    """What the definitions say, of one set of codes.

    Args:
        codes: points with the classes that they stand for.
        means: (classes, code) of the prior's components.
        spread: deviation of the components.

    "spread" is None where no class has two codes, "distance" where there is one class only, all
    where there is no code.
    """
    points, labels = codes.points.astype(np.float64), codes.labels
    if not len(points):
        return dict.fromkeys(MEASURES)
    nearest = np.linalg.norm(points[:, None] - means, axis=2).argmin(axis=1)
    counts = np.bincount(labels, minlength=len(means))
    variances = [points[labels == k].var(axis=0, ddof=1) for k in np.flatnonzero(counts > 1)]
    centroids = {k: points[labels == k].mean(axis=0) for k in np.flatnonzero(counts)}
    pairs = list(combinations(centroids, 2))
    apart = sum(np.linalg.norm(centroids[a] - centroids[b]) for a, b in pairs)
    of_prior = sum(np.linalg.norm(means[a] - means[b]) for a, b in pairs)
    return {
        "own_component": float((nearest == labels).mean()),
        "spread": float(np.sqrt(np.mean(variances)) / spread) if variances else None,
        "distance": float(apart / of_prior) if pairs else None,
    }


def points_table(codes: Mapping[str, Codes], classes: tuple[str, ...]) -> pd.DataFrame:
    """Columns x, y, source, class; at most PLOTTED random rows of each source."""
    frames = [pd.DataFrame({"x": [], "y": [], "source": [], "class": []})]
    for place, (source, found) in enumerate(codes.items()):
        # Each source draws for itself: row i of M1 and of M2 come from the same z.
        rng = np.random.default_rng(place)
        rows = rng.permutation(len(found.labels))[:PLOTTED]
        xy = _plane(found.points[rows])
        names = np.array(classes)[found.labels[rows]]
        frames.append(
            pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "source": source, "class": names})
        )
    return pd.concat(frames[1:] or frames, ignore_index=True)


def encoded(
    nets: Networks, params: Params, standardiser: Standardiser, gain: float, features: np.ndarray
) -> np.ndarray:
    """Codes (n, code) float32 of rows (n, features) in raw units."""
    blocks = [np.zeros((0, nets.sizes.code), np.float32)]
    for start in range(0, len(features), _ROWS_AT_ONCE):
        z = standardiser.to_z(features[start : start + _ROWS_AT_ONCE])
        blocks.append(jax.device_get(encode(nets, params, np.float32(gain) * z)))
    return np.concatenate(blocks)


def _codes_of_fold(study: Study, seed: int, fold: int) -> dict[str, Codes]:
    """Codes by M1's encoder of every source that did not diverge; none if M1 did."""
    if _diverged(study, ENCODING, seed, fold):
        return {}
    found = dict(zip((TRAIN, VALID), _codes_of_corpus(study, ENCODING, seed, fold), strict=True))
    for model in MODELS:
        if _diverged(study, model, seed, fold):
            continue
        features, labels = study.synthetic(model, seed, fold)
        if np.isfinite(features).all():
            found[model] = Codes(_encode(study, ENCODING, seed, fold, features), labels)
    return found


def _codes_of_corpus(study: Study, model: str, seed: int, fold: int) -> tuple[Codes, Codes]:
    """Codes of set-1 and of set-2 by a model's encoder of that fold."""
    chosen, corpus = study.fold(fold), study.source
    train, valid = (
        Codes(_encode(study, model, seed, fold, corpus.features[rows]), corpus.labels[rows])
        for rows in (chosen.train, chosen.valid)
    )
    return train, valid


def _encode(study: Study, model: str, seed: int, fold: int, features: np.ndarray) -> np.ndarray:
    """Codes of rows in raw units by a model's encoder."""
    plan = study.plans[model]
    params = generators.trained_params(study, model, seed, fold)
    standardiser = study.standardiser(fold)
    return encoded(plan.learner.nets, params, standardiser, plan.schedule.gain, features)


def _diverged(study: Study, model: str, seed: int, fold: int) -> bool:
    lanes = stages.trained_lanes(study.dir.run(model))
    (lane,) = (lane for lane in lanes if (lane["seed"], lane["fold"]) == (seed, fold))
    return lane["status"] == "diverged"


def _plane(points: np.ndarray) -> np.ndarray:
    """The first two coordinates (n, 2); 0 for one that is not there."""
    missing = max(0, 2 - points.shape[1])
    return np.pad(points[:, :2], ((0, 0), (0, missing)))


def _mean(values: list[float | None]) -> float | None:
    """Over the seeds of a fold."""
    (found,) = fold_means(values, [{"fold": 0}] * len(values))
    return found
