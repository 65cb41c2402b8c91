"""A table as a value, and its renderings; that in HTML is a macro of ``templates/blocks.html``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aegan.report.kit.numbers import DASH
from aegan.system.screen import WIDTH


@dataclass(frozen=True)
class Table:
    """A finished table of strings; the first column names the row.

    Attributes:
        caption: what it shows; its first sentence is the name for those who cannot see it.
        header: the title of each column.
        rows: strings, as many in each row as in the header.
        marked: rows that stand out.
        words: columns of words, beside the first; the others hold numbers.
        badges: texts that HTML shows as a badge, wherever a cell is one of them.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: tuple[int, ...] = ()
    words: tuple[int, ...] = ()
    badges: tuple[str, ...] = ()


def tabulate(
    caption: str,
    items: Iterable[Any],
    columns: Mapping[str, Callable[[Any], Any]],
    *,
    words: Collection[str] = (),
    marked: Callable[[Any], bool] = lambda item: False,
    badges: Collection[str] = (),
) -> Table:
    """A row per item; ``columns`` makes the cell under each title, and what is empty is a dash."""
    items = list(items)

    def text(value: Any) -> str:
        return DASH if value is None or value == "" else str(value)

    return Table(
        caption,
        tuple(columns),
        tuple(tuple(text(cell(item)) for cell in columns.values()) for item in items),
        marked=tuple(i for i, item in enumerate(items) if marked(item)),
        words=tuple(i for i, title in enumerate(columns) if title in words),
        badges=tuple(badges),
    )


def to_markdown(table: Table) -> str:
    """A GitHub table with its caption in front."""

    def line(items: Iterable[str]) -> str:
        return "| " + " | ".join(i.replace("|", "\\|").replace("\n", " ") for i in items) + " |"

    left = {0, *table.words}
    rule = [":--" if i in left else "--:" for i in range(len(table.header))]
    body = [
        line((f"**{row[0]}**" if i in table.marked else row[0], *row[1:]))
        for i, row in enumerate(table.rows)
    ]
    return "\n".join((table.caption, "", line(table.header), line(rule), *body))


def to_text(table: Table, width: int = WIDTH) -> list[str]:
    """Header and rows for a terminal; two blanks between columns, or one if they are too wide."""
    grid = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= width else " "
    return [
        gap.join((line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:]))).rstrip()
        for line in grid
    ]
