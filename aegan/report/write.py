"""The stage ``report``: from a finished workdir to ``report.md``, ``report.html``, ``figures/``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from aegan.errors import InputError
from aegan.report.figures import all_figures
from aegan.report.page import html_page, markdown_page
from aegan.report.panels import Figure
from aegan.system.files import replacing


def _write(path: Path, content: bytes) -> None:
    """All of ``content`` or nothing: a reader never meets half a file."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_report(workdir: Path) -> Path:
    """Writes the report of the run in ``workdir`` and returns the path of ``report.html``.

    Reads ``results.json`` and ``losses.parquet``, nothing else; the same two files give the same
    bytes. Beside each figure's PNG files lies one CSV with the numbers shown.

    Raises:
        InputError: one of the two files is missing or cannot be read.
    """
    workdir = Path(workdir)
    sources = {"results.json": "--stage=evaluate", "losses.parquet": "--stage=train"}
    for name, stage in sources.items():
        if not (workdir / name).is_file():
            raise InputError(f"{workdir / name}: no such file; run with {stage} first")
    try:
        results = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{workdir / 'results.json'}: not JSON ({error}); delete it, run with --stage=evaluate"
        ) from error
    losses = pd.read_parquet(workdir / "losses.parquet")

    figures = all_figures(results, losses)
    return write_pages(
        workdir, markdown_page(results, figures), html_page(results, figures), figures
    )


def write_pages(folder: Path, markdown: str, html: str, figures: Sequence[Figure]) -> Path:
    """Both pages and ``figures/``: PNG files, one CSV per figure; the path of ``report.html``."""
    for figure in figures:
        for panel in figure.panels:
            _write(folder / "figures" / panel.file, panel.png)
        csv = figure.data.to_csv(index=False, lineterminator="\n")
        _write(folder / "figures" / f"{figure.name}.csv", csv.encode())
    _write(folder / "report.md", markdown.encode())
    page = folder / "report.html"
    _write(page, html.encode())
    return page
