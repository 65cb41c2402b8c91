"""The SVM of the metric stage against the grid search that a user of scikit-learn would write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from aegan.bench.config import BenchConfig
from aegan.bench.timing import Part, section, spread
from aegan.data.simulate import simulated_corpus
from aegan.metrics.svm import SvmProtocol, predict, tune_and_fit


class Search(NamedTuple):
    """A search, fit and prediction."""

    seconds: float
    cpu: float  # seconds of processor time, all threads together
    c: float  # the chosen C
    predicted: np.ndarray  # (m,) labels of the test rows


def compare(
    z: np.ndarray, labels: np.ndarray, test_z: np.ndarray, protocol: SvmProtocol, repeats: int = 3
) -> tuple[list[Search], Search]:
    """The same rows by ``aegan.metrics.svm``, ``repeats`` times, and once by a grid search.

    The grid search takes minutes at a few thousand rows. gamma="scale" is to it the scale of each
    inner fold, to ours that of the training set. Of the protocol, ``tie`` is taken as 0 and
    ``max_search_rows`` as no limit, which scikit-learn has neither of. ``z`` (n, dim) with
    ``labels`` (n,), and ``test_z`` (m, dim), are z-scores.
    """
    protocol = replace(protocol, tie=0.0, max_search_rows=len(labels))

    def ours() -> tuple[float, np.ndarray]:
        fitted = tune_and_fit(z, labels, protocol)
        return fitted.c, predict(fitted, test_z)

    def grid() -> tuple[float, np.ndarray]:
        search = GridSearchCV(
            SVC(kernel=protocol.kernel, class_weight=protocol.class_weight, gamma=protocol.gamma),
            {"C": list(protocol.c_grid)},
            cv=StratifiedKFold(protocol.inner_folds, shuffle=True, random_state=protocol.seed),
            scoring="balanced_accuracy",
        ).fit(z, labels)
        return search.best_params_["C"], search.predict(test_z)

    first, other = _timed(ours), _timed(grid)
    return [first, *(_timed(ours) for _ in range(repeats - 1))], other


def _timed(run: Callable[[], tuple[float, np.ndarray]]) -> Search:
    cpu, started = time.process_time(), time.perf_counter()
    result = run()
    return Search(time.perf_counter() - started, time.process_time() - cpu, *result)


def metric_part(config: BenchConfig, _: float) -> Part:
    """The search of one SVM, as in one fold, against scikit-learn's grid search."""
    cut, tested = config.metrics.rows, config.metrics.tested
    corpus = simulated_corpus(rows=cut + tested, dim=config.features, seed=1)
    # In random order, as the table is sorted by speaker.
    order = np.random.default_rng(0).permutation(cut + tested)
    z = (corpus.features - corpus.features.mean(axis=0)) / corpus.features.std(axis=0)
    z, labels = z[order].astype(np.float32), corpus.labels[order]
    rows, headline, differ = [], {}, 0
    for kernel, costs in (("linear", config.metrics.linear), ("rbf", config.metrics.rbf)):
        protocol = SvmProtocol(kernel=kernel, c_grid=costs)
        ours, grid = compare(z[:cut], labels[:cut], z[cut:], protocol)
        seconds = [run.seconds for run in ours]
        headline[f"svm_speedup_{kernel}"] = spread([grid.seconds / own for own in seconds])
        apart = int(np.sum(ours[0].predicted != grid.predicted))
        differ += apart
        detail = (
            f"{apart} of {tested} predictions differ, C {ours[0].c:g} and {grid.c:g}; processor "
            f"time {grid.cpu / median(run.cpu for run in ours):.1f}x less"
        )
        rows += [
            {"name": f"{kernel}: one Gram matrix", **spread(seconds), "detail": detail},
            {"name": f"{kernel}: scikit-learn's grid search", **spread([grid.seconds])},
        ]
    title = f"Metric stage: search, fit and prediction of one SVM, {cut} rows"
    note = (
        f"C of {len(config.metrics.linear)} values, 3 inner folds; {tested} rows predicted. The "
        "grid search runs once, on one core as scikit-learn does."
    )
    return Part([section(title, note, rows)], headline | {"predictions_differ": spread([differ])})
