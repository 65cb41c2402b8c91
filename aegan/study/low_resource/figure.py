"""Fig. 6: UAR over the share of real rows, and the gain of added ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.figures import GREY, Figure, grid, legend, model_style, panel
from aegan.report.kit.numbers import Estimate, Results
from aegan.report.tables import REFERENCES
from aegan.study import words as W
from aegan.study.low_resource.results import cells_of
from aegan.study.low_resource.tasks import NAME

# Colour, marker and dash.
_NONE = (GREY, "X", (0, (4, 2)))
_BASELINES = {
    "class_gaussian": ("#009E73", "D", (0, (5, 1.5))),
    "oversampling": ("#E69F00", "v", (0, (3, 1, 1, 1))),
    "smote": ("#CC79A7", "P", (0, (1, 1))),
    "jitter": ("#56B4E9", "X", (0, (4, 1, 1, 1, 1, 1))),
}
_GAINS = {
    "paper": ("#0072B2", "o", "-", "as the paper"),
    "honest": ("#009E73", "D", (0, (5, 1.5)), "honest"),
}
Line = tuple[pd.DataFrame, Sequence, str, bool]  # rows, style, words, with a band


def method_title(method: str, size: int | None = None) -> str:
    names = {"none": "No added rows", "oversampling": "Oversampling", **REFERENCES}
    title = names.get(method, method.upper())
    return title if not size or method == "none" else f"{title}, {size} rows"


def figure(results: Results, scope: str) -> Figure:
    """Fig. 6 on one corpus: UAR over P with 95 % bands."""
    found, names = W.of_experiment(results, NAME)["scopes"][scope], list(W.models(results))
    data, sizes, m1 = _frame(found), sorted(found["sizes"]), names[0]
    largest = sizes[-1]
    blues = [mpl.colors.to_hex(mpl.colormaps["Blues"](v)) for v in np.linspace(0.45, 1, len(sizes))]
    none = {("none", 0): _NONE}
    by_size = none | {
        (m1, size): (blues[i], ("v", "s", "o", "D", "^")[i % 5], "-")
        for i, size in enumerate(sizes)
    }
    of_models = {(key, largest): (*style, "-") for key, style in model_style(names).items()}
    baselines = {(key, largest): style for key, style in _BASELINES.items()}
    first = f"{m1.upper()} by N"
    wanted = (
        ("a-paper", f"(a) {first}, as the paper", "paper", by_size),
        ("a-honest", f"(a) {first}, honest", "honest", by_size),
        ("b", f"(b) Models, N = {largest}, as the paper", "paper", none | of_models),
        (
            "c",
            f"(c) {m1.upper()} and baselines, N = {largest}, honest",
            "honest",
            none | {(m1, largest): of_models[m1, largest]} | baselines,
        ),
    )
    limits = _limits(data)
    panels = []
    for key, title, mode, style in wanted:
        curves = {curve: _curve(data, mode, *curve) for curve in style}
        curves = {curve: rows for curve, rows in curves.items() if len(rows)}
        if len(curves) > 1:
            several = len({size for _, size in curves}) > 2
            lines = []
            for (method, size), rows in curves.items():
                words = f"N = {size}" if size and several else method_title(method)
                lines.append((rows, style[method, size], words, method not in _BASELINES))
            alt = f"{title}: UAR over the share of real rows, with 95 % bands (data in the CSV)."
            height = 3.0 + 0.18 * ((len(curves) + 1) // 2 - 2)
            drawn = lines, "uar", found["percents"], title, "UAR (%)", limits
            panels.append(panel(f"fig6-{scope}-{key}", alt, height, _draw, *drawn))
    lines = []
    for mode, (*style, words) in _GAINS.items():
        rows = _curve(data, mode, m1, largest)
        if rows["gain"].notna().any():
            lines.append((rows[rows["gain"].notna()], style, words, True))
    if lines:
        alt = f"Gain of {m1.upper()}'s rows over no added rows, both modes, with 95 % bands (data "
        alt, title = f"{alt}in the CSV).", f"(d) Gain of {m1.upper()}, N = {largest}"
        drawn = lines, "gain", found["percents"], title, "gain (points of UAR)"
        panels.append(panel(f"fig6-{scope}-d", alt, 3.0, _draw, *drawn))
    caption = W.told(
        NAME,
        "figure",
        scope=scope,
        replicates=found["replicates"],
        model=m1.upper(),
        drawn_over=W.drawn_over(results),
    )
    title = f"Fig. 6: few real rows, {scope} corpus"
    return Figure(f"fig6-{scope}", title, caption, tuple(panels), data)


def _frame(found: Results) -> pd.DataFrame:
    """Every cell with mean and ends of its interval; fractions."""
    measures = ("uar", "accuracy", "gain")
    records = []
    for (mode, method, percent, n), cell in cells_of(found).items():
        record = {"mode": mode, "method": method, "percent": float(percent), "rows": n}
        for name in measures:
            ends = astuple(Estimate.of(cell.get(name)))
            record |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        records.append(record)
    numbers = [f"{name}{end}" for name in measures for end in ("", "_low", "_high")]
    return pd.DataFrame(records).astype(dict.fromkeys(numbers, float))


def _curve(data: pd.DataFrame, mode: str, method: str, size: int) -> pd.DataFrame:
    rows = data[(data["mode"] == mode) & (data["method"] == method) & (data["rows"] == size)]
    return rows[rows["uar"].notna()].sort_values("percent")


def _draw(
    axes: Axes,
    lines: Sequence[Line],
    name: str,
    percents: Sequence[float],
    title: str,
    label: str,
    limits: tuple[float, float] | None = None,
) -> None:
    """Lines of the measure ``name`` over P, ``label`` at the y axis."""
    for rows, (colour, marker, dash), words, band in lines:
        x, low, high = rows["percent"], 100 * rows[f"{name}_low"], 100 * rows[f"{name}_high"]
        if band:
            axes.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)
        style = {"marker": marker, "ls": dash, "color": colour, "label": words}
        axes.plot(x, 100 * rows[name], lw=1.6, ms=5, **style)
    if limits:
        axes.set_ylim(limits)
    else:
        axes.axhline(0, color=GREY, lw=1)
    axes.set_xticks(sorted(percents))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="real rows seen by the classifier, P (%)", ylabel=label, title=title)
    grid(axes, "y")
    legend(axes, fontsize=8, handlelength=3.2)


def _limits(data: pd.DataFrame) -> tuple[float, float]:
    values = 100 * data[["uar", "uar_low", "uar_high"]].to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 100.0
    low, high = values.min(), values.max()
    pad = 0.05 * (high - low) or 1.0
    return max(0.0, low - pad), min(100.0, high + pad)
