"""Scatter plots: groups that do not hide one another, in a plane to one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from aegan.report.kit.figures import INK, Style, legend

_SLICES = 8  # no group hides another
_DOT = {"ms": 2.6, "mew": 0}
Limits = tuple[tuple[float, float], tuple[float, float]]


class Plane(NamedTuple):
    """What the panels of a figure share."""

    limits: Limits
    labels: Sequence[str]  # of the axes
    legend: bool = True
    rings: Sequence[tuple[np.ndarray, float, str]] = ()  # centre, radius and colour of circles


class Below(NamedTuple):
    """Points under those of a panel."""

    points: pd.DataFrame
    colour: str
    name: str
    alpha: float = 0.8


def scatter(
    axes: Axes,
    title: str,
    points: pd.DataFrame,
    column: str,
    style: Style,
    plane: Plane,
    below: Below | None = None,
) -> None:
    """The groups of ``column`` in turn, a slice of each at a time; the legend names each once."""
    if below:
        rows, colour, name, alpha = below
        axes.plot(rows["x"], rows["y"], "o", color=colour, alpha=alpha, **_DOT)
        axes.plot([], [], "o", color=colour, ms=6, mew=0, label=name)
    groups = {name: points[points[column] == name] for name in style}
    groups = {name: rows for name, rows in groups.items() if len(rows)}
    for i in range(_SLICES):
        for name, rows in groups.items():
            (colour, marker), part = style[name], rows.iloc[i::_SLICES]
            axes.plot(part["x"], part["y"], marker, color=colour, alpha=0.65, **_DOT)
    for name in groups:
        colour, marker = style[name]
        axes.plot([], [], marker, color=colour, ms=6, mew=0, label=str(name))
    for centre, radius, colour in plane.rings:
        # A line of ink inside the class's colour is seen on its own points too.
        for width, edge in ((3.2, colour), (0.9, INK)):
            axes.add_patch(Circle(centre, radius, fill=False, ec=edge, lw=width, zorder=4))
    x, y = (f"{label} (no unit)" for label in plane.labels)
    axes.set(xlim=plane.limits[0], ylim=plane.limits[1], aspect="equal")
    axes.set(title=title, xlabel=x, ylabel=y)
    if plane.legend:
        # As many columns as let the names stand in the panel's width.
        names = [below.name, *style] if below else list(style)
        columns = -(-len(names) // max(1, 46 // (max(map(len, names)) + 3)))
        legend(axes, -(-len(names) // columns), fontsize=8, handletextpad=0.3, columnspacing=1)


def square(points: pd.DataFrame, pad: float = 0.04) -> Limits:
    """A square that holds all finite points."""
    found = []
    for name in ("x", "y"):
        values = points[name].to_numpy(float)
        values = values[np.isfinite(values)]
        # Of a model that diverged there may be none.
        found.append((values.min(), values.max()) if len(values) else (-1.0, 1.0))
    reach = max(high - low for low, high in found) * (0.5 + pad) or 1.0
    return tuple(((low + high) / 2 - reach, (low + high) / 2 + reach) for low, high in found)
