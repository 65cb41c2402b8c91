"""Fig. 6 in figures: UAR, accuracy and gain of every classifier, and how they compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from aegan.metrics.intervals import DRAWS, contrast
from aegan.metrics.references import BASELINES, JITTER_NOISE, SMOTE_NEIGHBOURS
from aegan.study.experiment import Records
from aegan.study.low_resource.tasks import MODES, NAME, NONE, task_name
from aegan.study.parts import TARGET
from aegan.study.rule import Estimate
from aegan.study.study import Study
from aegan.study.words import defined, texts

Key = tuple[str, str, float, int]  # mode, method, percent, number of added rows


def results(study: Study, records: Records) -> dict[str, Any]:
    """UAR, accuracy and gain of every cell, and the comparisons between cells, per scope."""
    low = study.settings(NAME)
    scopes = {scope: _Scope(study, records, scope) for scope in low.scopes}
    by_speaker = study.config.source.statistics == "speaker"
    said = texts(NAME, "notes", low=low, by_speaker=by_speaker)
    return {
        "scopes": {name: scope.figures() for name, scope in scopes.items()},
        "gain_low_less_high": {
            name: {mode: scope.gain_low_less_high(mode) for mode in MODES}
            for name, scope in scopes.items()
        },
        "definitions": defined(NAME, draws=DRAWS, noise=JITTER_NOISE, neighbours=SMOTE_NEIGHBOURS),
        "notes": [*said, *(note for scope in scopes.values() for note in scope.notes())],
    }


class _Scope:
    """The counts of a scope, and what follows from them."""

    def __init__(self, study: Study, records: Records, scope: str) -> None:
        low = study.settings(NAME)
        self.scope, self.models, self.replicates = scope, study.models, low.replicates
        self.percents, self.sizes = sorted(low.percents), sorted(low.sizes)
        self.statistics = study.config.target.statistics if scope == TARGET else "source"
        self.records = {
            percent: [records[task_name(scope, percent, r)] for r in range(low.replicates)]
            for percent in self.percents
        }
        some = self.records[self.percents[0]]
        self.folds = [record["fold"] for record in some]  # replicates of a fold test the same
        speakers = sorted({name for record in some for name in record["speakers"]})
        classes = len(study.source.classes)
        shape = (low.replicates, len(speakers), classes, classes)
        self.counts: dict[Key, np.ndarray] = {}
        for percent, replicate in product(self.percents, range(low.replicates)):
            record = self.records[percent][replicate]
            places = np.searchsorted(speakers, record["speakers"])
            for mode, cell in ((m, found) for found in record["cells"] for m in found["modes"]):
                key = (mode, cell["method"], percent, cell["n"])
                counts = self.counts.setdefault(key, np.zeros(shape))
                if cell["counts"] is not None:
                    counts[replicate, places] = cell["counts"]

    def figures(self) -> dict[str, Any]:
        """Everything of a scope that the report shows."""
        return {
            "percents": self.percents,
            "sizes": self.sizes,
            "replicates": self.replicates,
            "statistics": self.statistics,
            "rows": {f"{p:g}": [r["rows"] for r in found] for p, found in self.records.items()},
            "cells": [
                {
                    "mode": mode,
                    "method": method,
                    "percent": percent,
                    "n": n,
                    "uar": self.contrast([key]),
                    "accuracy": self.contrast([key], measure="accuracy"),
                    "gain": self.contrast([key, (mode, NONE, percent, 0)]) if n else None,
                }
                for key in self.counts
                for mode, method, percent, n in [key]
            ],
            "comparisons": list(self._comparisons()),
        }

    def contrast(self, keys: Sequence[Key], signs=(1, -1), measure: str = "uar") -> dict | None:
        """A sum of the cells with signs in turn; None where one is not there."""
        if any(key not in self.counts for key in keys):
            return None
        terms = [(sign, self.counts[key]) for sign, key in zip(signs, keys, strict=False)]
        return contrast(terms, self.folds, measure)

    def gain_low_less_high(self, mode: str) -> dict[str, Any] | None:
        """The gain by M1's rows at the least P less that at the greatest, at the largest N."""
        low, high = self.percents[0], self.percents[-1]
        ends = ((self.models[0], self.sizes[-1]), (NONE, 0))
        keys = [(mode, method, percent, n) for percent in (low, high) for method, n in ends]
        return None if low == high else self.contrast(keys, (1, -1, -1, 1))

    def notes(self) -> list[str]:
        """What is missing, in words."""
        return [
            f"Scope {self.scope}, mode {mode}, P = {percent:g} %, draw {replicate}: {method} gave "
            "rows that are not finite; the draw is left out where it is compared."
            for (mode, method, percent, n), counts in self.counts.items()
            if n == self.sizes[-1]
            for replicate in np.flatnonzero(~counts.any(axis=(1, 2, 3)))
        ]

    def _comparisons(self) -> Iterator[dict[str, Any]]:
        m1, largest = self.models[0], self.sizes[-1]
        pairs = [((m1, more), (m1, less)) for less, more in combinations(self.sizes, 2)]
        pairs += [((a, largest), (b, largest)) for a, b in combinations(self.models, 2)]
        pairs += [((m1, n), (name, n)) for name in BASELINES for n in self.sizes]
        for mode, percent, pair in product(MODES, self.percents, pairs):
            found = self.contrast([(mode, method, percent, n) for method, n in pair])
            if found:
                sides = {"first": list(pair[0]), "second": list(pair[1])}
                yield {"mode": mode, "percent": percent, **sides, "difference": found}


def cells_of(found: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """The cells of a scope by (mode, method, percent, number of added rows)."""
    return {(c["mode"], c["method"], c["percent"], c["n"]): c for c in found["cells"]}


def gains_of(found: dict[str, Any]) -> dict[Key, Estimate | None]:
    """The gains of a scope, as ``cells_of``."""
    return {key: cell["gain"] for key, cell in cells_of(found).items()}


def compared_of(found: dict[str, Any]) -> dict[tuple[str, float, tuple, tuple], Estimate]:
    """``first`` less ``second``, each (method, N), by (mode, percent, first, second), both ways."""
    compared = {}
    for item in found["comparisons"]:
        value, turned = item["difference"], {}
        for name, number in value.items():
            ends = number[::-1] if name == "ci95" and number else number
            several = isinstance(ends, list)
            turned[name] = [_less(end) for end in ends] if several else _less(ends)
        sides, at = (tuple(item["first"]), tuple(item["second"])), (item["mode"], item["percent"])
        compared |= {(*at, *sides[::-1]): turned, (*at, *sides): value}
    return compared


def _less(value: float | None) -> float | None:
    return None if value is None else -value
