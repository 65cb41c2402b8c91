"""Scatter plots of the study: groups that do not hide one another, in a plane to one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.figures import legend

_SLICES = 8  # no group hides another
DOT = {"ms": 2.6, "mew": 0, "alpha": 0.65}
Limits = tuple[tuple[float, float], tuple[float, float]]
Style = Mapping[object, tuple[str, str]]  # colour and marker of each group


def scatter(axes: Axes, points: pd.DataFrame, column: str, style: Style) -> None:
    """The groups of ``column`` in turn, a slice of each at a time; the legend names each once."""
    groups = {name: points[points[column] == name] for name in style}
    groups = {name: rows for name, rows in groups.items() if len(rows)}
    for i in range(_SLICES):
        for name, rows in groups.items():
            colour, marker = style[name]
            part = rows.iloc[i::_SLICES]
            axes.plot(part["x"], part["y"], marker, color=colour, **DOT)
    for name in groups:
        colour, marker = style[name]
        axes.plot([], [], marker, color=colour, ms=6, mew=0, label=str(name))


def name_groups(axes: Axes, names: Sequence[str]) -> None:
    """A legend below, in as many columns as let ``names`` stand in a panel's width."""
    fit = max(1, 46 // (max(map(len, names)) + 3))
    columns = -(-len(names) // -(-len(names) // fit))
    legend(axes, columns, fontsize=8, handletextpad=0.3, columnspacing=1)


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


def plane(axes: Axes, limits: Limits, title: str, what: Sequence[str]) -> None:
    """Both axes to one scale, called by ``what``."""
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal", title=title)
    axes.set(xlabel=f"{what[0]} (no unit)", ylabel=f"{what[1]} (no unit)")
