"""Fig. 4 and its tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import PALE, Figure, class_style, model_style, panel
from aegan.report.kit.numbers import Results, plain, said
from aegan.report.kit.tables import Table
from aegan.report.scatter import Below, Plane, scatter, square
from aegan.report.tables import REFERENCES
from aegan.study import words as W
from aegan.study.cross_validation.report import pairs_once
from aegan.study.embedding.tasks import NAME


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    pictures = ()
    if folder:
        pictures = figures(results, W.table_at(folder, "tasks", "embedding.parquet"))
        pictures = [figure for figure in pictures if figure.panels]
    tables = support_table(results), mixing_table(results)
    title = "Fig. 4: where the synthetic rows lie"
    yield W.measured(results, "source", title, *pictures, *tables, W.definitions(found))


def support_table(results: Results) -> Table:
    """Share of rows off the support of set-1, Fig. 4."""
    found, titles = W.of_experiment(results, NAME), W.models(results)
    names = {"real_set2": "Real rows of set-2", **titles, **REFERENCES}
    less = found.get("off_support_differences") or {}
    pairs = [*pairs_once(less), *(f"{model}-real_set2" for model in titles)]
    shares = {names.get(key, key): said(v, "%") for key, v in found["off_support"].items()}
    shares |= {f"{W.pair_title(pair)} (points)": said(less[pair], "points")
               for pair in pairs if pair in less}  # fmt: skip
    rows = {title: {"share": share} for title, share in shares.items()}
    column = {"Off the support (%)": ("share", "%")}
    return W.grid(W.told(NAME, "support"), "Rows", rows, column, marked=titles.values())


def mixing_table(results: Results) -> Table:
    """Mixing of the models and clusters of the classes in the embedding, Fig. 4."""
    found, titles = W.of_experiment(results, NAME), W.models(results)
    rows = {}
    for key, value in (found.get("silhouette") or {}).items():
        title = f"Silhouette of the classes, {titles.get(key, 'real rows')}"
        rows[title] = {"value": plain(value)}
    for pair, value in (found.get("mixing") or {}).items():
        rows[f"Mixing of {' and '.join(pair.upper().split('-'))}"] = {"value": plain(value)}
    caption = W.told(NAME, "mixing", of=_method(found))
    return W.grid(caption, "Measure", rows, {"Value": ("value", "")})


def _method(found: Results) -> str:
    return f"{found['method']}, perplexity {found['perplexity']:g}, fold {found['fold']}"


def figures(results: Results, points: pd.DataFrame) -> Iterator[Figure]:
    """Fig. 4a and b: points (x, y, source, class) of the embedding."""
    found, titles = W.of_experiment(results, NAME), W.models(results)
    plane = Plane(square(points), ("t-SNE 1", "t-SNE 2"))
    styles, style = model_style(list(titles)), class_style(W.classes(results))
    groups = {source: rows for source, rows in points.groupby("source")}
    # Real rows below: what has none under it lies off their support.
    real = Below(groups.get("real", points[:0]), PALE, "real rows")
    panels = []
    for model, title in titles.items():
        if model in groups:
            rows, name = groups[model], f"rows of {title}"
            alt = f"Embedding of real rows and of the rows of {title}."
            data = rows.assign(source=name), "source", {name: styles[model]}, plane, real
            title = f"Real rows and {title}"
            panels.append(panel(f"fig4a-{model}", alt, 3.7, scatter, title, *data))
    caption = W.told(NAME, "by_source", of=_method(found))
    title = "Fig. 4 (a): models on the real rows"
    yield Figure("fig4a", title, caption, tuple(panels), points)
    panels = []
    for source, title in ({"real": None} | titles).items():
        if source in groups:
            name = f"rows of {title}" if title else "real rows"
            alt = f"Embedding of {name.lower()}, coloured by class."
            title = f"{name[:1].upper()}{name[1:]} by class"
            data = groups[source], "class", style, plane
            panels.append(panel(f"fig4b-{source}", alt, 3.7, scatter, title, *data))
    title, caption = "Fig. 4 (b): the classes of each model", W.told(NAME, "by_class")
    yield Figure("fig4b", title, caption, tuple(panels), points, wide=True)
