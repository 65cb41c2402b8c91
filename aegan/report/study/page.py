"""A study's report: from its results to ``report.html``, ``report.md`` and ``figures/``.

Both pages hold the same; the HTML is one file with its pictures inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from aegan.errors import InputError
from aegan.report.document import environment, figure_markdown
from aegan.report.figures import losses
from aegan.report.panels import Figure
from aegan.report.study import figures as F
from aegan.report.study.claim_tables import BADGES
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
from aegan.report.study.template import HTML
from aegan.report.study.words import experiment, origin
from aegan.report.tables import Results, Table, to_markdown
from aegan.report.write import write_pages
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
    pages = (page(results, figures) for page in (markdown_page, html_page))
    return write_pages(folder, *pages, tuple(figures.values()))


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


def markdown_page(results: Results, figures: Mapping[str, Figure]) -> str:
    """``report.md``; pictures are links into ``figures/``."""
    found = sections(results, figures)
    blocks = [f"# {title(results)}", subtitle(results)]
    blocks.extend(f"> **{banner}**" for banner in banners(results))
    blocks.append(" ".join((f"**{headline(results)}.**", *in_short(results))))
    blocks.append("\n".join(f"- [{section.title}](#{section.key})" for section in found))
    for section in found:
        blocks.append(f"## {section.title}")
        for block in section.blocks:
            if isinstance(block, Folded):
                verdict = f": {block.badge}" if block.badge else ""
                blocks.append(f"### {block.title}{verdict}")
                for inner in block.blocks:
                    part = section.part if block.measured else ""
                    blocks.extend(_markdown(inner, results, part))
            else:
                blocks.extend(_markdown(block, results, section.part))
        if section.command and results.get("command"):
            blocks.append(f"Command: `{results['command']}`")
    return "\n\n".join(blocks) + "\n"


def _markdown(block: Block, results: Results, part: str) -> list[str]:
    if isinstance(block, str):
        return [block]
    found = [to_markdown(block)] if isinstance(block, Table) else figure_markdown(block)
    if part:
        found.append(f"*{origin(results, part)}*")
    return found


def html_page(results: Results, figures: Mapping[str, Figure]) -> str:
    """``report.html``: one file, pictures inside, nothing fetched from anywhere."""
    context = {
        "title": title(results),
        "subtitle": subtitle(results),
        "banners": banners(results),
        "headline": headline(results),
        "short": in_short(results),
        "sections": sections(results, figures),
        "command": results.get("command"),
        "origin": lambda part: origin(results, part),
        "badges": BADGES,
    }
    page = environment().from_string(HTML).render(context) + "\n"
    # A number stays in a line with its per cent, and a set with its number.
    return re.sub(r"\b([Ss]et)-(?=[12]\b)", "\\1\u2011", page.replace(" %", "\u00a0%"))
