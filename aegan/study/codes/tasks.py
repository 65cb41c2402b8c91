"""Fig. 5 and section 5.1.2: rows as codes of M1; section 4.2: what an SVM loses on codes.

M1's encoder of a fold maps set-1, set-2 and the rows of every model to its code space, where each
class has a component of the prior. A lane that diverged has no values, as in Tables 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from aegan.data.folds import fit_standardiser
from aegan.errors import InputError
from aegan.metrics.fold_tools import svm_on_set1
from aegan.metrics.intervals import fold_means
from aegan.metrics.svm import SvmProtocol, confusion_counts, predict, tune_and_fit, uar
from aegan.models.priors import MixturePrior
from aegan.run.schema import grid
from aegan.study.experiment import Records, Task
from aegan.study.generators import encoded
from aegan.study.study import Study
from aegan.study.words import defined

NAME = "codes"
TRAIN, VALID = "train", "valid"  # set-1, set-2
MEASURES = ("own_component", "spread", "distance")
_PRIOR_POINTS = 20_000
PLOTTED = 1500  # points per source of the scatter plot, at most


@dataclass(frozen=True)
class Settings:
    """``config.codes``."""

    # Of the SVM on codes.
    c_grid: Annotated[tuple[float, ...], grid] = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


class Codes(NamedTuple):
    """Points in a code space."""

    points: np.ndarray  # (n, code) float32
    labels: np.ndarray  # (n,) int32


def tasks(study: Study) -> list[Task]:
    """Per fold the measures of Fig. 5; per model and fold the SVMs of section 4.2.

    Raises:
        InputError: the fold whose points are plotted is not there.
    """
    study.plotted_fold()
    cells = float(study.source.features.size * len(study.seeds))
    needs = tuple(f"train-{model}" for model in study.models)
    found = []
    for fold in study.folds:
        k, words = fold.index, f"Fig. 5: codes by {encoding(study).upper()}, fold {fold.index}"
        found.append(Task(f"codes-fold{k}", words, measure_codes, (k,), needs, "codes", cells))
    for model, fold in product(study.encoders, study.folds):
        k, name = fold.index, f"codes-svm-{model}-fold{fold.index}"
        words = f"Section 4.2: SVM on codes of {model.upper()}, fold {k}"
        # Evaluation leaves the SVM on raw features in the cache.
        needs = (f"train-{model}", f"evaluate-{study.models[0]}")
        work = float(len(fold.train)) ** 2 * len(study.seeds)
        found.append(Task(name, words, measure_svm, (model, k), needs, "codes svm", work))
    return found


def encoding(study: Study) -> str:
    """The model whose encoder Fig. 5 takes: the first with a component of the prior per class.

    Raises:
        InputError: there is none.
    """
    for model in study.encoders:
        if isinstance(_prior(study, model), MixturePrior):
            return model
    raise InputError("config.models: codes needs a model whose prior has a component per class: m1")


def _prior(study: Study, model: str) -> Any:
    return getattr(study.plans[model].learner.model, "prior", None)


def results(study: Study, records: Records) -> dict[str, Any]:
    """Measures and UARs over the folds, with paired differences."""
    measured = [records[f"codes-fold{fold.index}"] for fold in study.folds]
    pairs = [(b, a) for a, b in combinations(study.models, 2)]
    pairs += [(study.models[-1], TRAIN), (VALID, TRAIN)]
    found: dict[str, Any] = {
        "fold": study.plotted_fold(),
        "seed": measured[0]["seed"],
        "encoder": encoding(study),
        "prior": measured[0]["prior"] | {"own_component": _own_of_prior(study)},
        "differences": {},
    }
    for measure in MEASURES:
        values = {
            source: [_mean(record["measures"][source][measure]) for record in measured]
            for source in (TRAIN, VALID, *study.models)
        }
        found[measure] = {source: study.over_folds(v) for source, v in values.items()}
        found["differences"][measure] = {
            f"{a}-{b}": study.over_folds(values[a], values[b]) for a, b in pairs
        }
    svms = {
        model: [records[f"codes-svm-{model}-fold{fold.index}"] for fold in study.folds]
        for model in study.encoders
    }
    raw = [record["raw"] for record in svms[study.encoders[0]]]
    coded = {model: [_mean(record["codes"]) for record in svms[model]] for model in svms}
    found["svm"] = {
        "raw": study.over_folds(raw),
        "codes": {model: study.over_folds(values) for model, values in coded.items()},
        "differences": {model: study.over_folds(values, raw) for model, values in coded.items()},
        "chosen_c": {model: [record["chosen_c"] for record in svms[model]] for model in svms},
    }
    return found | {"definitions": defined(NAME)}


def measure_codes(study: Study, fold: int) -> dict[str, Any]:
    """Measures of every source in a fold: {"measures": {source: {measure: one value per seed}}}.

    For the fold of Fig. 4 it writes the points of the first seed to ``table("codes")``.
    """
    prior = _prior(study, encoding(study))
    means = prior.means(len(study.source.classes))
    of_seeds = [_codes_of_fold(study, seed, fold) for seed in study.seeds]
    if fold == study.plotted_fold():
        study.keep_points(NAME, points_of(of_seeds[0], study.source.classes))
    measured = [
        {source: measure(found, means, prior.spread) for source, found in codes.items()}
        for codes in of_seeds
    ]
    return {
        "fold": fold,
        "seed": study.seeds[0],
        "prior": {"means": _plane(means).tolist(), "spread": prior.spread},
        "measures": {
            source: {
                name: [seed.get(source, {}).get(name) for seed in measured] for name in MEASURES
            }
            for source in (TRAIN, VALID, *study.models)
        },
    }


def _own_of_prior(study: Study) -> float | None:
    """``own_component`` of the prior's own points: the most that codes can be expected to reach."""
    prior, classes = _prior(study, encoding(study)), len(study.source.classes)
    labels = jnp.arange(_PRIOR_POINTS) % classes
    points = prior.sample(jax.random.key(0), jax.nn.one_hot(labels, classes))
    codes = Codes(np.asarray(points), np.asarray(labels))
    return measure(codes, prior.means(classes), prior.spread)["own_component"]


def measure_svm(study: Study, model: str, fold: int) -> dict[str, Any]:
    """UAR on set-2 of SVMs on set-1: "raw" features, and "codes" with one value per seed."""
    chosen, standardiser = study.fold(fold), study.standardiser(fold)
    corpus, protocol = study.source, study.protocol.svm
    truth, classes = corpus.labels[chosen.valid], len(corpus.classes)
    found: dict[str, Any] = {"fold": fold, "model": model, "codes": [], "chosen_c": []}
    with threadpool_limits(1):
        svm = svm_on_set1(corpus, chosen, standardiser, protocol, study.cache_dir)
        predicted = predict(svm, standardiser.to_z(corpus.features[chosen.valid]))
        found["raw"] = uar(confusion_counts(truth, predicted, classes))
        protocol = replace(protocol, c_grid=study.settings(NAME).c_grid)
        for seed in study.seeds:
            score = c = None
            if not study.diverged(model, seed, fold):
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


def points_of(codes: Mapping[str, Codes], classes: tuple[str, ...]) -> list[pd.DataFrame]:
    """Per source a frame x, y, source, class; at most PLOTTED random rows of each."""
    frames = []
    for place, (source, found) in enumerate(codes.items()):
        # Each source draws for itself: row i of M1 and of M2 come from the same z.
        rng = np.random.default_rng(place)
        rows = rng.permutation(len(found.labels))[:PLOTTED]
        xy, names = _plane(found.points[rows]), np.array(classes)[found.labels[rows]]
        frame = {"x": xy[:, 0], "y": xy[:, 1], "source": source, "class": names}
        frames.append(pd.DataFrame(frame))
    return frames or [pd.DataFrame({"x": [], "y": [], "source": [], "class": []})]


def _codes_of_fold(study: Study, seed: int, fold: int) -> dict[str, Codes]:
    """Codes by M1's encoder of every source that did not diverge; none if M1 did."""
    model = encoding(study)
    if study.diverged(model, seed, fold):
        return {}
    found = dict(zip((TRAIN, VALID), _codes_of_corpus(study, model, seed, fold), strict=True))
    for source in study.models:
        rows = study.synthetic(source, seed, fold)
        if rows is not None:
            found[source] = Codes(encoded(study, model, seed, fold, rows[0]), rows[1])
    return found


def _codes_of_corpus(study: Study, model: str, seed: int, fold: int) -> tuple[Codes, Codes]:
    """Codes of set-1 and of set-2 by a model's encoder of that fold."""
    chosen, corpus = study.fold(fold), study.source
    train, valid = (
        Codes(encoded(study, model, seed, fold, corpus.features[rows]), corpus.labels[rows])
        for rows in (chosen.train, chosen.valid)
    )
    return train, valid


def _plane(points: np.ndarray) -> np.ndarray:
    """The first two coordinates (n, 2); 0 for one that is not there."""
    missing = max(0, 2 - points.shape[1])
    return np.pad(points[:, :2], ((0, 0), (0, missing)))


def _mean(values: list[float | None]) -> float | None:
    """Over the seeds of a fold."""
    (found,) = fold_means(values, [{"fold": 0}] * len(values))
    return found
