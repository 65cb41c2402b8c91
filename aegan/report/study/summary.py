"""A study in a terminal: the claims and the main figures, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from aegan.report.kit.numbers import DASH, Estimate, Results, percent, plain
from aegan.report.study.low_resource_tables import lines_of
from aegan.report.study.sections import banners, headline, title
from aegan.report.study.words import (
    MODELS,
    chance,
    corpora,
    corpus_name,
    experiment,
    method_title,
    points,
)

WIDTH = 80


def text_summary(results: Results) -> str:
    """The claims in a line each, then Tables 2 to 4 and Fig. 6 in short; UAR in %."""
    lines = [title(results)[:WIDTH], corpora(results)[:WIDTH], "", f"{headline(results)}."]
    lines[-1:] = textwrap.wrap(lines[-1], WIDTH)
    for claim in results.get("claims") or ():
        line = (
            f"{claim['number']:>2}  {claim['where']:<11}  {claim['verdict']:<13}  {claim['short']}"
        )
        lines.append(line[:WIDTH])
    for block in (_cross_validation(results), _cross_corpus(results), _low_resource(results)):
        if block:
            lines += ["", *block]
    for banner in banners(results):
        lines += ["", *textwrap.wrap(banner, WIDTH)]
    return "\n".join(line.rstrip() for line in lines)


def _spread(estimate: Mapping[str, Any] | None, show: Any) -> str:
    """Mean and half the width of the interval."""
    found = Estimate.of(estimate)
    text = show(found.mean)
    if found.mean is None or found.half_width is None:
        return text
    digits = len(text.partition(".")[2])
    scale = 1 if show is plain else 100
    return f"{text} \u00b1{scale * found.half_width:.{digits}f}"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other, with one or two blanks between as they fit."""
    grid = [header, *rows]
    widths = [max(len(line[i]) for line in grid) for i in range(len(header))]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= WIDTH else " "
    return [
        gap.join(
            f"{text:<{width}}" if i == 0 else f"{text:>{width}}"
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )[:WIDTH]
        for line in grid
    ]


def _cross_validation(results: Results) -> list[str]:
    found = experiment(results, "cross_validation")
    if not found:
        return []
    runs = {MODELS[key]: run["metrics"] for key, run in found["models"].items()}
    references = found.get("references") or {}
    names = {"real": "Real rows", "class_gaussian": "Gaussian", "class_mean": "Class mean"}
    runs |= {name: references[key] for key, name in names.items() if key in references}
    columns = {
        "trts_set2": ("TRTS-2", percent),
        "tstr_set2": ("TSTR-2", percent),
        "fid_over_floor": ("FID-floor", plain),
        "variance_ratio": ("var", plain),
    }
    rows = [
        (name, *(_spread(metrics.get(key), show) for key, (_, show) in columns.items()))
        for name, metrics in runs.items()
    ]
    head = f"Tables 2 and 3, {corpus_name(results['source'])}"
    head += f" (UAR in %, chance {percent(chance(results))}; \u00b1 half the 95 % interval):"
    return [
        *textwrap.wrap(head, WIDTH),
        *_grid(("", *(name for name, _ in columns.values())), rows),
    ]


def _cross_corpus(results: Results) -> list[str]:
    found = experiment(results, "cross_corpus")
    if not found:
        return []
    table = found["tables"][found["statistics"]]
    names = MODELS | {"real": "Real rows", "class_gaussian": "Gaussian", "class_mean": "Class mean"}
    columns = {
        "trts": ("metric 1", percent),
        "tstr": ("metric 2", percent),
        "fid": ("FID", plain),
    }
    rows = [
        (name, *(_spread(table[key].get(column), show) for column, (_, show) in columns.items()))
        for key, name in names.items()
        if key in table
    ]
    head = f"Table 4, {corpora(results)}:"
    return [
        *textwrap.wrap(head, WIDTH),
        *_grid(("", *(name for name, _ in columns.values())), rows),
    ]


def _low_resource(results: Results) -> list[str]:
    found = ((experiment(results, "low_resource") or {}).get("scopes") or {}).get("target")
    if not found:
        return []
    percents, largest = sorted(found["percents"]), max(found["sizes"])
    cells = {
        (item["mode"], item["method"], item["percent"]): item["gain"]
        for item in found["cells"]
        if item["n"] == largest and item.get("gain")
    }
    rows = []
    for mode, method, size in lines_of(found):
        values = [cells.get((mode, method, p)) for p in percents]
        if size == largest and any(values):
            texts = (_spread(value, points) if value else DASH for value in values)
            words = ", honest" if mode == "honest" else ""
            rows.append((f"{method_title(method)}{words}", *texts))
    head = (
        f"Fig. 6, {largest} rows beside P % of the source: gain on the target, points of UAR "
        "(honest: the generator saw the same P %):"
    )
    header = ("", *(f"{percent_:g} %" for percent_ in percents))
    return [*textwrap.wrap(head, WIDTH), *_grid(header, rows)]
