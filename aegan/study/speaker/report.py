"""The tables and the figure of the adaptation experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit import figures as kit
from aegan.report.kit.documents import Section
from aegan.report.kit.figures import GREY, Figure, model_style, panel
from aegan.report.kit.numbers import Estimate, Results, said
from aegan.report.kit.tables import Table
from aegan.study import words as W
from aegan.study.speaker.tasks import ADAPTED, NAME, NEW, NONE

_TITLES = {
    NONE: "Real rows, no adaptation",
    "mean": "Mean of the known rows",
    "z_norm": "Z-norm of the known rows",
    "iterative": "Iterative normalisation",
    "revoiced": "Real rows re-voiced",
    "smote": "SMOTE, shifted",
    "class_gaussian": "Gaussian, shifted",
    NEW: "M5, new speakers",
    ADAPTED: "M5 for the speaker",
}
_DRAWN = (ADAPTED, "revoiced", "mean", "iterative", "smote")  # lines of the figure


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    picture = _figure(found) if folder else None
    tables = [_table(percent, of) for percent, of in found["percents"].items() if of]
    title = "Adaptation: unlabelled rows of the speaker"
    yield W.measured(results, "source", title, picture, *tables, W.definitions(found))


def _title(method: str) -> str:
    return _TITLES.get(method, f"{method.upper()}, shifted")


def _table(percent: str, of: Results) -> Table:
    methods = dict.fromkeys(method for of_k in of.values() for method in of_k)
    rows = {
        _title(m): {
            k: f"{said(of_k[m]['uar'], '%')} ({said(of_k[m]['gain'], 'points')})"
            for k, of_k in of.items()
            if m in of_k
        }
        for m in methods
    }
    columns = {f"k = {k}": (k, "%") for k in of}
    caption = W.told(NAME, "table", percent=percent)
    return W.grid(caption, "Rows", rows, columns, marked=(_TITLES[ADAPTED],))


def _figure(found: Results) -> Figure:
    records = [
        (percent, int(k), method, uar.mean, uar.half_width)
        for percent, of_percent in found["percents"].items()
        for k, of_k in of_percent.items()
        for method, of in of_k.items()
        for uar in (Estimate.of(of["uar"]),)
    ]
    data = pd.DataFrame(records, columns=["percent", "k", "method", "uar", "half_width"])
    styles = model_style(_DRAWN)

    def draw(axes: Axes, percent: str) -> None:
        own = data[data["percent"] == percent]
        for place, method in enumerate(m for m in _DRAWN if m in set(own["method"])):
            line = own[own["method"] == method].sort_values("k")
            colour, marker = styles[method]
            reach = 100 * line["half_width"].fillna(0).astype(float)
            axes.errorbar(
                line["k"] * 1.03 ** (place - 2), 100 * line["uar"], reach,
                color=colour, marker=marker, ms=4, lw=1.4, elinewidth=0.6, label=_title(method),
            )  # fmt: skip
        none = own[own["method"] == NONE].sort_values("k")
        axes.plot(none["k"], 100 * none["uar"], "--", color=GREY, lw=1.2, label=_TITLES[NONE])
        axes.set_xscale("log")
        axes.set_xticks(none["k"], none["k"].astype(str))
        axes.minorticks_off()
        axes.set(
            title=f"{percent} % of the labelled rows", xlabel="k, unlabelled rows", ylabel="UAR (%)"
        )
        kit.grid(axes, "y")
        kit.legend(axes, fontsize=7)

    alt = "UAR over the number of unlabelled rows of the speaker (data in the CSV)."
    percents = [percent for percent, of in found["percents"].items() if of]
    panels = tuple(panel(f"speaker-{p}", alt, 3.6, draw, p) for p in percents)
    return Figure(NAME, *W.texts(NAME, "figure"), panels, data)


def _headline(results: Results) -> tuple[str, str, Results] | None:
    """Share, k and figures of the first share at the k nearest to 5."""
    for percent, of in W.of_experiment(results, NAME)["percents"].items():
        if of:
            k = min(of, key=lambda k: abs(int(k) - 5))
            return percent, k, of[k]
    return None


def in_short(results: Results) -> list[str]:
    """What M5's rows for the speaker recognise."""
    found = _headline(results)
    if found is None:
        return []
    percent, k, of = found
    values = {name: Estimate.of(of[name]["uar"]).mean for name in (NONE, ADAPTED)}
    corpus = W.corpus_name(results["source"])
    said_of = {"k": k, "percent": percent, "m5": values[ADAPTED], "real": values[NONE]}
    return [W.told(NAME, "in_short", corpus=corpus, **said_of)]


def summary(results: Results) -> list[str]:
    """UAR over k for a terminal, per share."""
    lines: list[str] = []
    for percent, of in W.of_experiment(results, NAME)["percents"].items():
        methods = dict.fromkeys(method for of_k in of.values() for method in of_k)
        rows = {
            _title(m): {k: of_k[m]["uar"] for k, of_k in of.items() if m in of_k} for m in methods
        }
        head = f"Adaptation, {W.corpus_name(results['source'])}, {percent} % of the labelled rows: "
        head += "UAR in %, over k unlabelled rows of the speaker:"
        lines += W.in_terminal(head, rows, {f"k={k}": (k, "%") for k in of})
    return lines
