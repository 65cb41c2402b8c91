"""Figures along the way of a training: a panel per metric over the updates, a line per model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from aegan.metrics.along import HELD_OUT, MEASURED
from aegan.metrics.intervals import corrected_estimate, fold_means
from aegan.report import tables as T
from aegan.report.kit.documents import paragraphs, words
from aegan.report.kit.figures import GREY, INK, PALE, Figure, grid, legend, model_style, panel
from aegan.report.kit.numbers import Estimate, Results, said

TITLES = T.TITLES | {HELD_OUT: "FID of unseen speakers, above floor"}
# Of the judgement of the length: which way is better.
_BETTER = {"tstr_set2": 1, "fid_over_floor": -1, "variance_ratio": 1}


def blocks(results: Results) -> tuple[str, Figure] | tuple[()]:
    """Of a run's report: whether its length was enough, and its curves; none without points."""
    if not results.get("along"):
        return ()
    return length(results), figure({results["model"]: results})


def figure(runs: Mapping[str, Results], name: str = "along") -> Figure:
    """Of runs' results by the names of their models, those that have points along the way.

    Dotted lines are real rows of set-1, diamonds are what the paper prints.
    """
    records = []
    for model, run in runs.items():
        for point in run["along"]["points"]:
            for metric, summary in point["metrics"].items():
                found = Estimate.of(summary)
                values = found.mean, found.low, found.high
                records.append((model, point["epoch"], point["updates"], metric, *values))
    columns = ["model", "epoch", "updates", "metric", "mean", "ci95_low", "ci95_high"]
    data = pd.DataFrame(records, columns=columns)
    data = data.astype(dict.fromkeys(columns[4:], float))
    panels = [
        panel(
            f"{name}-{metric}",
            words("run", "along_alt", title=TITLES[metric]),
            2.9,
            _draw,
            data[data["metric"] == metric].dropna(subset="mean"),
            metric,
            runs,
        )
        for metric in MEASURED
        if data.loc[data["metric"] == metric, "mean"].notna().any()
    ]
    return Figure(name, *paragraphs("run", "along"), tuple(panels), data)


def _draw(axes: Axes, data: pd.DataFrame, metric: str, runs: Mapping[str, Results]) -> None:
    scale = 100 if metric in T.UARS else 1
    for model, (colour, marker) in model_style(list(runs)).items():
        rows = data[data["model"] == model]
        x, band = rows["updates"], (scale * rows["ci95_low"], scale * rows["ci95_high"])
        style = {"color": colour, "marker": marker, "ms": 4, "label": model.upper()}
        axes.fill_between(x, *band, color=colour, alpha=0.1, lw=0)
        axes.plot(x, scale * rows["mean"], lw=1.6, **style)
        printed = (runs[model].get("paper") or {}).get(metric)
        if printed is not None and len(rows):
            label = "paper, IEMOCAP" if model == list(runs)[0] else None
            mark = {"color": colour, "mec": INK, "ms": 7, "label": label, "zorder": 4}
            axes.plot(x.iloc[-1], scale * printed, "D", **mark)
    first = next(iter(runs.values()))
    real = Estimate.of(first["along"]["real"][metric]).mean
    if real is not None:
        axes.axhline(scale * real, color=GREY, lw=1.2, ls=":", label="real rows")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if scale == 100:
        axes.axhline(100 * T.chance(first), color=PALE, lw=1, zorder=0)
    axes.set(title=TITLES[metric], xlabel="updates (log scale)")
    grid(axes, "both")
    legend(axes, columns=3, fontsize=8)


def length(results: Results) -> str:
    """Whether the training was long enough, from what the last half of its updates changed."""
    points = results["along"]["points"]
    last = points[-1]
    halves = [point for point in points if 2 * point["updates"] <= last["updates"]]
    if not halves:
        return words("run", "length_unknown")
    moved = {name: _change(results, halves[-1], last, name) for name in _BETTER}
    sure: list[bool | None] = []
    for name, change in moved.items():
        found, way = Estimate.of(change), _BETTER[name]
        if found.low is not None and (found.low > 0 or found.high < 0):
            beyond = name == "variance_ratio" and _mean(last, name) > 1  # past what real rows have
            sure.append(math.copysign(1, found.mean) * (-way if beyond else way) > 0)
    if all(Estimate.of(change).low is None for change in moved.values()):
        sure = [None]
    verdict = {(): "enough", (None,): "open", (True,): "short", (False,): "long"}
    return words(
        "run",
        "length",
        first=halves[-1]["updates"],
        last=last["updates"],
        tstr=said(moved["tstr_set2"], "points"),
        fid=said(moved["fid_over_floor"], "signed"),
        variance=said(moved["variance_ratio"], "signed"),
        verdict=verdict.get(tuple(set(sure)), "mixed"),
    )


def _mean(point: Results, name: str) -> float:
    return Estimate.of(point["metrics"][name]).mean or 0.0


def _change(results: Results, first: Results, last: Results, name: str) -> dict[str, Any]:
    """What a metric is at the last point less at the first, paired by fold, seeds averaged."""
    lanes, folds = results["lanes"], results["folds"]
    both = (fold_means(point["metrics"][name]["per_lane"], lanes) for point in (last, first))
    less = [None if None in pair else pair[0] - pair[1] for pair in zip(*both, strict=True)]
    # Of several cuttings into folds the first: others test the same speakers again.
    first_cut = {fold["fold"] for fold in folds if not fold.get("split")}
    numbers = sorted({lane["fold"] for lane in lanes})
    less = [value for value, fold in zip(less, numbers, strict=True) if fold in first_cut]
    shares = [fold["valid_rows"] / fold["train_rows"] for fold in folds]
    return corrected_estimate(less, math.fsum(shares) / len(shares))
