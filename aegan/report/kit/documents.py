"""A document as a value: sections of sentences, tables and figures; written as HTML and Markdown.

How it looks is in ``aegan/report/templates``: ``base`` holds the page, ``blocks`` the macros for
what stands on it, and each kind of report extends ``base``. HTML escapes every text.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from aegan.report.kit.figures import Figure
from aegan.report.kit.tables import Table, to_markdown
from aegan.system.files import write_text


@dataclass(frozen=True)
class Fold:
    """Blocks under a line that opens on a click in HTML.

    ``badge``: a word beside the title, or empty; ``origin``: they carry the section's origin.
    """

    title: str
    blocks: tuple[str | Table | Figure, ...]
    badge: str = ""
    origin: bool = True


Block = str | Table | Figure | Fold


@dataclass(frozen=True)
class Section:
    """A heading with its blocks in order.

    Attributes:
        title: the heading.
        blocks: sentences, tables, figures and folds.
        folded: opens on a click in HTML.
        titled: figures have headings of their own.
        origin: where the figures come from, said below each table and figure; or empty.
        command: what gives the same again, said at the end; or empty.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    folded: bool = False
    titled: bool = False
    origin: str = ""
    command: str = ""

    @property
    def key(self) -> str:
        """The anchor, as GitHub makes it of the title."""
        return slug(self.title)


@dataclass(frozen=True)
class Document:
    """A report: what stands above the sections, and the sections.

    Attributes:
        title: the heading.
        subtitle: what the report is of.
        headline: the outcome, in bold.
        short: sentences below the headline, in the same box.
        sections: the body.
        banners: what a reader has to know before any figure.
        intro: a paragraph below the box, or empty.
    """

    title: str
    subtitle: str
    headline: str
    short: list[str]
    sections: list[Section]
    banners: list[str]
    intro: str = ""


def section(title: str, *blocks: Block | None, **options: Any) -> Section:
    """A section of those blocks that hold anything: None and tables without rows are left out."""
    kept = (b for b in blocks if b is not None and not (isinstance(b, Table) and not b.rows))
    return Section(title, tuple(kept), **options)


def paragraphs(template: str, **values: Any) -> tuple[str, ...]:
    """The paragraphs of a text among the templates, each in one line."""
    text = _environment().get_template(template).render(values)
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def html_page(document: Document, kind: str) -> str:
    """``report.html`` by the template ``kind``: one file, its pictures inside, nothing fetched."""
    return _environment().get_template(f"{kind}.html").render(document=document).strip() + "\n"


def markdown_page(document: Document, kind: str) -> str:
    """``report.md`` by the template ``kind``; pictures are links into ``figures/``."""
    return _environment().get_template(f"{kind}.md").render(document=document).strip() + "\n"


def write(document: Document, kind: str, folder: Path) -> Path:
    """Both pages and ``figures/``: PNG files, one CSV per figure; the path of ``report.html``."""
    for part in document.sections:
        for block in part.blocks:
            if isinstance(block, Figure):
                block.save(folder / "figures")
    write_text(folder / "report.md", markdown_page(document, kind))
    write_text(folder / "report.html", html_page(document, kind))
    return folder / "report.html"


def slug(text: str) -> str:
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("aegan.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"slug": slug, "to_markdown": to_markdown}
    found.filters |= {"data_url": _data_url, "glue": _glue}
    found.tests["figure"] = lambda block: isinstance(block, Figure)
    found.tests["fold"] = lambda block: isinstance(block, Fold)
    return found


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _glue(text: str) -> Markup:
    """HTML in which a number stays in a line with its per cent, and a set with its number."""
    return Markup(re.sub(r"\b([Ss]et)-(?=[12]\b)", "\\1\u2011", text.replace(" %", "\u00a0%")))
