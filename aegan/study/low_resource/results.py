"""Fig. 6 in figures: UAR, accuracy and gain of every classifier, and how they compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from aegan.metrics.bootstrap import DRAWS, contrast
from aegan.metrics.references import JITTER_NOISE
from aegan.study.augmentation import BASELINES, SMOTE_NEIGHBOURS
from aegan.study.experiment import Records
from aegan.study.low_resource.tasks import MODES, NAME, NONE, task_name
from aegan.study.parts import TARGET
from aegan.study.rule import Estimate
from aegan.study.study import Study
from aegan.study.words import defined

Key = tuple[str, str, float, int]  # mode, method, percent, number of added rows


def results(study: Study, records: Records) -> dict[str, Any]:
    """UAR, accuracy and gain of every cell, and the comparisons between cells, per scope."""
    low = study.settings(NAME)
    scopes = {scope: _Scope(study, records, scope) for scope in low.scopes}
    notes = [
        f"Every classifier takes {low.updates} updates of {low.batch_size} rows, however many "
        "rows it has: with equal epochs instead, added rows would also add updates."
    ]
    if study.config.source.statistics == "speaker":
        notes.append(
            "Every speaker is standardised by all of its rows before any are drawn "
            "(transductive), in the honest mode too: there, rows outside the P per cent tell "
            "their speaker's statistics."
        )
    notes.append(
        "Added rows have uniform classes, the real ones those of the source; oversampling shows "
        "what that alone does."
    )
    return {
        "scopes": {name: scope.figures() for name, scope in scopes.items()},
        "gain_low_less_high": {
            name: {mode: scope.gain_low_less_high(mode) for mode in MODES}
            for name, scope in scopes.items()
        },
        "definitions": defined(NAME, draws=DRAWS, noise=JITTER_NOISE, neighbours=SMOTE_NEIGHBOURS),
        "notes": [*notes, *(note for scope in scopes.values() for note in scope.notes())],
    }


class _Scope:
    """The counts of a scope, and what follows from them."""

    def __init__(self, study: Study, records: Records, scope: str) -> None:
        low = study.settings(NAME)
        self.scope, self.models, self.replicates = scope, study.models, low.replicates
        self.percents, self.sizes = sorted(low.percents), sorted(low.sizes)
        self.statistics = study.config.target.statistics if scope == TARGET else "source"
        self._records = {
            percent: [records[task_name(scope, percent, r)] for r in range(low.replicates)]
            for percent in self.percents
        }
        some = self._records[self.percents[0]]
        speakers = sorted({name for record in some for name in record["speakers"]})
        self._folds = [record["fold"] for record in some]  # replicates of a fold test the same
        classes = len(study.source.classes)
        shape = (low.replicates, len(speakers), classes, classes)
        self._counts: dict[Key, np.ndarray] = {}
        for percent, of_percent in self._records.items():
            for replicate, record in enumerate(of_percent):
                places = np.searchsorted(speakers, record["speakers"])
                for cell in record["cells"]:
                    for mode in cell["modes"]:
                        key = (mode, cell["method"], percent, cell["n"])
                        counts = self._counts.setdefault(key, np.zeros(shape))
                        if cell["counts"] is not None:
                            counts[replicate, places] = cell["counts"]

    def figures(self) -> dict[str, Any]:
        """Everything of a scope that the report shows."""
        return {
            "percents": self.percents,
            "sizes": self.sizes,
            "replicates": self.replicates,
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
            for method, n in ((self.models[0], self.sizes[-1]), (NONE, 0))
        ]
        if low == high or not self._has(keys):
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

    def _has(self, keys: Sequence[Key]) -> bool:
        return all(key in self._counts for key in keys)

    def _contrast(self, *terms: tuple[float, Key], measure: str = "uar") -> dict[str, Any]:
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
        m1, largest = self.models[0], self.sizes[-1]
        pairs = [((m1, more), (m1, less)) for less, more in combinations(self.sizes, 2)]
        pairs += [((a, largest), (b, largest)) for a, b in combinations(self.models, 2)]
        pairs += [((m1, n), (name, n)) for name in BASELINES for n in self.sizes]
        for mode in MODES:
            for percent in self.percents:
                for one, other in pairs:
                    keys = [(mode, method, percent, n) for method, n in (one, other)]
                    if self._has(keys):
                        yield {
                            "mode": mode,
                            "percent": percent,
                            "first": list(one),
                            "second": list(other),
                            "difference": self._contrast((1, keys[0]), (-1, keys[1])),
                        }


def cells_of(found: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """The cells of a scope by (mode, method, percent, number of added rows)."""
    return {(c["mode"], c["method"], c["percent"], c["n"]): c for c in found["cells"]}


def gains_of(found: dict[str, Any]) -> dict[Key, Estimate | None]:
    """The gains of a scope, as ``cells_of``."""
    return {key: cell["gain"] for key, cell in cells_of(found).items()}


def compared_of(found: dict[str, Any]) -> dict[tuple[str, float, tuple, tuple], Estimate]:
    """``first`` less ``second``, each (method, N), by (mode, percent, first, second), both ways."""
    there, back = {}, {}
    for item in found["comparisons"]:
        one, other = tuple(item["first"]), tuple(item["second"])
        there[item["mode"], item["percent"], one, other] = item["difference"]
        back[item["mode"], item["percent"], other, one] = _negative(item["difference"])
    return back | there


def _negative(value: Estimate) -> Estimate:
    """The estimate of the difference the other way round."""
    return {
        "mean": None if value["mean"] is None else -value["mean"],
        "ci95": None if value["ci95"] is None else [-end for end in reversed(value["ci95"])],
        "values": [None if v is None else -v for v in value["values"]],
    }
