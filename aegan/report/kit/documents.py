"""A document as a value: sections of sentences, tables and figures.

Of the templates ``report`` holds the page and ``blocks`` what stands on it. A report has its words
in a file of macros. Both pages escape every text.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from aegan.report.kit.figures import Figure
from aegan.report.kit.numbers import Estimate, percent, plain
from aegan.report.kit.tables import Table
from aegan.system.files import write_text


@dataclass(frozen=True)
class Fold:
    """Blocks under a line that opens on a click in HTML."""

    title: str
    blocks: tuple[str | Table | Figure, ...]
    badge: str = ""  # a word beside the title
    origin: bool = True  # tables and figures carry the section's origin


Block = str | Table | Figure | Fold


@dataclass(frozen=True)
class Section:
    """A heading with its blocks in order."""

    title: str
    blocks: tuple[Block, ...] = ()
    folded: bool = False  # opens on a click in HTML
    titled: bool = False  # figures have headings of their own
    origin: str = ""  # where the figures come from, said below each table and figure
    command: str = ""  # what gives the same again, said at the end


@dataclass(frozen=True)
class Fact:
    """A question that a newcomer has, and its answer."""

    question: str
    figure: str
    meaning: str  # a sentence or two


@dataclass(frozen=True)
class Document:
    """A report: what stands above the sections, and the sections."""

    title: str
    subtitle: str
    headline: str  # the outcome
    short: list[str]  # sentences in one box with the headline
    sections: list[Section]
    banners: list[str]  # what a reader has to know before any figure
    intro: str = ""  # a paragraph below the box
    facts: tuple[Fact, ...] = ()  # in the box


def section(title: str, *blocks: Block | None, **options: Any) -> Section:
    """A section of the blocks that hold anything."""
    kept = (b for b in blocks if b is not None and getattr(b, "rows", getattr(b, "panels", True)))
    return Section(title, tuple(kept), **options)


def page(document: Document, name: str) -> str:
    """The text of ``report.html`` (pictures inside) or ``report.md`` (pictures are links)."""
    return _environment().get_template(name).render(document=document).strip() + "\n"


def write(document: Document, folder: Path) -> Path:
    """Writes both pages and ``figures/``; the path of ``report.html``."""
    for part in document.sections:
        for block in part.blocks:
            if isinstance(block, Figure):
                block.save(folder / "figures")
    for name in ("report.md", "report.html"):
        write_text(folder / name, page(document, name))
    return folder / "report.html"


def words(report: str, name: str, **values: Any) -> str:
    """A text of ``<report>.txt``, whose macros are the words of a report, in one line."""
    return " ".join(paragraphs(report, name, **values))


def paragraphs(report: str, name: str, **values: Any) -> list[str]:
    """The paragraphs of a text of ``<report>.txt``, each in one line."""
    text = getattr(_environment().get_template(f"{report}.txt").module, name)(**values)
    return [part.replace("\n", " ") for part in re.split("\n\n+", text.strip()) if part]


def slug(title: str) -> str:
    """A title as GitHub makes an anchor of it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


_MARKS = (  # what Markdown would take for more than text
    r"[\\`*|]|<(?=[A-Za-z/!?])|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])"
    r"|^(?:#+|[-+]|\d+[.)])(?=\s|$)|^(?:==|--|~~|>)"
)


def markdown(text: str) -> str:
    """A text that Markdown shows as it stands: no link, tag, heading or line of its own."""
    marked = re.sub(_MARKS, lambda found: _escaped(found[0]), " ".join(text.split()))
    return re.sub(r"&(?=#?\w+;)", "&amp;", marked).replace("://", "&#58;//")


def _escaped(mark: str) -> str:
    """With a backslash, which stands before punctuation: the last of "12."."""
    return mark[:-1] + "\\" + mark[-1] if mark[0].isdigit() else "\\" + mark


def code(text: str) -> str:
    """A text as code in Markdown, whatever backticks it has."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def _glue(text: str) -> Markup:
    """Keeps a number in a line with its per cent, a set with its number."""
    return Markup(re.sub(r"\b([Ss]et)-(?=[12]\b)", "\\1\u2011", text.replace(" %", "\u00a0%")))


@cache
def _environment() -> Environment:
    found = Environment(
        # The pages of all reports, and the words.txt that lie beside what they tell of.
        loader=ChoiceLoader([PackageLoader("aegan.report"), PackageLoader("aegan", "")]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"slug": slug, "glue": _glue, "plain": plain, "percent": percent}
    found.filters |= {"mean": lambda summary: Estimate.of(summary).mean}
    found.filters |= {"md": markdown, "code": code}
    found.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return found
