"""Rows of text files: lines of bounded length, text cut out of them, and numbers read in bulk."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from aegan.errors import InputError
from aegan.tables.roles import PASSPORT, Columns, Roles
from aegan.tables.text import flaw

MAX_COLUMNS = 100_000

_MAX_LINE = 16 << 20  # bytes; a row of 100,000 features has about 1.3 MB
_CHUNK = 8 << 20  # bytes of text that are read together
_FEW = 8  # rows up to which Python is quicker than a bulk reader
# Possessive, so that no run of digits is tried in more than one way.
_NUMBER = re.compile(rb"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(rb"[+-]?\d++,\d++(?:[eE][+-]?\d++)?")
_ARFF_CELL = re.compile(
    rb"""\s*'([^'\\]*(?:\\.[^'\\]*)*)'\s*|\s*"([^"\\]*(?:\\.[^"\\]*)*)"\s*|([^,'"]*)""", re.DOTALL
)

_ARFF_PLAIN = re.compile(rb"""(?:[^,'"]*+,)++""")  # cells without quotes

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


def csv_split(sep: bytes) -> Split:
    """RFC 4180, with some separator."""

    def split(line: bytes, count: int) -> list[bytes]:
        if b'"' not in line:
            return line.split(sep)
        if line.count(b'"') % 2:  # a cell that goes on in the next line
            return []
        text = [line.decode("latin-1")]  # byte for byte
        try:
            cells = next(csv.reader(text, delimiter=sep.decode(), skipinitialspace=True))
        except csv.Error:
            return []
        return "\n".join(cells).encode("latin-1").split(b"\n")

    return split


def smile_split(sep: bytes) -> Split:
    """SMILExtract's CSV: a name in single quotes, which escape nothing in it, then numbers."""

    def split(line: bytes, count: int) -> list[bytes]:
        # Only numbers follow the name: what they leave over is the name, separators and all.
        name, *rest = line.rsplit(sep, count - 1)
        name = name.strip()
        quoted = len(name) > 1 and name[:1] == name[-1:] and name[:1] in (b"'", b'"')
        return [name[1:-1] if quoted else name, *rest]

    return split


def arff_split(line: bytes, count: int) -> list[bytes]:
    """ARFF: text in single or double quotes, with backslashes."""
    if b"'" not in line and b'"' not in line:
        return line.split(b",")
    cells, position = [], 0
    while True:
        if run := _ARFF_PLAIN.match(line, position):
            cells += run[0][:-1].split(b",")
            position = run.end()
        match = _ARFF_CELL.match(line, position)
        single, double, plain = match.groups()
        quoted = double if single is None else single
        cells.append(plain.strip() if quoted is None else unescape(quoted))
        position = match.end() + 1
        if line[match.end() : position] != b",":
            break
    if match.end() == len(line):
        return cells
    # Old versions of openSMILE escape nothing in the name.
    name, *rest = line.rsplit(b",", count - 1)
    if name[:1] == name[-1:] == b"'" and len(name) > 1 and not any(b"'" in cell for cell in rest):
        return [name[1:-1], *rest]
    return cells if len(cells) != count else []


def unescape(quoted: bytes) -> bytes:
    """What stands between the quotes of an ARFF text."""
    return re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if b"\\" in quoted else quoted


class Rows:
    """Reads rows whose text and numeric columns are known.

    pyarrow reads them in bulk. What it cannot is read cell by cell, which also finds the place of
    an error.
    """

    def __init__(
        self, path: Path, names: Sequence[str], roles: Roles, sep: bytes, split: Split
    ) -> None:
        """``names`` are those of all columns, ``sep`` and ``split`` part the cells of a line."""
        self._path, self._names, self._roles = path, names, roles
        self._sep, self._split = sep, split
        self._texts, self._numeric = sorted(roles.texts), sorted(roles.features)
        self._features = np.empty((self._most_rows(), len(self._numeric)), np.float32)
        self._cells: list[list[str]] = [[] for _ in self._texts]
        self._known: dict[bytes, str] = {}
        self._numbers: list[int] = []  # of all lines
        self._held: list[bytes] = []  # lines that are not read yet
        self._held_size = 0

    def add(self, number: int, line: bytes) -> None:
        """Takes line ``number`` (from 1)."""
        self._numbers.append(number)
        self._held.append(line)
        self._held_size += len(line)
        if self._held_size > _CHUNK:
            self._read_held()

    def finish(self, changed: bool, metadata: Mapping[str, str], notes: Sequence[str]) -> Columns:
        """All that was taken; ``changed`` is whether the user left columns out."""
        self._read_held()
        features = self._features[: len(self._numbers)]
        if 2 * len(features) < len(self._features):  # little of much: give the rest back
            features = features.copy()
        numbers = np.array(self._numbers, np.int64)
        texts = zip(self._texts, self._cells, strict=True)
        return Columns(
            place=str(self._path),
            roles=self._roles,
            texts={self._roles.texts[i]: cells for i, cells in texts if self._roles.texts[i]},
            features=features,
            row_name=lambda row: f"line {numbers[row]}",
            changed=changed,
            metadata=metadata,
            notes=[*notes, *self._roles.notes],
        )

    def _most_rows(self) -> int:
        """An upper bound of the rows: the lines, and what the file's size leaves room for."""
        with self._path.open("rb") as file:
            lines = 1 + sum(block.count(b"\n") for block in iter(lambda: file.read(_CHUNK), b""))
        # Every cell has a separator or line end, every number a digit.
        width = len(self._names) + len(self._numeric)
        return min(lines, self._path.stat().st_size // width + 1)

    def _read_held(self) -> None:
        held = self._held
        first = len(self._numbers) - len(held)
        if len(self._numbers) > len(self._features):
            raise InputError(f"{self._path}: grew while it was read; read it once it is whole")
        block = self._features[first : len(self._numbers)]
        rows = self._in_bulk(held, range(len(self._names)), block)
        if rows is None:
            self._cell_by_cell(first, block)
        else:
            for number, row in zip(self._numbers[first:], rows, strict=True):
                self._take_texts(number, row)
        for row, column in np.argwhere(~np.isfinite(block))[:1]:
            position = self._numeric[column]
            cell = self._split(held[row], len(self._names))[position]
            self._refuse(self._numbers[first + row], position, cell)
        self._held, self._held_size = [], 0

    def _in_bulk(
        self, lines: Sequence[bytes], positions: Sequence[int], block: np.ndarray
    ) -> list[Sequence[bytes]] | None:
        """Text of every row, its numbers put into ``block``; None if cells take a closer look.

        ``positions`` are those of the columns that the lines have.
        """
        data = b"\n".join(lines)
        if len(lines) <= _FEW or b"\r" in data:
            return None
        types = {str(i): pa.binary() if i in self._roles.texts else pa.float32() for i in positions}
        try:
            table = pcsv.read_csv(
                pa.py_buffer(data),
                pcsv.ReadOptions(column_names=list(types), block_size=len(data) + 1),
                pcsv.ParseOptions(
                    delimiter=self._sep.decode(), quote_char=False, ignore_empty_lines=False
                ),
                pcsv.ConvertOptions(column_types=types, null_values=[]),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != len(lines):
            return None
        for i, position in enumerate(self._numeric):
            block[:, i] = table.column(str(position)).to_numpy()
        texts = [table.column(str(i)).to_pylist() for i in positions if i in self._roles.texts]
        rows = list(zip(*texts, strict=True)) or [()] * len(lines)
        for i, row in enumerate(rows):
            joined = self._sep.join(row)
            if b"'" in joined or b'"' in joined:
                rows[i] = self._split(joined, len(row))
                if len(rows[i]) != len(row):  # a separator in quotes
                    return None
        return rows

    def _cell_by_cell(self, first: int, block: np.ndarray) -> None:
        rows = []
        for number, line in zip(self._numbers[first:], self._held, strict=True):
            rows.append(self._split(line, len(self._names)))
            if len(rows[-1]) != len(self._names):
                raise InputError(
                    f"{self._path}: line {number} has {max(len(rows[-1]), 1)} cells for "
                    f"{len(self._names)} columns; mend the line or take it out"
                )
            self._take_texts(number, [rows[-1][i] for i in self._texts])
        joined = [self._sep.join([row[i] for i in self._numeric]) for row in rows]
        if self._in_bulk(joined, self._numeric, block) is None:
            with np.errstate(over="ignore"):  # the caller refuses infinity
                for number, row, values in zip(self._numbers[first:], rows, block, strict=True):
                    values[:] = [self._number(number, i, row[i]) for i in self._numeric]

    def _number(self, number: int, position: int, cell: bytes) -> float:
        if not _NUMBER.fullmatch(cell.strip()):
            self._refuse(number, position, cell)
        return float(cell)

    def _take_texts(self, number: int, row: Sequence[bytes]) -> None:
        for position, cells, cell in zip(
            self._texts, self._cells, map(bytes.strip, row), strict=True
        ):
            text = self._known.get(cell)
            if text is None:
                text = decode(cell)
                wrong = flaw(text)
                if wrong and self._names[position].lower() != PASSPORT:
                    raise InputError(f"{self._place(number, position)} {wrong}")
                if position > 0:  # labels recur, names (which mostly come first) do not
                    self._known[cell] = text
            cells.append(text)

    def _refuse(self, number: int, position: int, cell: bytes) -> NoReturn:
        place = self._place(number, position)
        cell = cell.strip()
        shown = decode(cell[:40])
        if cell in (b"", b"?") or _NOT_FINITE.fullmatch(cell):
            raise InputError(
                f"{place}: the value is missing or infinite ({shown!r}); "
                "mend it, or take the row or the column out"
            )
        if _NUMBER.fullmatch(cell):
            raise InputError(f"{place}: {shown} is beyond float32; rescale or take out the column")
        if _DECIMAL_COMMA.fullmatch(cell):
            raise InputError(f"{place}: {shown!r} has a decimal comma; write decimal points")
        raise InputError(f"{place}: {shown!r} is not a number; mend it, or take the column out")

    def _place(self, number: int, position: int) -> str:
        return f"{self._path}: line {number}, column '{self._names[position]}'"
