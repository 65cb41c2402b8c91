"""Along the way: at which length of training the orders of Tables 2 and 3 hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aegan.errors import InputError
from aegan.metrics.intervals import fold_means
from aegan.run import stages
from aegan.study import generators
from aegan.study.cross_validation import CROSS_VALIDATION
from aegan.study.cross_validation.tasks import compared
from aegan.study.experiment import Records, Task
from aegan.study.study import Study

NAME = "trajectory"
TABLES = ("Table 2", "Table 3")  # whose claims are tested at every length
_KEPT = ("along", "lanes", "folds", "paper")  # of a run's results


def tasks(study: Study) -> list[Task]:
    """Training and evaluation of the runs, which judge the points.

    Raises:
        InputError: the config asks for none.
    """
    if not study.config.metrics.along:
        raise InputError(
            "config.metrics.along=0: trajectory shows points along the way; give their number, 10"
        )
    return generators.run_tasks(study, study.models)


def results(study: Study, records: Records) -> dict[str, Any]:
    """The points of each run, and the claims of Tables 2 and 3 at each length of the longest."""
    runs = {model: stages.read_results(study.dir.run(model)) for model in study.models}
    runs = {model: run for model, run in runs.items() if run.get("along")}  # M5 trains nothing
    if not runs:
        raise InputError("config.models: none of them trains, so there is no way to look along")
    longest = max((run["along"]["points"] for run in runs.values()), key=_updates)
    return {
        "models": {model: {name: run[name] for name in _KEPT} for model, run in runs.items()},
        "lengths": [at(study, runs, point["updates"]) for point in longest],
    }


def _updates(points: list[Mapping[str, Any]]) -> int:
    return points[-1]["updates"]


def at(study: Study, runs: Mapping[str, Any], updates: int) -> dict[str, Any]:
    """The claims after so many updates: of each run its nearest point, in the logarithm.

    So a run that has ended stays at its end. "points" says after how many each one's is.
    """
    points = {
        model: min(
            run["along"]["points"], key=lambda point: abs(math.log(point["updates"] / updates))
        )
        for model, run in runs.items()
    }
    by_fold = {
        model: {
            name: fold_means(of["per_lane"], runs[model]["lanes"])
            for name, of in point["metrics"].items()
        }
        for model, point in points.items()
    }
    models = {m: runs[m] | {"metrics": point["metrics"]} for m, point in points.items()}
    found = {CROSS_VALIDATION.name: {"models": models} | compared(study, by_fold)}
    tested = (
        claim.tested(CROSS_VALIDATION.name, found, len(study.source.classes))
        for claim in CROSS_VALIDATION.claims
        if claim.where in TABLES
    )
    return {
        "updates": updates,
        "points": {model: point["updates"] for model, point in points.items()},
        "claims": [claim for claim in tested if claim],
    }
