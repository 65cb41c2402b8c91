"""Fig. 5, its table, and that of section 4.2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import INK, Figure, class_style, panel
from aegan.report.kit.numbers import DASH, Results, number, said
from aegan.report.kit.tables import Table, tabulate
from aegan.study.codes.tasks import NAME
from aegan.study.scatter import Limits, Style, name_groups, plane, scatter, square
from aegan.study.words import (
    chance,
    classes,
    definitions,
    measured,
    models,
    of_experiment,
    pair_title,
    table_at,
    told,
)

# Title, unit and unit of a difference.
_COLUMNS = {
    "own_component": ("Nearest to their own component (%)", "%", "points"),
    "spread": ("Width over the prior's", "ratio", "signed"),
    "distance": ("Distance of classes over the prior's", "ratio", "signed"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = of_experiment(results, NAME)
    picture = figure(results, table_at(folder, "tasks", "codes.parquet")) if folder else None
    title = f"Fig. 5: codes by the encoder of {_encoder(found)}"
    yield measured(results, "source", title, picture, table(results), definitions(found))
    if found.get("svm"):
        yield measured(results, "source", "Section 4.2: what the codes keep", svm_table(results))


def _encoder(found: Results) -> str:
    return found.get("encoder", "m1").upper()


def table(results: Results) -> Table:
    """How far the codes look like the prior, Fig. 5."""
    found = of_experiment(results, NAME)
    differences = found.get("differences") or {}
    names = {"train": "Training codes", "valid": "Validation codes"}
    names |= {key: f"{title}'s rows" for key, title in models(results).items()}
    pairs = dict.fromkeys(pair for measure in _COLUMNS for pair in differences.get(measure, {}))
    columns = {"Codes": lambda key: names.get(key) or _first_large(pair_title(key))}
    for measure, (title, unit, change) in _COLUMNS.items():
        columns[title] = lambda key, m=measure, u=unit, c=change: (
            said(found.get(m, {}).get(key), u)
            if key in names
            else said(differences.get(m, {}).get(key), c)
        )
    rows = [key for key in names if any(key in found.get(measure, {}) for measure in _COLUMNS)]
    own = number((found.get("prior") or {}).get("own_component"))
    caption = told(NAME, "table", model=_encoder(found), own=own)
    return tabulate(caption, (*rows, *pairs), columns)


def _first_large(text: str) -> str:
    return text[:1].upper() + text[1:]


def svm_table(results: Results) -> Table:
    """Section 4.2: what an SVM loses by reading codes instead of features."""
    found = of_experiment(results, NAME)["svm"]
    differences = found.get("differences") or {}
    lines = {"Raw features": (said(found["raw"], "%"), DASH)}
    for model, value in found["codes"].items():
        loss = said(differences.get(model), "points")
        lines[f"Codes of {model.upper()}"] = said(value, "%"), loss
    columns = {
        "SVM on": lambda item: item[0],
        "UAR on set-2 (%)": lambda item: item[1][0],
        "Codes less raw (points)": lambda item: item[1][1],
    }
    return tabulate(told(NAME, "svm_table", chance=chance(results)), lines.items(), columns)


def figure(results: Results, points: pd.DataFrame) -> Figure:
    """Fig. 5: codes (x, y, source, class) by an encoder, over the prior's components."""
    found = of_experiment(results, NAME)
    style = class_style(classes(results))
    means, spread = np.asarray(found["prior"]["means"], float), float(found["prior"]["spread"])
    circles = np.concatenate([means - 2 * spread, means + 2 * spread])
    bulk = points[["x", "y"]].quantile([0.005, 0.995])  # strays must not shrink the rest
    limits = square(pd.concat([pd.DataFrame(circles, columns=["x", "y"]), bulk]))
    titles = {"train": "Training part", "valid": "Validation part"}
    titles |= {key: f"Rows of {title}" for key, title in models(results).items()}
    panels = []
    for letter, (name, words) in zip("abcdefghijklmnop", titles.items(), strict=False):
        rows, title = points[points["source"] == name], f"({letter}) {words}"
        if len(rows):
            alt = f"{words}: two-dimensional codes by class, with the prior's components."
            data = rows, title, style, means, spread, limits
            panels.append(panel(f"fig5-{name}", alt, 3.7, _draw, *data))
    name = f"Fig. 5: codes by the encoder of {_encoder(found)}"
    caption = told(NAME, "figure", model=_encoder(found), fold=found["fold"])
    return Figure("fig5", name, caption, tuple(panels), points)


def _draw(
    axes: Axes,
    rows: pd.DataFrame,
    title: str,
    style: Style,
    means: np.ndarray,
    spread: float,
    limits: Limits,
) -> None:
    scatter(axes, rows, "class", style)
    colours: Sequence[str] = [colour for colour, _ in style.values()]
    for k, mean in enumerate(means):
        colour = colours[k] if len(means) == len(colours) else INK
        for reach in (1, 2):
            # A line of ink inside the class's colour is seen on its own points too.
            for width, edge in ((3.2, colour), (0.9, INK)):
                circle = Circle(mean, reach * spread, fill=False, ec=edge, lw=width, zorder=4)
                axes.add_patch(circle)
    plane(axes, limits, title, ("code 1", "code 2"))
    name_groups(axes, list(style))
