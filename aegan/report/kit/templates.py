"""The templates of all reports, in ``aegan/report/templates``; those in HTML escape every text."""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from aegan.report.kit.numbers import percent, plain
from aegan.report.kit.tables import to_markdown

FOLDER = Path(__file__).parents[1] / "templates"


def words(report: str, name: str, **values: Any) -> str:
    """A text of ``<report>.txt``, whose macros are the words of a report, in one line."""
    return " ".join(paragraphs(report, name, **values))


def paragraphs(report: str, name: str, **values: Any) -> list[str]:
    """The paragraphs of a text of ``<report>.txt``, each in one line."""
    text = getattr(environment().get_template(f"{report}.txt").module, name)(**values)
    return [part.replace("\n", " ") for part in re.split("\n\n+", text.strip()) if part]


def slug(text: str) -> str:
    """A title as GitHub makes an anchor of it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


@cache
def environment() -> Environment:
    """Every template, with the filters that they use."""
    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (slug, plain, percent, to_markdown, data_url, glue):
        found.filters[function.__name__] = function
    return found


def data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def glue(text: str) -> Markup:
    """HTML in which a number stays in a line with its per cent, and a set with its number."""
    return Markup(re.sub(r"\b([Ss]et)-(?=[12]\b)", "\\1\u2011", text.replace(" %", "\u00a0%")))
