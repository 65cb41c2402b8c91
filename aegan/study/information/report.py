"""M4's table, its figure, and whether it joins what M1 and M2 do well with what M3 does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import GREY, INK, Figure, grid, legend, model_style, panel
from aegan.report.kit.numbers import Estimate, Results, said
from aegan.report.kit.tables import Table
from aegan.report.tables import REFERENCES, TITLES, UARS, unit
from aegan.study import words as W
from aegan.study.cross_validation.report import SHORT, troubles
from aegan.study.information.tasks import LABEL, NAME, ROWS, WANTED

_COLUMNS = (*UARS, "fid_over_floor", "variance_ratio")
_SIGHTS = {ROWS: "AUX reads rows alone", LABEL: "AUX sees the label"}
_LINES = {ROWS: ("#009E73", "D", "-"), LABEL: ("#CC79A7", "v", (0, (4, 1.5)))}
_VERDICT = "Joins both"


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    yield W.measured(
        results,
        "source",
        "Section 6: M4, information on the prior's component",
        answer(results),
        figure(results) if folder else None,
        table(results),
        differences_table(found),
    )


def _title(point: Results) -> str:
    """ "M4, lambda 0.3, AUX reads rows alone"."""
    sight = f", {_SIGHTS[point['sight']]}" if point["weight"] else ""
    return f"M4, \u03bb = {point['weight']:g}{sight}"


def answer(results: Results) -> str:
    """The sentence that answers section 6."""
    found = W.of_experiment(results, NAME)
    point = found["points"][found["answer"]]
    parts = [said(part["value"], "points") for part in point["answer"]["parts"]]
    return W.told(
        NAME,
        "answer",
        corpus=W.corpus_name(results["source"]),
        weight=point["weight"],
        verdict=point["answer"]["verdict"],
        parts=parts,
        alike=100 * found["alike"],
    )


def table(results: Results) -> Table:
    """Every run of M4 beside the models and real rows."""
    found = W.of_experiment(results, NAME)
    nats = "information"
    rows = {
        _title(point): point["metrics"] | {nats: {"mean": point[nats]}}
        for point in found["points"].values()
    }
    others = {
        m.upper(): values | {nats: {"mean": found[nats][m]}}
        for m, values in found["models"].items()
    }
    rows |= others | {REFERENCES["real"]: found["real"]}
    columns = {TITLES[metric]: (metric, unit(metric)) for metric in _COLUMNS}
    columns["Information (nats)"] = (nats, "plain")
    most = math.log(len(W.classes(results)))
    caption = W.told(NAME, "table", chance=W.chance(results), most=most)
    return W.grid(caption, "Generator", rows, columns, marked=list(others))


def differences_table(found: Results) -> Table:
    """What the answer follows from, for every run, and what lambda changes."""
    metrics = {"trts": "TRTS", "tstr": "TSTR"}
    columns = {
        f"{metrics[test]} set-2 less {model.upper()}": ((test, model), "points")
        for test, model in WANTED
    }
    columns |= {f"{title} set-2 less \u03bb = 0": ((test, None), "points")
                for test, title in metrics.items()}  # fmt: skip
    rows: dict[str, dict[Any, Any]] = {}
    for point in found["points"].values():
        values = [part["value"] for part in point["answer"]["parts"]]
        rows[_title(point)] = row = dict(zip(WANTED, values, strict=True))
        row |= {_VERDICT: point["answer"]["verdict"]}
        if point["weight"]:
            row |= {(test, None): value for test, value in point["less_none"].items()}
    caption = W.told(NAME, "differences", alike=100 * found["alike"])
    marked = [_title(found["points"][found["answer"]])]
    return W.grid(caption, "Run", rows, columns | {_VERDICT: (_VERDICT, "")}, marked)


def figure(results: Results) -> Figure:
    """Metric 1 against metric 2 on set-2: a line over lambda for each sight, models and real."""
    data = _frame(W.of_experiment(results, NAME))
    alt = "Metric 1 against metric 2, both on unseen speakers: M4 over lambda by what AUX reads, "
    alt += "beside M1, M2, M3 and real rows (data in the CSV)."
    title = "M4: likeness against use"
    styles = model_style([name for name in data["name"].unique() if name not in ("m4", "real")])
    picture = panel("m4-likeness-use", alt, 4.3, _draw, data, title, styles)
    return Figure("m4", title, W.told(NAME, "figure"), (picture,), data)


def _frame(found: Results) -> pd.DataFrame:
    """A row per mark: name, weight and sight (of M4), both metrics with their intervals."""
    records = []

    def add(name: str, metrics: Mapping[str, Any], **more: Any) -> None:
        record = {"name": name, "weight": None, "sight": None} | more
        for test in ("trts", "tstr"):
            value = Estimate.of(metrics[f"{test}_set2"])
            record |= {test: value.mean, f"{test}_low": value.low, f"{test}_high": value.high}
        records.append(record)

    for point in found["points"].values():
        add("m4", point["metrics"], weight=point["weight"], sight=point["sight"])
    for model, metrics in found["models"].items():
        add(model, metrics)
    add("real", found["real"])
    numbers = [f"{test}{end}" for test in ("trts", "tstr") for end in ("", "_low", "_high")]
    return pd.DataFrame(records).astype(dict.fromkeys(["weight", *numbers], float))


def _draw(
    axes: Axes, data: pd.DataFrame, title: str, styles: Mapping[str, tuple[str, str]]
) -> None:
    for sight, (colour, marker, dash) in _LINES.items():
        on = (data["name"] == "m4") & ((data["sight"] == sight) | (data["weight"] == 0))
        rows = data[on].sort_values("weight")
        x, y = 100 * rows["trts"], 100 * rows["tstr"]
        style = {"marker": marker, "ls": dash, "color": colour, "label": f"M4, {_SIGHTS[sight]}"}
        axes.plot(x, y, lw=1.4, ms=5, zorder=3, **style)
        for weight, *at in zip(rows["weight"], x, y, strict=True):
            below = (4, -9) if sight == LABEL else (4, 4)
            if weight or sight == ROWS:
                axes.annotate(
                    f"{weight:g}", at, below, textcoords="offset points", fontsize=7, color=colour
                )
    marks = {name: (*style, name.upper()) for name, style in styles.items()}
    marks["real"] = (GREY, "X", REFERENCES["real"])
    for name, (colour, marker, label) in marks.items():
        row = data[data["name"] == name].iloc[0]
        look = {"color": colour, "mec": INK, "mew": 0.5, "label": label}
        axes.plot(100 * row["trts"], 100 * row["tstr"], marker, ms=8, zorder=4, **look)
    axes.set(title=title, xlabel="metric 1, TRTS set-2 (%)", ylabel="metric 2, TSTR set-2 (%)")
    axes.margins(0.12)
    grid(axes, "both")
    legend(axes, columns=2, fontsize=8, handletextpad=0.5, columnspacing=1)


def in_short(results: Results) -> list[str]:
    """The answer, and lanes in trouble."""
    points = W.of_experiment(results, NAME)["points"].values()
    return [answer(results), *troubles({_title(point): point["lanes"] for point in points})]


def summary(results: Results) -> list[str]:
    """The table in short."""
    found = W.of_experiment(results, NAME)
    rows = {}
    for point in found["points"].values():
        sight = f" {point['sight']}" if point["weight"] else ""
        rows[f"M4 {point['weight']:g}{sight}"] = point["metrics"]
    rows |= {m.upper(): values for m, values in found["models"].items()}
    rows |= {"Real rows": found["real"]}
    head = f"M4 by lambda and what AUX reads, {W.corpus_name(results['source'])} (UAR in %):"
    return W.in_terminal(head, rows, SHORT)
