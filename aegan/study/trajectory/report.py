"""The curves along the way, and at which lengths the orders of the paper's tables hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aegan.report import along
from aegan.report.kit.documents import Fold, Section
from aegan.report.kit.numbers import Results, said
from aegan.report.kit.tables import Table
from aegan.study import words as W
from aegan.study.rule import SHORT
from aegan.study.trajectory.tasks import NAME


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    classes = {"corpus": {"classes": W.classes(results)}}
    runs = {model: run | classes for model, run in found["models"].items()}
    yield W.measured(
        results,
        "source",
        "Along the way: which order holds at which length",
        orders_table(found),
        along.figure(runs, "trajectory") if folder else None,
        *(f"{model.upper()}. {along.length(run)}" for model, run in runs.items()),
        Fold("Every figure behind the verdicts", (parts_table(found),)),
    )


def orders_table(found: Results) -> Table:
    """Verdicts on the claims of Tables 2 and 3, and on their parts, by the length of training."""
    ends = {m.upper(): run["along"]["points"][-1]["updates"] for m, run in found["models"].items()}
    rows = next(iter(found["models"].values()))["along"]["rows"]
    caption = W.told(NAME, "orders", ends=ends, rows=rows)
    return _table(found, caption, lambda one: SHORT[one["verdict"]], claims=True)


def parts_table(found: Results) -> Table:
    """The paired difference of each part, by the length of training."""
    return _table(
        found, W.told(NAME, "parts"), lambda part: said(part["value"], part["unit"]), claims=False
    )


def _table(found: Results, caption: str, show: Callable[[Results], str], claims: bool) -> Table:
    """A line per part of a claim, marked ones for the claims themselves, a column per length."""
    rows: dict[str, dict[Any, Any]] = {}
    for length in found["lengths"]:
        for claim in length["claims"]:
            shown = {_title(claim): claim} if claims else {}
            for title, one in (shown | {part["what"]: part for part in claim["parts"]}).items():
                rows.setdefault(title, {})[length["updates"]] = show(one)
    columns = {str(length["updates"]): (length["updates"], "") for length in found["lengths"]}
    marked = [_title(claim) for claim in found["lengths"][0]["claims"]]
    return W.grid(caption, "After updates", rows, columns, marked)


def _title(claim: Results) -> str:
    return f"{claim['where']}: {claim['short']}"


def in_short(results: Results) -> list[str]:
    """At which lengths each claim holds, and at which it does not."""
    lengths = W.of_experiment(results, NAME)["lengths"]
    claims: dict[str, dict[str, list[int]]] = {}
    for length in lengths:
        for claim in length["claims"]:
            of_verdict = claims.setdefault(_title(claim), {})
            of_verdict.setdefault(claim["verdict"], []).append(length["updates"])
    return [W.told(NAME, "in_short", corpus=W.corpus_name(results["source"]), claims=claims)]


def summary(results: Results) -> list[str]:
    """The verdicts on the claims, a line each."""
    lengths = W.of_experiment(results, NAME)["lengths"]
    lines = ["Orders of Tables 2 and 3 after so many updates of the longest training:"]
    for place, claim in enumerate(lengths[0]["claims"]):
        said = (f"{one['updates']} {SHORT[one['claims'][place]['verdict']]}" for one in lengths)
        lines.append(f"{claim['number']:>2}  {', '.join(said)}"[:80])
    return lines
