"""Rows of text files: lines of bounded length, cut into cells of text and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa

from aegan.data.names import flaw
from aegan.errors import InputError
from aegan.tables.roles import PASSPORT, Columns, Roles
from aegan.tables.text import from_spreadsheet

MAX_COLUMNS = 100_000

_MAX_LINE = 16 << 20  # bytes; a row of 100,000 features has about 1.3 MB
# Possessive, so that no run of digits is tried in more than one way.
_NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(rb"[+-]?\d++,\d++(?:[eE][+-]?\d++)?")
# A line and the number of cells that it should have -> its cells; any other number if it is broken.
Split = Callable[[bytes, int], list[bytes]]


def lines_of(path: Path, most: int = _MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and text of every line, without its end.

    Raises:
        InputError: a line of more than ``most`` bytes.
    """
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(most + 1), b""), 1):
            if len(line) > most:
                raise InputError(
                    f"{path}: line {number} is longer than {most >> 20} MB; write one line per row"
                )
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line.rstrip(b"\r\n")


def decode(cell: bytes) -> str:
    """Text in UTF-8, or else in Latin-1."""
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell.decode("latin-1")


def read_rows(
    path: Path,
    names: Sequence[str],
    roles: Roles,
    split: Split,
    lines: Iterable[tuple[int, bytes]],
    metadata: Mapping[str, str],
    notes: Sequence[str],
) -> Columns:
    """The columns of numbered lines; ``names`` are those of all columns.

    Raises:
        InputError: a line with too few or too many cells, text with a flaw, a cell that is no
            finite float32.
    """

    def refuse(position: int, why: str) -> NoReturn:
        raise InputError(f"{path}: line {number}, column '{names[position]}'{why}")

    features = bytearray()  # grows in place
    texts: dict[int, list[str]] = {position: [] for position in sorted(roles.texts)}
    known: dict[bytes, str] = {}
    numbers: list[int] = []
    for number, line in lines:
        cells = split(line, len(names))
        if len(cells) != len(names):
            raise InputError(
                f"{path}: line {number} has {max(len(cells), 1)} cells for {len(names)} columns; "
                "mend the line or take it out"
            )
        for position, column in texts.items():
            cell = cells[position].strip()
            text = known.get(cell)
            if text is None:
                text = from_spreadsheet(decode(cell))
                if (wrong := flaw(text)) and names[position].lower() != PASSPORT:
                    refuse(position, f" {wrong}")
                if position > 0:  # labels recur, names (which mostly come first) do not
                    known[cell] = text
            column.append(text)
        values = [cells[position] for position in roles.features]
        try:
            row = pa.array(values, pa.string()).cast(pa.float32()).to_numpy()
        except pa.ArrowInvalid:  # it reads fewer spellings than Python
            values = [cell.strip() for cell in values]
            for position, cell in zip(roles.features, values, strict=True):
                if not _NUMBER.fullmatch(cell):
                    refuse(position, _why_no_number(cell))
            with np.errstate(over="ignore"):  # refused below
                row = np.array(list(map(float, values))).astype(np.float32)
        for bad in np.flatnonzero(~np.isfinite(row))[:1]:
            refuse(list(roles.features)[bad], _why_no_number(values[bad]))
        features += row.tobytes()
        numbers.append(number)
    return Columns(
        place=str(path),
        roles=roles,
        texts={roles.texts[i]: cells for i, cells in texts.items() if roles.texts[i]},
        features=np.frombuffer(features, np.float32).reshape(-1, len(roles.features)),
        row_name=lambda row: f"line {numbers[row]}",
        metadata=metadata,
        notes=[*notes, *roles.notes],
    )


def _why_no_number(cell: bytes) -> str:
    shown = decode(cell[:40])
    if cell in (b"", b"?") or _NOT_FINITE.fullmatch(cell):
        return (
            f": the value is missing or infinite ({shown!r}); mend it, or take the row or the "
            "column out"
        )
    if _NUMBER.fullmatch(cell):
        return f": {shown} is beyond float32; rescale or take out the column"
    if _DECIMAL_COMMA.fullmatch(cell):
        return f": {shown!r} has a decimal comma; write decimal points"
    return f": {shown!r} is not a number; mend it, or take the column out"
