"""Fig. 6: a classifier that learns from P per cent of the source and from N synthetic rows.

Two modes. ``paper``: generator and standardisation saw the whole source whatever P is, so the
synthetic rows carry what the classifier is denied. ``honest``: both see the same P per cent. At
P = 100 the two are one.

Two scopes. ``target``: tested on the target corpus, as in the paper. ``source``: P per cent of the
training part of a fold, tested on its held-out speakers, with the generators of the
cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import jax
import numpy as np

from aegan.data.corpus import Corpus
from aegan.data.folds import Standardiser, fit_standardiser
from aegan.errors import InputError
from aegan.metrics.intervals import DRAWS, by_speaker, contrast
from aegan.metrics.references import JITTER_NOISE
from aegan.sampling.rows import Rows, sample
from aegan.study.augmentation import BASELINES, SMOTE_NEIGHBOURS, first
from aegan.study.classifier import ClassifierProtocol, classify, train_classifier
from aegan.study.generators import generator_of, generator_task, seed_of, whole_of
from aegan.study.parts import SCOPES, TARGET, Part, find_part
from aegan.study.study import MODELS, Study
from aegan.study.tasks import Records, Task

PAPER, HONEST = "paper", "honest"
MODES = (PAPER, HONEST)
NONE = "none"  # the method that adds no rows

_DEFINITIONS = {
    "paper": "Generator and standardisation saw the whole source (in the scope source: the whole "
    "training part of the fold), whatever P is.",
    "honest": "Generator and standardisation see the same P per cent as the classifier.",
    "target": "P per cent of every class of the source; tested on the target corpus.",
    "source": "P per cent of every class of the training part of a fold; tested on the fold's "
    "held-out speakers. Draw r takes fold r modulo the folds.",
    "replicate": "One draw of the P per cent, one seed of the classifier, one of the generator's "
    "seeds, and rows of that generator drawn anew. Draws are nested: the 10 % of a draw are among "
    "its 25 %.",
    "uar": "Mean recall over the classes, of the counts pooled over the replicates.",
    "accuracy": "Share of rows classified rightly, of the counts pooled over the replicates.",
    "gain": "UAR less that of the same classifier without added rows, same mode and P, paired by "
    "replicate and by tested speaker.",
    "ci95": "t^2 times variance, of the tested speakers and of the replicates, added under a root; "
    f"either variance by a bootstrap with {DRAWS} resamples, replicates among those that test the "
    "same speakers. Where one replicate alone tests a fold's speakers (scope source) only speakers "
    "are resampled; those of a fold share its noise, so the interval is a little too narrow.",
    "oversampling": "Rows of the P per cent, drawn with replacement, classes uniform: what more "
    "and balanced rows do without anything new in them.",
    "jitter": f"Such rows plus white noise of {JITTER_NOISE:g} standard deviations.",
    "smote": f"imbalanced-learn's SMOTE on the P per cent, {SMOTE_NEIGHBOURS} neighbours, or as "
    "many as there are.",
    "class_gaussian": "One Gaussian per class with a shrunk covariance, fitted to the P per cent.",
}


class _Space(NamedTuple):
    """What a classifier learns from and is tested on, in z-scores."""

    seen: Part  # what generator and standardisation saw
    statistics: Standardiser  # of those rows
    real: Rows  # the P per cent
    test: np.ndarray  # (n, dim) float32


class _Table:
    """Training rows padded to one size, so that one program serves every cell.

    The rows of a cell are copied over those of the cell before; what lies beyond them is never
    drawn.
    """

    def __init__(self, rows: int, dim: int) -> None:
        self.features = np.zeros((rows, dim), np.float32)
        self.labels = np.zeros(rows, np.int32)

    def put(self, start: int, rows: Rows) -> int:
        """Copies rows in from ``start``; gives the place after them."""
        end = start + len(rows[1])
        self.features[start:end], self.labels[start:end] = rows
        return end


def check(low_resource: Mapping[str, Any]) -> None:
    """Refuses values of ``config.low_resource`` that no study could use, naming the field.

    Raises:
        InputError: such a value.
    """

    def need(ok: bool, field: str, mend: str) -> None:
        if not ok:
            value = low_resource[field]
            raise InputError(f"config.low_resource.{field}={value!r}: {mend}")

    def several(field: str) -> bool:
        values = low_resource[field]
        return bool(values) and len(set(values)) == len(values)

    percents, sizes = low_resource["percents"], low_resource["sizes"]
    ok = all(_number(p) and 0 < p <= 100 for p in percents) and several("percents")
    need(ok, "percents", "must be different numbers above 0, up to 100")
    ok = all(_whole(n) and n > 0 for n in sizes) and several("sizes")
    need(ok, "sizes", "must be different whole numbers above 0; N = 0 is always there")
    for field in ("replicates", "batch_size", "updates"):
        value = low_resource[field]
        need(_whole(value) and value > 0, field, "must be 1 or more")
    ok = all(scope in SCOPES for scope in low_resource["scopes"]) and several("scopes")
    need(ok, "scopes", f"must name one or more of {', '.join(SCOPES)}")
    honest = low_resource["honest"]
    ok = all(model in MODELS for model in honest) and len(set(honest)) == len(honest)
    need(ok, "honest", f"must name none or some of {', '.join(MODELS)}")
    ok = bool(low_resource["hidden"]) and all(_whole(w) and w > 0 for w in low_resource["hidden"])
    need(ok, "hidden", "must be layer widths above 0")
    rate = low_resource["rate"]
    need(_number(rate) and 0 < rate < math.inf, "rate", "must be above 0")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def tasks(study: Study) -> list[Task]:
    """One task per scope, per cent and replicate: all its cells."""
    low = study.config["low_resource"]
    found = []
    for scope in low["scopes"]:
        for percent in low["percents"]:
            for replicate in range(low["replicates"]):
                part = find_part(study.parts, scope, percent, replicate)
                seed = seed_of(study, replicate)
                # A dict keeps the order, and each name once.
                needs = {
                    generator_task(method, seed, part if HONEST in modes else whole_of(study, part))
                    for modes in _blocks(percent)
                    for method, _ in _methods(low, modes)
                    if method in MODELS
                }
                cells = sum(
                    len(sizes) for modes in _blocks(percent) for _, sizes in _methods(low, modes)
                )
                found.append(
                    Task(
                        task_name(scope, percent, replicate),
                        f"Fig. 6: classifiers on {percent:g} %, tested on the {scope}, "
                        f"draw {replicate}",
                        run_cells,
                        (scope, percent, replicate),
                        tuple(sorted(needs)),
                        kind="classifiers",
                        work=float(cells),
                    )
                )
    return found


def task_name(scope: str, percent: float, replicate: int) -> str:
    """Name of the task of a scope, per cent and replicate."""
    return f"lowres-{scope}-p{percent:g}-r{replicate}"


def _blocks(percent: float) -> tuple[tuple[str, ...], ...]:
    """The modes, those together that are the same thing."""
    return (MODES,) if percent == 100 else ((PAPER,), (HONEST,))


def _methods(low: Mapping, modes: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every method of a block of modes with its numbers of added rows."""
    sizes = tuple(sorted(low["sizes"]))
    yield NONE, (0,)
    for model in MODELS:
        if PAPER in modes or model in low["honest"]:
            yield model, sizes if model == MODELS[0] else sizes[-1:]
    if HONEST in modes:
        for name in BASELINES:
            yield name, sizes


def run_cells(study: Study, scope: str, percent: float, replicate: int) -> dict[str, Any]:
    """Trains and tests every classifier of a scope, per cent and replicate.

    Returns:
        "rows" (real training rows), "fold" (number, None in the scope target), "speakers" (names
        of those tested) and "cells": {"modes", "method", "n", "counts"}, the counts (speakers,
        classes, classes) with rows of the true class, None where a generator gave rows that are
        not finite.
    """
    low = study.config["low_resource"]
    part = find_part(study.parts, scope, percent, replicate)
    protocol = ClassifierProtocol(
        tuple(low["hidden"]), low["batch_size"], low["updates"], low["rate"]
    )
    classes = len(study.source.classes)
    corpus, tested = _tested(study, part)
    truth, speakers = corpus.labels[tested], corpus.speakers[tested]
    names = np.unique(speakers)
    largest = max(low["sizes"])
    table = _Table(len(study.source.labels) + largest, study.source.features.shape[1])
    key = jax.random.key(replicate)  # the same first weights in every cell of a replicate

    cells = []
    for modes in _blocks(percent):
        space = _space(study, part, part if HONEST in modes else whole_of(study, part))
        start = table.put(0, space.real)
        for method, sizes in _methods(low, modes):
            rows = _added(study, space, method, sizes[-1], replicate)
            for n in sizes:
                counts = None
                if rows is not None:
                    end = table.put(start, first(rows, n))
                    params = train_classifier(
                        protocol, classes, table.features, table.labels, end, key
                    )
                    predicted = classify(params, space.test)
                    counts = by_speaker(truth, predicted, speakers, names, classes).tolist()
                cells.append({"modes": list(modes), "method": method, "n": n, "counts": counts})
    return {
        "rows": len(part.rows),
        "fold": part.fold,
        "speakers": names.tolist(),
        "cells": cells,
    }


def _tested(study: Study, part: Part) -> tuple[Corpus, np.ndarray]:
    """The corpus that is tested on, and the numbers of its rows."""
    if part.fold is None:
        return study.target, np.arange(len(study.target.labels))
    return study.source, study.fold(part.fold).valid


def _space(study: Study, part: Part, seen: Part) -> _Space:
    source = study.source
    statistics = fit_standardiser(source.features, seen.rows, study.config["source"]["clip"])
    own = part.fold is None and study.config["target"]["statistics"] == "own"
    corpus, tested = _tested(study, part)
    return _Space(
        seen,
        statistics,
        (statistics.to_z(source.features[part.rows]), source.labels[part.rows]),
        (study.target_standardiser if own else statistics).to_z(corpus.features[tested]),
    )


def _added(study: Study, space: _Space, method: str, n: int, replicate: int) -> Rows | None:
    """The rows that a method adds, in z-scores; None if they are not finite."""
    if method in BASELINES:
        return BASELINES[method](*space.real, n, replicate)
    if method == NONE:
        return first(space.real, 0)
    seed = seed_of(study, replicate)
    generator, key = generator_of(study, method, seed, space.seen, replicate)
    raw, labels = sample(generator, key, n)
    # Before standardising: the clip would make an infinite cell look finite.
    return (space.statistics.to_z(raw), labels) if np.isfinite(raw).all() else None


def results(study: Study, records: Records) -> dict[str, Any]:
    """UAR, accuracy and gain of every cell, and the comparisons between cells, per scope."""
    low = study.config["low_resource"]
    scopes = {scope: _Scope(study, records, scope) for scope in low["scopes"]}
    return {
        "scopes": {name: scope.figures() for name, scope in scopes.items()},
        "gain_low_less_high": {
            name: {mode: scope.gain_low_less_high(mode) for mode in MODES}
            for name, scope in scopes.items()
        },
        "definitions": _DEFINITIONS,
        "notes": [
            f"Every classifier takes {low['updates']} updates of {low['batch_size']} rows, however "
            "many rows it has: with equal epochs instead, added rows would also add updates.",
            *_statistics_notes(study),
            "Added rows have uniform classes, the real ones those of the source; oversampling "
            "shows what that alone does.",
            *(note for scope in scopes.values() for note in scope.notes()),
        ],
    }


def _statistics_notes(study: Study) -> list[str]:
    if study.config["source"]["statistics"] != "speaker":
        return []
    return [
        "Every speaker is standardised by all of its rows before any are drawn (transductive), in "
        "the honest mode too: there, rows outside the P per cent tell their speaker's statistics."
    ]


class _Scope:
    """The counts of a scope, and what follows from them."""

    def __init__(self, study: Study, records: Records, scope: str) -> None:
        low = study.config["low_resource"]
        self.low, self.scope = low, scope
        self.percents = sorted(low["percents"])
        self.sizes = sorted(low["sizes"])
        self.statistics = study.config["target"]["statistics"] if scope == TARGET else "source"
        self._records = {
            percent: [
                records[task_name(scope, percent, replicate)]
                for replicate in range(low["replicates"])
            ]
            for percent in self.percents
        }
        some = self._records[self.percents[0]]
        self.speakers = sorted({name for record in some for name in record["speakers"]})
        self._folds = [record["fold"] for record in some]  # replicates of a fold test the same
        classes = len(study.source.classes)
        # (mode, method, percent, n) -> (replicates, speakers, classes, classes)
        self._counts: dict[tuple, np.ndarray] = {}
        for percent, of_percent in self._records.items():
            for replicate, record in enumerate(of_percent):
                places = np.searchsorted(self.speakers, record["speakers"])
                for cell in record["cells"]:
                    for mode in cell["modes"]:
                        counts = self._counts.setdefault(
                            (mode, cell["method"], percent, cell["n"]),
                            np.zeros((low["replicates"], len(self.speakers), classes, classes)),
                        )
                        if cell["counts"] is not None:
                            counts[replicate, places] = cell["counts"]

    def figures(self) -> dict[str, Any]:
        """Everything of a scope that the report shows."""
        return {
            "percents": self.percents,
            "sizes": self.sizes,
            "replicates": self.low["replicates"],
            "statistics": self.statistics,
            "rows": {f"{p:g}": [r["rows"] for r in found] for p, found in self._records.items()},
            "cells": [self._cell(*key) for key in self._counts],
            "comparisons": list(self._comparisons()),
        }

    def gain_low_less_high(self, mode: str) -> dict[str, Any] | None:
        """The gain by M1's rows at the least P less that at the greatest, at the largest N."""
        low, high = self.percents[0], self.percents[-1]
        keys = [
            (mode, method, percent, n)
            for percent in (low, high)
            for method, n in ((MODELS[0], self.sizes[-1]), (NONE, 0))
        ]
        if low == high or any(key not in self._counts for key in keys):
            return None
        return self._contrast(*zip((1, -1, -1, 1), keys, strict=True))

    def notes(self) -> list[str]:
        """What is missing, in words."""
        return [
            f"Scope {self.scope}, mode {mode}, P = {percent:g} %, draw {replicate}: {method} gave "
            "rows that are not finite; the draw is left out where it is compared."
            for (mode, method, percent, n), counts in self._counts.items()
            if n == self.sizes[-1]
            for replicate in np.flatnonzero(~counts.any(axis=(1, 2, 3)))
        ]

    def _contrast(self, *terms: tuple[float, tuple], measure: str = "uar") -> dict[str, Any]:
        weighed = [(weight, self._counts[key]) for weight, key in terms]
        return contrast(weighed, self._folds, measure)

    def _cell(self, mode: str, method: str, percent: float, n: int) -> dict[str, Any]:
        key, none = (mode, method, percent, n), (mode, NONE, percent, 0)
        return {
            "mode": mode,
            "method": method,
            "percent": percent,
            "n": n,
            "uar": self._contrast((1, key)),
            "accuracy": self._contrast((1, key), measure="accuracy"),
            "gain": None if method == NONE else self._contrast((1, key), (-1, none)),
        }

    def _comparisons(self) -> Iterator[dict[str, Any]]:
        m1, largest = MODELS[0], self.sizes[-1]
        pairs = [((m1, more), (m1, less)) for less, more in combinations(self.sizes, 2)]
        pairs += [((a, largest), (b, largest)) for a, b in combinations(MODELS, 2)]
        pairs += [((m1, n), (name, n)) for name in BASELINES for n in self.sizes]
        for mode in MODES:
            for percent in self.percents:
                for one, other in pairs:
                    keys = [(mode, method, percent, n) for method, n in (one, other)]
                    if all(key in self._counts for key in keys):
                        yield {
                            "mode": mode,
                            "percent": percent,
                            "first": list(one),
                            "second": list(other),
                            "difference": self._contrast((1, keys[0]), (-1, keys[1])),
                        }
