"""Fig. 4 and its tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from aegan.report.kit.documents import Section
from aegan.report.kit.figures import PALE, Figure, class_style, legend, model_style, panel
from aegan.report.kit.numbers import Results, plain, said
from aegan.report.kit.tables import Table
from aegan.report.tables import REFERENCES
from aegan.study import words as W
from aegan.study.cross_validation.report import pairs_once
from aegan.study.embedding.tasks import NAME
from aegan.study.scatter import DOT, Limits, Style, name_groups, plane, scatter, square


def sections(results: Results, folder: Path | None) -> Iterator[Section]:
    found = W.of_experiment(results, NAME)
    pictures: tuple[Figure | None, ...] = ()
    if folder:
        points = W.table_at(folder, "tasks", "embedding.parquet")
        pictures = by_source(results, points), by_class(results, points)
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


_LABELS = ("t-SNE 1", "t-SNE 2")


def by_source(results: Results, points: pd.DataFrame) -> Figure:
    """Fig. 4a: points (x, y, source, class) of each model on the real ones."""
    found, titles = W.of_experiment(results, NAME), W.models(results)
    styles, limits = model_style(list(titles)), square(points)
    real = points[points["source"] == "real"]
    panels = []
    for model, title in titles.items():
        rows = points[points["source"] == model]
        if len(rows):
            alt = f"Embedding of real rows and of the rows of {title}."
            data = real, rows, title, styles[model], limits
            panels.append(panel(f"fig4a-{model}", alt, 3.7, _draw_source, *data))
    caption = W.told(NAME, "by_source", of=_method(found))
    return Figure("fig4a", "Fig. 4 (a): models on the real rows", caption, tuple(panels), points)


def _draw_source(
    axes: Axes,
    real: pd.DataFrame,
    rows: pd.DataFrame,
    title: str,
    style: tuple[str, str],
    limits: Limits,
) -> None:
    # Real rows below: what has none under it lies off their support.
    axes.plot(real["x"], real["y"], "o", color=PALE, **DOT | {"alpha": 0.8})
    axes.plot([], [], "o", color=PALE, ms=6, mew=0, label="real rows")
    name = f"rows of {title}"
    scatter(axes, rows.assign(source=name), "source", {name: style})
    plane(axes, limits, f"Real rows and {title}", _LABELS)
    legend(axes, fontsize=8, handletextpad=0.3, columnspacing=1)


def by_class(results: Results, points: pd.DataFrame) -> Figure:
    """Fig. 4b: the same points by class, a panel for each source."""
    style, limits = class_style(W.classes(results)), square(points)
    names = {"real": "real rows"}
    names |= {key: f"rows of {title}" for key, title in W.models(results).items()}
    panels = []
    for source, name in names.items():
        rows = points[points["source"] == source]
        if len(rows):
            alt = f"Embedding of {name.lower()}, coloured by class."
            title = f"{name[:1].upper()}{name[1:]} by class"
            data = rows, title, style, limits
            panels.append(panel(f"fig4b-{source}", alt, 3.7, _draw_classes, *data))
    title, caption = "Fig. 4 (b): the classes of each model", W.told(NAME, "by_class")
    return Figure("fig4b", title, caption, tuple(panels), points, wide=True)


def _draw_classes(axes: Axes, rows: pd.DataFrame, title: str, style: Style, limits: Limits) -> None:
    scatter(axes, rows, "class", style)
    plane(axes, limits, title, _LABELS)
    name_groups(axes, list(style))
