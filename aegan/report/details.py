"""The tables behind the main one: folds, lanes, classes, the SVM's C, plausibility, settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from aegan.report.generators import REFERENCES, TITLES, UARS, model_name, unit
from aegan.report.kit.documents import words
from aegan.report.kit.numbers import UNITS, Results, number, percent, plain
from aegan.report.kit.tables import Table, tabulate


def by_fold(results: Results, values: Sequence[Any]) -> dict[int, float]:
    """Values of the lanes, averaged over the seeds of each fold; NaN where a fold has none."""
    folds = [lane["fold"] for lane in results["lanes"]]
    return pd.Series(map(number, values), dtype=float).groupby(folds).mean().to_dict()


def fold_table(results: Results) -> Table:
    """Every fold with its held-out speakers and its figures, seeds averaged."""
    columns = {
        "Fold": lambda fold: fold["fold"],
        "Held-out speakers": lambda fold: ", ".join(map(str, fold["held_out"])) or fold.get("name"),
        "Set-1 rows": lambda fold: fold["train_rows"],
        "Set-2 rows": lambda fold: fold["valid_rows"],
    }
    for metric in (*UARS, "real_to_real", "fid", "fid_real", "variance_ratio"):
        if metric in results["metrics"]:
            values = by_fold(results, results["metrics"][metric]["per_lane"])
            show = UNITS[unit(metric)]
            columns[TITLES[metric]] = lambda fold, show=show, values=values: show(
                values.get(fold["fold"])
            )
    caption = words("run", "folds")
    return tabulate(caption, results["folds"], columns, words=("Held-out speakers",))


def lane_table(results: Results) -> Table:
    """Every lane (one seed on one fold): how its training ended."""
    columns = {
        "Lane": lambda lane: f"seed {lane['seed']}, fold {lane['fold']}",
        "Status": lambda lane: lane["status"],
        "Good epochs": lambda lane: f"{lane['last_good_epoch']} of {lane['epochs']}",
        "Convergence": lambda lane: plain(lane.get("convergence")),
        "Variance check": lambda lane: plain(lane.get("variance_ratio_check")),
        "Classes missing": lambda lane: ", ".join(map(str, lane.get("classes_missing") or ())),
        "Detail": lambda lane: lane.get("detail"),
    }
    return tabulate(
        words("run", "lanes"),
        results["lanes"],
        columns,
        words=("Status", "Classes missing", "Detail"),
        marked=lambda lane: lane["status"] != "ok",
    )


def class_table(results: Results) -> Table | None:
    """Variance ratio and recall of each class, for the model and for real speech."""
    groups = results.get("per_class") or {}
    names = {"model": model_name(results), **REFERENCES}
    measures = {
        "variance_ratio": ("Variance ratio", plain, [key for key in names if key != "real"]),
        "trts_set2_recall": ("Recall TRTS set-2 (%)", percent, ["model", "real"]),
        "tstr_set2_recall": ("Recall TSTR set-2 (%)", percent, ["model", "real"]),
    }
    columns = {
        f"{title}, {names[key]}": lambda name, show=show, values=groups[key][measure]: show(
            (values or {}).get(name)
        )
        for measure, (title, show, keys) in measures.items()
        for key in keys
        if measure in groups.get(key, {})
    }
    if not columns:
        return None
    classes = results["corpus"]["classes"]
    return tabulate(words("run", "classes"), classes, {"Class": str, **columns})


def svm_table(results: Results) -> Table | None:
    """The C that the search chose, per training set and fold."""
    chosen = (results.get("svm") or {}).get("chosen_c") or {}
    if not chosen:
        return None
    names = {"set1": "Real set-1", "set2": "Real set-2", "synthetic": model_name(results)}
    names |= REFERENCES
    folds, lanes = ([item["fold"] for item in results[key]] for key in ("folds", "lanes"))

    def of_fold(fold: int, values: Sequence[Any]) -> str:
        places = folds if len(values) == len(folds) else lanes
        found = (c for place, c in zip(places, values, strict=False) if place == fold)
        texts = (f"{c:g}".replace("e-0", "e-") for c in found if number(c) is not None)
        return ", ".join(dict.fromkeys(texts))

    columns = {
        names.get(key, key): lambda fold, values=values: of_fold(fold, values)
        for key, values in chosen.items()
    }
    return tabulate(words("run", "svm"), folds, {"Fold": str, **columns})


def settings_table(caption: str, value: Results) -> Table:
    """Nested settings by their dotted names."""
    columns = {"Setting": lambda item: item[0], "Value": lambda item: item[1]}
    return tabulate(caption, _flat(value), columns, words=("Value",))


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        yield prefix, ", ".join("null" if item is None else str(item) for item in value)
    else:
        yield prefix, value


def plausibility_table(results: Results) -> Table:
    """How often real and synthetic rows break what holds for every recording."""
    columns = {
        "Rule": lambda rule: rule["rule"],
        "Checks a row": lambda rule: rule["checks"],
        "Real rows that break it (%)": lambda rule: percent(rule["real_rows"]),
        "Synthetic rows (%)": lambda rule: percent(rule["synthetic_rows"]),
        "Synthetic checks (%)": lambda rule: percent(rule["synthetic_checks"]),
    }
    by_speaker = results["corpus"].get("statistics") == "speaker"
    caption = words("run", "plausibility", by_speaker=by_speaker)
    return tabulate(caption, results.get("plausibility") or (), columns)
