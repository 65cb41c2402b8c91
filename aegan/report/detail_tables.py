"""The tables behind the main one: folds, lanes, classes, the SVM's C, settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from aegan.report.tables import (
    DASH,
    REFERENCES,
    TITLES,
    UARS,
    Results,
    Table,
    model_name,
    number,
    percent,
    plain,
    show,
)


def by_fold(results: Results, values: Sequence[Any]) -> list[float | None]:
    """Values of the lanes, averaged over the seeds of each fold, in the order of ``folds``."""
    groups = []
    for fold in results["folds"]:
        numbers = [
            number(value)
            for lane, value in zip(results["lanes"], values, strict=True)
            if lane["fold"] == fold["fold"]
        ]
        finite = [value for value in numbers if value is not None]
        groups.append(float(np.mean(finite)) if finite else None)
    return groups


def fold_table(results: Results) -> Table:
    """Every fold with its held-out speakers and its figures, seeds averaged."""
    metrics = results["metrics"]
    columns = [
        column
        for column in (*UARS, "real_to_real", "fid", "fid_real", "variance_ratio")
        if column in metrics
    ]
    values = {column: by_fold(results, metrics[column]["per_lane"]) for column in columns}
    lines = tuple(
        (
            str(fold["fold"]),
            ", ".join(map(str, fold["held_out"])) or str(fold.get("name", DASH)),
            str(fold["train_rows"]),
            str(fold["valid_rows"]),
            *(show(column, values[column][i]) for column in columns),
        )
        for i, fold in enumerate(results["folds"])
    )
    header = ("Fold", "Held-out speakers", "Set-1 rows", "Set-2 rows")
    caption = (
        "Each fold, seeds averaged. The spread down a column is the spread over unseen speakers: "
        "compare TSTR set-2 with Real \u2192 real of the same fold."
    )
    return Table(caption, (*header, *(TITLES[c] for c in columns)), lines, text_columns=(1,))


def lane_table(results: Results) -> Table:
    """Every lane (one seed on one fold): how its training ended."""
    lines = tuple(
        (
            f"seed {lane['seed']}, fold {lane['fold']}",
            str(lane["status"]),
            f"{lane['last_good_epoch']} of {lane['epochs']}",
            plain(lane.get("convergence")),
            plain(lane.get("variance_ratio_check")),
            ", ".join(map(str, lane.get("classes_missing") or ())) or DASH,
            str(lane.get("detail") or DASH),
        )
        for lane in results["lanes"]
    )
    bad = tuple(i for i, lane in enumerate(results["lanes"]) if lane["status"] != "ok")
    caption = (
        "Training of each lane. A status other than ok means that the lane kept its last good "
        "state. Convergence: largest relative change of a loss from one fifth of the epochs to the "
        "last fifth; near 0 the losses had stopped changing. Variance check: variance ratio at "
        "the end of training, from a sample."
    )
    header = ("Lane", "Status", "Good epochs", "Convergence", "Variance check")
    header = (*header, "Classes missing", "Detail")
    return Table(caption, header, lines, marked=bad, text_columns=(1, 5, 6))


def class_table(results: Results) -> Table | None:
    """Variance ratio and recall of each class, for the model and for real speech."""
    groups = results.get("per_class") or {}
    names = {"model": model_name(results), **REFERENCES}
    columns = [("variance_ratio", key) for key in names if key in groups and key != "real"]
    columns += [
        (measure, key)
        for measure in ("trts_set2_recall", "tstr_set2_recall")
        for key in ("model", "real")
        if measure in groups.get(key, {})
    ]
    if not columns:
        return None
    words = {
        "variance_ratio": "Variance ratio",
        "trts_set2_recall": "Recall TRTS set-2 (%)",
        "tstr_set2_recall": "Recall TSTR set-2 (%)",
    }

    def show_value(measure: str, key: str, name: str) -> str:
        value = (groups[key].get(measure) or {}).get(name)
        return plain(value) if measure == "variance_ratio" else percent(value)

    lines = tuple(
        (name, *(show_value(measure, key, name) for measure, key in columns))
        for name in results["corpus"]["classes"]
    )
    caption = (
        "Each class, mean over folds. A variance ratio far below 1 means rows that resemble one "
        "another more than real rows of the class do; a recall near 0 means a class lost."
    )
    header = ("Class", *(f"{words[measure]}, {names[key]}" for measure, key in columns))
    return Table(caption, header, lines)


def svm_table(results: Results) -> Table | None:
    """The C that the search chose, per training set and fold."""
    chosen = (results.get("svm") or {}).get("chosen_c") or {}
    if not chosen:
        return None
    names = {"set1": "Real set-1", "set2": "Real set-2", "synthetic": model_name(results)}
    names |= REFERENCES
    lanes, folds = results["lanes"], results["folds"]

    def of_fold(values: Sequence[Any], position: int) -> str:
        if len(values) == len(folds):
            found = [values[position]]
        else:
            number_of = folds[position]["fold"]
            pairs = zip(lanes, values, strict=False)
            found = [value for lane, value in pairs if lane["fold"] == number_of]
        texts = ["" if number(value) is None else f"{value:g}" for value in found]
        texts = [text.replace("e-0", "e-") for text in dict.fromkeys(texts) if text]
        return ", ".join(texts) or DASH

    lines = tuple(
        (str(fold["fold"]), *(of_fold(values, i) for values in chosen.values()))
        for i, fold in enumerate(folds)
    )
    caption = (
        "The C chosen for each training set; several values in a cell belong to several seeds. A "
        "very small C on synthetic rows means that they are so easy that every C fits them."
    )
    return Table(caption, ("Fold", *(names.get(key, key) for key in chosen)), lines)


def flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Nested settings as ``(dotted.name, text)``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        yield prefix, ", ".join("null" if item is None else str(item) for item in value) or DASH
    else:
        yield prefix, DASH if value is None or value == "" else str(value)


def settings_table(caption: str, value: Results) -> Table:
    return Table(caption, ("Setting", "Value"), tuple(flat(value)), text_columns=(1,))


def plausibility_table(results: Results) -> Table | None:
    """How often real and synthetic rows break what holds for every recording."""
    rules = results.get("plausibility") or []
    if not rules:
        return None
    caption = (
        "What holds for the functionals of a recording, told from their openSMILE names, to five "
        "digits (the mean may leave the percentiles of a recording that is mostly silent). A "
        "generator knows of these ties only what it has learnt; experiments.sample --plausible "
        "moves its rows onto those that real rows keep."
    )
    if results["corpus"].get("statistics") == "speaker":
        caption += " Standardising by speaker breaks them in real rows as well."
    return Table(
        caption=caption,
        header=(
            "Rule",
            "Checks a row",
            "Real rows that break it (%)",
            "Synthetic rows (%)",
            "Synthetic checks (%)",
        ),
        rows=tuple(
            (
                str(rule["rule"]),
                str(rule["checks"]),
                *(
                    percent(rule[key])
                    for key in ("real_rows", "synthetic_rows", "synthetic_checks")
                ),
            )
            for rule in rules
        ),
    )
