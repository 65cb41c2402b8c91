"""Tables 2 and 3 and Fig. 3: the cross-validation runs of the three models, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from aegan.metrics.evaluate import METRICS
from aegan.metrics.intervals import corrected_estimate, fold_means
from aegan.run import stages
from aegan.run.sentinel import convergence
from aegan.study import generators
from aegan.study.generators import evaluate_task, train_task
from aegan.study.study import MODELS, Study
from aegan.study.tasks import Records, Task


def tasks(study: Study) -> list[Task]:
    """Training and evaluation of the three runs."""
    names = {task(model) for model in MODELS for task in (train_task, evaluate_task)}
    return [task for task in generators.tasks(study) if task.name in names]


def results(study: Study, records: Records) -> dict[str, Any]:
    """Figures of each run, paired differences between models and sets, and the losses."""
    runs = {model: stages.read_results(study.dir.run(model)) for model in MODELS}
    lanes = runs[MODELS[0]]["lanes"]
    share = test_to_train(study)
    by_fold = {
        model: {name: fold_means(run["metrics"][name]["per_lane"], lanes) for name in METRICS}
        for model, run in runs.items()
    }
    return {
        "models": {
            model: {
                "title": run["title"],
                "metrics": run["metrics"],
                "verdict": run["verdict"],
                "lanes": run["lanes"],
                "folds": run["folds"],
                "paper": run["paper"],
                "run": str(study.dir.run(model).root.relative_to(study.dir.root)),
            }
            for model, run in runs.items()
        },
        "references": runs[MODELS[0]]["references"],
        "differences": {
            f"{first}-{second}": {
                name: corrected_estimate(paired(by_fold[first][name], by_fold[second][name]), share)
                for name in METRICS
            }
            for first, second in permutations(MODELS, 2)
        },
        "sets": {
            model: {
                test: corrected_estimate(
                    paired(values[f"{test}_set1"], values[f"{test}_set2"]), share
                )
                for test in ("trts", "tstr")
            }
            for model, values in by_fold.items()
        },
        "losses": {
            model: losses_of(pd.read_parquet(study.dir.run(model).losses), runs[model]["lanes"])
            for model in MODELS
        },
    }


def test_to_train(study: Study) -> float:
    """Held-out rows over training rows, mean over the folds."""
    return float(np.mean([len(fold.valid) / len(fold.train) for fold in study.folds]))


def paired(first: list[float | None], second: list[float | None]) -> list[float | None]:
    """``first - second``, None where either is."""
    return [None if a is None or b is None else a - b for a, b in zip(first, second, strict=True)]


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
    names = [c for c in table.columns if c not in ("seed", "fold", "epoch", "split")]
    curves = {
        (split, name): rows.pivot(index="epoch", columns=["seed", "fold"], values=name)
        for split, rows in table.groupby("split")
        for name in names
    }
    found = {}
    for name in names:
        per_lane: dict[str, list[float | None]] = {
            key: [] for key in ("convergence", "training", "validation", "correlation")
        }
        for lane in healthy:
            train, valid = (curves[split, name][lane].to_numpy() for split in ("train", "valid"))
            fifth = max(2, len(train) // 5)
            per_lane["convergence"].append(convergence(train[:, None]))
            per_lane["training"].append(_mean(train[-fifth:]))
            per_lane["validation"].append(_mean(valid[-fifth:]))
            per_lane["correlation"].append(_correlation(train, valid))
        found[name] = {key: _mean(np.array(v, dtype=float)) for key, v in per_lane.items()}
    return found


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
