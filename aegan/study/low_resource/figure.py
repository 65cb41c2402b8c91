"""Fig. 6: UAR over the share of real rows, and the gain of added ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.figures import GREY, Figure, Panel, grid, legend, model_style, panel
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
Curve = tuple[str, int]  # method, number of rows
Style = Mapping[Curve, tuple]


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
            alt = f"{title}: UAR over the share of real rows, with 95 % bands (data in the CSV)."
            height = 3.0 + 0.18 * ((len(curves) + 1) // 2 - 2)
            drawn = curves, style, found["percents"], title, limits
            panels.append(panel(f"fig6-{scope}-{key}", alt, height, _draw, *drawn))
    panels += _gain_panels(found, data, scope, m1)
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
    curves: Mapping[Curve, pd.DataFrame],
    style: Style,
    percents: Sequence[float],
    title: str,
    limits: tuple[float, float],
) -> None:
    several = len({size for _, size in curves}) > 2
    for (method, size), rows in curves.items():
        label = f"N = {size}" if size and several else method_title(method)
        band = method not in _BASELINES
        _line(axes, rows, "uar", style[method, size], label, band)
    axes.set(ylim=limits, ylabel="UAR (%)")
    _over_percents(axes, percents, title)


def _line(
    axes: Axes, rows: pd.DataFrame, name: str, style: tuple, label: str, band: bool = True
) -> None:
    colour, marker, dash = style
    low, high = (100 * rows[f"{name}_{end}"] for end in ("low", "high"))
    if band:
        axes.fill_between(rows["percent"], low, high, color=colour, alpha=0.13, lw=0)
    axes.plot(
        rows["percent"], 100 * rows[name], marker=marker, ls=dash, color=colour, lw=1.6, ms=5,
        label=label,
    )  # fmt: skip


def _gain_panels(found: Results, data: pd.DataFrame, scope: str, model: str) -> list[Panel]:
    """The gain of the model's largest number of rows in both modes; none if there is no gain."""
    largest = max(found["sizes"])
    gains = {mode: _curve(data, mode, model, largest) for mode in _GAINS}
    gains = {
        m: rows[rows["gain"].notna()] for m, rows in gains.items() if rows["gain"].notna().any()
    }
    if not gains:
        return []
    alt = f"Gain of {model.upper()}'s rows over no added rows, both modes, with 95 % bands"
    title = f"(d) Gain of {model.upper()}, N = {largest}"
    drawn = gains, found["percents"], title
    alt += " (data in the CSV)."
    return [panel(f"fig6-{scope}-d", alt, 3.0, _draw_gains, *drawn)]


def _draw_gains(
    axes: Axes, gains: Mapping[str, pd.DataFrame], percents: Sequence[float], title: str
) -> None:
    for mode, rows in gains.items():
        *style, label = _GAINS[mode]
        _line(axes, rows, "gain", style, label)
    axes.axhline(0, color=GREY, lw=1)
    axes.set_ylabel("gain (points of UAR)")
    _over_percents(axes, percents, title)


def _over_percents(axes: Axes, percents: Sequence[float], title: str) -> None:
    axes.set_xticks(sorted(percents))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="real rows seen by the classifier, P (%)", title=title)
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
