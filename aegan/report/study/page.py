"""A study's report: from its results to ``report.html``, ``report.md`` and ``figures/``.

Both pages hold the same; the HTML is one file with its pictures inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from aegan.errors import InputError
from aegan.report.figures import losses
from aegan.report.kit import documents as kit
from aegan.report.kit.documents import Document
from aegan.report.kit.figures import Figure
from aegan.report.kit.numbers import Results
from aegan.report.study import figures as F
from aegan.report.study.sections import (
    Block,
    Folded,
    banners,
    headline,
    in_short,
    sections,
    subtitle,
    title,
)
from aegan.report.study.summary import text_summary
from aegan.report.study.words import experiment, origin
from aegan.system.files import read_json

__all__ = ["html_page", "markdown_page", "text_summary", "write_study_report"]


def write_study_report(folder: Path) -> Path:
    """Writes the report of the study in ``folder`` and returns the path of ``report.html``.

    Reads ``results.json``, the points under ``tasks/`` and the losses of the runs that it names,
    nothing else; the same files give the same bytes. Of experiments that were not run nothing is
    shown. Beside each figure's PNG files lies one CSV with the numbers shown.

    Raises:
        InputError: a file that the results speak of is missing or cannot be read.
    """
    folder = Path(folder)
    if not (folder / "results.json").is_file():
        raise InputError(f"{folder / 'results.json'}: no such file; run the study first")
    results = read_json(folder / "results.json")
    figures = {figure.name: figure for figure in _figures(results, folder) if figure.panels}
    return kit.write(document(results, figures), "study", folder)


def _figures(results: Results, folder: Path) -> list[Figure]:
    """Every figure that the results hold values for."""
    found: list[Figure] = []
    for model, run in (experiment(results, "cross_validation") or {"models": {}})["models"].items():
        figure = losses(run, _table(folder / run["run"] / "losses.parquet"), model)
        found.append(replace(figure, caption="As above.") if found else figure)
    if experiment(results, "embedding"):
        found.extend(F.embedding(results, _table(folder / "tasks" / "embedding.parquet")))
    if experiment(results, "codes"):
        found.append(F.codes(results, _table(folder / "tasks" / "codes.parquet")))
    for scope in (experiment(results, "low_resource") or {"scopes": {}})["scopes"]:
        found.append(F.low_resource(results, scope))
    if experiment(results, "toy"):
        found.append(F.toy(_table(folder / "tasks" / "toy.parquet")))
    return found


def _table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: no such file; run the study again with the same command")
    return pd.read_parquet(path)


def document(results: Results, figures: Mapping[str, Figure]) -> Document:
    """The report of a study; ``figures`` by name."""
    found = [
        kit.Section(
            section.title,
            tuple(_fold(b) if isinstance(b, Folded) else _wide(b) for b in section.blocks),
            titled=section.figures > 1,
            origin=origin(results, section.part) if section.part else "",
            command=(section.command and results.get("command")) or "",
        )
        for section in sections(results, figures)
    ]
    head = (title(results), subtitle(results), headline(results), in_short(results))
    return Document(*head, found, banners(results))


def _fold(block: Folded) -> kit.Fold:
    return kit.Fold(block.title, block.blocks, block.badge, block.measured)


def _wide(block: Block) -> Block:
    """Figures of four panels stand two by two."""
    four = isinstance(block, Figure) and len(block.panels) == 4
    return replace(block, wide=True) if four and not block.name.startswith("losses") else block


def markdown_page(results: Results, figures: Mapping[str, Figure]) -> str:
    """``report.md``; pictures are links into ``figures/``."""
    return kit.page(document(results, figures), "study.md")


def html_page(results: Results, figures: Mapping[str, Figure]) -> str:
    """``report.html``: one file, pictures inside, nothing fetched from anywhere."""
    return kit.page(document(results, figures), "study.html")
