"""Fidelity: rows of every generator beside rows of the same speakers that it never saw.

Two scopes. ``rows``: generators trained on half of the rows of every speaker and class, compared
with the other half. ``speakers``: those of the cross-validation, compared with the rows of the
speakers held out; real rows of the other speakers are the floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from threadpoolctl import threadpool_limits

from aegan.data.folds import Fold
from aegan.data.plausibility import breaches, rules_of
from aegan.errors import InputError
from aegan.metrics import fidelity
from aegan.metrics.fold_tools import fid_nets, fold_space
from aegan.metrics.intervals import estimate
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.run.schema import Rule, at_least
from aegan.sampling.rows import Rows
from aegan.study.experiment import Records, Task
from aegan.study.generators import part_task, rows_of
from aegan.study.parts import SOURCE, Part
from aegan.study.study import Study
from aegan.study.words import defined

NAME = "fidelity"
ROWS, SPEAKERS = "rows", "speakers"  # what is kept back
SCOPES = (ROWS, SPEAKERS)
REAL = "real"  # rows that the generators saw
LEAST = 4  # rows of a class: two for either half
RULES = "rules"  # share of rows that break a rule of plausibility

_scopes = Rule(
    lambda v: bool(v) and len(set(v)) == len(v) and set(v) <= set(SCOPES),
    f"must name one or more of {', '.join(SCOPES)}",
)


@dataclass(frozen=True)
class Settings:
    """``config.fidelity``."""

    halves: Annotated[int, at_least(1)] = 3  # random halves of the rows
    scopes: Annotated[tuple[str, ...], _scopes] = SCOPES  # kept back: rows, speakers


def tasks(study: Study) -> list[Task]:
    """One task per scope, half or fold, and set of rows.

    Raises:
        InputError: a class has too few rows for two halves.
    """
    counts = np.bincount(study.source.labels)
    for label in np.flatnonzero(counts < LEAST)[:1]:
        raise InputError(
            f"corpus '{study.source.name}': class '{study.source.classes[label]}' has "
            f"{counts[label]} rows, too few for two halves (config.experiments: fidelity); add rows"
        )
    found = []
    for scope in study.settings(NAME).scopes:
        for place in _places(study, scope):
            for name in (*study.models, REAL, *GENERATORS):
                words = f"Fidelity: {name}, {scope} kept back, {_title(scope)} {place}"
                seeds = study.seeds if name in study.models else (0,)
                needs = ()
                if name in study.models and scope == ROWS:
                    part = study.halves[place]
                    needs = tuple(part_task(name, seed, part) for seed in seeds)
                elif name in study.models:
                    needs = (f"train-{name}",)
                work = float(len(seeds) * len(study.source.labels))
                where, task = (scope, place, name), task_name(scope, place, name)
                found.append(Task(task, words, measure, where, needs, NAME, work))
    return found


def _places(study: Study, scope: str) -> list[int]:
    """Numbers of the halves, or of the folds."""
    if scope == ROWS:
        return list(range(study.settings(NAME).halves))
    return [fold.index for fold in study.folds]


def _title(scope: str) -> str:
    return "half" if scope == ROWS else "fold"


def task_name(scope: str, place: int, name: str) -> str:
    """Name of the task of a scope, half or fold, and set of rows."""
    return f"fidelity-{scope}-{_title(scope)}{place}-{name}"


def measure(study: Study, scope: str, place: int, name: str) -> dict[str, Any]:
    """All figures of a set of rows: {"figures": [of each seed, None without finite rows]}."""
    source, protocol = study.source, study.protocol
    with threadpool_limits(1):
        if scope == ROWS:
            part = study.halves[place]
            kept = np.setdiff1d(np.arange(len(source.labels)), part.rows).astype(np.int32)
            standardiser = study.statistics(source, part.rows)
            fold = Fold(study.part_fold(part).index, part.rows, kept, (), part.words)
        else:
            fold, standardiser = study.fold(place), study.standardiser(place)
            part = Part(SOURCE, 100, 0, place, fold.train)
        nets = fid_nets(source, fold, standardiser, protocol.fid, study.cache_dir)
        space = fold_space(source, fold, standardiser)
        wanted = np.bincount(space.labels2, minlength=len(source.classes))
        # Where rows are kept back that is all of the others, but for one of a class at most.
        like = matched(lambda n: _shuffled(source.features[fold.train], space.labels1), wanted)
        real = standardiser.to_z(like[0]), like[1]
        bench = fidelity.Bench(real, (space.set2_z, space.labels2), nets, protocol.seed)

        def figures(draw: Callable[[int], Rows | None], raw: bool = True) -> dict[str, Any] | None:
            """Of rows in raw units or in z, as many of each class as are kept back."""
            rows = matched(draw, wanted)
            if rows is None:
                return None
            features, labels = rows
            z = standardiser.to_z(features) if raw else features
            found = bench.measure(z, labels)
            if scope == ROWS:
                known = space.set1_z, space.speakers1, space.set2_z, space.speakers2
                found["membership"] = fidelity.membership(*known, z)
            return found | {RULES: _broken(study, features if raw else standardiser.to_raw(z))}

        if name == REAL:
            found = [figures(lambda n: like)]
        elif name in GENERATORS:
            seed = reference_seed(protocol.seed, fold.index, name)
            found = [figures(lambda n: GENERATORS[name](*space.set1, n, seed), raw=False)]
        else:
            draws = [partial(rows_of, study, name, seed, part) for seed in study.seeds]
            found = [figures(draw) for draw in draws]
    return {"figures": found}


def _shuffled(features: np.ndarray, labels: np.ndarray) -> Rows:
    order = np.random.default_rng(len(labels)).permutation(len(labels))
    return features[order], labels[order]


def matched(draw: Callable[[int], Rows | None], wanted: np.ndarray) -> Rows | None:
    """So many rows of each class, ``wanted`` (classes,), the first of those that are drawn.

    ``draw(n)`` gives n rows; None where it gives None. Where it has too few of a class even among
    many, those it has.
    """
    n = 2 * len(wanted) * int(wanted.max())
    for _ in range(3):
        rows = draw(n)
        if rows is None:
            return None
        features, labels = rows
        if (np.bincount(labels, minlength=len(wanted)) >= wanted).all():
            break
        n *= 2
    chosen = [np.flatnonzero(labels == label)[:count] for label, count in enumerate(wanted)]
    places = np.concatenate(chosen)
    return features[places], labels[places]


def _broken(study: Study, features: np.ndarray) -> float | None:
    """Share of raw rows that break a rule of plausibility; None where the features have none."""
    found = breaches(rules_of(study.source.feature_names), features)
    return found[-1].rows if found else None


def results(study: Study, records: Records) -> dict[str, Any]:
    """Every figure of every set of rows, per scope: mean over halves or folds, with intervals."""
    settings = study.settings(NAME)
    return {
        "scopes": {
            scope: {
                name: summary(
                    [records[task_name(scope, p, name)]["figures"] for p in _places(study, scope)]
                )
                for name in (*study.models, REAL, *GENERATORS)
            }
            for scope in settings.scopes
        },
        "halves": settings.halves,
        "definitions": defined(NAME),
    }


def summary(places: Sequence[Sequence[dict[str, Any] | None]]) -> dict[str, Any]:
    """Per figure mean and interval over halves or folds, seeds averaged inside.

    ``membership`` has an interval over speakers in every half: its own variance between the halves
    is added to that.
    """
    known = [[of for of in seeds if of is not None] for seeds in places]
    known = [seeds for seeds in known if seeds]
    found: dict[str, Any] = {}
    for figure in known[0][0] if known else ():
        values, reaches = [], []
        for seeds in known:
            of_seeds = [of[figure] for of in seeds]
            if figure == "membership":
                reaches += [np.ptp(of["ci95"]) / 2 for of in of_seeds if of["ci95"]]
                of_seeds = [of["mean"] for of in of_seeds]
            whole = None in of_seeds
            values.append(None if whole else math.fsum(of_seeds) / len(of_seeds))
        found[figure] = estimate(values)
        if reaches:
            mean, own = found[figure]["mean"], found[figure]["ci95"]
            reach = math.hypot(float(np.mean(reaches)), np.ptp(own) / 2 if own else 0.0)
            found[figure]["ci95"] = [mean - reach, mean + reach]
    return found
