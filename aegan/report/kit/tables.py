"""A table as a value, and as text; ``blocks`` of the templates has the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aegan.report.kit.numbers import DASH
from aegan.system.screen import WIDTH


@dataclass(frozen=True)
class Table:
    """A finished table of strings; the first column names the row."""

    caption: str  # its first sentence is the name for those who cannot see it
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: tuple[int, ...] = ()  # rows that stand out
    words: tuple[int, ...] = ()  # columns of words, beside the first
    badges: tuple[str, ...] = ()  # cells that HTML shows as a badge


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
    rows = ([cell(item) for cell in columns.values()] for item in items)
    return Table(
        caption,
        tuple(columns),
        tuple(tuple(str(DASH if v is None or v == "" else v) for v in row) for row in rows),
        marked=tuple(i for i, item in enumerate(items) if marked(item)),
        words=tuple(i for i, title in enumerate(columns) if title in words),
        badges=tuple(badges),
    )


def to_text(table: Table, width: int = WIDTH) -> list[str]:
    """Header and rows for a terminal; columns two blanks apart, or one."""
    grid = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= width else " "
    return [
        gap.join((line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:]))).rstrip()
        for line in grid
    ]
