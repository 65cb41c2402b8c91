"""Fig. 5, its table, and that of section 4.2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import INK, Figure, class_style, panel
from aegan.report.kit.numbers import Results, number, said
from aegan.report.kit.tables import Table
from aegan.report.scatter import Plane, scatter, square
from aegan.study import words as W
from aegan.study.codes.tasks import NAME

# Title, unit and unit of a difference.
_COLUMNS = {
    "own_component": ("Nearest to their own component (%)", "%", "points"),
    "spread": ("Width over the prior's", "ratio", "signed"),
    "distance": ("Distance of classes over the prior's", "ratio", "signed"),
}


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    picture = figure(results, W.table_at(folder, "tasks", "codes.parquet")) if folder else None
    title = f"Fig. 5: codes by the encoder of {_encoder(found)}"
    yield W.measured(results, "source", title, picture, table(results), W.definitions(found))
    if found.get("svm"):
        yield W.measured(results, "source", "Section 4.2: what the codes keep", svm_table(results))


def _encoder(found: Results) -> str:
    return found.get("encoder", "m1").upper()


def table(results: Results) -> Table:
    """How far the codes look like the prior, Fig. 5."""
    found = W.of_experiment(results, NAME)
    differences = found.get("differences") or {}
    names = {"train": "Training codes", "valid": "Validation codes"}
    names |= {key: f"{title}'s rows" for key, title in W.models(results).items()}
    rows: dict[str, dict[str, str]] = {}
    for measure, (_, unit, _) in _COLUMNS.items():
        for key in (key for key in names if key in found.get(measure, {})):
            rows.setdefault(names[key], {})[measure] = said(found[measure][key], unit)
    for measure, (_, _, unit) in _COLUMNS.items():
        for pair, value in differences.get(measure, {}).items():
            title = W.pair_title(pair)
            rows.setdefault(title[:1].upper() + title[1:], {})[measure] = said(value, unit)
    own = number((found.get("prior") or {}).get("own_component"))
    caption = W.told(NAME, "table", model=_encoder(found), own=own)
    columns = {title: (measure, "") for measure, (title, *_) in _COLUMNS.items()}
    return W.grid(caption, "Codes", rows, columns)


def svm_table(results: Results) -> Table:
    """Section 4.2: what an SVM loses by reading codes instead of features."""
    found = W.of_experiment(results, NAME)["svm"]
    less = found.get("differences") or {}
    rows = {"Raw features": {"uar": found["raw"]}}
    for model, value in found["codes"].items():
        rows[f"Codes of {model.upper()}"] = {"uar": value, "less": less.get(model)}
    columns = {"UAR on set-2 (%)": ("uar", "%"), "Codes less raw (points)": ("less", "points")}
    caption = W.told(NAME, "svm_table", chance=W.chance(results))
    return W.grid(caption, "SVM on", rows, columns)


def figure(results: Results, points: pd.DataFrame) -> Figure:
    """Fig. 5: codes (x, y, source, class) by an encoder, over the prior's components."""
    found, style = W.of_experiment(results, NAME), class_style(W.classes(results))
    means, spread = np.asarray(found["prior"]["means"], float), float(found["prior"]["spread"])
    circles = np.concatenate([means - 2 * spread, means + 2 * spread])
    bulk = points[["x", "y"]].quantile([0.005, 0.995])  # strays must not shrink the rest
    limits = square(pd.concat([pd.DataFrame(circles, columns=["x", "y"]), bulk]))
    colours = [colour for colour, _ in style.values()]
    colours = colours if len(means) == len(colours) else [INK] * len(means)
    pairs = list(zip(means, colours, strict=True))
    rings = [(mean, reach * spread, colour) for mean, colour in pairs for reach in (1, 2)]
    plane = Plane(limits, ("code 1", "code 2"), rings=rings)
    titles = {"train": "Training part", "valid": "Validation part"}
    titles |= {key: f"Rows of {title}" for key, title in W.models(results).items()}
    panels = []
    for letter, (name, words) in zip("abcdefghijklmnop", titles.items(), strict=False):
        rows, title = points[points["source"] == name], f"({letter}) {words}"
        if len(rows):
            alt = f"{words}: two-dimensional codes by class, with the prior's components."
            panels.append(
                panel(f"fig5-{name}", alt, 3.7, scatter, title, rows, "class", style, plane)
            )
    name = f"Fig. 5: codes by the encoder of {_encoder(found)}"
    caption = W.told(NAME, "figure", model=_encoder(found), fold=found["fold"])
    return Figure("fig5", name, caption, tuple(panels), points)
