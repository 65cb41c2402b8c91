"""Fig. 1 and its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import GREY, Figure, panel
from aegan.report.kit.numbers import Results, said
from aegan.report.kit.tables import Table
from aegan.report.scatter import Below, Plane, scatter, square
from aegan.study import words as W
from aegan.study.toy.tasks import NAME

_COLOURS = ("#0072B2", "#D55E00", "#000000", "#9970AB")  # of clusters: no emotions
_MARKERS = ("o", "s", "^", "D")
_PANELS = {
    "source": "(a) Source",
    "target": "(b) Target",
    "gan": "(c) Vanilla GAN",
    "infogan": "(d) InfoGAN",
}
# Unit and unit of a difference.
_ROWS = {
    "overlap": ("Points in a wrong cluster (%)", "%", "points"),
    "spread": ("Width of the clusters, target = 1", "ratio", "signed"),
    "flatness": ("Minor over major axis, 1 = round", "ratio", "signed"),
    "modes": ("Clusters found, of 4", "plain", "signed"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    picture = figure(W.table_at(folder, "tasks", "toy.parquet")) if folder else None
    title = "Fig. 1: vanilla GAN and InfoGAN"
    yield W.measured(results, "none", title, picture, table(found), W.definitions(found))


def table(found: Results) -> Table:
    """Fig. 1 in figures."""
    rows = {}
    for key, (title, unit, change) in _ROWS.items():
        if key in found:
            values = found[key] | {"target": (found.get("target") or {}).get(key)}
            rows[title] = {k: said(v, change if k == "difference" else unit)
                           for k, v in values.items()}  # fmt: skip
    titles = {"Target": "target", "GAN": "gan", "InfoGAN": "infogan"}
    titles["InfoGAN less GAN"] = "difference"
    seeds = len({row["seed"] for row in found.get("per_seed") or ()})
    columns = {title: (key, "") for title, key in titles.items()}
    return W.grid(W.told(NAME, "table", seeds=seeds), "Measure", rows, columns)


def figure(points: pd.DataFrame) -> Figure:
    """Fig. 1: points (panel, x, y, cluster) of one seed."""
    clusters = sorted(points["cluster"].unique())
    style = {k: (_COLOURS[k % len(_COLOURS)], _MARKERS[k % len(_MARKERS)]) for k in clusters}
    plane = Plane(square(points[points["panel"] != "source"]), "xy", legend=False)
    panels = []
    for name, title in _PANELS.items():
        rows = points[points["panel"] == name]
        if len(rows):
            alt, below = f"{title[4:]}: points in the plane.", None
            if name == "source":
                below, rows = Below(rows, GREY, "source", 0.65), rows[:0]
            data = rows, "cluster", style, plane, below
            panels.append(panel(f"fig1-{name}", alt, 3.3, scatter, title, *data))
    caption = W.told(NAME, "figure")
    return Figure("fig1", "Fig. 1: GAN and InfoGAN", caption, tuple(panels), points, wide=True)
