"""The tables of classifiers with few real rows; UAR in %, differences in points."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from aegan.report.kit.numbers import Results
from aegan.report.kit.tables import Table
from aegan.report.study.words import (
    MODELS,
    method_title,
    said,
)


def _by_percent(
    percents: Sequence[float], value: Callable[[float], Results | None], unit: str
) -> tuple[str, ...]:
    return tuple(said(value(percent_), unit) for percent_ in percents)


def _cell(found: Results, mode: str, method: str, size: int, percent_: float) -> Results | None:
    for item in found["cells"]:
        if (item["mode"], item["method"], item["percent"]) == (mode, method, percent_):
            if method == "none" or item["n"] == size:
                return item
    return None


def _header(first: str, percents: Sequence[float]) -> tuple[str, ...]:
    return (first, *(f"P = {percent_:g} %" for percent_ in percents))


def lines_of(found: Results) -> list[tuple[str, str, int]]:
    """(mode, method, N) of every curve that the study has, in a fixed order.

    At P = 100 % both modes are one; a curve that is only there in one of them is left out.
    """
    percents: dict[tuple[str, str, int], set[float]] = {}
    for item in found["cells"]:
        size = 0 if item["method"] == "none" else item["n"]
        percents.setdefault((item["mode"], item["method"], size), set()).add(item["percent"])
    seen = [curve for curve, at in percents.items() if not _whole_only(found, at)]
    order = ("none", *MODELS, "class_gaussian", "oversampling", "smote", "jitter")
    ranks = {method: i for i, method in enumerate(order)}
    return sorted(seen, key=lambda c: (c[0] != "paper", ranks.get(c[1], len(ranks)), c[1], c[2]))


def _whole_only(found: Results, percents: Collection[float]) -> bool:
    return set(percents) == {100} and len(found["percents"]) > 1


def _mode_title(mode: str) -> str:
    return {"paper": "as the paper", "honest": "honest"}.get(mode, mode)


def accuracy_table(found: Results, what: str, measure: str) -> Table:
    """UAR or accuracy of every curve, Fig. 6; ``what``: of which corpus."""
    percents = found["percents"]
    lines = []
    for mode, method, size in lines_of(found):
        values = _by_percent(
            percents,
            lambda p, c=(mode, method, size): (_cell(found, *c, p) or {}).get(measure),
            "%",
        )
        lines.append((f"{method_title(method, size)} ({_mode_title(mode)})", *values))
    name = {"uar": "UAR", "accuracy": "Accuracy, weighted by the classes' rows,"}[measure]
    caption = (
        f"{name} in % {what}, by the share P of the source that the classifier sees. As the "
        "paper: the generator saw all rows that the P % are drawn from; honest: generator and "
        "classifier see the same P %. At P = 100 % both are one."
    )
    return Table(caption, _header("Added to the real rows", percents), tuple(lines))


def gain_table(found: Results, what: str, every: bool = False) -> Table:
    """What added rows bring over the same classifier without them.

    Without ``every`` only M1, and the others at the largest number of rows.
    """
    percents = found["percents"]
    lines = []
    largest = max(found["sizes"])
    for mode, method, size in lines_of(found):
        if not (every or method == "m1" or size == largest):
            continue
        items = [_cell(found, mode, method, size, p) for p in percents]
        if method != "none" and any(item and item.get("gain") for item in items):
            values = (said((item or {}).get("gain"), "points") for item in items)
            lines.append((f"{method_title(method, size)} ({_mode_title(mode)})", *values))
    caption = (
        f"Gain in points of UAR over no added rows, {what}, paired by draw and tested speaker. An "
        "interval above 0 means that the added rows help. The gain that is left in the honest "
        "mode is what a generator brings when there is really little data."
    )
    return Table(caption, _header("Added to the real rows", percents), tuple(lines))


def comparison_table(found: Results, every: bool = False) -> Table:
    """Differences between numbers of rows, models and baselines, Fig. 6.

    Without ``every`` two methods are compared at the largest number of rows only.
    """
    percents = found["percents"]
    kept: dict[tuple, dict[float, Results]] = {}
    for item in found.get("comparisons") or ():
        key = (item["mode"], tuple(item["first"]), tuple(item["second"]))
        (method, size), (other, _) = key[1:]
        if not (every or method == other or size == max(found["sizes"])):
            continue
        kept.setdefault(key, {})[item["percent"]] = item["difference"]
    lines = []
    for (mode, first, second), values in sorted(
        kept.items(), key=lambda pair: pair[0][0] != "paper"
    ):
        if _whole_only(found, values):
            continue
        title = f"{_sides(first, second)} ({_mode_title(mode)})"
        lines.append((title, *_by_percent(percents, values.get, "points")))
    caption = (
        "Differences in points of UAR, paired by draw and tested speaker: numbers of M1's rows "
        "among each other, the three models at the largest number, M1 against what needs no "
        "generator. An interval that holds 0 leaves the order open."
    )
    return Table(caption, _header("First less second", percents), tuple(lines))


def _sides(first: tuple[str, int], second: tuple[str, int]) -> str:
    (method, size), (other, less) = first, second
    if method == other:
        return f"{method_title(method)}, {size} less {less} rows"
    if size == less:
        return f"{method_title(method)} less {method_title(other)}, {size} rows"
    return f"{method_title(method, size)} less {method_title(other, less)}"
