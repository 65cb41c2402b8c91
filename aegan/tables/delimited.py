"""CSV and TSV: SMILExtract's, audformat's, pandas' and our own."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

from aegan.data.cells import MISSING, is_nameless
from aegan.errors import InputError
from aegan.tables.roles import FRAMES, KEYS, Columns, Options, assign, no_feature
from aegan.tables.rows import MAX_COLUMNS, TRUTH, decode, lines_of, read_rows, split_named
from aegan.tables.text import from_spreadsheet, is_number

SEPARATORS = (b",", b";", b"\t", b"|")

_SAID = re.compile(rb'"?sep=(.)"?', re.IGNORECASE)


@lru_cache(maxsize=2)  # the files of a folder mostly have one header
def split_header(line: bytes, separators: Sequence[bytes] = SEPARATORS) -> tuple[bytes, list[str]]:
    """Separator and names of the columns; names in quotes may hold the separator."""
    header = decode(line)
    best: list[str] = []
    separator = separators[0]
    for candidate in separators:
        try:
            reader = csv.reader([header], delimiter=candidate.decode(), skipinitialspace=True)
            cells = next(reader, [])
        except csv.Error:
            continue
        if len(cells) > len(best):
            best, separator = cells, candidate
    return separator, [from_spreadsheet(cell.strip()) for cell in best]


def open_text(
    lines: Iterator[tuple[int, bytes]],
) -> tuple[tuple[int, bytes], bytes, list[str]]:
    """The line of the header, the separator and the names of the columns; takes them off ``lines``.

    Excel's ``sep=;`` before the header says the separator.
    """
    filled = (found for found in lines if found[1].strip())
    number, line = next(filled, (0, b""))
    if said := _SAID.fullmatch(line):
        number, line = next(filled, (0, b""))
        return (number, line), *split_header(line, (said[1],))
    return (number, line), *split_header(line)


def read_delimited(path: Path, options: Options) -> Columns:
    """The columns of a CSV or TSV file.

    Raises:
        InputError: a header or a row that cannot be understood, text where a feature should be.
    """
    lines = ((number, line) for number, line in lines_of(path) if line.strip())
    (header_number, first), separator, header = open_text(lines)
    if max(map(first.count, SEPARATORS)) >= MAX_COLUMNS:
        raise InputError(f"{path}: more than {MAX_COLUMNS} columns; not a feature table")
    if not header:
        raise InputError(f"{path}: no header; the first line has the names of the columns")
    number, line = next((found for found in lines if found[1] != first), (0, b""))
    if not number:
        raise InputError(f"{path}: no rows below the header; a table has one per recording")
    # SMILExtract's: a name in single quotes, then frameTime or features.
    frames = line.lstrip()[:1] == b"'" or header[1:2] and header[1].lower() in FRAMES
    smile = header[0].lower() == "name" and frames
    split = partial(_split_smile if smile else _split_csv, separator)
    try:
        cells = [decode(cell.strip()) for cell in split(line, len(header))]
    except ValueError:
        cells = []  # which the rows tell
    notes = []
    if not header[0] or is_nameless(header[0]):
        if not (any(name.lower() in KEYS for name in header) or not cells or is_number(cells[0])):
            notes.append("column 1 has no name; its text is taken as the names of the recordings")
            header = ["file", *header[1:]]
    # As pandas calls them. Without anything in them they are but separators at the ends of lines.
    names = [f"Unnamed: {i}" for i in range(len(header))]
    names = [f"{name}.1" if name in header else name for name in names]
    header = [name or nameless for name, nameless in zip(header, names, strict=True)]
    roles = assign(str(path), header, options)
    if 2 * sum(map(is_number, roles.features.values())) > len(roles.features):
        raise InputError(f"{path}: line {header_number} has no names of columns; add a header")
    empty = [i for i in roles.features if is_nameless(header[i]) and not "".join(cells[i : i + 1])]
    roles.texts.update({i: f"nameless {roles.features.pop(i)}" for i in empty})
    for position, name in roles.features.items() if len(cells) >= len(header) else ():
        cell = cells[position]
        if (
            cell not in MISSING
            and cell.encode() not in TRUTH
            and not is_number(cell.replace(",", "."))
        ):
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

    cells_may = {"finite": options.finite, "decimal_comma": separator != b","}
    columns = read_rows(path, header, roles, split, rows(), {}, notes, **cells_may)
    for name in (header[i] for i in empty):
        if any(columns.texts.pop(f"nameless {name}")):
            raise no_feature(str(path), f"column '{name}' has no name and empty cells", name)
    return columns


def _split_csv(separator: bytes, line: bytes, count: int) -> list[bytes]:
    """RFC 4180, with some separator."""
    if b'"' not in line:
        return line.split(separator)
    text = [line.decode("latin-1")]  # byte for byte
    rows = csv.reader(text, delimiter=separator.decode(), skipinitialspace=True, strict=True)
    try:
        cells = next(rows)
    except csv.Error as error:
        raise ValueError(f"a quote opens here that is not closed in this line ({error})") from None
    return "\n".join(cells).encode("latin-1").split(b"\n")


def _split_smile(separator: bytes, line: bytes, count: int) -> list[bytes]:
    """SMILExtract's CSV: a name in quotes, which escape nothing in it, then numbers."""
    return split_named(line.strip(), separator) or line.split(separator)
