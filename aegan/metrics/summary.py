"""What the evaluate stage says: means over folds, confusions, notes and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem

import numpy as np

from aegan.metrics.fold_tools import FoldTools
from aegan.metrics.intervals import summarise
from aegan.metrics.references import GENERATORS
from aegan.metrics.verdict import judge

METRICS = (
    "trts_set1",  # metric 1: SVM trained on set-1, tested on synthetic rows
    "trts_set2",  # metric 1: SVM trained on set-2, tested on synthetic rows
    "tstr_set1",  # metric 2: SVM trained on synthetic rows, tested on set-1
    "tstr_set2",  # metric 2: SVM trained on synthetic rows, tested on set-2
    "real_to_real",  # SVM trained on set-1, tested on set-2: the ceiling of tstr_set2
    "fid",
    "fid_real",
    "fid_over_floor",
    "variance_ratio",
    "nn_distance",
    "copies",
)
TESTS = METRICS[:5]  # those with a confusion matrix
REFERENCES = ("real", *GENERATORS)

Values = Sequence[dict | None]  # of `evaluate.measure`, per lane


def summary_of(
    classes: tuple[str, ...],
    lanes: Sequence[Mapping],
    tools: Mapping[int, FoldTools],
    model: Values,
    references: Mapping[str, Mapping[int, dict]],
    protocol: dict,
) -> dict:
    """The result of ``evaluate``, from what was measured.

    Args:
        classes: of the corpus.
        lanes: lane records with "seed", "fold", "status".
        tools: of each fold.
        model: what was measured of each lane's rows, None for a lane without a value.
        references: reference -> fold -> what was measured.
        protocol: of the SVMs, in words.
    """
    groups: dict[str, Values] = {"model": model}
    groups |= {name: [of[lane["fold"]] for lane in lanes] for name, of in references.items()}
    metrics = {
        name: {metric: _over_folds(values, lanes, "metrics", metric) for metric in METRICS}
        for name, values in groups.items()
    }
    per_class = {
        name: {
            figure: {
                of_class: _over_folds(values, lanes, "per_class", figure, label)["mean"]
                for label, of_class in enumerate(classes)
            }
            for figure in ("variance_ratio", "trts_set2_recall", "tstr_set2_recall")
        }
        for name, values in groups.items()
    }
    of_references = {name: metrics[name] for name in REFERENCES}
    verdict = judge(metrics["model"], of_references, per_class["model"], lanes)
    # What happened to the model in a lane says nothing of a reference.
    healthy = [{"seed": lane["seed"], "fold": lane["fold"], "status": "ok"} for lane in lanes]
    verdict["references"] = {
        name: judge(metrics[name], of_references, per_class[name], healthy)["word"]
        for name in REFERENCES
    }
    return {
        "metrics": metrics["model"],
        "references": of_references,
        "per_class": per_class,
        "confusion": {name: _confusions(values) for name, values in groups.items()},
        "svm": {
            "protocol": protocol,
            "chosen_c": {
                "set1": [part.svm_set1.c for part in tools.values()],
                "set2": [part.svm_set2.c for part in tools.values()],
                "synthetic": [value and value["chosen_c"] for value in model],
                **{
                    name: [value["chosen_c"] for value in references[name].values()]
                    for name in GENERATORS
                },
            },
            "notes": _notes(lanes, tools, model, references),
        },
        "plausibility": _plausibility(model, lanes),
        "verdict": verdict,
    }


def _over_folds(values: Values, lanes: Sequence[Mapping], *path: str | int) -> dict:
    """Summary of what stands at a path in the values of the lanes."""
    return summarise([value and reduce(getitem, path, value) for value in values], lanes)


def _plausibility(values: Values, lanes: Sequence[Mapping]) -> list[dict]:
    """Per rule: how often real rows of set-1 and synthetic rows break it, means over folds."""
    healthy = [value["plausibility"]["real"] for value in values if value is not None]

    def mean(who: str, place: int, field: str) -> float | None:
        return _over_folds(values, lanes, "plausibility", who, place, field)["mean"]

    return [
        {
            "rule": breach["rule"],
            "checks": breach["checks"],
            "real_rows": mean("real", place, "rows"),
            "synthetic_rows": mean("synthetic", place, "rows"),
            "synthetic_checks": mean("synthetic", place, "places"),
        }
        for place, breach in enumerate(healthy[0] if healthy else ())
    ]


def _confusions(values: Values) -> dict:
    """Counts summed over the lanes that have a value; None where no lane has."""
    present = [value["confusion"] for value in values if value is not None]
    return {
        test: np.sum([counts[test] for counts in present], axis=0).tolist() if present else None
        for test in TESTS
    }


def _notes(
    lanes: Sequence[Mapping],
    tools: Mapping[int, FoldTools],
    model: Values,
    references: Mapping[str, Mapping[int, dict]],
) -> list[str]:
    """Every departure of an SVM from the protocol, in words."""
    said = []
    for fold, part in tools.items():
        said.append((f"set-1, fold {fold}", part.svm_set1.note))
        said.append((f"set-2, fold {fold}", part.svm_set2.note))
    for lane, value in zip(lanes, model, strict=True):
        place = f"synthetic rows, seed {lane['seed']}, fold {lane['fold']}"
        said.append((place, value and value["note"]))
    for name in GENERATORS:
        said += [(f"{name}, fold {fold}", of["note"]) for fold, of in references[name].items()]
    return [f"SVM on {place}: {note}" for place, note in said if note]
