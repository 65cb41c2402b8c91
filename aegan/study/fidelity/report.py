"""The tables and the figure of the fidelity experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit import figures as kit
from aegan.report.kit.documents import Section
from aegan.report.kit.figures import GREY, INK, Figure, model_style, panel
from aegan.report.kit.numbers import Estimate, Results
from aegan.report.kit.tables import Table
from aegan.report.tables import REFERENCES
from aegan.study import words as W
from aegan.study.fidelity.tasks import NAME, REAL, ROWS, SCOPES

_TITLES = {ROWS: "rows kept back", "speakers": "speakers held out"}
_COLUMNS = {
    "Variance ratio": ("variance_ratio", "plain"),
    "FID": ("fid", "plain"),
    "FID above floor": ("fid_over_floor", "signed"),
    "Frechet, 64 components": ("frechet", "plain"),
    "above floor": ("frechet_over_floor", "signed"),
    "C2ST, forest": ("c2st_forest", "plain"),
    "C2ST, logistic": ("c2st_logistic", "plain"),
    "Membership": ("membership", "plain"),
    "Precision": ("precision", "plain"),
    "Recall": ("recall", "plain"),
    "Density": ("density", "plain"),
    "Coverage": ("coverage", "plain"),
    "KID": ("kid", "plain"),
    "Rules broken (%)": ("rules", "%"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    for scope in SCOPES:
        if scope in found["scopes"]:
            picture = _figure(results) if folder and scope == ROWS else None
            title = f"Fidelity: {_TITLES[scope]}"
            blocks = picture, table(results, scope), W.definitions(found)
            yield W.measured(results, "source", title, *blocks)


def _names(results: Results) -> dict[str, str]:
    return W.models(results) | REFERENCES | {REAL: "Real rows seen"}


def table(results: Results, scope: str) -> Table:
    """Every generator's figures against what was kept back."""
    found, names = W.of_experiment(results, NAME), _names(results)
    rows = {names.get(key, key): figures for key, figures in found["scopes"][scope].items()}
    known = {
        key for figures in rows.values() for key, v in figures.items() if v["mean"] is not None
    }
    columns = {title: column for title, column in _COLUMNS.items() if column[0] in known}
    caption = W.told(NAME, scope, **({"halves": found["halves"]} if scope == ROWS else {}))
    return W.grid(caption, "Rows", rows, columns, marked=W.models(results).values())


def _figure(results: Results) -> Figure:
    """Distance to the rows kept back against what an attacker learns."""
    names, found = _names(results), W.of_experiment(results, NAME)["scopes"][ROWS]
    records = [
        (
            key,
            names.get(key, key),
            *(Estimate.of(of.get(f)).mean for f in ("frechet", "membership")),
        )
        for key, of in found.items()
    ]
    data = pd.DataFrame(records, columns=["key", "rows", "frechet", "membership"])
    data = data.astype({"frechet": float, "membership": float}).dropna()
    styles = model_style(list(W.models(results)))

    def draw(axes: Axes) -> None:
        # A name stands on the side where the next mark is farther, at the ends inside.
        inside = np.log(data["frechet"].sort_values()).diff().to_numpy()[1:]
        gaps = np.concatenate([[0.0], inside, [-1.0]])
        sides = np.where(gaps[1:] < gaps[:-1], "right", "left")
        for side, row in zip(sides, data.sort_values("frechet").itertuples(), strict=True):
            colour, marker = styles.get(row.key, (GREY, "s"))
            fill = colour if row.key in styles else "white"
            axes.plot(row.frechet, row.membership, marker, color=colour, mfc=fill, ms=7)
            style = {"textcoords": "offset points", "fontsize": 7, "color": INK, "ha": side}
            apart = (5 if side == "left" else -5, 4)
            axes.annotate(row.rows, (row.frechet, row.membership), apart, **style)
        axes.axhline(0.5, color=GREY, lw=1, ls=":")
        axes.axvline(data.loc[data["key"] == REAL, "frechet"].mean(), color=GREY, lw=1, ls=":")
        axes.set_xscale("log")
        axes.margins(x=0.35)
        axes.set_ylim(0.45, 1.04)
        axes.set(xlabel="Frechet distance, 64 components", ylabel="membership AUC")
        kit.grid(axes, "both")

    alt = "Frechet distance and membership inference of every generator (data in the CSV)."
    panels = (panel(NAME, alt, 3.7, draw),) if len(data) else ()
    title, caption = W.texts(NAME, "figure")
    return Figure(NAME, title, caption, panels, data, wide=True)


def in_short(results: Results) -> list[str]:
    """What each model's and SMOTE's rows give away of the training rows."""
    found = W.of_experiment(results, NAME)["scopes"].get(ROWS, {})
    leaks = {
        name: Estimate.of(found[name].get("membership")).mean
        for name in (*W.models(results), "smote")
        if name in found
    }
    leaks = {name: value for name, value in leaks.items() if value is not None}
    corpus = W.corpus_name(results["source"])
    return [W.told(NAME, "in_short", corpus=corpus, names=_names(results), leaks=leaks)]


def summary(results: Results) -> list[str]:
    """The main figures for a terminal."""
    found = W.of_experiment(results, NAME)["scopes"].get(ROWS)
    if not found:
        return []
    columns = {
        "Frechet": ("frechet", "plain"),
        "C2ST": ("c2st_forest", "plain"),
        "membership": ("membership", "plain"),
        "var": ("variance_ratio", "plain"),
    }
    head = f"Fidelity, {W.corpus_name(results['source'])}, against rows of the same speakers kept "
    head += "back (\u00b1 half the 95 % interval):"
    names = W.models(results) | {REAL: "Real rows", "class_gaussian": "Gaussian", "smote": "SMOTE"}
    rows = {title: found[key] for key, title in names.items() if key in found}
    return W.in_terminal(head, rows, columns)
