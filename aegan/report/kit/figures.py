"""Figures: small panels in one style, so that a page can stack them on a phone.

Colours are Okabe and Ito's; a class keeps its colour and its marker in every figure.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import font_manager as fonts
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from aegan.system.files import replacing, write_text
from aegan.tables.text import for_spreadsheet

mpl.use("Agg")

INK, GREY, PALE = "#222222", "#767676", "#BBBBBB"
Style = Mapping[Any, tuple[str, str]]  # colour and marker of each group
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STYLE = Path(__file__).parents[1] / "templates" / "figures.mplstyle"
_SCRIPTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC", "Yu Gothic")
_LEGEND = 60  # characters of the names in a row of a legend
_WIDTH = 3.7  # inches: a panel fills a phone, three stand side by side on a desk


@dataclass(frozen=True)
class Panel:
    """One picture of a figure; ``alt`` is for those who cannot see it."""

    file: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Figure:
    """Panels that belong together, and the numbers they show.

    ``wide``: two panels side by side instead of three.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    data: pd.DataFrame
    wide: bool = False

    def save(self, folder: Path) -> None:
        """Writes the pictures, and the numbers as ``<name>.csv``."""
        for picture in self.panels:
            with replacing(folder / picture.file) as temporary:
                temporary.write_bytes(picture.png)
        texts = self.data.map(lambda cell: for_spreadsheet(cell) if isinstance(cell, str) else cell)
        csv = texts.to_csv(index=False, lineterminator="\n")
        write_text(folder / f"{self.name}.csv", csv)


def panel(file: str, alt: str, height: float, draw: Callable[..., None], *data: Any) -> Panel:
    """A panel of ``height`` inches that ``draw(axes, *data)`` fills."""
    with mpl.rc_context({"font.family": _families()}, fname=_STYLE):
        canvas = Canvas(figsize=(_WIDTH, height), layout="constrained")
        draw(canvas.subplots(), *data)
        _make_drawable(canvas)
        buffer = io.BytesIO()
        # No software version inside: the same results give the same bytes.
        canvas.savefig(buffer, format="png", metadata={"Software": None})
    return Panel(f"{file}.png", alt, buffer.getvalue())


def _make_drawable(canvas: Canvas) -> None:
    """Names of classes and the like as they are: no mathtext, no glyph that no font has."""
    for axes in canvas.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(formatter := axis.get_major_formatter(), FuncFormatter):  # given labels
                formatter.func = lambda x, i, given=formatter.func: drawable(given(x, i))
    for text in canvas.findobj(Text):
        text.set_text(drawable(text.get_text()))


def drawable(text: str) -> str:
    """Dollars escaped; what the font lacks by its number, as in "<751f 6c14>"."""
    text = text.replace("$", r"\$")
    if text.isascii():
        return text
    parts = groupby(text, key=lambda c: ord(c) in _glyphs() or c.isspace())
    return "".join(
        "".join(part) if there else f"<{' '.join(f'{ord(c):x}' for c in part)}>"
        for there, part in parts
    )


@cache
def _glyphs() -> frozenset[int]:
    """What the fonts of the style can draw."""
    paths = (fonts.findfont(fonts.FontProperties(family=name)) for name in _families())
    return frozenset().union(*(fonts.get_font(path).get_charmap() for path in paths))


@cache
def _families() -> list[str]:
    """The style's font, and what is here for other scripts."""
    there = {font.name for font in fonts.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _SCRIPTS if name in there)]


def short(name: str, most: int = 18) -> str:
    """A name that is not too long for a tick or a legend."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def class_style(classes: Sequence[str], shift: int = 0) -> Style:
    """Colour and marker of each class, by its place in the corpus."""
    return {
        name: (_COLOURS[(i + shift) % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(classes)
    }


def model_style(models: Sequence[str]) -> Style:
    """Colour and marker of each model, by its place in the study."""
    return class_style(models, shift=4)


def grid(axes: Axes, axis: str) -> None:
    """Pale lines behind the data, across ``axis``."""
    axes.grid(axis=axis, color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)


def legend(axes: Axes, columns: int = 2, where: str = "lower center", **options: Any) -> None:
    """The legend outside the axes."""
    handles, labels = axes.get_legend_handles_labels()
    labels = [short(label, 40) for label in labels]
    columns = max(1, min(columns, _LEGEND // max(map(len, labels), default=1)))
    axes.figure.legend(handles, labels, loc=f"outside {where}", ncols=columns, **options)
