"""The tables of Fig. 6: classifiers with few real rows; UAR in %, differences in points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from aegan.report.kit.documents import Block, Fold, Section
from aegan.report.kit.numbers import Estimate, Results, said
from aegan.report.kit.tables import Table
from aegan.study import words as W
from aegan.study.low_resource.figure import figure, method_title
from aegan.study.low_resource.results import cells_of, gains_of
from aegan.study.low_resource.tasks import NAME

_OTHERS = ("class_gaussian", "oversampling", "smote", "jitter")
_MODES = {"paper": "as the paper", "honest": "honest"}
_FIRST = "Added to the real rows"
Curve = tuple[str, str, int]  # mode, method, number of added rows


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    for scope in found["scopes"]:
        part = "both" if scope == "target" else "source"
        picture = figure(results, scope) if folder else None
        title = f"Fig. 6: few real rows, tested on the {scope}"
        yield W.measured(results, part, title, picture, *_blocks(results, scope))


def _blocks(results: Results, scope: str) -> Iterator[Block | None]:
    found = W.of_experiment(results, NAME)
    one, order = found["scopes"][scope], list(W.models(results))
    what = {"target": "on the target corpus", "source": "on held-out speakers of the source"}[scope]
    if scope == "target" and one.get("statistics"):
        statistics = one["statistics"]
        yield f"{W.STATISTICS.get(statistics, statistics).capitalize()}."
    yield gain_table(one, order, what)
    yield comparison_table(one)
    low_less_high = (found.get("gain_low_less_high") or {}).get(scope) or {}
    gains = [
        f"{said(low_less_high[m], 'points')} ({_MODES[m]})" for m in _MODES if low_less_high.get(m)
    ]
    if gains:
        yield W.told(NAME, "low_less_high", one=one, gains=gains)
    tables = (accuracy_table(one, order, what, name) for name in ("uar", "accuracy"))
    yield Fold("UAR of every curve", (next(tables),))
    yield Fold("Weighted accuracy of every curve", (next(tables),))
    every = gain_table(one, order, what, every=True), comparison_table(one, every=True)
    yield Fold("Every gain and difference", every)
    if scope == list(found["scopes"])[-1]:
        yield W.notes(found)
        yield W.definitions(found)


def curves_of(found: Results, order: list[str]) -> list[Curve]:
    """Every curve that a scope has, in a fixed order; ``order`` of the models.

    At P = 100 % both modes are one; a curve that is only there in one of them is left out.
    """
    percents: dict[Curve, set[float]] = {}
    for mode, method, percent, n in cells_of(found):
        percents.setdefault((mode, method, n), set()).add(percent)
    seen = [curve for curve, at in percents.items() if not _whole_only(found, at)]
    ranks = {method: i for i, method in enumerate(("none", *order, *_OTHERS))}
    return sorted(seen, key=lambda c: (c[0] != "paper", ranks.get(c[1], len(ranks)), c[1], c[2]))


def _whole_only(found: Results, percents: Collection[float]) -> bool:
    return set(percents) == {100} and len(found["percents"]) > 1


def _title(mode: str, method: str, size: int) -> str:
    return f"{method_title(method, size)} ({_MODES.get(mode, mode)})"


def _by_percent(found: Results, unit: str) -> dict[str, tuple[float, str]]:
    return {f"P = {percent:g} %": (percent, unit) for percent in found["percents"]}


def accuracy_table(found: Results, order: list[str], what: str, measure: str) -> Table:
    """UAR or accuracy of every curve, Fig. 6; ``what``: of which corpus."""
    cells = cells_of(found)
    rows = {
        _title(mode, method, n): {
            p: (cells.get((mode, method, p, n)) or {}).get(measure) for p in found["percents"]
        }
        for mode, method, n in curves_of(found, order)
    }
    caption = W.told(NAME, "accuracy", measure=measure, what=what)
    return W.grid(caption, _FIRST, rows, _by_percent(found, "%"))


def gain_table(found: Results, order: list[str], what: str, every: bool = False) -> Table:
    """What added rows bring over the same classifier without them.

    Without ``every`` only the first model, and the others at the largest number of rows.
    """
    rows = {
        _title(*curve): values
        for curve, values in _gains(found, order).items()
        if every or curve[1] == order[0] or curve[2] == max(found["sizes"])
    }
    caption = W.told(NAME, "gain", what=what)
    return W.grid(caption, _FIRST, rows, _by_percent(found, "points"))


def _gains(found: Results, order: list[str]) -> dict[Curve, dict[float, Results | None]]:
    """Per curve with a gain what it is at each P."""
    gains, rows = gains_of(found), {}
    for mode, method, n in curves_of(found, order):
        values = {p: gains.get((mode, method, p, n)) for p in found["percents"]}
        if any(values.values()):
            rows[mode, method, n] = values
    return rows


def comparison_table(found: Results, every: bool = False) -> Table:
    """Differences between numbers of rows, models and baselines, Fig. 6.

    Without ``every`` two methods are compared at the largest number of rows only.
    """
    rows: dict[str, dict[float, Results]] = {}
    for item in sorted(found.get("comparisons") or (), key=lambda item: item["mode"] != "paper"):
        first, second, mode = item["first"], item["second"], item["mode"]
        if every or first[0] == second[0] or first[1] == max(found["sizes"]):
            title = f"{_sides(*first, *second)} ({_MODES.get(mode, mode)})"
            rows.setdefault(title, {})[item["percent"]] = item["difference"]
    rows = {title: values for title, values in rows.items() if not _whole_only(found, values)}
    columns = _by_percent(found, "points")
    return W.grid(W.told(NAME, "comparison"), "First less second", rows, columns)


def _sides(method: str, size: int, other: str, less: int) -> str:
    if method == other:
        return f"{method_title(method)}, {size} less {less} rows"
    if size == less:
        return f"{method_title(method)} less {method_title(other)}, {size} rows"
    return f"{method_title(method, size)} less {method_title(other, less)}"


def in_short(results: Results) -> list[str]:
    """The gain of M1's rows at the smallest P, and of the best that needs no generator."""
    found = (W.of_experiment(results, NAME).get("scopes") or {}).get("target")
    if not found:
        return []
    order = list(W.models(results))
    least, largest = min(found["percents"]), max(found["sizes"])
    gains = {
        key[:2]: gain
        for key, gain in gains_of(found).items()
        if key[2:] == (least, largest) and gain
    }
    if not gains.get(("paper", order[0])):
        return []
    rest = {
        method: mean
        for (mode, method), value in gains.items()
        if mode == "honest"
        and method not in order
        and (mean := Estimate.of(value).mean) is not None
    }
    best = max(rest, key=rest.get, default=None)
    return [
        W.told(
            NAME,
            "in_short",
            least=f"{least:g}",
            largest=largest,
            model=order[0].upper(),
            paper=said(gains["paper", order[0]], "points"),
            honest=("honest", order[0]) in gains and said(gains["honest", order[0]], "points"),
            best=best and f"{method_title(best)}, by {said(gains['honest', best], 'points')}",
        )
    ]


def summary(results: Results) -> list[str]:
    """The gains of the largest number of rows."""
    found = (W.of_experiment(results, NAME).get("scopes") or {}).get("target")
    if not found:
        return []
    largest = max(found["sizes"])
    rows = {
        method_title(method) + (", honest" if mode == "honest" else ""): values
        for (mode, method, n), values in _gains(found, list(W.models(results))).items()
        if n == largest
    }
    columns = {f"{p:g} %": (p, "points") for p in sorted(found["percents"])}
    return W.in_terminal(W.told(NAME, "summary", largest=largest), rows, columns)
