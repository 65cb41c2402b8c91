"""Tables 2 and 3 and Fig. 3: the cross-validation runs of the models, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from aegan.metrics.evaluate import METRICS
from aegan.metrics.intervals import fold_means
from aegan.run import stages
from aegan.run.losses import read_losses
from aegan.run.sentinel import convergence
from aegan.study import generators
from aegan.study.experiment import Records, Task
from aegan.study.study import Study

_KEPT = ("title", "metrics", "verdict", "lanes", "folds", "paper")  # of a run's results


def tasks(study: Study) -> list[Task]:
    """Training and evaluation of the runs."""
    return generators.run_tasks(study, study.models)


def results(study: Study, records: Records) -> dict[str, Any]:
    """Figures of each run, paired differences between models and sets, and the losses."""
    runs = {model: stages.read_results(study.dir.run(model)) for model in study.models}
    first = runs[study.models[0]]
    by_fold = {model: values_by_fold(run) for model, run in runs.items()}
    return {
        "models": {
            model: {name: run[name] for name in _KEPT}
            | {"run": str(study.dir.run(model).root.relative_to(study.dir.root))}
            for model, run in runs.items()
        },
        "references": first["references"],
        **compared(study, by_fold),
        "losses": {
            model: losses_of(read_losses(study.dir.run(model)), run["lanes"])
            for model, run in runs.items()
        },
    }


def compared(
    study: Study, by_fold: Mapping[str, Mapping[str, list[float | None]]]
) -> dict[str, Any]:
    """Paired "differences" between models and between "sets", of values by model and metric."""
    first = next(iter(by_fold.values()))
    names = [name for name in first if all(name in of for of in by_fold.values())]
    return {
        "differences": {
            f"{a}-{b}": {
                name: study.over_folds(by_fold[a][name], by_fold[b][name]) for name in names
            }
            for a, b in permutations(by_fold, 2)
        },
        "sets": {
            model: {
                test: study.over_folds(values[f"{test}_set1"], values[f"{test}_set2"])
                for test in ("trts", "tstr")
            }
            for model, values in by_fold.items()
        },
    }


def values_by_fold(run: Mapping[str, Any]) -> dict[str, list[float | None]]:
    """Every metric of a run's results by fold, its seeds averaged; a run of before has not all."""
    found = {name: run["metrics"][name] for name in METRICS if name in run["metrics"]}
    return {name: fold_means(of["per_lane"], run["lanes"]) for name, of in found.items()}


def losses_of(table: pd.DataFrame, lanes: list[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """How each loss ends, means over the lanes that did not diverge.

    Args:
        table: losses.parquet of a run: a row per seed, fold, epoch and split.
        lanes: the run's lane records.

    Returns:
        Per loss "convergence" (relative change between the last two fifths of the epochs),
        "training" and "validation" (mean over the last fifth) and "correlation" of the training
        and the validation curve over the epochs; None where it cannot be told.
    """
    healthy = [(lane["seed"], lane["fold"]) for lane in lanes if lane["status"] != "diverged"]
    found = {}
    for name in table.columns.drop(["seed", "fold", "epoch", "split"]):
        curves = table.pivot(index="epoch", columns=["split", "seed", "fold"], values=name)
        ends = [
            _ends(*(curves[split, *lane].to_numpy() for split in ("train", "valid")))
            for lane in healthy
        ]
        found[name] = {
            key: _mean(np.array([lane[key] for lane in ends], float))
            for key in ("convergence", "training", "validation", "correlation")
        }
    return found


def _ends(train: np.ndarray, valid: np.ndarray) -> dict[str, float | None]:
    fifth = max(2, len(train) // 5)
    return {
        "convergence": convergence(train[:, None]),
        "training": _mean(train[-fifth:]),
        "validation": _mean(valid[-fifth:]),
        "correlation": _correlation(train, valid),
    }


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
