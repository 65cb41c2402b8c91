"""CSV and TSV: SMILExtract's, audformat's, pandas' and our own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

from aegan.errors import InputError
from aegan.tables.roles import FRAMES, KEYS, Columns, Options, assign, no_feature
from aegan.tables.rows import MAX_COLUMNS, decode, lines_of, read_rows
from aegan.tables.text import from_spreadsheet, is_number

SEPARATORS = (b",", b";", b"\t", b"|")


@lru_cache(maxsize=2)  # the files of a folder mostly have one header
def split_header(line: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Separator and names of the columns; names in quotes may hold the separator."""
    header = decode(line)
    best: list[str] = []
    separator = SEPARATORS[0]
    for candidate in SEPARATORS:
        try:
            reader = csv.reader([header], delimiter=candidate.decode(), skipinitialspace=True)
            cells = next(reader, [])
        except csv.Error:
            continue
        if len(cells) > len(best):
            best, separator = cells, candidate
    return separator, tuple(from_spreadsheet(cell.strip()) for cell in best)


def read_delimited(path: Path, options: Options) -> Columns:
    """The columns of a CSV or TSV file.

    Raises:
        InputError: a header or a row that cannot be understood, text where a feature should be.
    """
    lines = ((number, line) for number, line in lines_of(path) if line.strip())
    header_number, first = next(lines, (0, b""))
    if max(map(first.count, SEPARATORS)) >= MAX_COLUMNS:
        raise InputError(f"{path}: more than {MAX_COLUMNS} columns; not a feature table")
    separator, header = split_header(first)
    if not header:
        raise InputError(f"{path}: no header; the first line has the names of the columns")
    number, line = next((found for found in lines if found[1] != first), (0, b""))
    if not number:
        raise InputError(f"{path}: no rows below the header; a table has one per recording")
    # SMILExtract's: a name in single quotes, then frameTime or features.
    frames = line.lstrip()[:1] == b"'" or header[1:2] and header[1].lower() in FRAMES
    smile = header[0].lower() == "name" and frames
    split = partial(_split_smile if smile else _split_csv, separator)
    cells = [decode(cell.strip()) for cell in split(line, len(header))]
    notes = []
    if not header[0] or header[0].startswith("Unnamed: "):
        has_key = any(name.lower() in KEYS for name in header)
        if has_key or not cells or not cells[0] or is_number(cells[0]):
            raise InputError(
                f"{path}: column 1 has no name (a row number of pandas?); write the table again "
                "with to_csv(index=False)"
            )
        notes.append("column 1 has no name; its text is taken as the names of the recordings")
        header = ("file", *header[1:])
    roles = assign(str(path), header, options)
    if 2 * sum(map(is_number, roles.features.values())) > len(roles.features):
        raise InputError(f"{path}: line {header_number} has no names of columns; add a header")
    for position, name in roles.features.items() if len(cells) == len(header) else ():
        cell = cells[position]
        if cell not in ("", "?") and not is_number(cell.replace(",", ".")):
            what = f"column '{name}' is text ('{cell[:40]}' in line {number})"
            raise no_feature(str(path), what, name)
    first_cell = first.partition(separator)[0] + separator

    def rows() -> Iterator[tuple[int, bytes]]:
        yield number, line
        repeated = 0
        for row in lines:
            if row[1] == first:
                repeated += 1
            elif row[1].startswith(first_cell):
                raise InputError(
                    f"{path}: line {row[0]} is another header than line {header_number}: rows of "
                    "other features were appended; keep them in a file of their own"
                )
            else:
                yield row
        if repeated:
            notes.append(f"{repeated} repeated header line{'s' * (repeated > 1)} left out")

    return read_rows(path, header, roles, split, rows(), {}, notes)


def _split_csv(separator: bytes, line: bytes, count: int) -> list[bytes]:
    """RFC 4180, with some separator."""
    if b'"' not in line:
        return line.split(separator)
    if line.count(b'"') % 2:  # a cell that goes on in the next line
        return []
    text = [line.decode("latin-1")]  # byte for byte
    try:
        cells = next(csv.reader(text, delimiter=separator.decode(), skipinitialspace=True))
    except csv.Error:
        return []
    return "\n".join(cells).encode("latin-1").split(b"\n")


def _split_smile(separator: bytes, line: bytes, count: int) -> list[bytes]:
    """SMILExtract's CSV: a name in single quotes, which escape nothing in it, then numbers."""
    # Only numbers follow the name: what they leave over is the name, separators and all.
    name, *rest = line.rsplit(separator, count - 1)
    name = name.strip()
    quoted = len(name) > 1 and name[:1] == name[-1:] and name[:1] in (b"'", b'"')
    return [name[1:-1] if quoted else name, *rest]
