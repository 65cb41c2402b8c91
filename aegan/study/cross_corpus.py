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
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Standardiser, fit_standardiser, make_folds
from aegan.errors import InputError
from aegan.metrics.fid import fid_scores, train_net
from aegan.metrics.intervals import DRAWS, by_speaker, contrast, crossed_estimate
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.metrics.svm import FittedSvm, confusion_counts, predict, tune_and_fit, uar
from aegan.sampling.rows import Rows, sample
from aegan.study.generators import generator_of, part_task
from aegan.study.study import MODELS, Study
from aegan.study.tasks import Records, Task

OWN, SOURCE = "own", "source"
STATISTICS = (OWN, SOURCE)
REAL = "real"
_OTHERS = (REAL, *GENERATORS)  # rows of the table that no model makes; each once
_PAIRS = (("m2", "m1"), ("m3", "m2"), ("m3", "m1"))
_CEILING = "table4-target-to-target"
_MAX_FOLDS = 5  # of the target

_DEFINITIONS = {
    "own": "The target's rows in z-scores by the mean and deviation of all of them, labels unseen "
    "(transductive); synthetic rows in those of the source.",
    "source": "Both in z-scores by the mean and deviation of the source.",
    "trts": "UAR on synthetic rows of an SVM trained on the target with equal rows per class, as "
    "many as the rarest has. Interval over draws of those rows and generator seeds: t^2 times "
    "variance of either, added under a root; a balanced target has one draw. The target's speakers "
    "are not resampled.",
    "tstr": "UAR on the whole target of an SVM trained on synthetic rows. Interval over the "
    f"target's speakers and generator seeds: as for trts, variances by a bootstrap with {DRAWS} "
    "resamples.",
    "fid": "Frechet distance to the target in the third hidden layer of nets trained on the "
    "target. Interval over seeds of the net and generator seeds, as for trts.",
    "fid_over_floor": "FID to one half of the target less the FID between its halves, at matched "
    "numbers of rows. Interval as for fid.",
    "real": "The source's own rows in place of synthetic ones: what a faithful generator scores.",
    "target_to_target": "UAR of an SVM trained on the target and tested on its other speakers, "
    "each fold in z-scores of its training part: the ceiling of tstr. Interval by a bootstrap over "
    "speakers.",
    "differences": "Paired by generator seed, and by draw, net or speaker.",
    "values": "One per generator seed and draw (trts), seed (tstr), or seed and net (fid).",
}


def check(cross_corpus: Mapping[str, Any]) -> None:
    """Refuses values of ``config.cross_corpus`` that no study could use.

    Raises:
        InputError: such a value.
    """
    draws = cross_corpus["draws"]
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise InputError(f"config.cross_corpus.draws={draws!r}: must be 1 or more")


def tasks(study: Study) -> list[Task]:
    """SVMs and nets on the target, per statistics; an SVM per set of rows; the ceiling."""
    whole = study.parts[0]
    trained = {
        (model, seed): part_task(model, seed, whole) for model in MODELS for seed in study.seeds
    }
    sets = len(trained) + len(_OTHERS)
    found = [
        Task(
            _target_task(statistics),
            f"Table 4: metrics 1 and 3, target by {statistics} statistics",
            measure_on_target,
            (statistics,),
            tuple(trained.values()),
            kind="table4 target",
            work=float(len(study.target.labels) * (study.config["cross_corpus"]["draws"] + sets)),
        )
        for statistics in STATISTICS
    ]
    for name, seed in _sets(study):
        source_rows = len(study.source.labels)
        rows = source_rows if name == REAL else study.config["sample"]["rows"]
        needs = (trained[name, seed],) if name in MODELS else ()
        title = f"{name.upper()}, seed {seed}" if name in MODELS else name
        found.append(
            Task(
                _tstr_task(name, seed),
                f"Table 4: metric 2, {title}",
                measure_tstr,
                (name, seed),
                needs,
                kind="table4 tstr",
                work=float(rows) ** 2,
            )
        )
    found.append(
        Task(
            _CEILING,
            "Table 4: SVM in folds of the target",
            measure_target_to_target,
            kind="table4 target to target",
            work=float(len(study.target.labels)) ** 2,
        )
    )
    return found


def _target_task(statistics: str) -> str:
    return f"table4-target-{statistics}"


def _tstr_task(name: str, seed: int | None) -> str:
    return f"table4-tstr-{name}" + ("" if seed is None else f"-{seed}")


def _sets(study: Study) -> list[tuple[str, int | None]]:
    """Every set of rows that is measured: (model, seed), and the others without a seed."""
    models = [(model, seed) for model in MODELS for seed in study.seeds]
    return models + [(name, None) for name in _OTHERS]


def measure_on_target(study: Study, statistics: str) -> dict[str, Any]:
    """Metrics 1 and 3 of every set of rows, the target in z-scores of its own or the source's.

    Returns:
        "rows_per_class", "notes" and per set of rows, a list of one value per generator seed:
        "trts" (a list by draw), "fid" and "fid_over_floor" (lists by net). The value of a
        generator whose rows are not finite is None.
    """
    protocol = study.plans[MODELS[0]].protocol
    target = study.target
    target_z = _target_z(study, statistics)
    draws = balanced_draws(target.labels, study.config["cross_corpus"]["draws"])
    svms = [tune_and_fit(target_z[rows], target.labels[rows], protocol.svm) for rows in draws]
    nets = [
        train_net(target_z, target.labels, protocol.fid, seed) for seed in protocol.fid.net_seeds
    ]
    found: dict[str, Any] = {
        "rows_per_class": len(draws[0]) // len(target.classes),
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
            trts = [
                uar(confusion_counts(labels, predict(svm, z), len(target.classes))) for svm in svms
            ]
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
    svm = tune_and_fit(*rows, study.plans[MODELS[0]].protocol.svm)
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
    protocol = study.plans[MODELS[0]].protocol
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
    on_target = {name: records[_target_task(name)] for name in STATISTICS}
    of_set = {key: records[_tstr_task(*key)] for key in _sets(study)}
    ceiling = records[_CEILING]
    notes = [
        *ceiling["notes"],
        *(note for record in on_target.values() for note in record["notes"]),
        *(note for record in of_set.values() for note in record["notes"]),
        *(
            f"{name.upper()}, seed {seed}: rows that are not finite, without any value."
            for (name, seed), record in of_set.items()
            if record[OWN] is None
        ),
    ]
    classes = len(study.target.classes)
    speakers = len(np.unique(study.target.speakers))

    def counts(name: str, statistics: str) -> np.ndarray:
        """(generator seeds, speakers, classes, classes); zero where a generator gave no rows."""
        found = [record[statistics] for (of, _), record in of_set.items() if of == name]
        none = np.zeros((speakers, classes, classes))
        return np.array([none if value is None else value for value in found])

    def tstr(statistics: str, *names: str) -> dict[str, Any]:
        """Of one set of rows, or of the first less the second."""
        terms = [
            (sign, counts(name, statistics)) for sign, name in zip((1, -1), names, strict=False)
        ]
        return contrast(terms, [0] * len(terms[0][1]))

    def table(statistics: str) -> dict[str, Any]:
        found = on_target[statistics]
        return {
            name: {
                "trts": crossed_estimate(_matrix(found["trts"][name])),
                "tstr": tstr(statistics, name),
                "fid": crossed_estimate(_matrix(found["fid"][name])),
                "fid_over_floor": crossed_estimate(_matrix(found["fid_over_floor"][name])),
            }
            for name in (*MODELS, *_OTHERS)
        }

    def differences(statistics: str) -> dict[str, Any]:
        found = on_target[statistics]
        return {
            f"{a}-{b}": {
                "trts": crossed_estimate(_matrix(found["trts"][a]) - _matrix(found["trts"][b])),
                "tstr": tstr(statistics, a, b),
                "fid": crossed_estimate(_matrix(found["fid"][a]) - _matrix(found["fid"][b])),
            }
            for a, b in _PAIRS
        }

    return {
        "statistics": study.config["target"]["statistics"],
        "draws": study.config["cross_corpus"]["draws"],
        "rows_per_class": on_target[OWN]["rows_per_class"],
        "tables": {name: table(name) for name in STATISTICS},
        "target_to_target": None
        if ceiling["counts"] is None
        else contrast([(1, np.array([ceiling["counts"]]))], [0]),
        "differences": {name: differences(name) for name in STATISTICS},
        "definitions": _DEFINITIONS,
        "notes": notes,
    }


def _matrix(per_seed: list[list[float] | None]) -> np.ndarray:
    """(generator seeds, draws); NaN for a seed without values."""
    width = max((len(values) for values in per_seed if values is not None), default=1)
    return np.array([[math.nan] * width if values is None else values for values in per_seed])


def _rows(study: Study, name: str, seed: int | None) -> Rows | None:
    """A set of rows in z-scores of the source; None for a generator whose rows are not finite."""
    standardiser, source = study.source_standardiser, study.source
    if name in MODELS:
        generator, key = generator_of(study, name, seed, study.parts[0])
        raw, labels = sample(generator, key, study.config["sample"]["rows"])
        # Before standardising: the clip would make an infinite cell look finite.
        return (standardiser.to_z(raw), labels) if np.isfinite(raw).all() else None
    real = standardiser.to_z(source.features), source.labels
    if name == REAL:
        return real
    protocol = study.plans[MODELS[0]].protocol
    # A fold's number that no fold of the cross-validation has: the references' rows are others.
    drawn_with = reference_seed(protocol.seed, len(study.folds), name)
    return GENERATORS[name](*real, protocol.reference_rows, drawn_with)


def _target_z(study: Study, statistics: str) -> np.ndarray:
    standardiser: Standardiser = (
        study.target_standardiser if statistics == OWN else study.source_standardiser
    )
    return standardiser.to_z(study.target.features)


def _counts(corpus: Corpus, predicted: np.ndarray) -> np.ndarray:
    names = np.unique(corpus.speakers)
    return by_speaker(corpus.labels, predicted, corpus.speakers, names, len(corpus.classes))


def _svm_notes(what: str, svms: list[FittedSvm]) -> list[str]:
    """Every departure of an SVM from the protocol, each said once."""
    return [f"{what}: {note}." for note in dict.fromkeys(svm.note for svm in svms) if note]
