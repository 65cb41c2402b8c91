"""Fig. 1 and its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import GREY, Figure, panel
from aegan.report.kit.numbers import Results, said
from aegan.report.kit.tables import Table, tabulate
from aegan.study.scatter import DOT, Limits, Style, plane, scatter, square
from aegan.study.toy.tasks import NAME
from aegan.study.words import definitions, measured, of_experiment, table_at, told

_COLOURS = ("#0072B2", "#D55E00", "#000000", "#9970AB")  # of clusters: no emotions
_MARKERS = ("o", "s", "^", "D")
_PANELS = {
    "source": "(a) Source",
    "target": "(b) Target",
    "gan": "(c) Vanilla GAN",
    "infogan": "(d) InfoGAN",
}
# Title, unit and unit of a difference.
_ROWS = {
    "overlap": ("Points in a wrong cluster (%)", "%", "points"),
    "spread": ("Width of the clusters, target = 1", "ratio", "signed"),
    "flatness": ("Minor over major axis, 1 = round", "ratio", "signed"),
    "modes": ("Clusters found, of 4", "plain", "signed"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = of_experiment(results, NAME)
    picture = figure(table_at(folder, "tasks", "toy.parquet")) if folder else None
    title = "Fig. 1: vanilla GAN and InfoGAN"
    yield measured(results, "none", title, picture, table(found), definitions(found))


def table(found: Results) -> Table:
    """Fig. 1 in figures."""
    ideal = found.get("target") or {}
    seeds = len({row["seed"] for row in found.get("per_seed") or ()})
    columns = {
        "Measure": lambda key: _ROWS[key][0],
        "Target": lambda key: said(ideal.get(key), _ROWS[key][1]),
        "GAN": lambda key: said(found[key].get("gan"), _ROWS[key][1]),
        "InfoGAN": lambda key: said(found[key].get("infogan"), _ROWS[key][1]),
        "InfoGAN less GAN": lambda key: said(found[key].get("difference"), _ROWS[key][2]),
    }
    return tabulate(told(NAME, "table", seeds=seeds), (k for k in _ROWS if k in found), columns)


def figure(points: pd.DataFrame) -> Figure:
    """Fig. 1: points (panel, x, y, cluster) of one seed."""
    clusters = sorted(points["cluster"].unique())
    style = {k: (_COLOURS[k % len(_COLOURS)], _MARKERS[k % len(_MARKERS)]) for k in clusters}
    limits = square(points[points["panel"] != "source"])
    groups = {name: points[points["panel"] == name] for name in _PANELS}
    panels = [
        panel(f"fig1-{name}", f"{title[4:]}: points in the plane.", 3.3, _draw, name, rows, style,
              limits)
        for (name, title), rows in zip(_PANELS.items(), groups.values(), strict=True)
        if len(rows)
    ]  # fmt: skip
    caption = told(NAME, "figure")
    return Figure("fig1", "Fig. 1: GAN and InfoGAN", caption, tuple(panels), points, wide=True)


def _draw(axes: Axes, name: str, rows: pd.DataFrame, style: Style, limits: Limits) -> None:
    if name == "source":
        axes.plot(rows["x"], rows["y"], "o", color=GREY, **DOT)
    else:
        scatter(axes, rows, "cluster", style)
    plane(axes, limits, _PANELS[name], "xy")
