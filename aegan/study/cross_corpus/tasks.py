"""Table 4: generators of the source corpus measured on the target corpus (section 5.2.1).

Metric 1 (TRTS): an SVM trained on the target, cut to equal classes, tested on synthetic rows.
Metric 2 (TSTR): an SVM trained on synthetic rows, tested on the whole, unbalanced target.
Metric 3 (FID): synthetic rows against the target, by nets trained on the target.

Beside the models stand the source's own rows, what a faithful generator would score, and the
trivial generators on the source. All of it twice: with the target's rows in z-scores of its own
statistics, and of the source's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, Any

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import fit_standardiser, make_folds
from aegan.errors import InputError
from aegan.metrics.fid import fid_scores, train_nets
from aegan.metrics.intervals import DRAWS, by_speaker, contrast, crossed_estimate
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.metrics.svm import FittedSvm, confusion_counts, predict, tune_and_fit, uar
from aegan.run.schema import at_least
from aegan.sampling.rows import Rows
from aegan.study.experiment import Records, Task
from aegan.study.generators import part_task, rows_of
from aegan.study.study import Study
from aegan.study.words import defined

NAME = "cross_corpus"
OWN, SOURCE = "own", "source"
STATISTICS = (OWN, SOURCE)
REAL = "real"
_OTHERS = (REAL, *GENERATORS)  # rows of the table that no model makes; each once
_CEILING = "table4-target-to-target"
_MAX_FOLDS = 5  # of the target


@dataclass(frozen=True)
class Settings:
    """``config.cross_corpus``."""

    draws: Annotated[int, at_least(1)] = 5  # of a class-balanced target


def tasks(study: Study) -> list[Task]:
    """SVMs and nets on the target, per statistics; an SVM per set of rows; the ceiling."""
    sets, rows = _sets(study), float(len(study.target.labels))
    trained = {(m, s): (part_task(m, s, study.parts[0]),) for m, s in sets if s is not None}
    every, cells = sum(trained.values(), ()), rows * (study.settings(NAME).draws + len(sets))
    found = []
    for of in STATISTICS:
        name, words = f"table4-target-{of}", f"Table 4: metrics 1 and 3, target by {of} statistics"
        found.append(Task(name, words, measure_on_target, (of,), every, "table4 target", cells))
    for name, seed in sets:
        title = name if seed is None else f"{name.upper()}, seed {seed}"
        words, task = f"Table 4: metric 2, {title}", _tstr_task(name, seed)
        work = float(len(study.source.labels) if name == REAL else study.config.sample.rows) ** 2
        needs = trained.get((name, seed), ())
        found.append(Task(task, words, measure_tstr, (name, seed), needs, "table4 tstr", work))
    words, kind = "Table 4: SVM in folds of the target", "table4 target to target"
    return [*found, Task(_CEILING, words, measure_target_to_target, (), (), kind, rows**2)]


def _tstr_task(name: str, seed: int | None) -> str:
    return f"table4-tstr-{name}" + ("" if seed is None else f"-{seed}")


def _sets(study: Study) -> list[tuple[str, int | None]]:
    """Every set of rows that is measured: (model, seed), and the others without a seed."""
    models = [(model, seed) for model in study.models for seed in study.seeds]
    return models + [(name, None) for name in _OTHERS]


def measure_on_target(study: Study, statistics: str) -> dict[str, Any]:
    """Metrics 1 and 3 of every set of rows, the target in z-scores of its own or the source's.

    Returns:
        "rows_per_class", "notes" and per set of rows, a list of one value per generator seed:
        "trts" (a list by draw), "fid" and "fid_over_floor" (lists by net). The value of a
        generator whose rows are not finite is None.
    """
    protocol, target = study.protocol, study.target
    target_z, classes = _target_z(study, statistics), len(target.classes)
    draws = balanced_draws(target.labels, study.settings(NAME).draws)
    svms = [tune_and_fit(target_z[rows], target.labels[rows], protocol.svm) for rows in draws]
    nets = train_nets(target_z, target.labels, protocol.fid)
    found: dict[str, Any] = {
        "rows_per_class": len(draws[0]) // classes,
        "notes": _svm_notes(f"SVM on the target, {statistics} statistics", svms),
        "trts": {},
        "fid": {},
        "fid_over_floor": {},
    }
    for name, seed in _sets(study):
        rows = _rows(study, name, seed)
        trts = fid = over = None
        if rows is not None:
            z, labels = rows
            trts = [uar(confusion_counts(labels, predict(svm, z), classes)) for svm in svms]
            scores = [fid_scores((net,), target_z, z, protocol.fid) for net in nets]
            fid = [score.fid for score in scores]
            over = [score.fid_over_floor for score in scores]
        for metric, value in (("trts", trts), ("fid", fid), ("fid_over_floor", over)):
            found[metric].setdefault(name, []).append(value)
    return found


def measure_tstr(study: Study, name: str, seed: int | None) -> dict[str, Any]:
    """Metric 2 of one set of rows with either statistics of the target.

    Returns:
        "own" and "source": confusion counts (speakers, classes, classes), or None for a generator
        whose rows are not finite; "chosen_c" and "notes" of the SVM, the same for both.
    """
    rows = _rows(study, name, seed)
    if rows is None:
        return {**dict.fromkeys(STATISTICS), "chosen_c": None, "notes": []}
    svm = tune_and_fit(*rows, study.protocol.svm)
    counts = {
        statistics: _counts(study.target, predict(svm, _target_z(study, statistics))).tolist()
        for statistics in STATISTICS
    }
    return {**counts, "chosen_c": svm.c, "notes": _svm_notes(f"SVM on rows of {name}", [svm])}


def measure_target_to_target(study: Study) -> dict[str, Any]:
    """UAR within the target, in folds of whole speakers.

    Returns:
        "counts" (speakers, classes, classes), None where the target cannot be cut into folds, and
        "notes".
    """
    # By speaker, whatever sessions or folds the table has: those might share speakers.
    target = replace(study.target, sessions=None, fold_names=None)
    protocol = study.protocol
    try:
        speakers = len(np.unique(target.speakers))
        folds = make_folds(target, max(2, min(_MAX_FOLDS, speakers)))
    except InputError as error:
        return {"counts": None, "notes": [f"No SVM in folds of the target: {error}"]}
    predicted = np.empty_like(target.labels)
    svms = []
    for fold in folds:
        standardiser = fit_standardiser(target.features, fold.train, protocol.clip)
        train_z = standardiser.to_z(target.features[fold.train])
        svms.append(tune_and_fit(train_z, target.labels[fold.train], protocol.svm))
        predicted[fold.valid] = predict(svms[-1], standardiser.to_z(target.features[fold.valid]))
    notes = _svm_notes("SVM in folds of the target", svms)
    return {"counts": _counts(target, predicted).tolist(), "notes": notes}


def balanced_draws(labels: np.ndarray, draws: int) -> list[np.ndarray]:
    """Sorted row numbers of equally many rows of each class, as many as the rarest has, at random.

    Draw i is the same however many there are. Of classes that are equal already there is one draw:
    every row.
    """
    counts = np.bincount(labels)[np.unique(labels)]
    size = int(counts.min())
    found = []
    for draw in range(1 if size == counts.max() else draws):
        rng = np.random.default_rng([draw, len(labels)])
        chosen = [
            rng.permutation(np.flatnonzero(labels == label))[:size] for label in np.unique(labels)
        ]
        found.append(np.sort(np.concatenate(chosen)))
    return found


def results(study: Study, records: Records) -> dict[str, Any]:
    """Table 4 with either statistics of the target, and differences between the models."""
    on_target = {name: records[f"table4-target-{name}"] for name in STATISTICS}
    of_set = {key: records[_tstr_task(*key)] for key in _sets(study)}
    ceiling = records[_CEILING]
    notes = [note for record in (ceiling, *on_target.values(), *of_set.values())
             for note in record["notes"]]  # fmt: skip
    notes += [
        f"{name.upper()}, seed {seed}: rows that are not finite, without any value."
        for (name, seed), record in of_set.items()
        if record[OWN] is None
    ]
    classes, speakers = len(study.target.classes), len(np.unique(study.target.speakers))

    def counts(name: str, statistics: str) -> np.ndarray:
        """(generator seeds, speakers, classes, classes); zero where a generator gave no rows."""
        found = [record[statistics] for (of, _), record in of_set.items() if of == name]
        none = np.zeros((speakers, classes, classes))
        return np.array([none if value is None else value for value in found])

    def figures(statistics: str, metrics: Sequence[str], *names: str) -> dict[str, Any]:
        """Of one set of rows, or of the first less the second."""
        signs = (1, -1)[: len(names)]
        found = {}
        for metric in metrics:
            if metric == "tstr":
                pairs = zip(signs, names, strict=True)
                terms = [(sign, counts(name, statistics)) for sign, name in pairs]
                found[metric] = contrast(terms, [0] * len(terms[0][1]))
            else:
                values = on_target[statistics][metric]
                pairs = zip(signs, names, strict=True)
                found[metric] = crossed_estimate(sum(s * _matrix(values[n]) for s, n in pairs))
        return found

    columns = ("trts", "tstr", "fid", "fid_over_floor")
    # A record of before has not every reference.
    measured = [n for n in (*study.models, *_OTHERS) if n in on_target[OWN]["trts"]]
    pairs = [(b, a) for a, b in combinations(study.models, 2)]
    return {
        "statistics": study.config.target.statistics,
        "draws": study.settings(NAME).draws,
        "rows_per_class": on_target[OWN]["rows_per_class"],
        "tables": {
            name: {row: figures(name, columns, row) for row in measured} for name in STATISTICS
        },
        "target_to_target": None
        if ceiling["counts"] is None
        else contrast([(1, np.array([ceiling["counts"]]))], [0]),
        "differences": {
            name: {f"{a}-{b}": figures(name, columns[:3], a, b) for a, b in pairs}
            for name in STATISTICS
        },
        "definitions": defined(NAME, draws=DRAWS),
        "notes": notes,
    }


def _matrix(per_seed: list[list[float] | None]) -> np.ndarray:
    """(generator seeds, draws); NaN for a seed without values."""
    width = max((len(values) for values in per_seed if values is not None), default=1)
    return np.array([[math.nan] * width if values is None else values for values in per_seed])


def _rows(study: Study, name: str, seed: int | None) -> Rows | None:
    """A set of rows in z-scores of the source; None for a generator whose rows are not finite."""
    to_z, source = study.source_standardiser.to_z, study.source
    if name in study.models:
        found = rows_of(study, name, seed, study.parts[0], study.config.sample.rows)
        return found and (to_z(found[0]), found[1])
    real = to_z(source.features), source.labels
    if name == REAL:
        return real
    # A fold's number that no fold of the cross-validation has: the references' rows are others.
    drawn_with = reference_seed(study.protocol.seed, len(study.folds), name)
    rows = study.protocol.reference_rows
    return GENERATORS[name](*real, source.speakers, rows, drawn_with)


def _target_z(study: Study, statistics: str) -> np.ndarray:
    own = statistics == OWN
    standardiser = study.target_standardiser if own else study.source_standardiser
    return standardiser.to_z(study.target.features)


def _counts(corpus: Corpus, predicted: np.ndarray) -> np.ndarray:
    names = np.unique(corpus.speakers)
    return by_speaker(corpus.labels, predicted, corpus.speakers, names, len(corpus.classes))


def _svm_notes(what: str, svms: list[FittedSvm]) -> list[str]:
    """Every departure of an SVM from the protocol, each said once."""
    return [f"{what}: {note}." for note in dict.fromkeys(svm.note for svm in svms) if note]
