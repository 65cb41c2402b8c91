"""Section 6: M4, over the weight of its mutual information and by what AUX sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from aegan.models.m3 import INFORMATION
from aegan.run import stages
from aegan.run.losses import read_losses
from aegan.run.schema import at_least, each, is_number
from aegan.study import generators
from aegan.study.cross_validation.tasks import losses_of, values_by_fold
from aegan.study.experiment import Records, Task
from aegan.study.rule import ALIKE, METRICS, Part, above, overall
from aegan.study.study import Study

NAME = "information"
MODEL = "m4"
ROWS, LABEL = "rows", "label"  # what AUX reads: the row alone, or the label beside it
# What M4 is to join: the likeness (metric 1) of M1 and M2, and the use (metric 2) of M3.
WANTED = (("trts", "m1"), ("trts", "m2"), ("tstr", "m3"))
_KEPT = ("metrics", "verdict", "lanes")  # of a run's results


_weights = each(lambda value: is_number(value) and value >= 0, "must be weights of 0 or more")


@dataclass(frozen=True)
class Settings:
    """``config.information``; what it does not set of M4 is ``config.m4``'s."""

    weights: Annotated[tuple[float, ...], _weights] = (0.0, 0.1, 0.3, 1.0, 3.0)  # lambda
    # Lambda in the answer, where AUX reads rows alone: fixed before there are any figures, for the
    # best of several on the tested speakers would be no answer.
    answer: Annotated[float, at_least(0)] = 1.0


def points(settings: Settings) -> dict[str, tuple[float, str]]:
    """Lambda and what AUX reads of each run, by its name; at lambda 0 AUX counts for nothing."""
    weights = sorted({0.0, settings.answer, *settings.weights})
    sights = [(weight, sight) for weight in weights for sight in (ROWS, LABEL)[: 1 + bool(weight)]]
    return {f"{MODEL}-{weight:g}-{sight}": (weight, sight) for weight, sight in sights}


def runs(settings: Settings) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The cross-validation runs of M4: model and what each changes of ``config.m4.train``."""
    return {
        name: (MODEL, {"information_weight": weight, "aux_sees_label": sight == LABEL})
        for name, (weight, sight) in points(settings).items()
    }


def tasks(study: Study) -> list[Task]:
    """Training and evaluation of M4's runs and of those of the study's models."""
    return generators.run_tasks(study, [*study.models, *points(study.settings(NAME))])


def results(study: Study, records: Records) -> dict[str, Any]:
    """Figures of every run of M4, paired differences from the models, and the answer.

    "information" is AUX's bound at the end of training, ln(classes) - its cross-entropy, in nats.
    """
    settings = study.settings(NAME)
    of_m4 = points(settings)
    found = {name: stages.read_results(study.dir.run(name)) for name in (*study.models, *of_m4)}
    by_fold = {name: values_by_fold(run) for name, run in found.items()}

    def less(name: str, other: str, test: str) -> dict[str, Any] | None:
        if other not in by_fold:
            return None
        return study.over_folds(*(by_fold[run][f"{test}_set2"] for run in (name, other)))

    def answer(name: str) -> dict[str, Any]:
        tested = [
            Part(
                f"{METRICS[test]}, set-2: M4 less {model.upper()}, paired by fold",
                less(name, model, test),
                above(-ALIKE, "points"),
                "points",
            ).tested()
            for test, model in WANTED
        ]
        return {"parts": tested, "verdict": overall(tested)}

    def information(name: str) -> float | None:
        losses = losses_of(read_losses(study.dir.run(name)), found[name]["lanes"])
        left = losses.get(INFORMATION.name, {}).get("training")
        return None if left is None else math.log(len(study.source.classes)) - left

    return {
        "points": {
            name: {field: found[name][field] for field in _KEPT}
            | {"weight": weight, "sight": sight, "answer": answer(name)}
            | {"information": information(name) if weight else None}  # at 0 AUX learns nothing
            | {"run": str(study.dir.run(name).root.relative_to(study.dir.root))}
            | {"less_none": {test: less(name, next(iter(of_m4)), test) for test in METRICS}}
            for name, (weight, sight) in of_m4.items()
        },
        "answer": f"{MODEL}-{settings.answer:g}-{ROWS}",  # which of them
        "alike": ALIKE,
        "models": {model: found[model]["metrics"] for model in study.models},
        "information": {model: information(model) for model in study.models},
        "real": found[study.models[0]]["references"]["real"],
    }
