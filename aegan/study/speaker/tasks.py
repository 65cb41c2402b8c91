"""Adaptation: a classifier meets a speaker of whom k unlabelled rows are known.

Every held-out speaker's rows are cut at random into k known ones, whose labels nobody looks at,
and the others, which are tested. What is transductive is so by those k rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from threadpoolctl import threadpool_limits

from aegan.data.folds import Fold, Standardiser, fit_standardiser
from aegan.metrics.intervals import by_speaker, contrast
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.metrics.svm import predict
from aegan.run.schema import Rule, at_least
from aegan.study.experiment import Records, Task
from aegan.study.generators import rows_of
from aegan.study.parts import SOURCE, Part
from aegan.study.speaker import methods
from aegan.study.speaker.methods import Classifier, Seen
from aegan.study.study import Study
from aegan.study.words import defined

NAME = "speaker"
NONE, NEW, ADAPTED = "none", "m5_new", "m5"
REFERENCES = ("smote", "class_gaussian")  # with the shift
LEFT = 8  # rows of a speaker that are tested, at least
_CELL = 2  # rows of a cell that a share keeps, at least

_known = Rule(lambda v: bool(v) and min(v) >= 1, "must be numbers of rows, 1 or more")
_percents = Rule(lambda v: bool(v) and 0 < min(v) and max(v) <= 100, "must lie in (0, 100]")


@dataclass(frozen=True)
class Settings:
    """``config.speaker``."""

    known: Annotated[tuple[int, ...], _known] = (1, 3, 5, 10, 30)  # unlabelled rows of a speaker
    percents: Annotated[tuple[float, ...], _percents] = (10, 25, 50, 100)  # of the training rows
    rows: Annotated[int, at_least(100)] = 3000  # synthetic


def tasks(study: Study) -> list[Task]:
    """One per fold and share of the training rows."""
    trained = tuple(f"train-{name}" for name in _trained(study))
    found = []
    for percent in study.settings(NAME).percents:
        for fold in study.folds:
            words = f"Adaptation: fold {fold.index}, {percent:g} % of the rows"
            needs = trained if percent == 100 else ()
            work = float(len(fold.train) * percent)
            where = percent, fold.index
            found.append(Task(task_name(*where), words, measure, where, needs, NAME, work))
    return found


def task_name(percent: float, fold: int) -> str:
    return f"speaker-{percent:g}-fold{fold}"


def _trained(study: Study) -> list[str]:
    """The models of the cross-validation; M5, in closed form, is made anew for every share."""
    return [name for name in study.models if name != "m5"]


def share(study: Study, fold: Fold, percent: float) -> np.ndarray:
    """Sorted training rows of a fold: so many of every speaker's in every class, two at least."""
    if percent == 100:
        return fold.train
    source, rng = study.source, np.random.default_rng([fold.index, round(1000 * percent)])
    cells: dict[tuple, list[int]] = {}
    for row in fold.train:
        cells.setdefault((source.speakers[row], source.labels[row]), []).append(row)
    kept = []
    for rows in cells.values():
        wanted = max(_CELL, round(percent / 100 * len(rows)))
        kept.append(rng.permutation(rows)[:wanted])
    return np.sort(np.concatenate(kept))


def measure(study: Study, percent: float, fold: int) -> dict[str, Any]:
    """Confusion counts {k: {method: {speaker: (classes, classes)}}}."""
    source, settings, held = study.source, study.settings(NAME), study.fold(fold)
    rows = share(study, held, percent)
    stats = fit_standardiser(source.features, rows, study.config.source.clip)
    speakers = np.unique(source.speakers[rows], return_inverse=True)[1]
    z, classes = stats.to_z(source.features[rows]), len(source.classes)
    seen = Seen(z, source.labels[rows], speakers, classes, study.protocol.svm)
    tested = stats.to_z(source.features[held.valid])
    truth, of = source.labels[held.valid], source.speakers[held.valid]
    found: dict[str, Any] = {}
    with threadpool_limits(1):
        made = dict(_classifiers(study, seen, held, percent, stats))
    for k in settings.known:
        counts: dict[str, dict[str, list]] = {name: {} for name in made}
        for speaker in np.unique(of):
            own = np.flatnonzero(of == speaker)
            if len(own) < k + LEFT:
                continue
            rng = np.random.default_rng([fold, int(own[0])])  # of fewer rows the first
            own = rng.permutation(own)
            known, rest = tested[own[:k]], own[k:]
            for name, classify in made.items():
                said = classify(tested[rest], known)
                one = by_speaker(truth[rest], said, of[rest], np.array([speaker]), classes)
                counts[name][str(speaker)] = one[0].tolist()
        found[str(k)] = counts
    return {"counts": found}


def _classifiers(
    study: Study, seen: Seen, fold: Fold, percent: float, stats: Standardiser
) -> Iterator[tuple[str, Classifier]]:
    settings, seed = study.settings(NAME), study.seeds[0]
    new, nobody, offsets = methods.new_speakers(seen, settings.rows, seed)
    yield NONE, methods.nothing(seen)
    yield "mean", methods.mean(seen)
    yield "z_norm", methods.z_norm(seen)
    if "neutral" in study.source.classes:
        yield "iterative", methods.iterative(seen, study.source.classes.index("neutral"))
    yield "revoiced", methods.revoiced(seen, offsets)
    for name in REFERENCES:
        own = reference_seed(study.protocol.seed, fold.index, name)
        rows = GENERATORS[name](seen.z, seen.labels, seen.speakers, settings.rows, own)
        yield name, methods.shifted(seen.svm(*rows), offsets)
    for name in _trained(study) if percent == 100 else ():
        part = Part(SOURCE, 100, 0, fold.index, fold.train)
        drawn = rows_of(study, name, seed, part, settings.rows)
        if drawn is not None:
            yield name, methods.shifted(seen.svm(stats.to_z(drawn[0]), drawn[1]), offsets)
    svm = seen.svm(*new)
    yield NEW, lambda rows, known: predict(svm, rows)
    yield ADAPTED, methods.shifted(seen.svm(*nobody), offsets)


def results(study: Study, records: Records) -> dict[str, Any]:
    """UAR of every method per share and k, and what it is above real rows without adaptation.

    Intervals are over speakers, each in all its folds at once.
    """
    settings, folds = study.settings(NAME), study.folds
    names, classes = np.unique(study.source.speakers), len(study.source.classes)
    groups = [fold.held_out for fold in folds]
    found: dict[str, Any] = {}
    for percent in settings.percents:
        of_folds = [records[task_name(percent, fold.index)]["counts"] for fold in folds]
        of_percent: dict[str, Any] = {}
        for k in map(str, settings.known):
            counts = {}
            for method in of_folds[0][k]:
                one = np.zeros((len(folds), len(names), classes, classes))
                for place, of_fold in enumerate(of_folds):
                    for speaker, own in of_fold[k].get(method, {}).items():
                        one[place, np.searchsorted(names, speaker)] = own
                counts[method] = one
            base = counts.get(NONE)
            if base is None or not base.any():
                continue
            of_percent[k] = {
                method: {
                    "uar": _short(contrast([(1, one)], groups)),
                    "gain": _short(contrast([(1, one), (-1, base)], groups)),
                }
                for method, one in counts.items()
                if one.any()
            }
        found[f"{percent:g}"] = of_percent
    return {"percents": found, "definitions": defined(NAME)}


def _short(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("mean", "ci95")}
