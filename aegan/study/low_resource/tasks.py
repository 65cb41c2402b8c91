"""Fig. 6: a classifier that learns from P per cent of the source and from N synthetic rows.

Two modes. ``paper``: generator and standardisation saw the whole source whatever P is, so the
synthetic rows carry what the classifier is denied. ``honest``: both see the same P per cent. At
P = 100 the two are one.

Two scopes. ``target``: tested on the target corpus, as in the paper. ``source``: P per cent of the
training part of a fold, tested on its held-out speakers, with the generators of the
cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import jax
import numpy as np

from aegan.metrics.device import used
from aegan.metrics.intervals import by_speaker
from aegan.metrics.references import BASELINES, GENERATORS
from aegan.run.schema import Rule, at_least, is_number, is_whole
from aegan.study.experiment import Task
from aegan.study.generators import generator_task, rows_of, seed_of
from aegan.study.low_resource.classifier import (
    ClassifierProtocol,
    Params,
    classify,
    train_classifier,
    train_classifiers,
)
from aegan.study.parts import SCOPES, SOURCE, Part, find_part
from aegan.study.study import Study

NAME = "low_resource"
PAPER, HONEST = "paper", "honest"
MODES = (PAPER, HONEST)
NONE = "none"  # the method that adds no rows


def _different(holds: Callable[[Any], bool], mend: str) -> Rule:
    """One value or more, no two the same, that all hold."""
    return Rule(lambda v: bool(v) and len(set(v)) == len(v) and all(map(holds, v)), mend)


_percents = _different(
    lambda p: is_number(p) and 0 < p <= 100, "must be different numbers above 0, up to 100"
)
_sizes = _different(
    lambda n: is_whole(n) and n > 0,
    "must be different whole numbers above 0; N = 0 is always there",
)
_scopes = _different(lambda s: s in SCOPES, f"must name one or more of {', '.join(SCOPES)}")


@dataclass(frozen=True)
class Settings(ClassifierProtocol):
    """``config.low_resource``."""

    percents: Annotated[tuple[float, ...], _percents] = (10.0, 25.0, 50.0, 80.0, 100.0)  # P
    sizes: Annotated[tuple[int, ...], _sizes] = (600, 2000, 6000)  # N, synthetic rows beside none
    replicates: Annotated[int, at_least(1)] = 5  # draws of the P %, each with a seed of the net
    scopes: Annotated[tuple[str, ...], _scopes] = SCOPES  # tested on: target, held-out speakers
    honest: tuple[str, ...] = ("m1",)  # models trained on the same P % as the classifier


def tasks(study: Study) -> list[Task]:
    """One task per scope, per cent and replicate: all its cells."""
    low = study.settings(NAME)
    grid = [(s, p, r) for s in low.scopes for p in low.percents for r in range(low.replicates)]
    found = []
    for scope, percent, replicate in grid:
        part, seed = find_part(study.parts, scope, percent, replicate), seed_of(study, replicate)
        needs, cells = set(), 0
        for modes in _blocks(percent):
            seen = _seen(study, part, modes)
            for method, sizes in _methods(study, modes):
                cells += len(sizes)
                if method in study.models:
                    needs.add(generator_task(method, seed, seen))
        name, where = task_name(scope, percent, replicate), (scope, percent, replicate)
        words = f"Fig. 6: classifiers on {percent:g} %, tested on the {scope}, draw {replicate}"
        needs = tuple(sorted(needs))
        found.append(Task(name, words, run_cells, where, needs, "classifiers", float(cells)))
    return found


def task_name(scope: str, percent: float, replicate: int) -> str:
    """Name of the task of a scope, per cent and replicate."""
    return f"lowres-{scope}-p{percent:g}-r{replicate}"


def _blocks(percent: float) -> tuple[tuple[str, ...], ...]:
    """The modes, those together that are the same thing."""
    return (MODES,) if percent == 100 else ((PAPER,), (HONEST,))


def _methods(study: Study, modes: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every method of a block of modes with its numbers of added rows."""
    low = study.settings(NAME)
    sizes = tuple(sorted(low.sizes))
    yield NONE, (0,)
    for model in study.models:
        if PAPER in modes or model in low.honest:
            yield model, sizes if model == study.models[0] else sizes[-1:]
    if HONEST in modes:
        for name in BASELINES:
            yield name, sizes


def _seen(study: Study, part: Part, modes: Sequence[str]) -> Part:
    """What generator and standardisation see in a block of modes."""
    return part if HONEST in modes else whole_of(study, part)


def whole_of(study: Study, part: Part) -> Part:
    """All of what a part was drawn from: the training rows of the generators in paper mode."""
    if part.scope != SOURCE:
        return study.parts[0]
    return replace(part, percent=100, rows=study.fold(part.fold).train)


def run_cells(study: Study, scope: str, percent: float, replicate: int) -> dict[str, Any]:
    """Trains and tests every classifier of a scope, per cent and replicate.

    Returns:
        "rows" (real training rows), "fold" (number, None in the scope target), "speakers" (names
        of those tested) and "cells": {"modes", "method", "n", "counts"}, the counts (speakers,
        classes, classes) with rows of the true class, None where a generator gave rows that are
        not finite.
    """
    low, source, classes = study.settings(NAME), study.source, len(study.source.classes)
    part, seed = find_part(study.parts, scope, percent, replicate), seed_of(study, replicate)
    if part.fold is None:
        corpus, tested = study.target, slice(None)
    else:
        corpus, tested = source, study.fold(part.fold).valid
    truth, speakers = corpus.labels[tested], corpus.speakers[tested]
    names = np.unique(speakers)
    key = jax.random.key(replicate)  # the same first weights in every cell of a replicate
    # Padded to one size, so that one program serves every cell: the rows of a cell are copied over
    # those of the cell before, and what lies beyond them is never drawn. A device takes all cells
    # at once: there each method has a table of its own.
    together, blocks = used(study.config.metrics.device) is not None, _blocks(percent)
    padded = len(source.labels) + max(low.sizes)
    tables = sum(1 for modes in blocks for _ in _methods(study, modes)) if together else 1
    features = np.zeros((tables * padded, source.features.shape[1]), np.float32)
    labels = np.zeros(tables * padded, np.int32)

    def counts(net: Params, test: np.ndarray) -> list:
        return by_speaker(truth, classify(net, test), speakers, names, classes).tolist()

    cells, waiting, first = [], [], 0
    for modes in blocks:
        seen = _seen(study, part, modes)
        statistics = study.statistics(source, seen.rows)
        own = part.fold is None and study.config.target.statistics == "own"
        of_test = study.target_standardiser if own else statistics
        test = of_test.to_z(corpus.features[tested])
        real = statistics.to_z(source.features[part.rows]), source.labels[part.rows]
        for method, sizes in _methods(study, modes):
            if method == NONE:
                rows = real
            elif method in BASELINES:
                rows = GENERATORS[method](*real, source.speakers[part.rows], sizes[-1], replicate)
            else:
                rows = rows_of(study, method, seed, seen, sizes[-1], replicate)
                rows = rows and (statistics.to_z(rows[0]), rows[1])
            start = first + len(part.rows)
            features[first:start], labels[first:start] = real
            for n in sizes:
                cell = {"modes": list(modes), "method": method, "n": n, "counts": None}
                cells.append(cell)
                if rows is None:
                    continue
                end = start + n
                features[start:end], labels[start:end] = rows[0][:n], rows[1][:n]
                if together:
                    waiting.append((cell, test, end - first, first))
                else:
                    net = train_classifier(low, classes, features, labels, end, key)
                    cell["counts"] = counts(net, test)
            first += padded * together
    if waiting:
        places = np.array([(number, begins) for *_, number, begins in waiting], np.int32)
        nets = train_classifiers(low, classes, features, labels, places[:, 0], key, places[:, 1])
        nets = jax.device_get(nets)
        for i, (cell, test, *_) in enumerate(waiting):
            cell["counts"] = counts(jax.tree.map(lambda leaf, i=i: leaf[i], nets), test)
    return {"rows": len(part.rows), "fold": part.fold, "speakers": names.tolist(), "cells": cells}
