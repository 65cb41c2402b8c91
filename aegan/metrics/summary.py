"""What the evaluate stage says: means over folds, confusions, notes and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem

import numpy as np

from aegan.metrics.classifiers import SVM
from aegan.metrics.fold_tools import FoldTools
from aegan.metrics.intervals import HeldOut, over_speakers, summarise, uar_of
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
    "interpolated",
)
TESTS = METRICS[:5]  # those with a confusion matrix
REFERENCES = ("real", *GENERATORS)

_COMPARED = ("model", "real")  # whose rows several runs are compared by

AUGMENTED = "augmented"  # use of rows: real and synthetic ones together

Values = Sequence[dict | None]  # of `evaluate.measure`, per lane


def words_of(lane: Mapping) -> str:
    """What the screen and the notes call the rows of a lane."""
    return f"synthetic rows, seed {lane['seed']}, fold {lane['fold']}"


def summary_of(
    classes: tuple[str, ...],
    lanes: Sequence[Mapping],
    tools: Mapping[int, FoldTools],
    tested: Mapping[int, HeldOut],
    uses: Sequence[str],
    model: Values,
    references: Mapping[str, Mapping[int, dict]],
    protocol: dict,
) -> dict:
    """The result of ``evaluate``, from what was measured of each lane, and per reference and fold.

    ``tools`` and ``tested`` are of each fold, ``uses`` are the classifiers and AUGMENTED,
    ``protocol`` is that of the SVMs, in words. With more than one split the intervals of UARs on
    set-2 are over speakers, as those of differences always are.
    """
    groups: dict[str, Values] = {"model": model}
    groups |= {name: [of[lane["fold"]] for lane in lanes] for name, of in references.items()}
    metrics = {
        name: {metric: _over_folds(values, lanes, "metrics", metric) for metric in METRICS}
        for name, values in groups.items()
    }
    use, less = _uses(groups, lanes, tested, uses)
    if len({lane["split"] for lane in lanes}) > 1:
        for name in groups:
            metrics[name]["tstr_set2"]["ci95"] = use[SVM][name]["ci95"]
            of_real = [b and a for a, b in zip(groups["real"], groups[name], strict=True)]
            of_real, _ = _uses({"real": of_real}, lanes, tested, [SVM])
            metrics[name]["real_to_real"]["ci95"] = of_real[SVM]["real"]["ci95"]
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
    confusion = {}  # counts summed over the lanes that have a value; None where no lane has
    for name, values in groups.items():
        present = [value["confusion"] for value in values if value is not None]
        of_test = {test: [found[test] for found in present if test in found] for test in TESTS}
        confusion[name] = {
            test: np.sum(counts, axis=0).tolist() if counts else None
            for test, counts in of_test.items()
        }
    # An SVM, or what was measured with one: its C and its departure from the protocol, in words.
    svms: dict[str, dict[str, Mapping | None]] = {
        "real": {
            f"set-{n}, fold {k}": of[n] and vars(of[n]) for k, of in tools.items() for n in (1, 2)
        },
        "synthetic": dict(zip(map(words_of, lanes), model, strict=True)),
    }
    for name in GENERATORS:
        svms[name] = {f"{name}, fold {k}": of for k, of in references[name].items()}
    chosen_c = {name: [svm and svm["c"] for svm in of.values()] for name, of in svms.items()}
    real_c = chosen_c.pop("real")
    of_references = {name: metrics[name] for name in REFERENCES}
    verdict = judge(metrics["model"], of_references, per_class["model"], lanes)
    # What happened to the model in a lane says nothing of a reference.
    healthy = [{k: lane[k] for k in ("seed", "fold", "split")} | {"status": "ok"} for lane in lanes]
    verdict["references"] = {
        name: judge(metrics[name], of_references, per_class[name], healthy)["word"]
        for name in REFERENCES
    }
    return {
        "metrics": metrics["model"],
        "references": of_references,
        "use": {"uar": use, "less": less, "tested": _tested(groups, tested)},
        "per_class": per_class,
        "confusion": confusion,
        "svm": {
            "protocol": protocol,
            "chosen_c": {"set1": real_c[::2], "set2": real_c[1::2], **chosen_c},
            "notes": [
                f"SVM on {place}: {svm['note']}"
                for of in svms.values()
                for place, svm in of.items()
                if svm and svm["note"]
            ],
        },
        "plausibility": _plausibility(model, lanes),
        "verdict": verdict,
    }


def _tested(groups: Mapping[str, Values], tested: Mapping[int, HeldOut]) -> dict:
    """Speakers and rows of each set-2, and per lane those that TSTR's SVM recognised."""
    right = {name: [value and value["right"][SVM] for value in groups[name]] for name in _COMPARED}
    folds = [
        {"fold": fold, "speakers": list(of.speakers), "rows": of.rows.tolist()}
        for fold, of in tested.items()
    ]
    return {"folds": folds, "right": right}


def _uses(
    groups: Mapping[str, Values],
    lanes: Sequence[Mapping],
    tested: Mapping[int, HeldOut],
    uses: Sequence[str],
) -> tuple[dict, dict]:
    """Per use and group of rows the UAR on set-2; and the model's less that of each other."""
    several = len({lane["split"] for lane in lanes}) > 1
    found: dict[str, dict] = {use: {} for use in uses}
    less: dict[str, dict] = {use: {} for use in uses}
    for use in uses:
        right = {name: [_right(value, use) for value in of] for name, of in groups.items()}
        for name, counts in right.items():
            pairs = zip(counts, lanes, strict=True)
            values = [a if a is None else uar_of(a, tested[lane["fold"]].rows) for a, lane in pairs]
            found[use][name] = summarise(values, lanes)
            if several:
                found[use][name]["ci95"] = over_speakers(counts, lanes, tested)["ci95"]
            if name != "model" and "model" in right:
                both = zip(right["model"], counts, strict=True)
                apart = [None if a is None or b is None else a - b for a, b in both]
                less[use][name] = over_speakers(apart, lanes, tested)
    return found, less


def _right(value: dict | None, use: str) -> np.ndarray | None:
    counts = None if value is None else value["right"].get(use)
    return None if counts is None else np.array(counts, float)


def _over_folds(values: Values, lanes: Sequence[Mapping], *path: str | int) -> dict:
    """Summary of what stands at a path in the values of the lanes."""
    return summarise([value and reduce(getitem, path, value) for value in values], lanes)


def _plausibility(values: Values, lanes: Sequence[Mapping]) -> list[dict]:
    """Per rule: how often real rows of set-1 and synthetic rows break it, means over folds."""
    shares = ("real", "rows"), ("synthetic", "rows"), ("synthetic", "places")
    names = ("real_rows", "synthetic_rows", "synthetic_checks")
    healthy = next((value["plausibility"]["real"] for value in values if value is not None), ())
    return [
        {"rule": breach["rule"], "checks": breach["checks"]}
        | {
            name: _over_folds(values, lanes, "plausibility", who, place, field)["mean"]
            for name, (who, field) in zip(names, shares, strict=True)
        }
        for place, breach in enumerate(healthy)
    ]
