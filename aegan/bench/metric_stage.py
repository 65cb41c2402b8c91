"""The SVM of the metric stage against the grid search that a user of scikit-learn would write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from aegan.bench.headline import Measurement, single
from aegan.bench.timing import spread
from aegan.data.simulate import simulated_corpus
from aegan.metrics.svm import SvmProtocol, predict, tune_and_fit


@dataclass(frozen=True)
class SvmComparison:
    """One search, fit and prediction, by ``aegan.metrics.svm`` (ours) and by scikit-learn (grid).

    Attributes:
        seconds_ours: wall time of every repeat.
        seconds_grid: wall time.
        cpu_ours: seconds of processor time of every repeat, all threads together.
        cpu_grid: seconds of processor time.
        predictions_differ: test rows with another label.
        rows: training rows.
        tested: test rows.
        c_ours: the chosen C.
        c_grid: the chosen C.
    """

    seconds_ours: tuple[float, ...]
    seconds_grid: float
    cpu_ours: tuple[float, ...]
    cpu_grid: float
    predictions_differ: int
    rows: int
    tested: int
    c_ours: float
    c_grid: float


def compare(
    kernel: Literal["linear", "rbf"],
    train_z: np.ndarray,
    train_labels: np.ndarray,
    test_z: np.ndarray,
    protocol: SvmProtocol,
    repeats: int = 3,
) -> SvmComparison:
    """Times both on the same rows: the grid search once, ours ``repeats`` times around it.

    The grid search takes minutes at a few thousand rows. gamma="scale" is to the grid search the
    scale of each inner fold, to ours that of the training set.

    Args:
        kernel: in place of the protocol's.
        train_z: (n, dim) z-scores.
        train_labels: (n,) int.
        test_z: (m, dim) z-scores.
        protocol: the rest of it; ``tie`` is taken as 0 and ``max_search_rows`` as no limit, which
            scikit-learn has neither of.
        repeats: of ours.

    Raises:
        ValueError: a class has fewer training rows than there are inner folds, or no repeat.
    """
    if repeats < 1:
        raise ValueError("a comparison needs at least one repeat")
    fewest = np.unique(train_labels, return_counts=True)[1].min()
    if fewest < protocol.inner_folds:
        raise ValueError(f"a class has {fewest} rows, fewer than {protocol.inner_folds} folds")
    protocol = replace(protocol, kernel=kernel, tie=0.0, max_search_rows=len(train_labels))

    def ours() -> tuple[float, np.ndarray]:
        fitted = tune_and_fit(train_z, train_labels, protocol)
        return fitted.c, predict(fitted, test_z)

    def grid() -> tuple[float, np.ndarray]:
        search = GridSearchCV(
            SVC(kernel=kernel, class_weight=protocol.class_weight, gamma=protocol.gamma),
            {"C": list(protocol.c_grid)},
            cv=StratifiedKFold(protocol.inner_folds, shuffle=True, random_state=protocol.seed),
            scoring="balanced_accuracy",
        )
        search.fit(train_z, train_labels)
        return search.best_params_["C"], search.predict(test_z)

    first = _timed(ours)
    seconds_grid, cpu_grid, (c_grid, expected) = _timed(grid)
    runs = [first, *(_timed(ours) for _ in range(repeats - 1))]
    c_ours, predicted = first[2]
    return SvmComparison(
        seconds_ours=tuple(seconds for seconds, _, _ in runs),
        seconds_grid=seconds_grid,
        cpu_ours=tuple(cpu for _, cpu, _ in runs),
        cpu_grid=cpu_grid,
        predictions_differ=int(np.sum(predicted != expected)),
        rows=len(train_labels),
        tested=len(test_z),
        c_ours=c_ours,
        c_grid=c_grid,
    )


def _timed(
    run: Callable[[], tuple[float, np.ndarray]],
) -> tuple[float, float, tuple[float, np.ndarray]]:
    """Seconds, seconds of processor time, and what the run returned."""
    cpu, started = time.process_time(), time.perf_counter()
    result = run()
    return time.perf_counter() - started, time.process_time() - cpu, result


def metric_section(config: Mapping[str, Any], headline: dict[str, Measurement]) -> dict[str, Any]:
    """The search of one SVM, as in one fold, against scikit-learn's grid search."""
    chosen = config["metrics"]
    rows = chosen["rows"] + chosen["tested"]
    corpus = simulated_corpus(rows=rows, dim=config["features"], seed=1)
    # In random order, as the table is sorted by speaker.
    order = np.random.default_rng(0).permutation(len(corpus.labels))
    z = (corpus.features - corpus.features.mean(axis=0)) / corpus.features.std(axis=0)
    z, labels = z[order].astype(np.float32), corpus.labels[order]
    cut = chosen["rows"]
    table, differ = [], 0
    for kernel in ("linear", "rbf"):
        protocol = SvmProtocol(kernel=kernel, c_grid=tuple(chosen[kernel]))
        found = compare(kernel, z[:cut], labels[:cut], z[cut:], protocol)
        headline[f"svm_speedup_{kernel}"] = spread(
            [found.seconds_grid / seconds for seconds in found.seconds_ours]
        )
        differ += found.predictions_differ
        table += _svm_rows(kernel, found)
    headline["predictions_differ"] = single(differ)
    return {
        "title": f"Metric stage: search, fit and prediction of one SVM, {cut} rows",
        "note": f"C of {len(chosen['linear'])} values, 3 inner folds; {chosen['tested']} rows "
        "predicted. The grid search runs once, on one core as scikit-learn does.",
        "unit": "s",
        "rows": table,
    }


def _svm_rows(kernel: str, found: SvmComparison) -> list[Measurement]:
    cpu = found.cpu_grid / median(found.cpu_ours)
    return [
        {
            "name": f"{kernel}: one Gram matrix",
            **spread(found.seconds_ours),
            "detail": f"{found.predictions_differ} of {found.tested} predictions differ, C "
            f"{found.c_ours:g} and {found.c_grid:g}; processor time {cpu:.1f}x less",
        },
        {"name": f"{kernel}: scikit-learn's grid search", **single(found.seconds_grid)},
    ]
