"""Rows of text files: lines of bounded length, cut into cells of text and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import pyarrow as pa

from aegan.data.cells import MISSING
from aegan.data.names import cut, flaw
from aegan.errors import InputError
from aegan.tables.roles import PASSPORT, Columns, Roles
from aegan.tables.text import from_spreadsheet, listed

MAX_COLUMNS = 100_000
T = TypeVar("T", str, bytes)

_MAX_LINE = 16 << 20  # bytes; a row of 100,000 features has about 1.3 MB
# Possessive, so that no run of digits is tried in more than one way.
_NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_PART_OF_NUMBER = re.compile(rb"[-+.\deEnafiNAFI]*")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(rb"[+-]?\d++,\d++(?:[eE][+-]?\d++)?")
TRUTH = {
    b"True": b"1",
    b"TRUE": b"1",
    b"true": b"1",
    b"False": b"0",
    b"FALSE": b"0",
    b"false": b"0",
}
# A line and the number of cells that it should have -> its cells; ValueError says what is broken.
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


def fitted(place: str, cells: list[T], count: int) -> list[T]:
    """The cells of a row of ``count`` columns; more of them may follow if they are empty.

    Raises:
        InputError: too few or too many.
    """
    if len(cells) == count or (len(cells) > count and not any(map(_strip, cells[count:]))):
        return cells[:count]
    many, mend = len(cells) - count, "mend the line or take it out"
    if many >= count - 1 > 1:
        mend = "it may be two rows glued by programs that wrote at once; extract them again"
    elif many > 0:
        mend = "quote what holds a separator, or take out what is too much"
    raise InputError(f"{place} has {max(len(cells), 1)} cells for {count} columns; {mend}")


def _strip(cell: T) -> T:
    return cell.strip()


def split_named(line: bytes, separator: bytes) -> list[bytes] | None:
    """The cells of a name in quotes, which may hold anything, and numbers; None without a quote.

    Raises:
        ValueError: another row begins within the line.
    """
    quote = line[:1]
    end = line.rfind(quote + separator)
    if quote not in (b"'", b'"') or end < 1:
        return None
    name = line[1:end]
    for rest in name.split(quote + separator)[1:]:
        *numbers, last = rest.split(separator)
        number, glued, _ = last.partition(quote)
        if glued and (_PART_OF_NUMBER.fullmatch(number) or any(map(_NUMBER.fullmatch, numbers))):
            raise ValueError(
                "two rows are glued together, as by programs that write at once; extract them again"
            )
    return [name, *line[end + 2 :].split(separator)]


def read_rows(
    path: Path,
    names: Sequence[str],
    roles: Roles,
    split: Split,
    lines: Iterable[tuple[int, bytes]],
    metadata: Mapping[str, str],
    notes: Sequence[str],
    declared: Mapping[int, Collection[str]] | None = None,
    finite: bool = True,
    decimal_comma: bool = False,
) -> Columns:
    """The columns of numbered lines; ``names`` are those of all columns.

    ``declared`` has the values that the file says a column of text may have, by its position.
    Without ``finite`` cells that hold no number are NaN. ``decimal_comma``: numbers may have one,
    if all do.

    Raises:
        InputError: a line with too few or too many cells, text with a flaw or not declared, a cell
            that is no finite float32.
    """

    def refuse(position: int, why: str) -> NoReturn:
        raise InputError(f"{path}: line {number}, column '{names[position]}'{why}")

    def with_points(values: list[bytes]) -> list[bytes]:
        for position, cell in zip(roles.features, values, strict=True):
            if b"." in cell:
                refuse(
                    position, f": {decode(cell)!r} in a file with decimal commas; write one kind"
                )
        return [cell.replace(b",", b".") for cell in values]

    commas, features = False, bytearray()  # grows in place
    texts: dict[int, list[str]] = {position: [] for position in sorted(roles.texts)}
    seen: dict[tuple[int, bytes], str] = {}
    numbers: list[int] = []
    for number, line in lines:
        try:
            cells = fitted(f"{path}: line {number}", split(line, len(names)), len(names))
        except ValueError as error:
            raise InputError(f"{path}: line {number}: {error}") from None
        for position, column in texts.items():
            cell = cells[position].strip()
            text = seen.get((position, cell))
            if text is None:
                text = from_spreadsheet(decode(cell))
                options = (declared or {}).get(position) if roles.texts[position] else None
                if options and text not in options and text not in MISSING:
                    what = f"{cut(text)!r} is none of its declared values"
                    refuse(position, f": {what} ({listed(options, 8)}); mend it or declare it")
                if (wrong := flaw(text)) and names[position].lower() != PASSPORT:
                    refuse(position, f" {wrong}")
                if position > 0:  # labels recur, names (which mostly come first) do not
                    seen[position, cell] = text
            column.append(text)
        values = [cells[position] for position in roles.features]
        values = with_points(values) if commas else values
        try:
            row = pa.array(values, pa.string()).cast(pa.float32()).to_numpy()
        except pa.ArrowInvalid:  # it reads fewer spellings than Python
            values = [cell.strip() for cell in values]
            if decimal_comma and not commas and any(map(_DECIMAL_COMMA.fullmatch, values)):
                earlier = np.frombuffer(bytes(features), np.float32)
                commas = np.isnan(earlier) | (earlier == np.floor(earlier))
                commas = bool(commas.all())  # else decimal points came before
                values = with_points(values) if commas else values
            for i, (position, cell) in enumerate(zip(roles.features, values, strict=True)):
                values[i] = cell = TRUTH.get(cell, cell)
                if not finite and _is_missing(cell):
                    values[i] = b"nan"
                elif not _NUMBER.fullmatch(cell):
                    refuse(position, _why_no_number(cell))
            with np.errstate(over="ignore"):  # refused below
                row = np.array(list(map(float, values))).astype(np.float32)
        for bad in np.flatnonzero(~np.isfinite(row))[:1] if finite else ():
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


def _is_missing(cell: bytes) -> bool:
    return decode(cell) in MISSING or _NOT_FINITE.fullmatch(cell) is not None


def _why_no_number(cell: bytes) -> str:
    shown = decode(cell[:40])
    if _is_missing(cell):
        return (
            f": the value is missing or infinite ({shown!r}); mend it, take the row or the column "
            "out, or let --missing do so"
        )
    if _NUMBER.fullmatch(cell):
        return f": {shown} is beyond float32; rescale or take out the column"
    if _DECIMAL_COMMA.fullmatch(cell):
        return f": {shown!r} has a decimal comma beside decimal points; write points in all cells"
    return f": {shown!r} is not a number; mend it, or take the column out"
