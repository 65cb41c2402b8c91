"""What both reports, a run's and a study's, are put together with."""

from __future__ import annotations

import base64

from jinja2 import Environment
from markupsafe import Markup

from aegan.report.panels import Figure
from aegan.report.tables import to_html


def environment() -> Environment:
    """Templates that escape every text; filters ``table`` and ``data_url``."""
    found = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    found.filters["table"] = lambda table: Markup(to_html(table))
    found.filters["data_url"] = _data_url
    return found


def figure_markdown(figure: Figure) -> list[str]:
    """Caption, links to the pictures and to their data, as blocks of a Markdown page."""
    panels = (f"![{panel.alt}](figures/{panel.file})" for panel in figure.panels)
    return [
        f"**{figure.title}.** {figure.caption}",
        "\n".join(panels),
        f"Data: [figures/{figure.name}.csv](figures/{figure.name}.csv)",
    ]


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
