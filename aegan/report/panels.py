"""What figures are made of: small panels in one style, so that a page can stack them on a phone.

Colours are Okabe and Ito's; a class keeps its colour and its marker in every figure.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

mpl.use("Agg")

INK, GREY = "#222222", "#767676"
_CLASS_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#000000")
_CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STYLE = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "savefig.dpi": 180,
}
_WIDTH = 3.7  # inches: a panel fills a phone, three stand side by side on a desk


@dataclass(frozen=True)
class Panel:
    """One picture of a figure: file name without its folder, text for those who cannot see it."""

    file: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Figure:
    """Panels that belong together, what to see in them, and the numbers they show."""

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    data: pd.DataFrame


def panel(file: str, alt: str, height: float, draw: Callable[[Axes], None]) -> Panel:
    """A panel of ``height`` inches that ``draw`` fills."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(_WIDTH, height), layout="constrained")
        draw(canvas.subplots())
        buffer = io.BytesIO()
        # No software version inside: the same results give the same bytes.
        canvas.savefig(buffer, format="png", metadata={"Software": None})
    return Panel(f"{file}.png", alt, buffer.getvalue())


def class_style(classes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each class, by its place in the corpus."""
    return {
        name: (_CLASS_COLOURS[i % len(_CLASS_COLOURS)], _CLASS_MARKERS[i % len(_CLASS_MARKERS)])
        for i, name in enumerate(classes)
    }
