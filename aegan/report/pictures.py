"""Pictures of a run's synthetic rows beside real ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit import figures as kit
from aegan.report.kit.documents import paragraphs
from aegan.report.kit.figures import GREY, INK, PALE, Figure, panel
from aegan.report.kit.numbers import Results
from aegan.report.scatter import Below, Plane, scatter, square

_AXES = ("first component", "second component")
_WHO = ("real", "synthetic")
_FAR = 0.01  # share of the points that are drawn at the edge, not to press all others together


def sides(results: Results) -> Iterator[Figure]:
    """Each class in a plane, and the margins of the most telling columns; none of old results."""
    found = results.get("pictures") or {}
    if found:
        style = kit.class_style(list(found["points"]))
        yield _plane(found, style)
        yield _margins(found, style)


def _plane(found: Results, style: kit.Style) -> Figure:
    parts = [
        pd.DataFrame(points[who]).assign(**{"class": name, "rows": who})
        for name, points in found["points"].items()
        for who in _WHO
    ]
    data = pd.concat(parts, ignore_index=True).astype({"x": float, "y": float})
    ends = data[["x", "y"]].quantile([_FAR, 1 - _FAR])
    near = data.assign(**{axis: data[axis].clip(*ends[axis]) for axis in ends})
    plane, panels = Plane(square(near), _AXES), []
    for place, (name, look) in enumerate(style.items()):
        own = near[near["class"] == name]
        real, made = (own[own["rows"] == who] for who in _WHO)
        below = Below(real, GREY, "real rows", 0.55)
        alt = f"{name}: real and synthetic rows in the plane of two principal components."
        title = kit.short(name, 30)
        drawn = {"synthetic rows": look}
        made = made.assign(drawn="synthetic rows")
        panels.append(
            panel(f"plane-{place}", alt, 3.9, scatter, title, made, "drawn", drawn, plane, below)
        )
    text, wide = paragraphs("run", "plane", found=found), len(panels) in (2, 4)
    return Figure("plane", *text, tuple(panels), data, wide)


def _margins(found: Results, style: kit.Style) -> Figure:
    records, panels = [], []
    for place, column in enumerate(found["columns"]):
        edges = column["edges"]
        records += [
            {"column": column["name"], "class": name, "rows": who, "from": edges[i]}
            | {"to": edges[i + 1], "share": share}
            for who in _WHO
            for name, shares in column[who].items()
            for i, share in enumerate(shares)
        ]
        alt = f"{column['name']}: histograms of real and synthetic rows by class."
        height = 1.1 + 0.5 * len(style)
        panels.append(panel(f"margins-{place}", alt, height, _ridges, column, style))
    text = paragraphs("run", "margins", found=found)
    return Figure("margins", *text, tuple(panels), pd.DataFrame(records))


def _ridges(axes: Axes, column: Results, style: kit.Style) -> None:
    """A histogram per class, one below the other."""
    edges, names = np.array(column["edges"]), list(style)
    for place, (name, (colour, _)) in enumerate(style.items()):
        real, made = (np.array(column[who][name]) for who in _WHO)
        most = 1.15 * max(real.max(), made.max()) or 1.0
        axes.stairs(-place + real / most, edges, baseline=-place, fill=True, color=PALE, lw=0)
        axes.stairs(-place + made / most, edges, baseline=None, color=colour, lw=1.6)
        axes.axhline(-place, color=GREY, lw=0.6)
    axes.set_yticks(-np.arange(len(names)) + 0.3, list(map(kit.short, names)))
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(-len(names) + 0.95, 1.05))
    axes.set_xlabel("standard deviations from the training mean")
    axes.set_title(kit.short(column["name"], 38), fontsize=9)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", colors=INK)
